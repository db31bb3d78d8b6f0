"""Study files: what is wrong in them is told in one line, those that come with Hornbook are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.study.settings import Study, available, locate_study, read_study, runs_of

HEAD = 'recipe = "pocket"\nagainst = "a"\n[arms.a]\n[arms.b]\n'


def read(folder: Path, text: str) -> Study:
    (folder / "x.toml").write_text(text)
    return read_study(folder / "x.toml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"seds = [1]\n{HEAD}", "x.toml: seds is not a setting (did you mean 'seeds'?)"),
        (HEAD.replace('"a"', '"c"'), "against names no arm: 'c'"),
        (f'measures = ["pas_at_1"]\n{HEAD}', "'pas_at_1' is not a measure (did you mean 'pass_at_1'?)"),
        (f'until = "evalute"\n{HEAD}', "until names no stage: 'evalute' (did you mean 'evaluate'?)"),
        (f"seeds = [1, 1]\n{HEAD}", "each is there once"),
        (HEAD.replace("[arms.b]\n", ""), "two arms at least"),
        (HEAD + "seed = 3\n", "seed is not for an arm to set"),
        (HEAD.replace("arms.b", 'arms."../b"'), "becomes a folder's name"),
        (f"worth = {{ right = 0 }}\n{HEAD}", "more than 0"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        read(tmp_path, text)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wrong_setting_of_an_arm_names_the_arm_and_the_nearest(tmp_path: Path) -> None:
    study = read(tmp_path, HEAD + "pretrain.phase2.tokns = 5\n")
    with pytest.raises(UserError, match=r"arm b: .*pretrain\.phase2\.tokns is not a setting \(did you mean 'tokens'"):
        runs_of(study, tmp_path)


def test_a_checkpoint_that_no_arm_leaves_is_told(tmp_path: Path) -> None:
    study = read(tmp_path, f'checkpoints = ["sft", "phse2"]\n{HEAD}')
    with pytest.raises(UserError, match="checkpoints: no arm leaves 'phse2' \\(did you mean 'phase2'"):
        runs_of(study, tmp_path)


def test_only_the_checkpoints_that_are_compared_are_asked(tmp_path: Path) -> None:
    text = f'checkpoints = ["phase2", "sft", "4bit"]\n{HEAD}without = ["sft", "dpo", "quantize"]\n'
    asked = {run.arm: run.recipe.evaluate.checkpoints for run in runs_of(read(tmp_path, text), tmp_path)}
    assert asked == {"a": ("phase2", "sft"), "b": ("phase2",)}  # a 4-bit model is asked where it is made


def test_arms_differ_in_what_they_set_only(tmp_path: Path) -> None:
    text = HEAD + 'dpo.beta = 0.3\n"pretrain.phase2.tokens" = 1e6\n'
    study = read(tmp_path, f"seeds = [4, 7]\nproblems = 50\nsettings.sft.batch = 8\n{text}")
    found = {run.name: run.recipe for run in runs_of(study, tmp_path)}
    assert list(found) == ["a-4", "a-7", "b-4", "b-7"]
    assert found["b-7"].seed == 7
    assert (found["a-4"].dpo.beta, found["b-4"].dpo.beta) == (0.1, 0.3)
    assert found["b-4"].pretrain.phase2.tokens == 1_000_000
    assert {recipe.sft.batch for recipe in found.values()} == {8}
    assert {recipe.write.problems for recipe in found.values()} == {50}


def test_what_is_given_beside_the_file_is_for_all_arms(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        f"problems = 50\nsettings.sft.batch = 8\nsettings.dpo.beta = 0.2\n{HEAD}sft.epochs = 3\n"
    )
    study = read_study(tmp_path / "x.toml", ["seeds=[4, 7]", "sft.batch=4", "sources.0.path=python:documentation"])
    found = {run.name: run.recipe for run in runs_of(study, tmp_path)}
    assert list(found) == ["a-4", "a-7", "b-4", "b-7"]
    assert {(one.sft.batch, one.dpo.beta, one.write.problems) for one in found.values()} == {(4, 0.2, 50)}
    assert {one.sources[0].path for one in found.values()} == {"python:documentation"}


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("sft.epochs=1", r"sft\.epochs is not for all arms alike: in x\.toml b sets sft\.epochs"),
        ("sft={batch = 1}", r"sft is not for all arms alike: in x\.toml b sets sft\.epochs"),
        ("seds=[1]", "seds is not a setting of the study or of its recipe .did you mean 'seeds'"),
        ("seed=1", "seed is not for an arm to set"),
        ("seeds=[]", "seeds"),
        ("quickly", "write KEY=VALUE"),
    ],
)
def test_what_arms_set_is_not_given_beside_the_file(tmp_path: Path, override: str, told: str) -> None:
    (tmp_path / "x.toml").write_text(f"{HEAD}sft.epochs = 3\n")
    with pytest.raises(UserError, match=told):
        read_study(tmp_path / "x.toml", [override])


@pytest.mark.usefixtures("with_smollm2")
def test_those_that_come_with_hornbook() -> None:
    assert {"phases", "filter", "sft-mix", "dpo", "four-bits", "synthetic"} <= available().keys()
    for path in available().values():
        study = read_study(path)
        assert study.description
        runs = runs_of(study, path.parent)
        assert len(runs) == len(study.arms) * len(study.seeds)

        assert len(study.seeds) >= 3
        phases = [(run.recipe.pretrain.phase1, run.recipe.pretrain.phase2) for run in runs]
        tokens = {phase1.tokens + phase2.tokens for phase1, phase2 in phases}
        # As many for one optimiser and batch: where the question is one of time, a step of another takes another.
        steps = {(run.recipe.pretrain.optimizer, run.recipe.pretrain.batch) for run in runs}
        assert len(tokens) == (1 if "at equal tokens" in study.description else len(steps))


def test_a_study_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'phases'"):
        locate_study("phase")


def test_limits_of_rules_have_dots_of_their_own(tmp_path: Path) -> None:
    text = f'{HEAD}[arms.b.filter.heuristics]\nrules = ["gopher.few_words"]\nlimits = {{ "gopher.few_words" = 20 }}\n'
    found = {run.name: run.recipe for run in runs_of(read(tmp_path, text), tmp_path)}
    assert found["b-1"].filter.heuristics.limits == {"gopher.few_words": 20}
