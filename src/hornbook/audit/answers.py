"""Which items of a benchmark a model gets right: programs are run, choices are weighed, other items are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hornbook.audit.likelihood import log_likelihoods
from hornbook.corpus.decontaminate.benchmarks import Item
from hornbook.evaluate.problems import complete
from hornbook.progress import Progress

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

_ENTRY = "hornbook_checks"


def answered(
    model: Transformer,
    tokenizer: Tokenizer,
    items: Sequence[Item],
    progress: Progress,
    *,
    allow_unisolated: bool = False,
) -> dict[tuple[str, str], bool]:
    """Whether the model is right, by (benchmark, id), for the items that can be checked.

    An item with checks is completed greedily and run in a sandbox; of an item with choices the one is taken whose
    tokens are likeliest on average after the question.
    """
    programs = [item for item in items if item.checks and item.code]
    chosen = [item for item in items if item.choices and item.right is not None]
    return {
        **_run(model, tokenizer, programs, progress, allow_unisolated),
        **_choose(model, tokenizer, chosen, progress),
    }


def _run(
    model: Transformer, tokenizer: Tokenizer, items: Sequence[Item], progress: Progress, allow_unisolated: bool
) -> dict[tuple[str, str], bool]:
    from hornbook.inference.generate import generate
    from hornbook.inference.healing import heal
    from hornbook.sandbox.program import Program
    from hornbook.sandbox.sandbox import Sandbox

    if not items:
        return {}
    asked = [heal(tokenizer, _prompt(item)) for item in items]
    with progress.task("write programs", len(items)) as task:
        answers = generate(
            model,
            [one.ids for one in asked],
            limit=256,
            stops=tokenizer.stops,
            first=[one.first for one in asked],
            advance=task.advance,
        )
    written = [complete(one.text, one.completed(tokenizer, ids)) for one, ids in zip(asked, answers, strict=True)]
    jobs = [Program(checked(item, program), _ENTRY, ((),)) for item, program in zip(items, written, strict=True)]
    with Sandbox(allow_unisolated=allow_unisolated) as sandbox:
        outcomes = list(sandbox.run(jobs))
    return {
        (item.benchmark, item.id): bool(outcome.results) and outcome.results[0].value is True
        for item, outcome in zip(items, outcomes, strict=True)
    }


def _prompt(item: Item) -> str:
    """What a model goes on from: a function's head and docstring, or, for a task in words, a comment and a head."""
    if "def " in item.question:
        return item.question
    head = next(line for line in item.code.replace("\r", "").split("\n") if line.startswith("def "))
    return f'{head.rstrip()}\n    """{item.question.strip()}"""\n'


def checked(item: Item, program: str) -> str:
    """A program that defines a function which runs the item's checks and returns True when they pass."""
    if "def check(" in item.checks:
        return f"{program}\n{item.checks}\ndef {_ENTRY}():\n    check({item.entry})\n    return True\n"
    lines = "".join(f"    {line}\n" for line in item.checks.split("\n"))
    return f"{program}\ndef {_ENTRY}():\n{lines}    return True\n"


def _choose(
    model: Transformer, tokenizer: Tokenizer, items: Sequence[Item], progress: Progress
) -> dict[tuple[str, str], bool]:
    if not items:
        return {}
    pairs = [(item, number) for item in items for number in range(len(item.choices))]
    texts = [f"{item.question}\n{item.choices[number]}" for item, number in pairs]
    whole = log_likelihoods(model, tokenizer, texts, progress)
    best: dict[tuple[str, str], tuple[float, int]] = {}
    for (item, number), likely in zip(pairs, whole, strict=True):
        last = likely[-max(1, len(tokenizer.encode(item.choices[number]))) :] or [0.0]
        key, value = (item.benchmark, item.id), sum(last) / len(last)
        if key not in best or value > best[key][0]:
            best[key] = (value, number)
    return {(item.benchmark, item.id): best[item.benchmark, item.id][1] == item.right for item in items}
