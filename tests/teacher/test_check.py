from dataclasses import replace

from hornbook.sandbox.program import CallResult, Outcome
from hornbook.sandbox.sandbox import Sandbox
from hornbook.teacher.check import check, complaint, rejected_is_wrong
from hornbook.teacher.interface import Case, Exercise, Preference, Trial


def test_complaints() -> None:
    cases = (Case((1,), 2), Case((2,), 3))
    right = Outcome("ok", (CallResult(2), CallResult(3)))
    assert complaint(right, cases) == ""
    assert "gave 4" in complaint(Outcome("ok", (CallResult(2), CallResult(4))), cases)
    assert "ValueError" in complaint(Outcome("ok", (CallResult(2), CallResult(error="ValueError: no"))), cases)
    assert complaint(Outcome("timeout"), cases) == "timeout"
    assert complaint(Outcome("ok", (CallResult(2),)), cases) == "1 results for 2 calls"


def _exercise(body: str) -> Exercise:
    text = f'def f(n):\n    """Return n plus 1."""\n{body}'
    return Exercise(
        "f", ("n",), "Return n plus 1.", "n plus 1", body, text, "x", "x/y", (Case((1,), 2), Case((-1,), 0)), {}
    )


def test_the_sandbox_tells_right_from_wrong() -> None:
    right, wrong, broken = _exercise("    return n + 1\n"), _exercise("    return n + 2\n"), _exercise("    return (\n")
    with Sandbox(allow_unisolated=True) as sandbox:
        verdicts = list(check([right, wrong, broken, right], sandbox))
    assert verdicts[0] == verdicts[3] == ""
    assert "gave 3" in verdicts[1]
    assert verdicts[2].startswith("error")


def test_a_rejected_body_must_fail() -> None:
    right, wrong = _exercise("    return n + 1\n"), _exercise("    return n + 2\n")
    pairs = [
        Preference("", "", "chat", trial=Trial(wrong.text, "f", wrong.cases)),
        Preference("", "", "refusal"),
        Preference("", "", "chat", trial=Trial(right.text, "f", right.cases)),
    ]
    with Sandbox(allow_unisolated=True) as sandbox:
        assert rejected_is_wrong(pairs, sandbox) == [True, True, False]


def test_an_exercise_with_other_cases_fails() -> None:
    exercise = replace(_exercise("    return n + 1\n"), cases=(Case((1,), 2.0),))
    with Sandbox(allow_unisolated=True) as sandbox:
        (verdict,) = check([exercise], sandbox)
    assert verdict
