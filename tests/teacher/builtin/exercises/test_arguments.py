from random import Random

import pytest

from hornbook.teacher.builtin.exercises.arguments import Hints, arguments, edges, hints_of

KINDS = ("number", "natural", "positive", "numbers", "rows", "text", "sentence", "words", "table", "key")


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_are_plain_ascii_and_repeatable(kind: str) -> None:
    hints = Hints((5, 8), ("e", "-"))
    drawn = [arguments((kind,), Random(3), hints) for _ in range(2)]
    assert drawn[0] == drawn[1]
    for seed in range(200):
        (value,) = arguments((kind,), Random(seed), hints)
        assert repr(value).isascii()
        assert eval(repr(value)) == value


def test_kinds_keep_their_promises() -> None:
    for seed in range(300):
        natural, positive = arguments(("natural", "positive"), Random(seed), Hints((7,), ()))
        assert natural >= 0
        assert positive >= 1
        table, key = arguments(("table", "key"), Random(seed), Hints((), ()))
        assert isinstance(table, dict) and isinstance(key, str)


def test_hints_attract_arguments() -> None:
    values = [arguments(("number",), Random(seed), Hints((97,), ()))[0] for seed in range(300)]
    assert {96, 97, 98} <= set(values)


def test_hints_are_sorted_by_type() -> None:
    assert hints_of([3, None, ("a", "e"), (2, 9), ("-", "a dash")]) == Hints((3, 2, 9), ("a", "e", "-"))


def test_edges_go_together() -> None:
    assert edges(("numbers", "number"))[0] == ([], 0)
    assert all(len(edges((kind,))) == 3 for kind in KINDS)
