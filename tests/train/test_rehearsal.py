"""The model's own answers to everyday questions, learnt beside rows of another kind."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from tests.train.on_ranks import start
from tests.train.test_phases import SHAPE
from tests.train.test_resume import COMMON, StopAfter, Stopped, files

from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.machine import choose
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.recipe import locate
from hornbook.runs import ranks
from hornbook.runs.manifest import SCRATCH
from hornbook.train import rehearsal
from hornbook.train.data import Given
from hornbook.train.pretrain import PretrainSettings, pretrain
from hornbook.train.rehearsal import FILE, LONGEST, MOST, own_texts, questions, rehearsed, whole_sentences
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


def test_own_texts_are_drawn_once(base: Path, tmp_path: Path) -> None:
    machine = choose("fp32", False)

    def drawn(seed: int, place: Path) -> NDArray[np.integer[Any]]:
        return own_texts(base, 150, 20, machine, seed=seed, place=place, progress=Progress())

    found = drawn(1, tmp_path / "a.npy")
    assert found.shape == (150, 20) and set(found[:, 0]) == {Tokenizer(base).end_of_text}
    assert len({row.tobytes() for row in found}) == 150
    written = (tmp_path / "a.npy").stat().st_mtime_ns
    assert np.array_equal(drawn(1, tmp_path / "a.npy"), found)
    assert (tmp_path / "a.npy").stat().st_mtime_ns == written, "a run that is gone on with writes nothing again"
    assert not np.array_equal(drawn(2, tmp_path / "b.npy"), found)


def phase_of(tokens: Path, base: Path, into: Path, progress: Progress | None = None, **more: Any) -> Any:
    phase = {"tokens": 8 * 256, "mixture": [{"sources": ["a"], "share": 1.0}], "rehearse": 0.25}
    settings = PretrainSettings(phase2=phase, **COMMON | more)  # type: ignore[arg-type]
    config = checkpoint.load(base).config
    return pretrain(tokens, config, settings, seed=1, into=into, progress=progress or Progress(), initial=base)


def test_a_phase_rehearses(base: Path, tokens_folder: Path, tmp_path: Path) -> None:
    """A quarter of its rows are the model's own, each read twice; a killed run ends with the same weights."""
    figures = phase_of(tokens_folder, base, tmp_path / "whole")
    first, own = figures["mixture"]["phase2"]
    assert own["sources"] == [rehearsal.NAME] and own["share"] == 0.25 and own["epochs"] == 2
    assert first["share"] == 0.75 and first["rows"] == 3 * own["rows"]
    with pytest.raises(Stopped):
        phase_of(tokens_folder, base, tmp_path / "again", StopAfter(4))  # one of them is what writes the rows
    assert phase_of(tokens_folder, base, tmp_path / "again")["mixture"] == figures["mixture"]
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_random_weights_have_nothing_to_rehearse_or_keep(tokens_folder: Path, tmp_path: Path) -> None:
    phase: dict[str, Any] = {"tokens": 8 * 256, "mixture": [{"sources": ["a"], "share": 1.0}]}
    for settings, told in (
        (PretrainSettings(phase2=phase | {"rehearse": 0.25}, **COMMON), "pretrain.phase2.rehearse: random weights"),
        (PretrainSettings(phase2=phase, freeze=("embed_tokens",), **COMMON), "pretrain.freeze: random weights"),
    ):
        with pytest.raises(UserError, match=told):
            pretrain(tokens_folder, SHAPE, settings, seed=1, into=tmp_path, progress=Progress())
