from __future__ import annotations

import pytest

from hornbook.report.checkpoints import Change, change, checkpoints, last_trained, why_wrong
from hornbook.report.run import Run


def test_order_is_the_recipes_and_then_by_name(make_run):
    assert Run.of(make_run()).in_order(["zeta", "4bit", "sft", "alpha", "phase1"]) == [
        "phase1",
        "sft",
        "4bit",
        "alpha",
        "zeta",
    ]


@pytest.mark.parametrize(
    ("gained", "lost", "p", "is_chance"),
    [(0, 0, 1.0, True), (1, 1, 1.0, True), (5, 0, 0.0625, True), (6, 0, 0.03125, False), (2, 8, 0.109375, True)],
)
def test_the_sign_test(gained, lost, p, is_chance):
    assert Change(gained, lost).p == pytest.approx(p)
    assert Change(gained, lost).is_chance is is_chance
    assert Change(lost, gained).p == Change(gained, lost).p


def test_the_sign_test_of_many():
    assert Change(900, 2_000).p < 1e-90


def test_changes_are_counted_problem_by_problem(make_run):
    models = checkpoints(Run.of(make_run()))
    assert [model.name for model in models] == ["phase1", "phase2", "sft", "dpo", "4bit"]
    assert change(models[1], models[2]) == Change(gained=1, lost=1)
    assert change(models[0], models[3]) == Change(gained=3, lost=0)
    assert last_trained(models) is models[3]


def test_nothing_to_compare(make_run):
    folders = make_run()
    (folders["evaluate"] / "sft.json").unlink()
    models = checkpoints(Run.of(folders))
    assert change(models[1], models[2]) is None


def test_no_checkpoints():
    assert last_trained([]) is None


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("", ""),
        ("f(1) returned 2, not 3", "returned a wrong value"),
        ("f('error: x') returned None, not 3", "returned a wrong value"),
        ("f(1) raised ValueError: no", "raised an error"),
        ("error: SyntaxError: invalid syntax (<program>, line 1)", "not valid Python"),
        ("error: IndentationError: unexpected indent", "not valid Python"),
        ("error: NameError: the program defines no function 'f'", "gave the function another name"),
        ("error: NameError: name 'x' is not defined", "did not load"),
        ("timeout: no answer within the time allowed", "took too long"),
        ("memory", "took too much memory"),
        ("died: ended by signal 9 before it had answered", "broke off"),
        ("output: more was written than is allowed", "broke off"),
    ],
)
def test_kinds_of_failures(wrong, kind):
    assert why_wrong(wrong) == kind
