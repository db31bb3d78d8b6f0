from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.teacher.held_out import SHARE, TAUGHT, Guard, hold_out, outline, shape
from hornbook.teacher.interface import Conversation, Exercise, Preference, Problem, Trial

LOOP = "    total = 0\n    for v in values:\n        if v > 3:\n            total += v\n    return total\n"
PROBLEM = Problem("id", "x", "x/a+b", "f", ("n",), "", "", "    return n * n + 3\n", (), {})


def _exercise(body: str, composition: str = "y/c") -> Exercise:
    return Exercise("g", ("m",), "", "", body, "", "y", composition, (), {})


def test_the_same_body_with_other_names_is_caught() -> None:
    assert Guard([PROBLEM]).complaint(_exercise("    return m * m + 3\n")) == "same body as a held-out problem"


@pytest.mark.parametrize("documented", ['    """Return it."""\n', ""])
@pytest.mark.parametrize(
    ("body", "given_away"),
    [("    return k * k + 3\n", True), ("    return k * k - 3\n", False), ("    return k * (\n", False)],
)
def test_the_worse_answer_of_a_pair_is_no_problems_right_one(documented: str, body: str, given_away: bool) -> None:
    trial = Trial(f"import math\n\n\ndef g(k):\n{documented}{body}", "g", ())
    pair = Preference("    return k\n", body, "completion", prompt=f"def g(k):\n{documented}", trial=trial)
    wrong = Guard([PROBLEM]).complaint_of_worse_answer(pair)
    assert wrong == ("same body as a held-out problem" if given_away else "")
    assert Guard([PROBLEM]).complaint_of_worse_answer(Conversation((), "completion")) == ""


def test_the_same_composition_is_caught() -> None:
    assert Guard([PROBLEM]).complaint(_exercise("    return m\n", "x/a+b")) == "held-out composition"


def test_other_numbers_and_operators_pass() -> None:
    guard = Guard([PROBLEM])
    assert guard.complaint(_exercise("    return m * m + 4\n")) == ""
    assert guard.complaint(_exercise("    return m * m - 3\n")) == ""
    assert Guard([]).complaint(_exercise("    return m * m + 3\n")) == ""


def test_names_do_not_matter() -> None:
    renamed = LOOP.replace("values", "xs").replace("total", "answer").replace("v ", "item ").replace("+= v", "+= item")
    assert renamed != LOOP
    assert shape(["values"], LOOP) == shape(["xs"], renamed)
    assert outline(LOOP) == outline(renamed)


@pytest.mark.parametrize(
    "other",
    [
        LOOP.replace("3", "4"),
        LOOP.replace(">", ">="),
        LOOP.replace("+=", "-="),
        LOOP.replace("return total", "return v"),
        LOOP.replace("total += v", "total += total"),
    ],
)
def test_everything_else_matters(other: str) -> None:
    assert shape(["values"], LOOP) != shape(["values"], other)


def test_free_names_matter() -> None:
    assert shape(["a"], "    return max(a)\n") != shape(["a"], "    return min(a)\n")


def test_the_order_of_arguments_matters() -> None:
    assert shape(["a", "b"], "    return a - b\n") != shape(["a", "b"], "    return b - a\n")
    assert shape(["a", "b"], "    return a - b\n") == shape(["b", "a"], "    return b - a\n")


def test_spaces_and_brackets_do_not_matter() -> None:
    assert shape(["a"], "    return (a+1)\n") == shape(["a"], "    return a + 1\n")
    assert outline("    return (a+1)\n") == outline("    return a + 1\n")


def test_lambda_arguments_are_names_too() -> None:
    one, two = "    return sorted(xs, key=lambda v: -v)\n", "    return sorted(xs, key=lambda w: -w)\n"
    assert shape(["xs"], one) == shape(["xs"], two)


def test_what_is_not_python_raises() -> None:
    with pytest.raises(SyntaxError):
        shape(["a"], "    return ((\n")


def _grid(*sizes: int) -> dict[str, tuple[str, ...]]:
    keys: list[tuple[str, ...]] = [()]
    for axis, size in enumerate(sizes):
        keys = [(*key, f"{axis}{part}") for key in keys for part in range(size)]
    return {"+".join(key): key for key in keys}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 10**6))
def test_every_part_stays_taught(sizes: list[int], seed: int) -> None:
    compositions = _grid(*sizes)
    held = hold_out(compositions, group="g", seed=seed)
    left = Counter(
        (axis, part) for key, parts in compositions.items() if key not in held for axis, part in enumerate(parts)
    )
    before = Counter((axis, part) for parts in compositions.values() for axis, part in enumerate(parts))
    for slot, count in before.items():
        assert left[slot] >= min(count, TAUGHT)
    assert len(held) <= round(SHARE * len(compositions))


def test_a_composing_family_holds_out_its_share() -> None:
    compositions = _grid(12, 13)
    assert len(hold_out(compositions, group="g", seed=1)) == round(SHARE * 156)


def test_small_families_hold_out_nothing() -> None:
    assert hold_out(_grid(11), group="g", seed=1) == frozenset()


def test_the_order_of_compositions_does_not_matter() -> None:
    compositions = _grid(6, 6)
    backwards = dict(reversed(compositions.items()))
    assert hold_out(compositions, group="g", seed=3) == hold_out(backwards, group="g", seed=3)


def test_seed_and_group_decide() -> None:
    compositions = _grid(12, 12)
    base = hold_out(compositions, group="g", seed=1)
    assert base != hold_out(compositions, group="g", seed=2)
    assert base != hold_out(compositions, group="h", seed=1)
