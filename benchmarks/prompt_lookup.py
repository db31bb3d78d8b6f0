"""How much faster texts are made by prompt look-up: where they copy what was read, and elsewhere.

python benchmarks/prompt_lookup.py MODEL --books BOOK [BOOK ...] --code HUMANEVAL --questions GSM8K --stories STORIES
    [--prompts 8] [--tokens 200] [--repeats 3] [--batch 8] [--threads 1] [--dtype fp32] [--into FILE.json]

MODEL: a folder with a chat template. BOOK, STORIES: .jsonl.gz of rows with a "text"; HUMANEVAL, GSM8K: as published.
Every prompt is answered without and with look-up in turns, whole each time; both texts must be equal. A second is one
of the processor where one thread computes. Ratios: seconds behind the first token without look-up over those with it,
all prompts of a kind together; the least and most of its prompts; and the whole answer's, its prompt included.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hornbook import machine
from hornbook.files import write_json
from hornbook.inference.executor import Executor
from hornbook.inference.opening import open_scheduler
from hornbook.inference.sampling import Sampling
from hornbook.inference.scheduler import Request, Scheduler
from hornbook.model.tokenizers import Tokenizer

SUMMARISE = "Summarize the following text.\n\n{}"
EDITS = {
    "edit: add lines": "```python\n{}\n```\n\nAdd a line that prints the result before each return. Write the whole "
    "code again.",
    "edit: add types": "Add type hints and comments to this code. Give back the whole code.\n\n```python\n{}\n```",
    "edit: rename": "Rename the function to `solve` and give back the whole code.\n\n```python\n{}\n```",
}
PASSAGE = 2400  # characters of a text that is summarised


def rows(path: Path) -> list[dict[str, Any]]:
    """What a .jsonl.gz holds."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def some(all_of_them: Sequence[str], count: int) -> list[str]:
    """So many of them, from beginning to end."""
    return [all_of_them[index * len(all_of_them) // count] for index in range(count)]


def kinds(given: argparse.Namespace, tokenizer: Tokenizer) -> dict[str, list[list[int]]]:
    """Prompts of each kind, as ids."""

    def chat(texts: Sequence[str], template: str = "{}") -> list[list[int]]:
        return [tokenizer.chat([{"role": "user", "content": template.format(text)}]) for text in texts]

    passages = [row["text"] for book in given.books for row in rows(book) if len(row["text"]) > PASSAGE]
    code = [(row["prompt"] + row["canonical_solution"]).strip() for row in rows(given.code)]
    stories = [row["text"][:300] for row in rows(given.stories)]
    return {
        "summarise": chat([text[:PASSAGE] for text in some(passages, given.prompts)], SUMMARISE),
        **{kind: chat(some(code, given.prompts), asked) for kind, asked in EDITS.items()},
        "questions": chat(some([row["question"] for row in rows(given.questions)], given.prompts)),
        "stories": [tokenizer.encode_prompt(text) for text in some(stories, given.prompts)],
    }


def answered(executor: Executor, requests: Sequence[Request], prompt_lookup: bool, threads: int) -> dict[str, Any]:
    """All of them side by side: their tokens, seconds until each had its first one, and behind that."""
    clock = time.process_time if threads == 1 else time.perf_counter
    scheduler = Scheduler(executor, prompt_lookup=prompt_lookup)
    answers = [scheduler.submit(request) for request in requests]
    start = clock()
    while not all(answer.tokens or answer.finish for answer in answers):
        scheduler.step()
    first = clock()
    while scheduler.busy:
        scheduler.step()
    return {
        "ids": [[token.id for token in answer.tokens] for answer in answers],
        "steps": clock() - first,
        "whole": clock() - start,
        "guessed": sum(answer.guessed for answer in answers),
        "accepted": sum(answer.accepted for answer in answers),
    }


def measured(executor: Executor, batches: Sequence[Sequence[Request]], repeats: int, threads: int) -> dict[str, Any]:
    """A kind's figures, from batches of requests."""
    without, beside = [], []
    for requests in batches:
        turns: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        for turn in range(repeats):
            for prompt_lookup in (False, True) if turn % 2 == 0 else (True, False):
                turns[prompt_lookup].append(answered(executor, requests, prompt_lookup, threads))
        if any(one["ids"] != turns[False][0]["ids"] for one in turns[False] + turns[True]):
            raise SystemExit("a text depends on whether it was looked up")
        for found, into in zip(turns.values(), (without, beside), strict=True):
            seconds = {key: statistics.median(one[key] for one in found) for key in ("steps", "whole")}
            into.append(found[0] | seconds)
    tokens = sum(len(ids) for one in without for ids in one["ids"])
    steps = [(one["steps"], other["steps"]) for one, other in zip(without, beside, strict=True)]
    total = {key: sum(one[key] for one in without) / sum(one[key] for one in beside) for key in ("steps", "whole")}
    return {
        "tokens": tokens,
        "tokens_a_second_without": tokens / sum(one for one, _ in steps),
        "tokens_a_second": tokens / sum(other for _, other in steps),
        "ratio": total["steps"],
        "least": min(one / other for one, other in steps),
        "most": max(one / other for one, other in steps),
        "ratio_with_prompt": total["whole"],
        "accepted": sum(one["accepted"] for one in beside) / tokens,
        "guessed": sum(one["guessed"] for one in beside) / tokens,
    }


def main() -> None:
    """Measure every kind, greedy and sampled, alone and side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--books", type=Path, nargs="+", required=True)
    for name in ("code", "questions", "stories"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name, default in (("prompts", 8), ("tokens", 200), ("repeats", 3), ("batch", 8), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype")
    parser.add_argument("--note", default="", help="what else the machine did")
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    tokenizer = Tokenizer(given.model)
    executor = open_scheduler(given.model, dtype=given.dtype, threads=given.threads, most=given.batch)._executor
    results: dict[str, dict[str, Any]] = {}
    for kind, prompts in kinds(given, tokenizer).items():
        greedy = [Request(ids[: executor.context // 2], given.tokens, tokenizer.stops) for ids in prompts]
        sampled = [
            replace(request, sampling=Sampling(temperature=0.8, seed=index)) for index, request in enumerate(greedy)
        ]
        for how, requests in (("greedy", greedy), ("sampled", sampled)):
            results[f"{kind}, {how}"] = measured(executor, [[one] for one in requests], given.repeats, given.threads)
            if given.batch > 1:
                beside = [requests[at : at + given.batch] for at in range(0, len(requests), given.batch)]
                name = f"{kind}, {how}, {given.batch} side by side"
                results[name] = measured(executor, beside, given.repeats, given.threads)
        print(json.dumps({name: one for name, one in results.items() if name.startswith(kind)}, indent=1), flush=True)
        if given.into:
            about = {
                "model": given.model.name,
                "machine": machine.describe(),
                "threads": given.threads,
                "note": given.note,
            }
            about["executor"] = f"{type(executor).__name__}, {getattr(executor, 'kernels', given.dtype)}"
            write_json(given.into, {"model": given.model.name, **about, "results": results})


if __name__ == "__main__":
    main()
