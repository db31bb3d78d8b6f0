from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hornbook.errors import UserError
from hornbook.files import read_jsonl
from hornbook.runs.manifest import outputs
from hornbook.sandbox.sandbox import isolation
from hornbook.teacher.client.budget import BudgetError
from hornbook.teacher.client.settings import BudgetSettings
from hornbook.teacher.kinds.draws import Extract
from hornbook.teacher.kinds.source import Order, preview
from hornbook.teacher.kinds.template import available, load
from hornbook.teacher.producer import HOPELESS
from hornbook.teacher.texts import write_kind

PAGES = [Extract(f"page{n}", f"Page {n} tells a lot. " * 40) for n in range(5)]
UNISOLATED = not isolation().isolated
Start, Ask = Callable[..., Any], Callable[..., Any]


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder).to_pylist()
    return found


@pytest.mark.parametrize("name", sorted(available()))
def test_each_kind_from_request_to_row(name: str, tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    teacher = start_teacher()
    order = Order(load(name), 6, extracts=PAGES)
    figures = write_kind(order, ask(teacher), into=tmp_path / "out", allow_unisolated=UNISOLATED)
    written = rows(tmp_path / "out" / "documents")
    assert figures["documents"] == len(written) == 6, figures["removed"]
    assert len({row["id"] for row in written}) == 6
    for number, row in enumerate(written):
        assert row["source"] == name
        assert row["teacher"] == "small"
        assert json.loads(row["seeds"])["row"] == number
    form = order.kind.template.text.form
    if form == "conversation":
        (first, *_) = read_jsonl(tmp_path / "out" / "conversations.jsonl")
        assert [message["role"] for message in first["messages"]][:2] == ["user", "assistant"]
        assert json.loads(written[0]["messages"]) == first["messages"]
    if form == "preference":
        (first, *_) = read_jsonl(tmp_path / "out" / "preferences.jsonl")
        assert first["chosen"] == written[0]["chosen"] != first["rejected"]


def test_again_is_free_and_the_same(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    teacher = start_teacher()
    order = Order(load("textbooks"), 70, extracts=PAGES, compare=5)
    write_kind(order, ask(teacher), into=tmp_path / "a")
    sent = len(teacher.requests)
    write_kind(order, ask(teacher), into=tmp_path / "b")
    assert len(teacher.requests) == sent
    assert outputs(tmp_path / "a") == outputs(tmp_path / "b")
    more = Order(load("textbooks"), 80, extracts=PAGES, compare=5)
    write_kind(more, ask(teacher), into=tmp_path / "c")
    assert len(teacher.requests) == sent + 10


def test_what_fails_is_made_up_for_and_kept_apart(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        verb = re.findall(r'"(\w+)"', body["messages"][1]["content"])[0]
        if len(verb) == 4:
            return ""
        return {**said, "story": "Too short."} if len(verb) == 5 else said

    teacher = start_teacher(change)
    figures = write_kind(Order(load("stories"), 30), ask(teacher), into=tmp_path)
    removed = rows(tmp_path / "removed")
    assert figures["documents"] == 30
    assert figures["removed"].keys() == {"no answer (empty)", "too short"}
    assert len(removed) == sum(figures["removed"].values()) == figures["asked"] - 30
    assert {row["reason"].partition(":")[0] for row in removed} == set(figures["removed"])


def test_rows_of_which_the_first_ones_failed_are_made_up_for(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    failed: list[str] = []

    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        prompt = body["messages"][1]["content"].partition("\n\nAnswer with")[0]
        if prompt not in failed and len(failed) < 6:
            failed.append(prompt)
        return {**said, "story": "Too short."} if prompt in failed else said

    figures = write_kind(Order(load("stories"), 2), ask(start_teacher(change)), into=tmp_path)
    assert (figures["documents"], figures["asked"], figures["removed"]) == (2, 8, {"too short": 6})


@pytest.mark.parametrize(("count", "most"), [(3, 15), (1000, HOPELESS)])
def test_nothing_that_passes_is_told_and_not_asked_for_ever(
    count: int, most: int, tmp_path: Path, start_teacher: Start, ask: Ask
) -> None:
    teacher = start_teacher(lambda body, said: {**said, "story": "Too short."})
    for again in (False, True):
        client = ask(teacher, window=20)
        with pytest.raises(UserError) as error:
            write_kind(Order(load("stories"), count, source="tales", compare=2), client, into=tmp_path / "out")
        told = str(error.value)
        assert f"tales: of {most} rows by small not one passed its checks ({most} too short" in told
        assert "\n" not in told
        assert not list(tmp_path.glob("out/**/*.parquet"))
        if count < HOPELESS:
            assert len(teacher.requests) == most
            assert client.figures.sent == (0 if again else most)
    assert len(teacher.requests) < HOPELESS + 200  # those on their way when it was given up


def test_repeated_texts_are_dropped(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    client = ask(start_teacher(lambda body, said: "The same lesson. " * 50))
    figures = write_kind(Order(load("lessons"), 4, extracts=PAGES), client, into=tmp_path)
    kept = rows(tmp_path / "documents")
    assert len(kept) == 1
    assert {row["kept"] for row in rows(tmp_path / "removed")} == {kept[0]["id"]}
    assert figures["removed"]["duplicate"] == figures["asked"] - 1


def test_seeds_make_texts_differ(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        prompt = body["messages"][-1]["content"]  # an answer that follows its prompt alone, as at a low temperature
        return {**said, "story": f"{prompt} {said['story'][:200]}"}

    diversity = write_kind(Order(load("stories"), 20, compare=20), ask(start_teacher(change)), into=tmp_path)[
        "diversity"
    ]
    assert diversity["drawn"]["texts"] == diversity["fixed"]["texts"] == 20
    assert diversity["drawn"]["distinct_3_grams"] > diversity["fixed"]["distinct_3_grams"]
    assert diversity["drawn"]["compression_ratio"] > diversity["fixed"]["compression_ratio"]


def test_a_budget_ends_it_and_the_rest_goes_on(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    teacher = start_teacher()
    order = Order(load("stories"), 20)
    with pytest.raises(BudgetError):
        write_kind(order, ask(teacher, budget=BudgetSettings(requests=8)), into=tmp_path / "a")
    assert len(teacher.requests) == 8
    assert write_kind(order, ask(teacher), into=tmp_path / "b")["documents"] == 20
    assert len(teacher.requests) == 20


def test_the_preview_shows_what_will_be_asked(tmp_path: Path, start_teacher: Start, ask: Ask) -> None:
    teacher = start_teacher()
    order = Order(load("stories"), 5)
    prompts = [request.messages[-1].content for request in preview(order)]
    write_kind(order, ask(teacher), into=tmp_path)
    assert sorted(body["messages"][-1]["content"] for body in teacher.requests) == sorted(prompts)
    assert len(list(preview(Order(load("textbooks"), 100)))) == 100
