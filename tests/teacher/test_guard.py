from hornbook.teacher.guard import Guard
from hornbook.teacher.interface import Exercise, Problem

PROBLEM = Problem("id", "x", "x/a+b", "f", ("n",), "", "", "    return n * n + 3\n", (), {})


def _exercise(body: str, composition: str = "y/c") -> Exercise:
    return Exercise("g", ("m",), "", "", body, "", "y", composition, (), {})


def test_the_same_body_with_other_names_is_caught() -> None:
    assert Guard([PROBLEM]).complaint(_exercise("    return m * m + 3\n")) == "same body as a held-out problem"


def test_the_same_composition_is_caught() -> None:
    assert Guard([PROBLEM]).complaint(_exercise("    return m\n", "x/a+b")) == "held-out composition"


def test_other_numbers_and_operators_pass() -> None:
    guard = Guard([PROBLEM])
    assert guard.complaint(_exercise("    return m * m + 4\n")) == ""
    assert guard.complaint(_exercise("    return m * m - 3\n")) == ""
    assert Guard([]).complaint(_exercise("    return m * m + 3\n")) == ""
