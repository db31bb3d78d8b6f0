"""lm-eval's own pages over rows that Hornbook read, and the requests that they make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.declaration import Copy, find
from hornbook.evaluate.exam.questions import questions

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
    "mgsm": (
        "mgsm/direct/mgsm_direct_{language}.yaml",
        lambda row: {"question": row["question"], "answer": None, "answer_number": row["answer"]},
        {},
    ),
    "math": (
        "minerva_math/minerva_math_algebra.yaml",
        lambda row: {"problem": row["context"], "solution": f"${row['answer']}$", "answer": row["answer"]},
        {"process_docs": None},
    ),
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
    path = path.format(language=rows[0].get("group", "")[-2:])
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
    bare = Copy(file=found.copy.file)
    return dict(files.read(files.Found(bare, found.path)).rows)
