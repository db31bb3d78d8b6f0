"""Every published config.json both ways: what it holds exactly, and one line for what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.model.config import ModelConfig, RopeScaling
from hornbook.model.formats import architectures, checkpoint
from hornbook.model.formats.architectures import (
    ARCHITECTURES,
    architecture_for,
    from_huggingface,
    meaning,
    read_config,
    to_huggingface,
)
from hornbook.model.formats.layout import Layout, one
from hornbook.model.formats.published import dimensions
from hornbook.model.registry import entries
from hornbook.model.transformer import blank

WHERE = Path("somewhere/config.json")
LONG: dict[str, Any] = {"original": 32, "short": (1.0, 1.5, 2.0, 2.5), "long": (2.0, 3.0, 4.0, 5.0)}
SPARSE = {"block": 4, "local_blocks": 2, "stride": 3, "same_for_heads": True}
PHI: dict[str, Any] = {"norm": "layer", "block": "parallel", "activation": "gelu"}
BIASES: dict[str, Any] = {"qkv_bias": True, "out_bias": True, "mlp_bias": True}
NEO: dict[str, Any] = {
    "norm": "layer",
    "activation": "gelu",
    "positions": "learned",
    "attention_scale": 1.0,
    "out_bias": True,
    "mlp_bias": True,
}
SMALL: dict[str, Any] = {"norm": "layer", "activation": "gegelu", **BIASES}
MOE: dict[str, Any] = {"norm": "layer", "experts": {"count": 4}}

# A small configuration of each kind, and the model_type that holds it.
HELD: list[tuple[str, dict[str, Any]]] = [
    ("phi3", {}),
    ("phi3", {"tied_embeddings": False, "kv_heads": 2, "sliding_window": 7, "rope_theta": 1234.5, "initial_std": 0.3}),
    ("phi3", {"rotary_share": 0.5, "longrope": LONG | {"short": (1.0, 1.5), "long": (2.0, 3.0)}, "norm_epsilon": 1e-6}),
    ("phi3", {"longrope": LONG | {"short_scale": 1.2, "long_scale": 1.2}}),
    ("phi3", {"attention": ("window",), "sliding_window": 9, "attention_scale": 0.125**0.5}),
    ("phi3", {"attention": ("full",), "sliding_window": 9}),
    ("phi", {**PHI, **BIASES, "lm_head_bias": True, "rotary_share": 0.5}),
    ("phi", {**PHI, **BIASES, "lm_head_bias": True, "tied_embeddings": False, "kv_heads": 1, "longrope": LONG}),
    ("gpt_neo", NEO),
    ("gpt_neo", {**NEO, "attention": ("full", "window"), "sliding_window": 5, "layers": 5, "tied_embeddings": False}),
    ("gpt_neo", {**NEO, "attention": ("window", "window", "full"), "sliding_window": 5, "layers": 7}),
    ("phimoe", MOE),
    ("phimoe", {**MOE, "qkv_bias": True, "out_bias": True, "lm_head_bias": True, "sliding_window": 8}),
    ("phimoe", {**MOE, "longrope": LONG}),
    (
        "phimoe",
        {**MOE, "longrope": LONG | {"short_scale": 1.1, "long_scale": 1.3}, "experts": {"count": 2, "jitter": 0}},
    ),
    ("phi3small", SMALL),
    ("phi3small", {**SMALL, "attention": ("sparse", "full"), "blocksparse": SPARSE, "layers": 6}),
    ("phi3small", {**SMALL, "attention": ("sparse", "sparse", "full"), "blocksparse": SPARSE, "layers": 7}),
    ("phi3small", {**SMALL, "attention": ("sparse",), "blocksparse": SPARSE, "gegelu_limit": float("inf")}),
    ("phi3small", {**SMALL, "embedding_scale": 10.0, "logit_scale": 1 / 3, "attention_scale": 0.1, "kv_heads": 2}),
    ("phi3small", {**SMALL, "dummy_tokens": (5, 3, 99), "tied_embeddings": False}),
    ("phi3small", {**SMALL, "longrope": LONG | {"short_scale": 1.0}}),
    ("phi3", {"longrope": LONG | {"start_tokens": 4}}),  # by a key of our own
    ("llama", {"format": "llama"}),
    ("llama", {"format": "llama", "tied_embeddings": False, "kv_heads": 2, "rope_theta": 5e5, "norm_epsilon": 1e-6}),
    ("llama", {"qkv_bias": True, "out_bias": True, "head_dim": 20}),
    ("llama", {"mlp_bias": True, "longrope": LONG | {"short_scale": 1.2, "long_scale": 1.2}}),
    ("llama", {"rope_scaling": {"kind": "linear", "factor": 2.5}}),
    ("llama", {"rope_scaling": {"kind": "llama3", "factor": 8.0, "low_freq_factor": 1.5, "original": 64}}),
    ("phi3", {"format": "phi3"}),
    ("phi3small", {**SMALL, "longrope": LONG | {"short_scale": 1.1, "long_scale": 1.3}}),
]


def small(**changes: Any) -> ModelConfig:
    shape = {"vocabulary": 100, "layers": 4, "width": 32, "heads": 4, "mlp_width": 48, "context": 128}
    return ModelConfig(**(shape | changes))


@pytest.mark.parametrize(("kind", "changes"), HELD, ids=[f"{kind}-{index}" for index, (kind, _) in enumerate(HELD)])
def test_what_is_written_reads_as_the_same_model(kind: str, changes: dict[str, Any]) -> None:
    config = small(**changes)
    form = architecture_for(config)
    assert form.MODEL_TYPES[0] == kind
    values = json.loads(json.dumps(to_huggingface(config, form)))
    again = from_huggingface(values, WHERE)
    ours, theirs = meaning(config), meaning(again)
    assert theirs.pop("logit_scale") == pytest.approx(ours.pop("logit_scale"), rel=1e-12)
    assert theirs == ours
    assert to_huggingface(again, form) == to_huggingface(config, form)
    layout = form.layout(config)
    names = {name for name, _ in blank(config).named_parameters()}
    assert layout.keys() == names, "every tensor has its place, and there is no place too many"


@pytest.mark.parametrize("name", list(entries()))
def test_every_published_model_has_its_format(name: str) -> None:
    config = entries()[name].config
    form = architecture_for(config)
    kinds = {
        "tinystories": "gpt_neo",
        "phi-1": "phi",
        "phi-2": "phi",
        "phi-3-small": "phi3small",
        "phi-3.5-moe": "phimoe",
        **dict.fromkeys(("smollm2", "tinyllama", "llama-2"), "llama"),
    }
    expected = next((kind for start, kind in kinds.items() if name.startswith(start)), "phi3")
    assert form.MODEL_TYPES[0] == expected
    assert form.layout(config).keys() == {name for name, _ in blank(config).named_parameters()}


LOST: list[tuple[dict[str, Any], str]] = [
    ({"qkv_bias": True}, "qkv_bias = True"),
    ({"norm": "layer"}, "norm = 'layer'"),
    ({"logit_scale": 0.5}, "logit_scale = 0.5"),
    ({"dummy_tokens": (3,)}, "dummy_tokens = (3,)"),
    ({"attention": ("full", "window"), "sliding_window": 7}, "attention = ('full', 'window')"),
    ({"attention_scale": 1.0}, "attention_scale = 1.0"),
    ({"longrope": LONG | {"short_scale": 1.0, "long_scale": 1.2}}, "longrope = "),
    ({**PHI, **BIASES, "lm_head_bias": False}, "lm_head_bias = False"),
    ({**NEO, "lm_head_bias": True}, "lm_head_bias = True"),
    ({**NEO, "kv_heads": 2}, "kv_heads = 2"),
    ({**MOE, "qkv_bias": True}, "bias = "),
    ({**MOE, "rotary_share": 0.5}, "rotary_share = 0.5"),
    ({**SMALL, "attention": ("full", "sparse"), "blocksparse": SPARSE}, "attention = ('full', 'sparse')"),
    ({**SMALL, "sliding_window": 9}, "sliding_window = 9"),
    ({"head_dim": 20, "sliding_window": 9}, "sliding_window = 9"),
]


@pytest.mark.parametrize(("changes", "told"), LOST, ids=[told for _, told in LOST])
def test_what_no_format_holds_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match="no published checkpoint format holds this model") as caught:
        architecture_for(small(**changes))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_format_that_is_named_and_does_not_hold_the_model() -> None:
    with pytest.raises(UserError, match=r"the format llama \(LlamaForCausalLM\) does not hold .* sliding_window = 9"):
        architecture_for(small(format="llama", sliding_window=9))
    with pytest.raises(UserError, match="format is 'gpt2'; supported are phi3, phi,"):
        architecture_for(small(format="gpt2"))


def published(kind: str, **changes: Any) -> dict[str, Any]:
    """The config.json of a small model of a kind, with some keys changed; those set to `...` are left out."""
    changes_of_kind = next(one for held, one in HELD if held == kind)
    config = small(**changes_of_kind)
    values = to_huggingface(config, architecture_for(config)) | changes
    return {key: value for key, value in values.items() if value is not ...}


SU = {"type": "su", "short_factor": [1, 1.5, 2, 2.5], "long_factor": [2, 3, 4, 5]}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0} | {
    "original_max_position_embeddings": 64
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (published("phi3", model_type="gpt2"), "model_type is 'gpt2'; supported are phi3, phi,"),
    (published("phi3", model_type=...), "model_type is None"),
    (published("phi3", model_type=["phi3"]), "model_type is ['phi3']"),
    (published("phi3", quantization_config={"bits": 4}), "quantization_config"),
    (published("phi3", hidden_act="gelu"), "hidden_act 'gelu' is not supported; 'silu' is"),
    (published("phi3", attention_bias=True), "attention_bias"),
    (published("phi3", mlp_bias=True), "mlp_bias"),
    (published("phi3", lm_head_bias=True), "lm_head_bias"),
    (published("phi3", head_dim=16), "head_dim 16"),
    (published("phi3", hidden_size=34), "width 34 is not a multiple of heads 4"),
    (published("phi3", hidden_size="wide"), "hidden_size is 'wide'"),
    (published("phi3", num_attention_heads=0), "num_attention_heads is 0"),
    (published("phi3", vocab_size="many"), "vocabulary"),
    (published("phi3", vocab_size=...), "the key 'vocab_size' is missing"),
    (published("phi3", rms_norm_eps=None), "the key 'rms_norm_eps' is missing"),
    (published("phi3", rope_scaling={"type": "yarn"}), "rope type 'yarn'"),
    (published("phi3", rope_scaling={"type": "linear", "factor": 4.0}), "rope type 'linear'"),
    (published("phi3", rope_scaling="su"), "rope_scaling is 'su'"),
    (published("phi3", rope_scaling=SU | {"beta_fast": 3}), "rope key 'beta_fast'"),
    (published("phi3", rope_scaling=SU | {"short_mscale": 1.1}), "rope key 'short_mscale'"),
    (published("phi3", rope_scaling=SU | {"long_factor": None}), "needs long_factor"),
    (published("phi3", rope_scaling=SU | {"long_factor": [1, 2]}), "longrope.long has 2 factors, 4 are needed"),
    (published("phi3", rope_scaling=SU | {"long_factor": [1, 2, 3, 0]}), "long.3: Input should be greater than 0"),
    (published("phi3", rope_scaling=SU | {"short_factor": [1, 2, float("nan"), 4]}), "short.2"),
    (published("phi3", rope_scaling=SU | {"long_factor": [1, 2, 3, float("inf")]}), "long.3"),
    (published("phi3", rope_scaling=SU | {"attention_factor": float("nan")}), "short_scale"),
    (published("phi3", rope_theta=float("inf")), "rope_theta"),
    (published("phi3", rms_norm_eps=float("nan")), "norm_epsilon"),
    (published("phi3", rope_scaling=SU | {"long_factor": [1, 2, 3, "x"]}), "long.3"),
    (published("phi3", rope_parameters={"rope_type": "dynamic"}), "rope type 'dynamic'"),
    (published("phi3", partial_rotary_factor=0.4), "rotary"),
    (published("phi", qk_layernorm=True), "qk_layernorm"),
    (published("phi", hidden_act="relu"), "hidden_act 'relu' is not supported; 'gelu_new' and"),
    (published("gpt_neo", activation_function="relu"), "activation_function"),
    (published("gpt_neo", attention_types=[[["global"], 2]]), "names 2 layers, num_layers is 4"),
    (published("gpt_neo", attention_types=[[["odd"], 4]]), "attention type 'odd'"),
    (published("gpt_neo", attention_types="global"), "attention_types is 'global'"),
    (published("gpt_neo", attention_types=[[["global"], 10**12]]), "attention_types"),
    (published("phimoe", num_experts_per_tok=4), "num_experts_per_tok 4"),
    (published("phimoe", partial_rotary_factor=0.5), "partial_rotary_factor 0.5"),
    (
        published("phimoe", rope_scaling=SU | {"short_mscale": 1.1, "original_max_position_embeddings": 32}),
        "'long_mscale'",
    ),
    (published("llama", hidden_act="gelu"), "hidden_act 'gelu'"),
    (published("llama", rope_interleaved=True), "rope_interleaved True"),
    (published("llama", attention_bias="some"), "attention_bias 'some'"),
    (published("llama", partial_rotary_factor=0.5), "partial_rotary_factor 0.5"),
    (published("llama", head_dim=7), "rotary positions need an even number"),
    (published("llama", rope_scaling={"type": "dynamic", "factor": 2.0}), "and 'linear', 'llama3', 'longrope' are"),
    (published("llama", rope_scaling={"type": "linear"}), "the rope type 'linear' needs factor"),
    (published("llama", rope_scaling={"rope_type": "linear", "factor": float("nan")}), "factor: Input should be"),
    (published("llama", rope_scaling=LLAMA3 | {"low_freq_factor": None}), "'llama3' needs low_freq_factor"),
    (published("llama", rope_scaling=LLAMA3 | {"low_freq_factor": 4.0}), "high_freq_factor 4 is not above"),
    (published("llama", rope_parameters=LLAMA3 | {"rope_theta": float("nan")}), "rope_theta"),
    (published("llama", hidden_size=float("nan")), "hidden_size is no number"),
    (published("phi", num_attention_heads=float("inf")), "num_attention_heads is no number"),
    (published("phi3small", hidden_act="silu"), "hidden_act"),
    (published("phi3small", rope_position_scale=0.5), "rope_position_scale"),
    (published("phi3small", rope_scaling=SU), "'original_max_position_embeddings' is missing"),
    (published("phi3small", mup_width_multiplier="eight"), "mup_width_multiplier is 'eight'"),
    (published("phi3small", dummy_token_indices=[100]), "dummy_tokens"),
    (published("phi3small", dense_attention_every_n_layers=-2), "dense_attention_every_n_layers is -2"),
]


@pytest.mark.parametrize(("values", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_refuses_what_it_would_compute_differently(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        from_huggingface(values, WHERE)
    assert str(caught.value).startswith(str(WHERE))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**9) | st.floats() | st.text(max_size=4) | st.just(1 << 70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SU, "rope_type"]), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", [form.MODEL_TYPES[0] for form in ARCHITECTURES])
@given(data=st.data())
def test_any_value_of_any_key_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    values = published(kind) | {"rope_parameters": None}
    for key in data.draw(st.lists(st.sampled_from(sorted(values)), max_size=3)):
        values[key] = data.draw(JUNK)
    try:
        from_huggingface(values, WHERE)
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("kind", ["su", "longrope"])
def test_older_and_newer_ways_of_writing_longrope(kind: str) -> None:
    old = published("phi3", original_max_position_embeddings=32, rope_theta=500.0, rope_scaling=SU | {"type": kind})
    new = published(
        "phi3",
        rope_theta=...,
        rope_scaling=...,
        original_max_position_embeddings=...,
        partial_rotary_factor=...,
        rope_parameters=SU
        | {"type": kind, "rope_type": "longrope", "rope_theta": 500.0, "partial_rotary_factor": 1.0}
        | {"original_max_position_embeddings": 32},
    )
    assert from_huggingface(old, WHERE) == from_huggingface(new, WHERE)
    assert from_huggingface(old, WHERE).longrope is not None


def test_older_and_newer_ways_of_writing_llama3_and_linear() -> None:
    wanted = {
        "llama3": (LLAMA3, RopeScaling(kind="llama3", factor=8.0, original=64)),
        "linear": ({"factor": 3.0}, RopeScaling(kind="linear", factor=3.0)),
    }
    for kind, (fields, scaling) in wanted.items():
        plain = {key: value for key, value in fields.items() if key != "rope_type"}
        new = published(
            "llama", rope_theta=..., rope_scaling=..., rope_parameters={"rope_theta": 5e5, "rope_type": kind} | plain
        )
        for names in ({"type": kind}, {"rope_type": kind}, {"type": kind, "rope_type": kind}):
            config = from_huggingface(published("llama", rope_theta=5e5, rope_scaling=names | plain), WHERE)
            assert config == from_huggingface(new, WHERE)
            assert config.rope_theta == 5e5
            assert config.rope_scaling == scaling


def test_a_factor_of_its_own_decides_the_scale() -> None:
    """transformers: sqrt(1 + ln factor / ln original) with the factor given, else context / original."""
    values = published("phi3", original_max_position_embeddings=32, rope_scaling=SU)
    plain = from_huggingface(values, WHERE)
    assert plain.longrope is not None
    assert plain.longrope.scales(128) == (pytest.approx(1.18322, abs=1e-5),) * 2  # 128 / 32 = 4
    given_factor = from_huggingface(values | {"rope_scaling": SU | {"factor": 32}}, WHERE)
    assert given_factor.longrope is not None
    assert given_factor.longrope.scales(128) == (pytest.approx(2**0.5),) * 2


@pytest.mark.parametrize(
    ("content", "told"), [("[]", "is no model's configuration"), ("{", "is not valid JSON"), (None, "does not exist")]
)
def test_a_folder_without_a_configuration(content: str | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=told):
        read_config(tmp_path)


def test_reading_a_configuration_needs_no_torch() -> None:
    import subprocess
    import sys

    code = f"import sys; sys.path[:0] = {sys.path!r}; import {architectures.__name__}; print('torch' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "False"


def test_a_new_architecture_is_one_word_beside_its_module(
    make_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown with one that is phi-3 with biases under its own names, which no published format holds."""

    def layout(config: ModelConfig) -> Layout:
        return {name: [one(f"toy.{name}")] for name, _ in blank(config).named_parameters()}

    toy = SimpleNamespace(
        MODEL_TYPES=("toy",),
        ARCHITECTURE="ToyForCausalLM",
        read=lambda file: file.build(**file.dimensions(), qkv_bias=True),
        write=dimensions,
        layout=layout,
    )
    model = make_model(qkv_bias=True)
    with pytest.raises(UserError, match="qkv_bias"):
        architecture_for(model.config)
    monkeypatch.setattr(architectures, "ARCHITECTURES", (*ARCHITECTURES, toy))
    checkpoint.save(model, tmp_path)
    again = checkpoint.load(tmp_path)
    assert meaning(again.config) == meaning(model.config)
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(again(ids), model(ids))
