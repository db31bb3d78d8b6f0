"""A whole optimisation in seconds: what it tries, what it writes, that it goes on where it was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.optimise.page import beyond, sentences
from hornbook.optimise.plan import REPETITIONS, Plan, expected
from hornbook.optimise.run import MIXTURES, PAGE, RECIPE, optimise
from hornbook.optimise.scores import NATURAL, OWN, PROPOSED, RANDOM, Losses, bar, losses_of, scores_of, weights_of
from hornbook.recipe import load
from hornbook.study.settings import runs_of

SIZES, TOKENS = (35_000, 60_000), 6_000


def plan(recipe: Path, **changes: Any) -> Plan:
    return Plan(str(recipe), SIZES, TOKENS, **{"proxies": 4, "seeds": 1, "ranked": 1} | changes)


def made(into: Path) -> dict[str, tuple[int, float]]:
    """Every file of the stages, with its inode and time."""
    files = [path for path in into.glob("runs/*/[0-9]*/**/*") if path.is_file()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime) for path in files}


@pytest.mark.slow
def test_killed_it_goes_on_and_what_it_finds_is_a_recipe(tiny: Path, tmp_path: Path) -> None:
    into = tmp_path / "out"
    words = ["optimise", str(tiny), "--sizes", "35k,60k", "--tokens", "6k", "--proxies", "4", "--seeds", "1"]
    command = [sys.executable, "-m", "hornbook", *words, "--ranked", "1", "--into", str(into), "--without-isolation"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 600
    while not (into / "runs/natural-35k-1/04-pretrain").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    assert process.returncode == -9, out
    before = made(into)

    result = optimise(plan(tiny), into, allow_unisolated=True)
    assert before.items() <= made(into).items()  # nothing that was whole was made again
    assert result == json.loads((into / "optimise.json").read_text())

    names = [domain["name"] for domain in result["domains"]]
    assert names == ["texts", "numbers"]
    for shares in result["mixtures"].values():
        assert sum(shares) == pytest.approx(1)
    for shares in (result["mixtures"][name] for name in (NATURAL, PROPOSED, RANDOM)):
        for share, domain in zip(shares, result["domains"], strict=True):
            assert share * TOKENS <= REPETITIONS * domain["tokens"] * (1 + 1e-9)
    # No mixture that was tried is predicted to be better, what its divergence costs counted.
    penalty = result["kl_penalty"]
    costs = {name: loss + penalty * result["divergence"][name] for name, loss in result["predicted"].items()}
    assert costs[PROPOSED] <= min(costs.values()) + 1e-3  # shares are rounded, and crumbs swept up
    assert result["weights"] == {"bits.numbers": 0.5, "bits.texts": 0.5}
    drawn = [name for name in result["proxies"]["35k"] if name not in (NATURAL, OWN)]
    assert result["mixtures"][RANDOM] == result["mixtures"][min(drawn, key=result["proxies"]["35k"].get)]
    assert result["target"]["1"][NATURAL] == pytest.approx(1)
    assert {name: one["count"] for name, one in result["bars"].items()} == {NATURAL: 1, OWN: 1, RANDOM: 1}
    assert result["bars"][OWN]["mean"] == result["target"]["1"][PROPOSED] / result["target"]["1"][OWN] - 1

    rows = pq.read_table(into / MIXTURES).to_pylist()
    assert {row["mixture"] for row in rows} == result["mixtures"].keys()
    recipe = load(into / RECIPE)
    assert recipe.model.parameters() == result["sizes"]["60k"]["parameters"]
    assert recipe.pretrain.phase1.tokens + recipe.pretrain.phase2.tokens == TOKENS
    found = {component.sources[0]: component.share for component in recipe.pretrain.phase2.mixture}
    # A source of which nothing is wanted stays with a share too small for a row.
    wanted = {name: share or 1e-6 for name, share in zip(names, result["mixtures"][PROPOSED], strict=True)}
    assert found == pytest.approx(wanted, abs=2e-6)
    page = (into / PAGE).read_text()
    assert page.count("<svg") == 3
    assert "The proposed mixture" in page

    again = CliRunner().invoke(app, [*words, "--ranked", "1", "--into", str(into), "--without-isolation"])
    assert again.exit_code == 0, again.output
    assert "pairs of mixtures" in again.output


def test_what_it_would_take(tiny: Path) -> None:
    rows = expected(plan(tiny, proxies=24, seeds=5, ranked=6))
    assert [(row.what, row.size, row.runs) for row in rows] == [
        ("documents", 35_000, 5), ("proxies", 35_000, 26), ("target", 60_000, 20), ("ranking", 60_000, 6),
    ]  # fmt: skip
    assert [len(row.efforts) for row in rows] == [2, 3, 3, 3]  # read and clean; tokens, pretrain and samples
    told = CliRunner().invoke(app, ["optimise", str(tiny), "--sizes", "35k,60k", "--tokens", "6k", "--dry-run"])
    assert told.exit_code == 0, told.output
    assert "Nothing was run." in told.output
    assert not Path("optimise").exists()


def test_with_exercises_bodies_count_beside_text_and_little_is_written() -> None:
    wanted = Plan("pocket", (250_000, 1_000_000), 2_000_000, {"write.problems": 50})
    assert wanted.measures == ("body", "bits")
    study = wanted.study("x", {"a": wanted.arm(250_000), "b": {}}, "a", [1])
    [run, _] = runs_of(study, Path())
    names = [step.name for step in run.recipe.steps(run.base)]
    assert names[-2:] == ["evaluate", "report"] and "sft" not in names
    assert (run.recipe.evaluate.problems, run.recipe.write.problems) == (1, 50)
    assert run.recipe.model.parameters() == pytest.approx(250_000, rel=0.15)


def losses(**values: list[float]) -> Losses:
    """Losses of one figure, by mixture and seed from 1."""
    return {name: {seed: {"body": value} for seed, value in enumerate(found, 1)} for name, found in values.items()}


def test_scores_are_multiples_of_the_natural_mixtures_and_bars_pair_them_by_seed() -> None:
    scores = scores_of(losses(natural=[10, 20, 30], proposed=[9, 19, 27], recipe=[8, 22, 36]), {"body": 1.0})
    assert scores[1] == {"natural": 1.0, "proposed": 0.9, "recipe": 0.8}
    found = bar(scores, OWN)
    assert found["mean"] == pytest.approx((0.9 / 0.8 + 0.95 / 1.1 + 0.9 / 1.2) / 3 - 1)
    assert (found["count"], found["wins"]) == (3, 2)
    with pytest.raises(UserError, match="no run of proposed at the target's size can be held against one of random"):
        bar(scores, RANDOM)


def test_what_was_found_is_told_with_its_interval() -> None:
    scores = {
        seed: {PROPOSED: 0.9, NATURAL: 1.0, OWN: 0.8 + 0.01 * seed, RANDOM: 0.85 + 0.02 * seed} for seed in range(1, 6)
    }
    bars = {name: bar(scores, name) for name in (NATURAL, OWN, RANDOM)}
    told = sentences({"bars": bars, "agreement": {"35k and the target": {"same": 8, "pairs": 10, "share": 0.8}}})
    assert told == [
        (True, "The proposed mixture is better than the natural mixture, loss −10.00% (95% −10.00% to −10.00%; 5 seeds, lower in 5)."),
        (False, "The proposed mixture is worse than the recipe's own, loss +8.47% (95% +5.90% to +11.03%; 5 seeds, lower in 0)."),
        (None, "The proposed mixture and the best of the mixtures drawn at random: no difference seen, "
         "loss −1.00% (95% −5.28% to +3.27%; 5 seeds, lower in 3)."),
        (None, "35k and the target agree in 8 of 10 pairs of mixtures (80%)."),
    ]  # fmt: skip
    alone = sentences({"bars": {NATURAL: bar({1: scores[1]}, NATURAL)}, "agreement": {}})
    assert "−10.00% in the one seed, which tells nothing of chance" in alone[0][1]


def test_a_page_tells_where_the_law_goes_by_what_it_has_not_seen() -> None:
    mixtures = {"m01": [0.3, 0.7], "natural": [0.5, 0.5], OWN: [0.8, 0.2], PROPOSED: [0.6, 0.4]}
    found = {"mixtures": mixtures, "domains": [{"name": "exercises"}, {"name": "library"}]}
    assert beyond(found) == ["exercises (60%; 50% at most)"]
    assert beyond({**found, "mixtures": {**mixtures, PROPOSED: [0.4, 0.6]}}) == []


def test_measures_count_alike_and_one_that_is_missing_is_told() -> None:
    figures = {"body": 2.0, "bits.a": 1.0, "bits.b": 1.0}
    found: Losses = {NATURAL: {1: figures}}
    assert weights_of(found, ["body", "bits"]) == {"body": 0.5, "bits.a": 0.25, "bits.b": 0.25}
    with pytest.raises(UserError, match="body was not measured: no held-out problem fits"):
        weights_of({NATURAL: {1: {"bits.a": 1.0}}}, ["body", "bits"])


def test_a_run_that_fails_ends_it_only_where_others_are_held_against_it() -> None:
    names = {"natural-1k": NATURAL, "m01-1k": "m01"}
    compared = [{"measure": "bits.a", "values": {"natural-1k": {"1": 2.0}}}]
    failed = {"arm": "m01-1k", "seed": 1, "failed": "too few rows"}
    assert losses_of({"comparisons": compared, "runs": [failed]}, names) == {NATURAL: {1: {"bits.a": 2.0}}}
    with pytest.raises(UserError, match="natural-1k with seed 1 failed: too few rows"):
        losses_of({"comparisons": compared, "runs": [failed | {"arm": "natural-1k"}]}, names)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sizes", "35k", "--tokens", "6k"], "names two sizes at least"),
        (["--sizes", "35k,many", "--tokens", "6k"], "--sizes: 'many' is no amount"),
        (
            ["--sizes", "35k,60k", "--tokens", "6k", "--measures", "boddy"],
            "'boddy' is none of body, bits (did you mean",
        ),
        (["--sizes", "1k,60k", "--tokens", "6k", "--dry-run"], "no shape of this model has about 1,000 parameters"),
        (["pretrain.tokns=3", "--sizes", "35k,60k", "--tokens", "6k"], "pretrain.tokns is not a setting"),
        (["nonsense", "--sizes", "35k,60k", "--tokens", "6k"], "'nonsense' is no setting; write KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tiny: Path, words: list[str], told: str) -> None:
    wrong = CliRunner().invoke(app, ["optimise", str(tiny), *words]).exception
    assert isinstance(wrong, UserError)
    assert told in str(wrong)


def test_recipes_that_measure_nothing_or_not_what_is_asked_for(tiny: Path) -> None:
    text = tiny.read_text()
    tiny.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("samples")))
    with pytest.raises(UserError, match=r"tiny.toml measures nothing: it leaves evaluate out and has no \[samples\]"):
        plan(tiny)
    tiny.write_text(text)
    with pytest.raises(UserError, match=r"body is of held-out problems, and tiny\.toml leaves evaluate out"):
        plan(tiny, measures=["body"])


def test_a_corpus_too_small_for_the_budget(tiny: Path, tmp_path: Path) -> None:
    wanted = Plan(str(tiny), SIZES, 60_000_000)
    with pytest.raises(UserError, match=r"60,000,000 tokens would read a corpus of [\d,]+ more than 4 times"):
        optimise(wanted, tmp_path / "out", allow_unisolated=True)


def test_a_shape_and_its_budget_follow_the_size(tiny: Path) -> None:
    wanted = plan(tiny)
    small, large = (wanted.shapes[size] for size in wanted.sizes)
    assert wanted.budget(wanted.target) == TOKENS
    assert wanted.budget(wanted.sizes[0]) == pytest.approx(TOKENS * small.parameters() / large.parameters(), abs=1)
    arm = wanted.arm(wanted.target, [{"sources": ["texts"], "share": 1.0}])
    recipe = load(tiny, arm)
    assert recipe.model == large
    assert recipe.pretrain.phase1.tokens * 3 == recipe.pretrain.phase2.tokens
    assert recipe.pretrain.phase1.maximum_epochs == recipe.pretrain.phase2.maximum_epochs == REPETITIONS
