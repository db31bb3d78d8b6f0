"""Beside lm-evaluation-harness: the same rows, asked with its own pages, and the time that each takes.

    python benchmarks/against_lm_eval.py MODEL --data FOLDER [--rows 200]
    python benchmarks/against_lm_eval.py MODEL --data FOLDER --speed mmlu,hellaswag,gsm8k [--rows 100]
    python benchmarks/against_lm_eval.py --data FOLDER --pages

It needs the extra `eval` and a model folder. Parity: for each benchmark whose data the folder has, lm-eval's own page,
pointed at rows that Hornbook read, makes the requests; prompts must be equal word for word, log-likelihoods within
1e-3, picks and scores alike. Speed: six whole subjects of MMLU with five examples, HellaSwag, GSM8K: portion by
portion, each of the two in turn, in processor time too, which other work on the machine disturbs least; lm-eval's
batch is the one of 1, 4, 8 and 16 that is fastest on the first portion's beginning. Pages: every row of each
benchmark, without the model: prompts must be equal, and answers made of the right ones, and of other rows' right ones,
must come to the same scores; it takes the packages of `lm_eval[math]`.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

from lm_eval_pages import PAGES, requests_of

from hornbook.evaluate.exam.candidate import LocalModel, pairs
from hornbook.evaluate.exam.declaration import benchmarks
from hornbook.evaluate.exam.rules import RULES
from hornbook.machine import describe
from hornbook.runs.manifest import versions

# Which of our metrics is what lm-eval's filter and metric come to.
METRICS = {
    ("flexible-extract", "exact_match"): "exact",
    ("strict-match", "exact_match"): "strict",
    ("remove_whitespace", "exact_match"): "exact",
    ("none", "math_verify"): "exact",
}


def pages(name: str, data: Path, folder: Path) -> dict[str, Any]:
    """All prompts of a benchmark beside lm-eval's, and scores of made answers where answers are written."""
    asked, instances, tasks = requests_of(name, data, None, folder)
    benchmark, told = benchmarks()[name], {"rows": len(asked), "prompts_that_differ": prompts_differ(asked, instances)}
    if RULES[benchmark.score].ask != "text":
        return told
    told |= {"answers": 0, "scores_that_differ": 0, "right": 0, "differing": []}
    score = RULES[benchmark.score].score
    for texts in made_answers(asked):
        theirs = scored(tasks, texts)
        for question, text, row in zip(asked, texts, theirs, strict=True):
            own = score(benchmark, question, text)["metrics"]
            if row.keys() != own.keys():
                raise SystemExit(f"{name}: lm-eval's {sorted(row)} are not our {sorted(own)}")
            told["answers"] += 1
            told["right"] += own["exact"] > 0
            if row != own:
                told["scores_that_differ"] += 1
                told["differing"] = [*told["differing"], [text, question.targets[:3], own, row]][:20]
    return told


def prompts_differ(asked: Any, instances: list[Any]) -> int:
    """How many of lm-eval's prompts, with the continuation that is scored where there is one, are not ours."""
    said = ["".join(part for part in one.args if isinstance(part, str)) for one in instances]
    mine = [
        text
        for question in asked
        for text in (
            [before + after for before, after in pairs(question, question.shared())]
            or [question.shared() + question.prompts[0]]
        )
    ]
    return sum(a != b for a, b in zip(said, mine, strict=True))


def made_answers(asked: Any) -> list[list[str]]:
    """Ways to say the right answer, or something like it: each a list with an answer to every question."""
    right = [question.targets[0] for question in asked]
    other = [*right[1:], right[0]]
    ways: list[Callable[[str, str], str]] = [
        lambda a, _: f" {a}",
        lambda _, b: f" {b}",
        lambda a, b: f" First {b}, then the answer is {a}.",
        lambda a, b: f" {b} and {a}, so #### {a}\nBut {b}",
        lambda a, _: f"\n\n{a.upper()}!",
        lambda a, _: f" The answer is ${a}.00, or {a}%",
        lambda a, _: f" -{a}",
        lambda a, _: f" {a},000",
        lambda _, __: "",
        lambda _, __: " No idea.",
    ]
    return [[way(a, b) for a, b in zip(right, other, strict=True)] for way in ways]


def scored(tasks: list[Any], texts: list[str]) -> list[dict[str, float]]:
    """What lm-eval's filters and metrics make of an answer to each of its requests, by our names."""
    rows: list[dict[str, float]] = []
    for task in tasks:
        for one in task.instances:
            one.resps, one.filtered_resps = [texts[len(rows)]], {}
            rows.append({})
        task.apply_filters()
        for one, row in zip(task.instances, rows[-len(task.instances) :], strict=True):
            for name, answer in one.filtered_resps.items():
                for metric, value in task.process_results(one.doc, [answer]).items():
                    if ours := METRICS.get((name, metric)):
                        row[ours] = float(value)
    return rows


def parity(name: str, ours: LocalModel, theirs: Any, data: Path, limit: int, folder: Path) -> dict[str, Any]:
    """How far the two differ on the first rows of a benchmark."""
    asked, instances, _ = requests_of(name, data, limit, folder)
    rule = RULES[benchmarks()[name].score]
    if rule.ask != "likelihood":
        return _texts(name, asked, instances, ours, theirs)
    answered = list(ours.likelihoods(asked))
    reference = theirs.loglikelihood(instances, disable_tqdm=True)
    found = differences(asked, answered, instances, reference, theirs)
    return {"prompts_that_differ": prompts_differ(asked, instances), **found}


def differences(asked: Any, answered: Any, instances: list[Any], reference: list[Any], theirs: Any) -> dict[str, Any]:
    """How far log-likelihoods, picks and greedy answers differ; the worst request beside float64."""
    found = [one for row in answered for one in row.found]
    gaps = [abs(a.logprob - b[0]) for a, b in zip(found, reference, strict=True)]
    picks, at = 0, 0
    for question, row in zip(asked, answered, strict=True):
        their = [one[0] for one in reference[at : at + len(question.answers)]]
        own = [one.logprob for one in row.found]
        picks += their.index(max(their)) != own.index(max(own))
        at += len(question.answers)
    worst = gaps.index(max(gaps))
    true, tokens = exactly(theirs, *instances[worst].args)
    return {
        "rows": len(asked),
        "requests": len(gaps),
        "largest_difference": max(gaps),
        "picks_that_differ": picks,
        "greedy_that_differ": sum(a.greedy != b[1] for a, b in zip(found, reference, strict=True)),
        "worst": {
            "tokens": tokens,
            "float64": true,
            "hornbook_minus_float64": found[worst].logprob - true,
            "lm_eval_minus_float64": reference[worst][0] - true,
        },
    }


def exactly(theirs: Any, context: str, answer: str) -> tuple[float, int]:
    """A log-likelihood by transformers in float64, and how many tokens it sums."""
    import torch

    before, after = theirs._encode_pair(context, answer)
    model = copy.deepcopy(theirs.model).double()
    with torch.inference_mode():
        logits = model(torch.tensor([[*before, *after][:-1]])).logits[0, len(before) - 1 :].log_softmax(-1)
    return float(logits.gather(1, torch.tensor(after)[:, None]).sum()), len(after)


def _texts(name: str, asked: Any, instances: list[Any], ours: LocalModel, theirs: Any) -> dict[str, Any]:
    benchmark = benchmarks()[name]
    mine = list(ours.texts(asked, benchmark.until, benchmark.new_tokens))
    return texts_differ(asked, mine, instances, written(theirs, instances, benchmark.new_tokens))


def written(theirs: Any, instances: list[Any], new_tokens: int) -> list[str]:
    """lm-eval's answers, of as many tokens as ours may have."""
    for one in instances:
        one.args[1]["max_gen_toks"] = new_tokens
    return theirs.generate_until(instances, disable_tqdm=True)


def texts_differ(asked: Any, answered: Any, instances: list[Any], reference: list[Any]) -> dict[str, Any]:
    """How many prompts and greedy answers differ, and the two answers of each question that has two."""
    apart = [(a.found, b) for a, b in zip(answered, reference, strict=True) if a.found.strip() != b.strip()]
    return {
        "rows": len(asked),
        "prompts_that_differ": prompts_differ(asked, instances),
        "answers_that_differ": len(apart),
        "differing": apart,
    }


SUBJECTS = (
    *("abstract_algebra", "business_ethics", "computer_security", "global_facts", "medical_genetics"),
    "us_foreign_policy",
)
_TRIAL = 16  # questions that tell the fastest batch
_PORTION = 100


def speed(name: str, ours: LocalModel, theirs: Any, data: Path, limit: int, folder: Path, note: Any) -> None:
    """Time both on the same rows, portion by portion; `note` hears of the figures so far."""
    benchmark = benchmarks()[name]
    writes = RULES[benchmark.score].ask == "text"
    asked, instances, _ = requests_of(name, data, None, folder, SUBJECTS if name == "mmlu" else ())
    by = {id(question): [] for question in asked}
    at = 0
    for question in asked:
        count = max(len(question.answers), 1)
        by[id(question)] = instances[at : at + count]
        at += count
    if name == "mmlu":
        portions = [[one for one in asked if one.group == subject] for subject in SUBJECTS]
    else:
        portions = [asked[start : start + _PORTION] for start in range(0, min(limit, len(asked)), _PORTION)]

    def they(some: Any) -> Any:
        requests = [one for question in some for one in by[id(question)]]
        if writes:
            return written(theirs, requests, benchmark.new_tokens)
        return theirs.loglikelihood(requests, disable_tqdm=True)

    def we(some: Any) -> Any:
        return list(ours.texts(some, benchmark.until, benchmark.new_tokens) if writes else ours.likelihoods(some))

    trials = {}
    for batch in (1, 4, 8, 16):
        theirs.batch_size_per_gpu = batch
        trials[batch] = timed(lambda: they(portions[0][:_TRIAL]))["processor"]
    theirs.batch_size_per_gpu = min(trials, key=trials.__getitem__)
    figures: dict[str, Any] = {"batch": theirs.batch_size_per_gpu, "trials": trials, "questions": 0}
    asked_so_far = [question for portion in portions for question in portion]
    figures |= {"hornbook": {"clock": 0.0, "processor": 0.0}, "lm-eval": {"clock": 0.0, "processor": 0.0}}
    every: dict[str, list[Any]] = {"hornbook": [], "lm-eval": []}
    for portion in portions:
        for who, work in (("hornbook", we), ("lm-eval", they)):

            def kept(who: str = who, work: Any = work, portion: Any = portion) -> None:
                every[who] += work(portion)

            for kind, seconds in timed(kept).items():
                figures[who][kind] = round(figures[who][kind] + seconds, 2)
        figures["questions"] += len(portion)
        for kind in ("clock", "processor"):
            figures[f"times_as_fast_by_{kind}"] = round(figures["lm-eval"][kind] / figures["hornbook"][kind], 2)
        done = asked_so_far[: figures["questions"]]
        requests = [one for question in done for one in by[id(question)]]
        if writes:
            figures["parity"] = texts_differ(done, every["hornbook"], requests, every["lm-eval"])
        else:
            figures["parity"] = differences(done, every["hornbook"], requests, every["lm-eval"], theirs)
        note(figures)


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds of some work, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return {"clock": time.perf_counter() - clock, "processor": time.process_time() - processor}


def main() -> None:
    """Run what is asked for and write a file of figures."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--tasks", default=",".join(PAGES))
    parser.add_argument("--speed", default="", help="time these instead")
    parser.add_argument(
        "--pages", action="store_true", help="compare prompts and scores of all rows, without the model"
    )
    parser.add_argument("--batch", type=int, default=8, help="of lm-eval's backend")
    parser.add_argument("--into", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    if given.model is None and not given.pages:
        parser.error("name a model")
    if not given.pages:
        from lm_eval.models.huggingface import HFLM

        ours = LocalModel.load(given.model, fast=True)
        theirs = HFLM(
            pretrained=str(given.model), dtype="float32", device="cpu", batch_size=given.batch, max_length=8192
        )
    figures: dict[str, Any] = json.loads(given.into.read_text()) if given.into.is_file() else {}
    where = {
        "machine": describe(),
        "versions": versions() | {"lm-eval": version("lm_eval")},
        "threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():

        def save(name: str, part: str, row: Any) -> None:
            figures.setdefault(part, {})[name] = {**row, **where}
            print(name, row, flush=True)
            given.into.write_text(json.dumps(figures, indent=2) + "\n")

        for name in filter(None, given.speed.split(",")):
            note = functools.partial(save, name, "speed")
            speed(name, ours, theirs, given.data, given.rows, Path(temporary), note)
        for name in given.tasks.split(",") if given.pages else ():
            save(name, "pages", pages(name, given.data, Path(temporary)))
        for name in () if given.speed or given.pages else given.tasks.split(","):
            save(name, "parity", parity(name, ours, theirs, given.data, given.rows, Path(temporary)))


if __name__ == "__main__":
    main()
