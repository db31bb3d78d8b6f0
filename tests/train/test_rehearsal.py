"""The model's own answers to everyday questions, learnt beside rows of another kind."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.train.on_ranks import start

from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.recipe import locate
from hornbook.runs import ranks
from hornbook.runs.manifest import SCRATCH
from hornbook.train import rehearsal
from hornbook.train.data import Given
from hornbook.train.rehearsal import FILE, LONGEST, MOST, questions, rehearsed, whole_sentences
from hornbook.train.sft import SftSettings, sft

SAYS = "It is so. Or it is no"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tokenizer_folder: Path) -> list[list[int]]:
    """The prompts of every time that a model is asked; it never ends by itself."""
    heard: list[list[int]] = []
    says = (Tokenizer(tokenizer_folder).encode(SAYS) + [9] * LONGEST)[:LONGEST]

    def generate(model: Any, prompts: list[list[int]], **_: Any) -> list[list[int]]:
        heard.extend(prompts)
        return [says for _ in prompts]

    monkeypatch.setattr("hornbook.inference.generate.generate", generate)
    return heard


def test_everyday_questions_are_many_and_none_is_measured_with() -> None:
    every = questions()
    assert len(every) == len(set(every)) == MOST
    measured = tomllib.loads(locate("tutor")[1].read_text(encoding="utf-8"))["evaluate"]["questions"]
    assert len(measured) == 10 and not {one["question"] for one in measured} & set(every)
    assert not [one for one in every if "python" in one.lower() or "function" in one.lower()]


@pytest.mark.parametrize(
    ("text", "ended", "left"),
    [
        (" Paris ", True, "Paris"),
        ("It is so. Or it is no", False, "It is so."),
        ('He said "yes!" and then', False, 'He said "yes!'),
        ("It is 3.5 metres", False, ""),
        ("One.\n\nTwo? Thr", False, "One.\n\nTwo?"),
        ("", True, ""),
    ],
)
def test_an_answer_is_whole_sentences(text: str, ended: bool, left: str) -> None:
    assert whole_sentences(text, ended=ended) == left


def test_the_answers_are_kept_as_rows(base: Path, tmp_path: Path, asked: list[list[int]]) -> None:
    found = rehearsed(base, 5, seed=1, into=tmp_path / "a", progress=Progress())
    tokenizer = Tokenizer(base)
    assert [tokenizer.chat(row[:1]) for row in found.rows] == asked
    assert all(row[1] == {"role": "assistant", "content": "It is so."} for row in found.rows)
    assert len(found.rows) == 5 == len(found.where)
    assert [row["messages"] for row in read_jsonl(tmp_path / "a" / FILE)] == found.rows
    assert rehearsed(base, 5, seed=1, into=tmp_path / "a", progress=Progress()) == found
    assert len(asked) == 5, "a run that is gone on with asks nothing again"
    other = rehearsed(base, 5, seed=2, into=tmp_path / "b", progress=Progress())
    assert [row[0] for row in other.rows] != [row[0] for row in found.rows]


def test_a_kept_answer_with_another_bit_is_asked_again(base: Path, tmp_path: Path, asked: list[list[int]]) -> None:
    rehearsed(base, 3, seed=1, into=tmp_path, progress=Progress())
    place = tmp_path / FILE
    place.write_text(place.read_text().replace("so", "no"))
    found = rehearsed(base, 3, seed=1, into=tmp_path, progress=Progress())
    assert len(asked) == 6 and found.rows[0][1]["content"] == "It is so."


def test_a_model_really_answers(base: Path, tmp_path: Path) -> None:
    """Random weights say nothing whole; what they say is asked for all the same."""
    found = rehearsed(base, 4, seed=1, into=tmp_path, progress=Progress())
    assert len(found.rows) <= 4
    assert all(row[1]["content"] for row in found.rows)


def test_fine_tuning_learns_them_beside_its_rows(
    base: Path, tmp_path: Path, conversations: list[Any], asked: list[list[int]]
) -> None:
    settings = SftSettings(rehearse=7, batch=4, compile=False, precision="fp32")
    told = sft(base, [Given("rows", rows=conversations)], settings, seed=1, into=tmp_path, progress=Progress())
    assert told["sources"][rehearsal.NAME] == {rehearsal.SHAPE: 7}
    assert told["conversations"] == len(conversations) + 7
    prompts = json.loads((tmp_path / "training" / "prompts.json").read_text())
    assert {one["answer"] for one in prompts} >= {"It is so."}, "asked before and after"


def ask(base: Path, into: Path) -> None:
    """What each of several processes does; only the first may be asked."""
    import hornbook.inference.generate as inference

    says = (Tokenizer(base).encode(SAYS) + [9] * LONGEST)[:LONGEST]

    def generate(model: Any, prompts: list[list[int]], **_: Any) -> list[list[int]]:
        assert ranks.rank() == 0
        time.sleep(1)  # the others are early
        return [says for _ in prompts]

    inference.generate = generate
    found = rehearsed(base, 4, seed=1, into=into, progress=Progress())
    (into / f"rows-{ranks.rank()}.json").write_text(json.dumps(found.rows))


def test_all_ranks_learn_what_the_first_was_told(base: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    assert start(2, ask, base, into) == [0, 0]
    kept = [row["messages"] for row in read_jsonl(into / FILE)]
    assert len(kept) == 4
    for rank in (0, 1):
        assert json.loads((into / f"rows-{rank}.json").read_text()) == kept


def test_a_model_with_nothing_to_say_learns_the_rows_alone(
    base: Path, tmp_path: Path, conversations: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornbook.inference.generate.generate", lambda model, prompts, **_: [[] for _ in prompts])
    settings = SftSettings(rehearse=7, batch=4, compile=False, precision="fp32", validation=4)
    told = sft(base, [Given("rows", rows=conversations)], settings, seed=1, into=tmp_path, progress=Progress())
    assert set(told["sources"]) == {"rows"}


def test_a_model_that_cannot_chat_is_refused(base: Path, tmp_path: Path) -> None:
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (base / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="no chat template"):
        rehearsed(base, 4, seed=1, into=tmp_path, progress=Progress())
    assert not (tmp_path / SCRATCH).exists()


def test_shares_are_refused_beside_it() -> None:
    with pytest.raises(ValidationError, match="rehearse adds rows that are read once an epoch"):
        SftSettings(rehearse=10, data=("a.jsonl:0.7", "b.jsonl:0.3"))
    assert SftSettings(rehearse=10, data=("a.jsonl", "b.jsonl")).rehearse == 10
