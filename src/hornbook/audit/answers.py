"""Which items of a benchmark a model gets right: programs are run, choices are weighed, other items are left out."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from hornbook.audit.likelihood import log_likelihoods
from hornbook.corpus.decontaminate.benchmarks import Item
from hornbook.evaluate.problems import complete
from hornbook.progress import Progress
from hornbook.sandbox.judge import Checks

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer


def answered(
    model: Transformer,
    tokenizer: Tokenizer,
    items: Sequence[Item],
    progress: Progress,
    *,
    allow_unisolated: bool = False,
) -> dict[tuple[str, str], bool]:
    """Whether the model is right, by (benchmark, id), for the items that can be checked.

    An item with checks is completed greedily, and its own tests judge that in a sandbox, apart from the program (see
    `hornbook.sandbox.judge`); it is left out where its own solution does not pass either. Of an item with choices the
    one is taken whose tokens are likeliest on average after the question.
    """
    programs = [item for item in items if has_tests(item) and _prompt(item)]
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
    from hornbook.sandbox.judge import judge
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
    right: dict[tuple[str, str], bool] = {}
    with Sandbox(allow_unisolated=allow_unisolated) as sandbox, progress.task("run tests", len(items)) as task:
        for item, one, ids in zip(items, asked, answers, strict=True):
            checks = checks_of(item)
            passed = not judge(sandbox, checks, complete(one.text, one.completed(tokenizer, ids)))
            if passed or not judge(sandbox, checks, checks.code):
                right[item.benchmark, item.id] = passed
            task.advance()
    return right


def has_tests(item: Item) -> bool:
    """Whether there is something to run for an item."""
    return bool(item.checks and item.code)


def checks_of(item: Item) -> Checks:
    """The tests of an item that has some."""
    return Checks(item.code, _entry(item), item.checks)


def _entry(item: Item) -> str:
    """The name of the function that is to be written; empty where it is not known."""
    function = None if item.entry else _function(item)
    return function.name if function else item.entry


def _function(item: Item) -> ast.FunctionDef | None:
    """The function of the solution that is named, or else the last one that the tests use."""
    try:
        solution, checks = ast.parse(item.code), ast.parse(item.checks)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = {item.entry} if item.entry else {node.id for node in ast.walk(checks) if isinstance(node, ast.Name)}
    functions = [node for node in solution.body if isinstance(node, ast.FunctionDef)]
    return next((function for function in reversed(functions) if function.name in names), None)


def _prompt(item: Item) -> str:
    """What a model goes on from: a function's head and docstring, or, for a task in words, the head of the solution's
    function and the task; empty where it is not known which function is asked for.
    """
    if "def " in item.question:
        return item.question if _entry(item) else ""
    function = _function(item)
    if function is None:
        return ""
    function.body, function.decorator_list = [ast.Pass()], []
    head = ast.unparse(function).rsplit("\n", 1)[0]
    return f'{head}\n    """{item.question.strip()}"""\n'


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
        key, value = (item.benchmark, item.id), fmean(last)
        if key not in best or value > best[key][0]:
            best[key] = (value, number)
    return {(item.benchmark, item.id): best[item.benchmark, item.id][1] == item.right for item in items}
