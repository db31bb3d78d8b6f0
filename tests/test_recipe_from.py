"""`[model] from`: a recipe that goes on from a model somebody has, and keeps its tokenizer, template and context."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model import build, save
from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.recipe import load, text_of

from .test_run import RECIPE, command, recipe  # noqa: F401 (a fixture)

FROM = RECIPE.replace(
    "model = { vocabulary = 320, layers = 1, width = 32, heads = 2, mlp_width = 32, context = 192 }",
    'model.from = "base"',
).replace("tokens = {", "tokens = { length = 64,")
LLAMA = ModelConfig(
    format="llama", vocabulary=400, layers=1, width=32, heads=2, kv_heads=1, mlp_width=32, context=256, qkv_bias=False
)


@pytest.fixture(scope="module")
def goes_on(recipe: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """A recipe beside the model that it goes on from, in bf16, with a template of its own."""
    folder = tmp_path_factory.mktemp("from")
    shutil.copytree(recipe.parent / "texts", folder / "texts")
    save(build(LLAMA, dtype=torch.bfloat16, seed=4), folder / "base", Tokenizer(tokenizer_folder))
    template = (folder / "base" / "chat_template.jinja").read_text()
    (folder / "base" / "chat_template.jinja").write_text("{{- '' -}}" + template)
    (folder / "from.toml").write_text(FROM)
    return folder / "from.toml"


@pytest.mark.slow
def test_every_stage_keeps_what_the_base_has(goes_on: Path, tmp_path: Path) -> None:
    into, base = tmp_path / "run", goes_on.parent / "base"
    still = ["pretrain.learning_rate=1e-9", "pretrain.muon_learning_rate=1e-9"]
    done = subprocess.run(command(goes_on, into, *still), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for place in ("05-tokens/tokenizer", "06-pretrain/phase1", "06-pretrain/phase2", "07-sft/model", "08-dpo/model"):
        for name in ("tokenizer.json", "chat_template.jinja"):
            assert (into / place / name).read_bytes() == (base / name).read_bytes()
    first, last = (read_json(folder / "config.json") for folder in (base, into / "08-dpo" / "model"))
    assert last == first and last["architectures"] == ["LlamaForCausalLM"]
    before, after = (checkpoint.load(folder).state_dict() for folder in (base, into / "06-pretrain" / "phase1"))
    # It began there, and such a rate moves next to nothing.
    assert all(after[name].dtype == torch.bfloat16 for name in before)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert not (into / "06-pretrain" / "phase2" / "training" / "untrained_tokens.json").exists()
    assert read_json(into / "05-tokens" / "shards" / "phase1-0.json")["row"] == 65
    again = subprocess.run(
        [
            sys.executable,
            "-m",
            "hornbook",
            "run",
            str(into / "recipe.toml"),
            "--into",
            str(into),
            "--without-isolation",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Everything is done already" in again.stdout


def test_the_recipe_has_the_bases_shape_and_says_so_again(goes_on: Path, tmp_path: Path) -> None:
    found = load(goes_on)
    assert found.model == checkpoint.load(goes_on.parent / "base").config and found.initial_model == "base"
    (tmp_path / "again.toml").write_text(text_of(found, goes_on.parent, tmp_path))
    assert 'from = "base"' in (tmp_path / "again.toml").read_text()
    assert load(tmp_path / "again.toml").model == found.model


def test_the_bases_shape_takes_the_place_of_a_recipes(goes_on: Path, tmp_path: Path) -> None:
    config, base = checkpoint.load(goes_on.parent / "base").config, str(goes_on.parent / "base")
    (tmp_path / "texts").mkdir()
    (tmp_path / "tiny.toml").write_text(RECIPE)
    assert load(tmp_path / "tiny.toml", [f"model.from={base}"]).model == config
    assert load(tmp_path / "tiny.toml", {"model.from": base}).model == config
    (tmp_path / "mine.toml").write_text(f'base = "tiny.toml"\nmodel.from = "{base}"\n')
    assert load(tmp_path / "mine.toml").model == config
    with pytest.raises(UserError, match=r"model\.layers can't be set beside model\.from"):
        load(tmp_path / "mine.toml", ["model.layers=2"])
    (tmp_path / "control.toml").write_text(
        f'base = "mine.toml"\nmodel.like = "phi-1-small"\ntokens.tokenizer = "{base}"\n'
    )
    control = load(tmp_path / "control.toml")
    assert (control.initial_model, control.model.width, control.tokens.tokenizer) == ("", 1024, base)
    assert load(tmp_path / "mine.toml", ["model.like=phi-1-small"]).initial_model == ""


def test_other_weights_and_another_tokenizer_are_other_work(goes_on: Path, tmp_path: Path) -> None:
    shutil.copytree(goes_on.parent, tmp_path / "copy")

    def keys() -> dict[str, str]:
        made = load(tmp_path / "copy" / "from.toml").steps(tmp_path / "copy")
        return {step.name: json.dumps([step.settings, step.outside()], sort_keys=True) for step in made}

    before = keys()
    save(build(LLAMA, dtype=torch.bfloat16, seed=9), tmp_path / "copy" / "base", Tokenizer(goes_on.parent / "base"))
    assert {name for name, key in keys().items() if key != before[name]} == {"pretrain", "evaluate"}
    place = tmp_path / "copy" / "base" / "tokenizer.json"
    place.write_text(place.read_text() + "\n")
    assert {name for name, key in keys().items() if key != before[name]} == {"pretrain", "tokens", "evaluate"}


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("model.layers=3", "model.layers can't be set beside model.from"),
        ("model.from=nowhere", "nowhere"),
        ("model.from=3", r"model.from is the name or the folder of a model \(given: 3\)"),
        ("model.from=smollm2-135m", "smollm2-135m"),
        ("tokens.tokenizer=base", "tokens.tokenizer can't be set beside model.from"),
        ("tokens.length=512", "tokens.length is 512, the model's context is 256"),
    ],
)
def test_what_does_not_go_together(
    override: str, why: str, goes_on: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HORNBOOK_MODELS", raising=False)
    with pytest.raises(UserError, match=why):
        load(goes_on, [override])


def test_a_base_that_knows_no_turns_is_refused_before_anything_runs(goes_on: Path, tmp_path: Path) -> None:
    shutil.copytree(goes_on.parent, tmp_path / "here")
    place, base = tmp_path / "here" / "from.toml", tmp_path / "here" / "base"
    (base / "chat_template.jinja").unlink()
    config = read_json(base / "tokenizer_config.json")
    (base / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "chat_template"}))
    with pytest.raises(UserError, match="base has no chat template, so it can't learn conversations"):
        load(place)
    assert load(place, ['without=["sft", "dpo"]']).initial_model == "base"


def test_the_shape_of_a_folder(goes_on: Path) -> None:
    """Its shape alone, with what the table itself sets; a relative folder is seen from the recipe."""
    found = load(goes_on, ["model.like=base", "model.layers=2", "tokens.tokenizer=base"])
    assert found.initial_model == ""
    assert found.model.model_copy(update={"layers": 1}) == load(goes_on).model
