"""muP: what a step changes is as large at every width, in either form, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.train.test_resume import COMMON, PHASES, StopAfter, Stopped, files

from hornbook.errors import UserError
from hornbook.model.config import Experts, ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.recipe import available, load
from hornbook.train import mup
from hornbook.train.losses import count_targets, cross_entropy
from hornbook.train.optimizers import build, set_learning_rate
from hornbook.train.pretrain import PretrainSettings, pretrain

BASE, WIDTHS = 64, (64, 128, 256, 512)
IDS = torch.randint(64, (4, 33), generator=torch.Generator().manual_seed(3))
SMALL = {"norm": "layer", "activation": "gegelu", "qkv_bias": True, "out_bias": True, "mlp_bias": True}  # phi-3-small's


def shape(width: int, own: bool = False, **more: Any) -> ModelConfig:
    """A model with heads of 32. own: phi-3-small, whose scales are its own."""
    of_small = SMALL | {"attention_scale": 1 / 32, "logit_scale": BASE / width, "embedding_scale": 10.0}
    sizes = {"vocabulary": 64, "layers": 2, "width": width, "heads": width // 32, "mlp_width": width, "context": 64}
    return ModelConfig(**(sizes | (of_small if own else {}) | more))


def settings(base: int | None, optimizer: str = "adamw", **more: Any) -> PretrainSettings:
    return PretrainSettings(**{"mup_base_width": base, "optimizer": optimizer} | more, **COMMON, **PHASES)


def drawn(config: ModelConfig, chosen: PretrainSettings) -> Transformer:
    model = Transformer(config)
    model.initialise(torch.Generator().manual_seed(1))
    mup.scale(model, chosen.times_wider(config))
    return model


def learn(model: Transformer, chosen: PretrainSettings, steps: int) -> None:
    optimizers = build(model, chosen, torch.float32)
    set_learning_rate(optimizers, 1.0)
    for _ in range(steps):
        targets = IDS[:, 1:]
        cross_entropy(model(IDS[:, :-1]), targets, count_targets(targets)).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


def coordinates(model: Transformer) -> list[torch.Tensor]:
    """What each block leaves in the stream, and the logits."""
    seen: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda *given: seen.append(given[2])) for block in model.blocks]
    with torch.no_grad():
        seen.append(model(IDS[:, :-1]))
    for hook in hooks:
        hook.remove()
    return seen


def changes(width: int, base: int | None, optimizer: str, own: bool) -> list[float]:
    """Root mean square of what four steps change in them."""
    chosen = settings(base, optimizer, learning_rate=4e-3, muon_learning_rate=0.02)
    model = drawn(shape(width, own=own) if base else shape(width), chosen)
    before = coordinates(model)
    learn(model, chosen, 4)
    return [(one - other).square().mean().sqrt().item() for one, other in zip(coordinates(model), before, strict=True)]


@pytest.mark.parametrize(
    ("base", "optimizer", "own", "widths"),
    [
        (BASE, "adamw", False, WIDTHS),
        (BASE, "adamw", True, WIDTHS),
        (BASE, "muon", False, WIDTHS[:3]),
        (None, "adamw", False, WIDTHS),
    ],
    ids=["by the norm", "phi-3-small's own scales", "Muon", "without"],
)
def test_steps_change_as_much_at_every_width(
    base: int | None, optimizer: str, own: bool, widths: Sequence[int]
) -> None:
    """The paper's coordinate check (appendix D.1): flat with muP, and several times as much at each end without."""
    found = [changes(width, base, optimizer, own) for width in widths]
    ratios = [max(one) / min(one) for one in zip(*found, strict=True)]
    assert max(ratios) < 1.3 if base else min(ratios) > 4


def test_the_norm_holds_what_logits_have_no_scale_for() -> None:
    """Of one model in both forms, the logits are the same before and after some steps."""
    config = shape(256, **SMALL)
    chosen = settings(BASE, epsilon=1e-15, learning_rate=1e-3, weight_decay=0.3)
    models = [drawn(one, chosen) for one in (config, config.model_copy(update={"logit_scale": BASE / 256}))]
    for model in models:
        model.double()
        model.compute = torch.float64
    for steps in (0, 3):
        for model in models:
            learn(model, chosen, steps)
        one, other = (coordinates(model)[-1] for model in models)
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_what_moves_how_fast_and_decays_how_much() -> None:
    for own in (False, True):
        model = drawn(shape(256, own=own), settings(BASE))
        [adamw] = build(model, settings(BASE, learning_rate=1e-3, weight_decay=0.2), torch.float32)
        found = {
            id(one): (group["peak"], group["weight_decay"]) for group in adamw.param_groups for one in group["params"]
        }
        matrix, norm = found[id(model.blocks[1].mlp.down.weight)], found[id(model.norm.weight)]
        assert matrix == (2.5e-4, 0.8), "a step's decay, their product, is the base's"
        assert norm == (1e-3 if own else 2.5e-4, 0)
        others = {id(one) for name, one in model.named_parameters() if one.ndim == 1 and not name.startswith("norm")}
        assert {found[one] for one in {*others, id(model.embed.weight)}} == {(1e-3, 0)}
        assert model.blocks[0].mlp.down.weight.std().item() == pytest.approx(0.02 / 2 / 2, rel=0.02)
        assert model.embed.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert {*model.norm.weight.tolist()} == {1.0 if own else 0.25}


def test_pretraining_begins_with_it_and_goes_on_with_it(tokens_folder: Path, tmp_path: Path) -> None:
    """Of a model as wide as its base nothing changes."""
    config = ModelConfig(vocabulary=380, layers=2, width=32, heads=2, mlp_width=64, context=64)

    def run(name: str, base: int | None, progress: Progress | None = None) -> dict[str, bytes]:
        into = tmp_path / name
        pretrain(tokens_folder, config, settings(base), seed=1, into=into, progress=progress or Progress())
        return files(into)

    assert run("none", None) == run("same", 32)
    wider = run("wider", 8)
    with pytest.raises(Stopped):
        run("stopped", 8, StopAfter(5))
    assert run("stopped", 8) == wider
    weights = (load_file(tmp_path / one / "phase2" / "model.safetensors") for one in ("none", "wider"))
    norm, slower = (one["model.norm.weight"].mean().item() for one in weights)
    assert slower == pytest.approx(norm / 4, rel=0.1)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (shape(256, own=True, logit_scale=0.5), "256, so that model.logit_scale is 0.25, or 1; it is 0.5"),
        (shape(64, experts=Experts(count=2)), "models of experts have no such rates"),
    ],
)
def test_what_it_is_not_defined_for(config: ModelConfig, told: str, tokens_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        pretrain(tokens_folder, config, settings(BASE), seed=1, into=tmp_path, progress=Progress())
    recipe = available()["pocket"]
    with pytest.raises(UserError, match=r"recipe: pretrain\.mup_base_width is 64 and model\.width 256"):
        load(recipe, {"model": shape(256, own=True, logit_scale=0.5).model_dump(), "pretrain.mup_base_width": 64})


def test_phi_3_small_learns_by_its_own() -> None:
    recipe = load(available()["phi-3-small"])
    assert recipe.pretrain.times_wider(recipe.model) == 8
