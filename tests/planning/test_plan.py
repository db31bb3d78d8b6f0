from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from hornbook.planning.gpus import GPUS
from hornbook.planning.plan import Plan, Terms, plan
from hornbook.planning.table import dollars, hours, short, tables
from hornbook.recipe import Recipe, available, load

A100 = GPUS["a100"]


def planned(name: str, *overrides: str, mfu: float = 0.4, gpus: int = 8) -> Plan:
    terms = Terms(A100, gpus=gpus, price=2.0, utilisation=mfu, cores=2)
    return plan(load(available()[name], overrides), Path.cwd(), terms, A100)


def test_phi_1_5_against_its_published_hours() -> None:
    """150B tokens at 6 operations a weight that multiplies, and attention on top, against 1,500 hours of an A100."""
    made = planned("phi-1.5")
    matrices = 1_418_270_720 - 51_200 * 2048  # the input embedding is looked up
    per_token = 6 * matrices + 3 * 4 * 2048 * 2048 * 24
    assert made.flops_per_token == pytest.approx(per_token, rel=2e-3)  # norms and biases apart
    assert made.tokens == pytest.approx(150e9)
    expected = 150e9 * per_token / (312e12 * 0.4) / 3600
    assert made.gpu_hours == pytest.approx(expected, rel=2e-3)
    assert made.hours == made.gpu_hours / 8
    assert made.gpu_dollars == 2 * made.gpu_hours
    assert made.comparison is not None
    assert made.comparison.gpu_hours == 1500
    assert made.comparison.planned_gpu_hours == pytest.approx(made.gpu_hours)
    # At the utilisation that is implied, the plan's hours are the published ones.
    again = planned("phi-1.5", mfu=made.comparison.implied_utilisation)
    assert again.gpu_hours == pytest.approx(1500)
    assert 0.7 < made.comparison.implied_utilisation < 0.9


def test_caps_leave_a_phase_short(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    made = plan(make_recipe("pretrain.phase2.tokens=10_000"), tmp_path, Terms(A100))
    assert [(one.tokens, one.epochs) for one in made.mixture] == [(1_000, 0.5), (4_000, 2.0)]
    assert made.short == {"phase2": 6_000}
    assert "6 k tokens short" in " ".join(part for part in tables(made) if isinstance(part, str))
    assert plan(make_recipe(), tmp_path, Terms(A100)).short == {}


def test_what_one_ingredient_lacks_the_others_give(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "c.txt").write_text("y" * 100_000)
    mixture = '[{sources = ["texts"], share = 0.9, maximum_epochs = 0.5}, {sources = ["more"], share = 0.1}]'
    sources = 'sources=[{name = "texts", path = "texts"}, {name = "more", path = "more"}]'
    made = plan(make_recipe(sources, f"pretrain.phase1.mixture={mixture}"), tmp_path, Terms(A100))
    assert [one.tokens for one in made.mixture if one.phase == "phase1"] == [900, 100]
    made = plan(
        make_recipe(sources, f"pretrain.phase1.mixture={mixture}", "pretrain.phase1.tokens=5000"), tmp_path, Terms(A100)
    )
    first, second = (one for one in made.mixture if one.phase == "phase1")
    assert (first.tokens, first.share, first.share_asked) == (1_000, 0.2, 0.9)
    assert second.tokens == 4_000


def test_unknown_sizes_cap_nothing_and_are_named(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    made = plan(make_recipe('sources.0.path="hf:nobody/nothing"'), tmp_path, Terms(A100))
    assert made.unknown == ("texts",)
    assert [(one.tokens, one.available, one.epochs) for one in made.mixture] == [(1000, None, None), (3000, None, None)]
    assert "texts: size unknown" in " ".join(part for part in tables(made) if isinstance(part, str))


def test_an_llm_costs_money_and_the_built_in_teacher_does_not(tmp_path: Path) -> None:
    endpoint = 'teacher.endpoints=["http://localhost:9/v1#m"]'
    size = ("write.exercises=1000", "grade.sample=100", "grade.characters=4000")
    assert planned("pocket", *size).teaching.requests == 0
    terms = Terms(A100, teacher_prices=(1.0, 4.0))
    made = plan(load(available()["pocket"], [*size, endpoint]), tmp_path, terms)
    assert made.teaching.requests == 1_100
    assert made.teaching.tokens_in == 100 * 1_350 + 1_000 * 300
    assert made.teaching.tokens_out == 100 * 120 + 1_000 * 250
    assert made.teacher_dollars == pytest.approx((435_000 + 4 * 262_000) / 1e6)
    only = plan(load(available()["pocket"], [*size, endpoint, "teacher.grades=false"]), tmp_path, terms)
    assert only.teaching.requests == 1_000
    talk = ["write.conversations=400", "write.preferences=100", "teacher.conversations=0.5", "teacher.preferences=1"]
    talk.append(
        "write.conversation_shares={completion=0.4, task=0.3, follow_up=0.1, chatter=0.06, beyond=0.04, refusal=0.05,"
        "compliance=0.02, harmless=0.03}"
    )
    talk.append("write.preference_shares={completion=0.4, chat=0.2, beyond=0.1, refusal=0.25, harmless=0.05}")
    more = plan(load(available()["pocket"], [*size, endpoint, *talk]), tmp_path, terms)
    chats, preferences = 400 // 2 * (0.3 + 0.1 + 0.06 + 0.04), 100 * (0.4 + 0.2 + 0.1)
    assert more.teaching.requests == 1_100 + round(chats) + round(preferences)
    stories = load(available()["stories"], [endpoint, 'sources.0.path="teacher:stories#500"'])
    assert plan(stories, tmp_path, terms).teaching.requests == 500


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.usefixtures("with_smollm2")
def test_every_recipe_can_be_planned_and_shown(name: str) -> None:
    made = planned(name)
    assert json.loads(json.dumps(made.as_values()))["parameters"] == made.parameters
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for part in tables(made):
        console.print(part)
    text = console.export_text()
    assert "What it takes" in text
    assert made.parameters > 900_000
    assert f"{made.parameters:,} parameters" in text
    assert made.dollars == pytest.approx(made.gpu_dollars + made.corpus_dollars + made.teacher_dollars)


def test_figures_in_words() -> None:
    assert [short(n) for n in (7, 999, 1_234, 999_600, 28e9, 3.3e12)] == ["7", "999", "1.23 k", "1 M", "28 B", "3.3 T"]
    assert [hours(n) for n in (0.0001, 0.01, 0.5, 3, 2400)] == ["< 1 s", "36 s", "30 min", "3.0 h", "2,400 h (100 d)"]
    assert [dollars(n) for n in (0.1, 12_345.6)] == ["$0.10", "$12,346"]
