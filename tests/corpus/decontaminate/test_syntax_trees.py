from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.decontaminate.syntax_trees import functions, similarity

CODE = '''def total(values, limit=3):
    """Add up."""
    result = 0
    for value in values:
        if value > limit:
            result += value * 2
    return result
'''


def shape(text: str) -> tuple[str, ...]:
    return functions(text)[0].shape


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("result", "r").replace("value", "v").replace("total", "f"),
        CODE.replace('    """Add up."""\n', "").replace("3", "17"),
        CODE.replace("values, limit=3", "values: list[int], limit: int = 3").replace("limit=3)", ") -> int"),
        "\n\n# a remark\n@cache\n" + CODE.replace("\n", "\n\n").replace("    ", "\t"),
        "It goes like this:\n\n```python\n" + CODE + "```\n",
        "Some words, and then\n\n    " + CODE.replace("\n", "\n    ") + "\nand more words.",
        "class A:\n    " + CODE.replace("\n", "\n    "),
    ],
)
def test_what_does_not_change_the_shape(same: str) -> None:
    assert shape(same) == shape(CODE)
    assert similarity(shape(same), shape(CODE)) == 1


@pytest.mark.parametrize("other", [CODE.replace("+=", "-="), CODE.replace("> limit", "> len(values)")])
def test_what_changes_it_a_little(other: str) -> None:
    assert 0.8 < similarity(shape(other), shape(CODE)) < 1


def test_what_is_no_python_is_passed_over() -> None:
    assert functions("no code") == []
    assert functions("def broken(:\n    pass") == []
    assert functions("```\ndef half(\n```") == []
    assert [one.name for one in functions("def a():\n    def b(): pass\n    return b\n")] == ["a", "b"]


@given(st.lists(st.sampled_from("abc"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=40))
def test_alike_is_the_longest_common_subsequence(one: list[str], other: list[str]) -> None:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    expected = 2 * table[-1][-1] / max(1, len(one) + len(other))
    assert similarity(tuple(one), tuple(other)) == pytest.approx(expected)


@given(st.text(alphabet="def f(x):\n return`# ", max_size=80))
def test_any_text_is_read(text: str) -> None:
    functions(text)
