from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.records import EXCERPT, Fault, Record, has_quotes, json_lines, json_values, parse, readable, table

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda some: st.lists(some) | st.dictionaries(st.text(), some),
)


def told(found: Record | Fault) -> tuple[int | None, object]:
    return found.number, found.value if isinstance(found, Record) else f"!{found.reason}"


def test_lines_are_numbered_as_they_stand() -> None:
    data = b'{"a": 1}\n\n[2]\r\n{broken\n"caf\xe9"\n' + b"9" * 200 + b"\n3"
    found = list(json_lines(io.BytesIO(data), 100))
    assert list(map(told, found)) == [
        (1, {"a": 1}), (3, [2]), (4, "!broken JSON"), (5, "!invalid UTF-8"), (6, "!line too long"), (7, 3),
    ]  # fmt: skip
    assert str(found[2]).startswith("is not valid JSON: ")
    assert str(found[3]) == "is not valid UTF-8: invalid continuation byte at byte 4"
    assert str(found[4]) == "can't be read: over 100 bytes"
    assert [one.text for one in found if isinstance(one, Fault)] == ["{broken\n", '"caf\\xe9"\n', "9" * 101]


@given(st.lists(VALUES), st.booleans())
def test_values_of_an_array_and_one_after_another(values: list[object], array: bool) -> None:
    array = array or isinstance(next(iter(values), None), list)
    text = json.dumps(values) if array else "\n".join(map(json.dumps, values))
    found = list(json_values(io.BytesIO(text.encode()), 1 << 20))
    assert list(map(told, found)) == list(enumerate(values, start=1))


def test_nothing_is_read_after_a_place_that_is_no_json() -> None:
    *before, last = json_values(io.BytesIO(b'[{"a": 1}, 2 oh, 3]'), 100)
    assert list(map(told, before)) == [(1, {"a": 1}), (2, 2)]
    assert (told(last), last.text) == ((None, "!broken JSON"), "oh, 3]")  # type: ignore[union-attr]


def test_rows_of_a_table_have_the_lines_where_they_end() -> None:
    data = b'a,b\n\n"x\ny",2\n"un" fit,1\n' + b"z" * 200 + b"\nlast,caf\xe9\n"
    read = list(table(io.BytesIO(data), 100, delimiter=","))
    assert [one.text for one in read if isinstance(one, Fault)] == ['"un" fit,1\n', "z" * 101]
    assert list(map(told, read)) == [
        (1, ["a", "b"]), (4, ["x\ny", "2"]), (5, "!broken row"), (6, "!line too long"), (7, ["last", "caf\udce9"]),
    ]  # fmt: skip
    lenient = table(io.BytesIO(data), 100, delimiter=",", strict=False)
    assert [one.value for one in lenient if isinstance(one, Record)][2] == ["un fit", "1"]
    unquoted = table(io.BytesIO(b'"a" b\t"\n'), 100, delimiter="\t", quoted=False)
    assert list(map(told, unquoted)) == [(1, ['"a" b', '"'])]


@pytest.mark.parametrize(
    ("data", "quoted"), [(b'a\t"b"\n', True), (b'"a\tb"\tc', True), (b'"Oh," he said\tb\n', False), (b"a\tb", False)]
)
def test_whether_fields_of_tsv_are_quoted(data: bytes, quoted: bool) -> None:
    assert has_quotes(io.BytesIO(data)) == quoted


@given(st.binary() | st.text(st.characters()))
def test_excerpts_can_be_written(excerpt: str | bytes) -> None:
    assert "\0" not in readable(excerpt)
    readable(excerpt).encode("utf-8")
    assert isinstance(
        parse(excerpt if isinstance(excerpt, bytes) else excerpt.encode("utf-8", "replace")), Record | Fault
    )


def test_an_excerpt_is_short() -> None:
    record = parse(json.dumps("x" * 10_000).encode(), 3)
    assert isinstance(record, Record)
    assert (record.number, len(record.excerpt)) == (3, EXCERPT)
