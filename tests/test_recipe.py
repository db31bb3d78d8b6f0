"""Recipes: every mistake is one line that names the key and the nearest right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.recipe import BUILT_IN, available, base_of, described, load, locate, text_of

POCKET = available()["pocket"]


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.usefixtures("with_smollm2")
def test_every_recipe_that_ships_loads(name: str) -> None:
    assert load(available()[name]).description == described(available()[name]) != ""


def test_the_recipes_folder_is_the_same_folder() -> None:
    folder = Path(__file__).parents[1] / "recipes"
    assert folder.resolve() == BUILT_IN.resolve()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("pretrian.batch=3", "pretrian is not a setting (did you mean 'pretrain'?)"),
        ("pretrain.bach=3", "pretrain.bach is not a setting (did you mean 'batch'?)"),
        ("pretrain.phase1.token=3", "pretrain.phase1.token is not a setting (did you mean 'tokens'?)"),
        ("sources.0.nmae=x", "sources.0.nmae is not a setting (did you mean 'name'?)"),
        (
            "pretrain.phase2.mixture.1.shares=1",
            "pretrain.phase2.mixture.1.shares is not a setting (did you mean 'share'?)",
        ),
        (
            "write.conversation_shares.tasks=1",
            "write.conversation_shares.tasks is not a setting (did you mean 'task'?)",
        ),
        ("quantize.xyzzy=1", "quantize.xyzzy is not a setting; it can be bits, calibration_rows, calibration_tokens"),
        ("tokens.vocabulary=512", "tokens.vocabulary is not a setting"),
        ("pretrain.batch=many", "pretrain.batch: input should be a valid integer"),
        ("pretrain.batch=1.5", "pretrain.batch: "),
        ("pretrain.batch=0", "pretrain.batch: input should be greater than or equal to 1 (given: 0)"),
        ("pretrain.optimizer=sgd", "pretrain.optimizer: input should be 'muon' or 'adamw' (given: 'sgd')"),
        ("pretrain.learning_rate=nan", "pretrain.learning_rate: "),
        ("model=5", "model is a table of settings, not the single value 5"),
        ("pretrain.phase1=5", "pretrain.phase1 is a table of settings, not the single value 5"),
        ("sources=5", "sources: "),
        ("sources=[]", "sources: "),
        ("sources.2.name=x", "sources.2: there are 2 items, counted from 0"),
        ("pretrain.phase1.mixture.0.share=1", "pretrain.phase1.mixture is a list, and has no item 0 here"),
        ("pretrain.phase2.mixture={sources=['library'], share=1.0}", "pretrain.phase2.mixture is a list, not a table"),
        ("pretrain.phase1.tokens=60k", "pretrain.phase1: it reads tokens, so it needs a mixture to take them from"),
        ("sources.²=x", "sources.²: there are 2 items"),
        ("sources.x.name=y", "sources.x: there are 2 items"),
        ("seed.x=1", "seed.x: seed is a single value, it has no parts"),
        ("seed.x.y=1", "1 is a single value, it has no parts"),
        ("seed", "'seed' is no setting; write KEY=VALUE"),
        ("=1", "'=1' is no setting; write KEY=VALUE"),
        ("", "'' is no setting; write KEY=VALUE"),
        ("sources.1.name=library", "two sources have the same name"),
        ("sources.0.name=exercises", "'exercises' is the teacher's own"),
        ("sources.0.name=a/b", "the source name 'a/b'"),
        ("sources.0.name=libary", "names the unknown source 'library' (did you mean 'libary'?)"),
        ("pretrain.phase2.mixture.0.share=0.5", "pretrain.phase2: the shares of a mixture must add up to 1"),
        ("model.heads=3", "model: width 128 is not a multiple of heads 3"),
        ("model.width=144", "model.width is 144, not a multiple of 32"),
        ("model.mlp_width=100", "model.mlp_width is 100, not a multiple of 32"),
        ("model.vocabulary=100", "model.vocabulary is 100"),
        ("model.activation=gelu", "no published checkpoint format holds this model"),
        ("model.experts={count=4}", "experts"),
        ("write.families=0", "write.families: input should be greater than or equal to 1"),
    ],
)
def test_mistakes_are_told_in_one_line(override: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load(POCKET, [override])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["families", "names"])
def test_an_llms_exercises_have_no_families_of_ours(name: str) -> None:
    teacher = "teacher.endpoints=['http://127.0.0.1:1/v1#m']"
    with pytest.raises(UserError, match=rf"write\.{name} is of the built-in teacher's exercises.*teacher\.exercises"):
        load(POCKET, [teacher, f"write.{name}=4"])
    assert getattr(load(POCKET, [teacher, "teacher.exercises=false", f"write.{name}=4"]).write, name) == 4


def test_overrides() -> None:
    changed = load(
        POCKET,
        [
            "pretrain.phase2.tokens=1e6",
            "pretrain.phase1.tokens=60k",
            "sources.1.path=my texts",
            'description="with = inside"',
            "pretrain.phase1.mixture=[{sources=['manual'], share=1.0}]",
            "sft.compile=false",
            "dpo.beta=1",
        ],
    )
    assert (changed.pretrain.phase2.tokens, changed.pretrain.phase1.tokens) == (1_000_000, 60_000)
    assert type(changed.pretrain.phase2.tokens) is int
    assert changed.sources[1].path == "my texts"
    assert changed.description == "with = inside"
    assert changed.pretrain.phase1.mixture[0].sources == ("manual",)
    assert changed.sft.compile is False
    assert changed.dpo.beta == 1.0
    assert load(POCKET, ["seed=1", "seed=5"]).seed == 5


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[sources]]\nname = "a"\npath = "."\n')
    with pytest.raises(UserError, match=r"mine\.toml: pretrain is missing"):
        load(path)
    path.write_text("seed = \n")
    with pytest.raises(UserError, match=r"mine\.toml is not valid TOML: .*line 1"):
        load(path)
    path.write_bytes(b"seed = '\xff'")
    with pytest.raises(UserError, match=r"mine\.toml is not valid TOML"):
        load(path)
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)


def test_locate(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("")
    assert locate(str(tmp_path / "mine.toml")) == ("mine", tmp_path / "mine.toml")
    assert locate("pocket") == ("pocket", POCKET)
    with pytest.raises(UserError, match=r"no recipe 'pokcet' \(did you mean 'pocket'\?\)"):
        locate("pokcet")
    with pytest.raises(UserError, match="no recipe file"):
        locate(str(tmp_path / "other.toml"))


@pytest.mark.parametrize("name", available())
@pytest.mark.usefixtures("with_smollm2")
def test_a_recipe_written_down_is_the_same(name: str, tmp_path: Path) -> None:
    """As a run keeps it: in another folder, with paths that start where they did."""
    recipe = load(available()[name], ["seed=7"])
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(text_of(recipe, tmp_path, folder))
    again = load(folder / "recipe.toml")
    assert again.model_dump(exclude={"relative_to"}) == recipe.model_dump(exclude={"relative_to"})
    assert base_of(folder / "recipe.toml", again).resolve() == tmp_path.resolve()


@pytest.mark.parametrize("key", ["width", "vocabulary", "layers", "mlp_width", "context", "heads"])
def test_sizes_that_no_model_has(key: str) -> None:
    with pytest.raises(UserError, match=rf"model\.{key}: .*less than or equal to"):
        load(locate("pocket")[1], [f"model.{key}={2**40}"])
