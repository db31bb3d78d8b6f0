"""Beside lm-evaluation-harness: the same rows, asked with its own pages, and the time that each takes.

    python benchmarks/against_lm_eval.py MODEL --data FOLDER [--rows 200]
    python benchmarks/against_lm_eval.py MODEL --data FOLDER --speed mmlu,hellaswag,gsm8k [--rows 100]

It needs the extra `eval` and a model folder. Parity: for each benchmark whose data the folder has, lm-eval's own page,
pointed at rows that Hornbook read, makes the requests; prompts must be equal word for word, log-likelihoods within
1e-3, picks and scores alike. Speed: six whole subjects of MMLU with five examples, HellaSwag, GSM8K: portion by
portion, each of the two in turn, in processor time too, which other work on the machine disturbs least; lm-eval's
batch is the one of 1, 4, 8 and 16 that is fastest on the first portion's beginning.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.candidate import LocalModel, pairs
from hornbook.evaluate.exam.declaration import benchmarks, find
from hornbook.evaluate.exam.questions import questions
from hornbook.evaluate.exam.rules import RULES
from hornbook.machine import describe
from hornbook.runs.manifest import versions

Row = Mapping[str, Any]
_LETTERS = "ABCDEFGHIJ"


def _labelled(row: Row, stem: str) -> dict[str, Any]:
    labels = list(_LETTERS[: len(row["choices"])])
    return {
        stem: row["question"],
        "choices": {"text": row["choices"], "label": labels},
        "answerKey": labels[row["gold"]],
    }


# For each benchmark lm-eval's page, how a row of ours is one of that page's dataset, and what of the page is another.
PAGES: dict[str, tuple[str, Callable[[Row], dict[str, Any]], dict[str, Any]]] = {
    "arc_easy": ("arc/arc_easy.yaml", lambda row: _labelled(row, "question"), {}),
    "arc_challenge": ("arc/arc_challenge.yaml", lambda row: _labelled(row, "question"), {}),
    "openbookqa": ("openbookqa/openbookqa.yaml", lambda row: _labelled(row, "question_stem"), {}),
    "hellaswag": ("hellaswag/hellaswag.yaml", dict, {"raw": True}),
    "piqa": (
        "piqa/piqa.yaml",
        lambda row: {
            "goal": row["question"],
            "sol1": row["choices"][0],
            "sol2": row["choices"][1],
            "label": row["gold"],
        },
        {},
    ),
    "siqa": (
        "siqa/siqa.yaml",
        lambda row: {
            "context": row["question"],
            "question": "",
            **{f"answer{_LETTERS[at]}": text for at, text in enumerate(row["choices"])},
            "label": str(row["gold"] + 1),
        },
        {"doc_to_text": "Q: {{context}}\nA:"},  # a context and a question that came as one
    ),
    "winogrande": (
        "winogrande/default.yaml",
        lambda row: {
            "sentence": f"{_before(row)}_ {row['continuation']}",
            "option1": row["contexts"][0][len(_before(row)) :],
            "option2": row["contexts"][1][len(_before(row)) :],
            "answer": str(row["gold"] + 1),
        },
        {},
    ),
    "truthfulqa_mc1": (
        "truthfulqa/truthfulqa_mc1.yaml",
        lambda row: {"question": row["question"], "mc1_targets": {"choices": row["best"]}},
        {},
    ),
    "truthfulqa_mc2": (
        "truthfulqa/truthfulqa_mc2.yaml",
        lambda row: {
            "question": row["question"],
            "mc2_targets": {"choices": row["all"], "labels": [int(at in row["true"]) for at in range(len(row["all"]))]},
        },
        {},
    ),
    "lambada": (
        "lambada/lambada_openai.yaml",
        lambda row: {"text": f"{row['context']} {row['continuation']}"},
        {},
    ),
    "mmlu": ("mmlu/default/_default_template_yaml", lambda row: {**row, "answer": _LETTERS.index(row["gold"])}, {}),
    "agieval": (
        "agieval/aqua-rat.yaml",
        lambda row: {key: row[key] for key in ("query", "choices", "gold")},
        {"process_results": None},
    ),
    "triviaqa": (
        "triviaqa/default.yaml",
        lambda row: {"context": row["context"], "answer": {"aliases": row["aliases"]}},
        {"doc_to_text": "{{context}}"},
    ),
    "gsm8k": ("gsm8k/gsm8k.yaml", dict, {"fewshot_config": {"sampler": "first_n"}}),
    "gsm8k_cot": ("gsm8k/gsm8k-cot.yaml", dict, {}),
}


def _before(row: Row) -> str:
    """What a WinoGrande sentence has before its gap: what both contexts begin with, up to a word's beginning."""
    one, other = row["contexts"]
    common = one[: next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))]
    return common[: common.rfind(" ") + 1]


def _page(name: str, rows: list[dict[str, Any]], shots: list[dict[str, Any]], folder: Path, count: int | None) -> Any:
    """lm-eval's task: its own page over the rows."""
    import lm_eval.tasks
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    path, convert, changes = PAGES[name]
    config = dict(load_yaml(Path(lm_eval.tasks.__file__).parent / path))
    changes = {key: value for key, value in changes.items() if key != "raw"}
    for key in ("dataset_name", "include", "tag", "task_alias", "group"):
        config.pop(key, None)
    places = {"test": folder / f"{name}.jsonl"}
    split = {"test_split": "test", "validation_split": None, "training_split": None, "fewshot_split": None}
    places["test"].write_text("".join(json.dumps(convert(row)) + "\n" for row in rows))
    if shots:
        places["train"] = folder / f"{name}.shots.jsonl"
        places["train"].write_text("".join(json.dumps(convert(row)) + "\n" for row in shots))
        split |= {"training_split": "train", "fewshot_split": "train"}
    config |= {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {key: str(value) for key, value in places.items()}},
        **split,
        **changes,
    }
    if count is not None:
        config["num_fewshot"] = count
    return ConfigurableTask(config={key: value for key, value in config.items() if value is not None})


def requests_of(
    name: str, data: Path, limit: int | None, folder: Path, only: Collection[str] = ()
) -> tuple[Any, list[Any], list[Any]]:
    """Our questions, and lm-eval's requests for the same rows, with its tasks: one for each description."""
    benchmark = find(name)
    found = files.locate(benchmark.files, data)
    if found is None:
        raise SystemExit(files.missing(benchmark, data))
    rows = files.read(found)
    asked, _ = questions(benchmark, rows, data, limit=limit)
    asked = [question for question in asked if not only or question.group in only]
    ids = [question.id for question in asked]
    by = dict(rows.rows)
    raw = _raw(found) if PAGES[name][2].get("raw") else by
    shots: list[dict[str, Any]] = []
    if benchmark.shots.files:
        located = files.locate(benchmark.shots.files, data)
        assert located is not None
        shots = [fields for _, fields in files.read(located).rows]
    tasks, made = [], []
    for group in dict.fromkeys(by[id_].get("group", "") for id_ in ids):
        mine = [id_ for id_ in ids if by[id_].get("group", "") == group]
        some = [row for row in shots if row.get("group", "") == group][: benchmark.shots.count]
        task = _page(name, [raw[id_] for id_ in mine], some, folder, len(some) or None)
        if name == "mmlu":
            task.config.description = (
                f"The following are multiple choice questions (with answers) about {by[mine[0]]['subject']}.\n\n"
            )
        task.build_all_requests(limit=None, rank=0, world_size=1)
        tasks.append(task)
        made += task.instances
    return asked, made, tasks


def _raw(found: files.Found) -> dict[str, Any]:
    """The file's own records."""
    from hornbook.evaluate.exam.declaration import Copy

    bare = Copy(file=found.copy.file)
    return dict(files.read(files.Found(bare, found.path)).rows)


def parity(name: str, ours: LocalModel, theirs: Any, data: Path, limit: int, folder: Path) -> dict[str, Any]:
    """How far the two differ on the first rows of a benchmark."""
    asked, instances, _ = requests_of(name, data, limit, folder)
    rule = RULES[benchmarks()[name].score]
    if rule.ask != "likelihood":
        return _texts(name, asked, instances, ours, theirs)
    said = [one.args for one in instances]
    mine = [pair for question in asked for pair in pairs(question, question.shared())]
    differ = sum(a[0] + a[1] != b[0] + b[1] for a, b in zip(said, mine, strict=True))
    answered = list(ours.likelihoods(asked))
    reference = theirs.loglikelihood(instances, disable_tqdm=True)
    return {"prompts_that_differ": differ, **differences(asked, answered, instances, reference, theirs)}


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
        "prompts_that_differ": sum(
            one.args[0] != question.shared() + question.prompts[0]
            for one, question in zip(instances, asked, strict=True)
        ),
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
    from lm_eval.models.huggingface import HFLM

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--tasks", default=",".join(PAGES))
    parser.add_argument("--speed", default="", help="time these instead")
    parser.add_argument("--batch", type=int, default=8, help="of lm-eval's backend")
    parser.add_argument("--into", type=Path, default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    ours = LocalModel.load(given.model, fast=True)
    theirs = HFLM(pretrained=str(given.model), dtype="float32", device="cpu", batch_size=given.batch, max_length=8192)
    figures: dict[str, Any] = json.loads(given.into.read_text()) if given.into.is_file() else {}
    figures |= {"machine": describe(), "versions": versions(), "threads": torch.get_num_threads()}
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():

        def save(name: str, part: str, row: Any) -> None:
            figures.setdefault(part, {})[name] = row
            print(name, row, flush=True)
            given.into.write_text(json.dumps(figures, indent=2) + "\n")

        for name in filter(None, given.speed.split(",")):
            note = functools.partial(save, name, "speed")
            speed(name, ours, theirs, given.data, given.rows, Path(temporary), note)
        for name in () if given.speed else given.tasks.split(","):
            save(name, "parity", parity(name, ours, theirs, given.data, given.rows, Path(temporary)))


if __name__ == "__main__":
    main()
