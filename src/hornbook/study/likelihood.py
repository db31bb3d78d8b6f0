"""How likely a model finds the right bodies of held-out problems, and by how much likelier than wrong ones.

Neither depends on one token that tips an answer, so both have a fraction of pass@1's noise. Each pair is a right body
and the same with one slip of the pen that the problem's calls notice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from hornbook.evaluate.problems import Problem, what_is_wrong
from hornbook.sandbox.program import Limits, Program
from hornbook.sandbox.sandbox import Sandbox
from hornbook.teacher.builtin.preferences import SLIPS


@dataclass(frozen=True)
class Pair:
    """A problem's opening, its right body, and a wrong one where a slip makes one."""

    prompt: str
    right: str
    wrong: str | None


def pairs(problems: Sequence[Problem], *, allow_unisolated: bool = False, seconds: float = 2.0) -> list[Pair]:
    """For each problem the first slip that its calls notice; `seconds`: time limit of one program in the sandbox."""
    tried = [
        (number, problem.solution.replace(*slip, 1))
        for number, problem in enumerate(problems)
        for slip in SLIPS
        if slip[0] in problem.solution and "while" not in problem.solution  # a slip there makes an endless loop
    ]
    programs = [
        Program(problems[number].prompt + body, problems[number].name, problems[number].calls) for number, body in tried
    ]
    wrong: dict[int, str] = {}
    with Sandbox(Limits(seconds=seconds), allow_unisolated=allow_unisolated) as sandbox:
        for (number, body), outcome in zip(tried, sandbox.run(programs), strict=True):
            if outcome.status == "ok" and what_is_wrong(problems[number], outcome):
                wrong.setdefault(number, body)
    return [Pair(one.prompt, one.solution, wrong.get(number)) for number, one in enumerate(problems)]


def likelihoods(model: Path, asked: Sequence[Pair]) -> tuple[dict[str, float], list[Pair]]:
    """`right`: nats a token of right bodies; `body`: nats a body; `margin`: nats by which the right one of a pair is
    likelier, its mean. In fp32. And what they are of: problems longer than the model's context are left out.
    """
    from hornbook.inference.likelihood import Reader, Scored, Together, common
    from hornbook.machine import dtype
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    tokenizer, loaded = Tokenizer(model), checkpoint.load(model, dtype=dtype("fp32"))
    fitting, questions, tokens = [], [], 0
    for pair in asked:
        opening = tokenizer.encode_prompt(pair.prompt)
        bodies = [tokenizer.encode_prompt(pair.prompt + body) for body in (pair.right, pair.wrong) if body is not None]
        if max(map(len, bodies)) > loaded.config.context + 1:
            continue
        fitting.append(pair)
        # Where the last token of the opening goes on into the body, it counts as the body's, in both alike.
        begin = max(1, min(common(opening, ids) for ids in bodies))
        questions.append(Together([Scored(ids, begin) for ids in bodies]))
        tokens += len(bodies[0]) - begin
    found = list(Reader(loaded).score(questions))
    if not found:
        return {}, fitting
    nats = -sum(answer[0].logprob for answer in found)
    apart = [answer[0].logprob - answer[1].logprob for answer in found if len(answer) > 1]
    figures = {"right": nats / tokens, "body": nats / len(found)}
    return figures | ({"margin": fmean(apart)} if apart else {}), fitting


def tokens_a_character(validation: Path, model: Path) -> dict[str, float]:
    """By source, how many of the tokens that validation losses are of make a character; `validation`: the tokens
    stage's. With it a loss a token becomes one a character, which models of different tokenizers share.
    """
    import numpy as np

    from hornbook.model.tokenizers import Tokenizer
    from hornbook.tokens import shards

    tokenizer = Tokenizer(model)
    pad = shards.pad_of(validation, tokenizer)
    found = {}
    for source in shards.names(validation):
        rows = np.asarray(shards.read(validation, source), dtype=np.int64)[:, 1:]  # the first of a row is given
        ids = [row[row != pad].tolist() for row in rows]
        characters = sum(len(tokenizer.decode(row)) for row in ids)
        if characters:
            found[source] = sum(map(len, ids)) / characters
    return found
