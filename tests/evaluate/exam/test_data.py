"""Where rows come from: files of several names, folders, and datasets of the hub."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.read.hub import HubDataset
from hornbook.errors import UserError
from hornbook.evaluate.exam import data as module
from hornbook.evaluate.exam.data import HUB, OURS, folder_of, locate, read, told
from hornbook.evaluate.exam.declaration import Copy, benchmarks, find
from hornbook.evaluate.exam.questions import questions
from hornbook.records import Fault

FOUR = {"text": ["snow", "a candle", "the moon", "ice"], "label": ["A", "B", "C", "D"]}
# A row of each dataset as the hub has it; the prompt, and what is right.
AT_HUB: dict[str, tuple[dict[str, Any], str, Any]] = {
    "mmlu": (
        {"question": "What?", "choices": list("wxyz"), "answer": 2, "subject": "high_school_baking"},
        "What?\nA. w\nB. x\nC. y\nD. z\nAnswer:",
        (2,),
    ),
    "arc_easy": ({"question": "Warm?", "choices": FOUR, "answerKey": "B"}, "Question: Warm?\nAnswer:", (1,)),
    "openbookqa": ({"question_stem": "Warm is", "choices": FOUR, "answerKey": "B "}, "Warm is", (1,)),
    "hellaswag": (
        {"activity_label": "Tea", "ctx_a": "A [x] cup.", "ctx_b": "it", "endings": list("wxyz"), "label": "3"},
        "Tea: A cup. It",
        (3,),
    ),
    "piqa": ({"goal": "Boil", "sol1": "heat", "sol2": "cool", "label": 0}, "Question: Boil\nAnswer:", (0,)),
    "siqa": (
        {"context": "A fell.", "question": "Why?", "answerA": "x", "answerB": "y", "answerC": "z", "label": "3"},
        "Q: A fell. Why?\nA:",
        (2,),
    ),
    "winogrande": (
        {"sentence": "Ann thanked Bo as _ helped.", "option1": "Ann", "option2": "Bo", "answer": "2"},
        "Ann thanked Bo as Ann",
        (1,),
    ),
    "boolq": ({"passage": "It is.", "question": "is it", "label": 1}, "It is.\nQuestion: is it?\nAnswer:", (1,)),
    "commonsense_qa": (
        {"question": "Warm? ", "choices": FOUR, "answerKey": "B"},
        "Question: Warm?\nA. snow\nB. a candle\nC. the moon\nD. ice\nAnswer:",
        (1,),
    ),
    "truthfulqa_mc2": (
        {
            "question": "So?",
            "mc1_targets": {"choices": ["a", "b"], "labels": [1, 0]},
            "mc2_targets": {"choices": ["a", "c", "b"], "labels": [1, 1, 0]},
        },
        "Q: So?\nA:",
        (0, 1),
    ),
    "lambada": ({"text": "It was late at night"}, "It was late at", ()),
    "triviaqa": ({"question": "Who?", "answer": {"aliases": ["He", "Him"]}}, "Question: Who??\nAnswer:", ("He", "Him")),
    "mt_bench": ({"prompt": ["One?", "Two?"], "reference": [], "category": "math"}, "One?\n\nTwo?", ()),
    "gsm8k": ({"question": "1+1?", "answer": "So.\n#### 2"}, "Question: 1+1?\nAnswer:", ("2",)),
}


@pytest.mark.parametrize("name", sorted(AT_HUB))
def test_rows_of_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row, prompt, right = AT_HUB[name]
    asked_for: list[HubDataset] = []

    def stream(chosen: HubDataset, where: str) -> Iterator[dict[str, Any] | Fault]:
        asked_for.append(chosen)
        yield from [row] * 6
        yield Fault("unreadable", "after row 6: gone")

    monkeypatch.setattr(module, "stream", stream)
    benchmark = find(name)
    found = locate(benchmark.files, HUB)
    assert found is not None
    rows = read(found)
    asked, unknown = questions(benchmark, rows, HUB, limit=2)
    assert asked[0].prompts[0] == prompt
    assert (asked[0].gold or asked[0].targets) == right
    assert asked_for[0].name in benchmark.source or name == "gsm8k"
    assert unknown == {"can't be read: after row 6: gone": 1}
    assert told(rows)["file"] == found.copy.file and len(told(rows)["sha256"]) == 64


def test_the_hub_is_asked_only_when_told_to(tmp_path: Path) -> None:
    ours = {name for name, one in benchmarks().items() if one.files[-1].file.startswith(OURS)}
    assert ours == {"tinystories"}
    for name, benchmark in benchmarks().items():
        assert (locate(benchmark.files, tmp_path) is None) == (name not in ours)
        assert (locate(benchmark.files, None) is None) == (name not in ours)
    assert folder_of(HUB) == HUB
    with pytest.raises(UserError, match="is no dataset of the hub"):
        found = locate((Copy(file="hf:#"),), HUB)
        assert found is not None
        read(found)


def test_packed_files_and_the_best_copy(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write('{"q": 1}\n{"q": 2}\n{"q": 3}\n')
    copies = (Copy(file="a.jsonl"), Copy(file="b.jsonl", skip=1, first=1))
    found = locate(copies, tmp_path)
    assert found is not None and found.path.name == "b.jsonl.gz" and len(found.sha256) == 64
    assert read(found).rows == (("2", {"number": 2, "q": 2}),)
    (tmp_path / "a.jsonl").write_text('{"q": 9}\n')
    better = locate(copies, tmp_path)
    assert better is not None and better.path.name == "a.jsonl"
    assert locate((Copy(file=str(tmp_path / "a.jsonl")),), None) == locate(
        (Copy(file=str(tmp_path / "a.jsonl")),), tmp_path
    )


def test_a_folder_is_one_benchmark(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks" / f"{name}.jsonl").write_text('{"q": 1}\n')
    found = locate((Copy(file="tasks", form="task"),), tmp_path)
    assert found is not None
    assert [(id_, row["group"]) for id_, row in read(found).rows] == [("one:1", "one"), ("two:1", "two")]
    before = found.sha256
    (tmp_path / "tasks" / "two.jsonl").write_text('{"q": 2}\n')
    assert found.sha256 != before
