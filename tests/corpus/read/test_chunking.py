from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.chunking import Kind, chunks

LIKE_CODE = st.lists(
    st.sampled_from(
        ["\n", "\n\n", "def f(x):\n", "    return x\n", "class A:\n", "    def g(self):\n", "é", ". ", "word "]
    ),
    max_size=200,
).map("".join)


@given(LIKE_CODE | st.text(), st.integers(1, 60), st.sampled_from(["python", "code", "prose"]))
def test_the_chunks_together_are_the_document(text: str, maximum: int, kind: Kind) -> None:
    parts = list(chunks([text], maximum, kind))
    assert "".join(parts) == text
    assert all(0 < len(chunk) <= maximum for chunk in parts)


@given(LIKE_CODE, st.integers(1, 60), st.integers(1, 50), st.sampled_from(["python", "code", "prose"]))
def test_where_blocks_end_does_not_matter(text: str, maximum: int, size: int, kind: Kind) -> None:
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    assert list(chunks(blocks, maximum, kind)) == list(chunks([text], maximum, kind))


def test_code_is_cut_between_top_level_definitions() -> None:
    function = "def f(x):\n    a = 1\n\n    return x + a\n"
    text = "\n\n".join([function] * 6)
    parts = list(chunks([text], 100, "python"))
    assert len(parts) == 3
    assert all(chunk.startswith("def f") for chunk in parts)


def test_code_with_braces_is_cut_between_functions() -> None:
    function = "int f(int x) {\n    int a = 1;\n\n    return x + a;\n}\n"
    parts = list(chunks(["\n".join([function] * 6)], 130, "code"))
    assert len(parts) == 3
    assert all(chunk.startswith("int f") for chunk in parts)


def test_a_long_class_is_cut_between_methods() -> None:
    method = "\n    def g(self):\n        a = 1\n\n        return a\n"
    parts = list(chunks(["class A:\n" + method * 9], 150, "python"))
    assert len(parts) > 2
    assert all(chunk.startswith("    def g") for chunk in parts[1:])


def test_prose_is_cut_between_paragraphs_then_sentences() -> None:
    paragraph = textwrap.fill("One sentence is here. " * 4, 1_000).strip()
    parts = list(chunks(["\n\n".join([paragraph] * 5)], 200, "prose"))
    assert [chunk.strip() for chunk in parts] == [f"{paragraph}\n\n{paragraph}"] * 2 + [paragraph]
    sentences = list(chunks([paragraph], 50, "prose"))
    assert all(chunk.strip().endswith("here.") for chunk in sentences)


def test_what_offers_no_place_is_cut_hard() -> None:
    assert [len(chunk) for chunk in chunks(["x" * 250], 100, "python")] == [100, 100, 50]


@pytest.mark.parametrize("kind", ["python", "code", "prose"])
def test_short_and_empty_documents(kind: Kind) -> None:
    assert list(chunks([], 10, kind)) == list(chunks(["", ""], 10, kind)) == []
    assert list(chunks(["short"], 10, kind)) == ["short"]
