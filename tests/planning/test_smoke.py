"""A recipe cut for a trial keeps what it is: switches, stages and settings; only sizes are smaller."""

from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.model.config import ModelConfig
from hornbook.model.formats.architectures import architecture_for
from hornbook.model.registry import entries
from hornbook.planning.smoke import CONTEXT, MOST, small_model, smoke
from hornbook.recipe import Recipe, available, load, text_of

SIZES = {
    *("vocabulary", "layers", "width", "heads", "kv_heads", "head_dim", "mlp_width", "context", "sliding_window"),
    *("blocksparse", "longrope", "attention_scale", "logit_scale", "dummy_tokens"),
}


@pytest.mark.parametrize("name", sorted(entries()))
def test_a_small_model_has_the_same_switches(name: str) -> None:
    config = entries()[name].config
    small = small_model(config)
    assert small.model_dump(exclude=SIZES) == config.model_dump(exclude=SIZES)
    assert small.parameters(active=True) < 1_000_000 and small.context <= CONTEXT
    assert small.heads // small.key_value_heads == config.heads // config.key_value_heads
    assert {small.kind(layer) for layer in range(small.layers)} == config.kinds
    assert small.width % 32 == small.heads * small.head_size % 32 == small.mlp_width % 32 == 0
    assert (small.switch is None) == (config.switch is None)
    assert architecture_for(small) == architecture_for(config)
    if config.attention_scale == 1 / config.head_size:  # phi-3-small's; GPT-Neo's is 1, whatever the size
        assert small.attention_scale == 1 / small.head_size
    else:
        assert small.attention_scale == config.attention_scale
    wider = 1 if config.logit_scale == 1 else small.width / config.width  # muP's, which goes by the width
    assert small.logit_scale * wider == pytest.approx(config.logit_scale)
    if config.blocksparse is not None and small.blocksparse is not None:
        assert small.blocksparse.block == max(1, round(config.blocksparse.block * small.context / config.context))
        assert small.blocksparse.stride == config.blocksparse.stride


def test_what_is_small_already_stays() -> None:
    config = ModelConfig(vocabulary=400, layers=1, width=64, heads=2, mlp_width=96, context=64)
    assert small_model(config) == config


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.usefixtures("with_smollm2")
def test_recipes_lose_sizes_alone(name: str, tmp_path: Path) -> None:
    path = available()[name]
    whole = load(path)
    cut, told = smoke(whole, tmp_path, tmp_path / "stand-ins")
    assert [step.name for step in cut.steps(tmp_path)] == [step.name for step in whole.steps(tmp_path)]
    assert cut.name == f"{whole.name} (smoke)" and told.startswith("Cut for a trial: ")
    before, after = flat(whole.model_dump()), flat(cut.model_dump())
    changed = {
        key
        for key in before
        if not key.startswith(("model.", "sources", "pretrain.phase"))
        if before[key] != after[key]
    }
    allowed = {
        "initial_model",
        "tokens.tokenizer",
        *MOST,
        "name",
        "longrope.context",
        "pretrain.freeze",
        "evaluate.checkpoints",
        *(f"{table}.compile" for table in ("pretrain", "sft", "dpo")),
    }
    assert changed <= allowed
    assert all(after[key] <= before[key] for key in changed & set(MOST))
    files = [file.relative_to(tmp_path / "stand-ins") for file in (tmp_path / "stand-ins").rglob("*.*")]
    assert len({file.name for file in files}) == len(files)  # no two sources share one
    assert {file.parts[0] for file in files} == {one.name for one in whole.sources if one.path.startswith("hf:")}
    times = {file: (tmp_path / "stand-ins" / file).stat().st_mtime_ns for file in files}
    assert smoke(whole, tmp_path, tmp_path / "stand-ins")[0] == cut
    assert times == {file: (tmp_path / "stand-ins" / file).stat().st_mtime_ns for file in files}
    (tmp_path / "kept.toml").write_text(text_of(cut, tmp_path, tmp_path))
    assert load(tmp_path / "kept.toml") == cut.model_copy(update={"relative_to": "."})


def flat(values: object, above: str = "") -> dict[str, object]:
    if not isinstance(values, dict):
        return {above: values}
    return {
        key: one for name, inner in values.items() for key, one in flat(inner, f"{above}.{name}".strip(".")).items()
    }


def test_a_model_to_go_on_from_lends_its_tokenizer_and_its_switches(tmp_path: Path) -> None:
    whole = load(available()["prose"])
    large = ModelConfig(format="llama", vocabulary=49_152, width=576, heads=9, kv_heads=3, mlp_width=1536, context=8192)
    values = whole.model_dump() | {"model": large.model_dump(), "initial_model": "somewhere"}
    values["pretrain"] |= {"freeze": ("embed_tokens",), "phase2": values["pretrain"]["phase2"] | {"rehearse": 0.2}}
    values["evaluate"]["checkpoints"] = ("before", "phase2")
    cut, _ = smoke(Recipe.model_validate(values), tmp_path, tmp_path)
    assert (cut.pretrain.freeze, cut.pretrain.phase2.rehearse) == ((), 0), "random weights are nothing to keep"
    assert cut.evaluate.checkpoints == ("phase2",), "there is no model before training"
    assert (cut.initial_model, cut.tokens.tokenizer) == ("", "somewhere")
    assert (cut.model.vocabulary, cut.model.heads, cut.model.kv_heads, cut.model.format) == (49_152, 3, 1, "llama")


def test_a_teachers_order_and_a_large_folder_are_cut(tmp_path: Path) -> None:
    stories = load(available()["stories"])
    assert smoke(stories, tmp_path, tmp_path)[0].sources[0].path == "teacher:stories#60"
    (tmp_path / "texts").mkdir()
    for number in range(100):
        (tmp_path / "texts" / f"{number}.txt").write_text("word " * 4_000)
    mine = load(available()["prose"], [f"sources.0.path={tmp_path / 'texts'}"])
    assert smoke(mine, tmp_path, tmp_path)[0].sources[0].share == pytest.approx(0.1, rel=0.2)


def test_of_a_few_texts_all_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share is of texts, by their names' hashes, and might be none of them."""
    (tmp_path / "book.txt").write_text("word " * 400_000)
    (tmp_path / "few").mkdir()
    for number in range(3):
        (tmp_path / "few" / f"{number}.txt").write_text("word " * 200_000)
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in (tmp_path / "book.txt", tmp_path / "few", "~/few"):
        mine = load(available()["prose"], [f"sources.0.path={place}"])
        assert smoke(mine, tmp_path, tmp_path)[0].sources[0].share == 1.0
