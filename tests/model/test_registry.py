"""The models by name: their counts, and that they are what was published."""

from pathlib import Path

import pytest
import torch

from hornbook.errors import UserError
from hornbook.model import build
from hornbook.model import longrope_factors as factors
from hornbook.model.config import ModelConfig
from hornbook.model.formats.architectures import architecture_for, from_huggingface, meaning, to_huggingface
from hornbook.model.registry import Entry, entries, find, names
from hornbook.model.summary import matrix_weights

EVERY = list(entries().values())

PUBLISHED = {
    "phi-1-small": 356_794_368,
    "phi-1": 1_418_270_720,
    "phi-1.5": 1_418_270_720,
    "phi-2": 2_779_683_840,
    "phi-3-mini-4k": 3_821_079_552,
    "phi-3-mini-128k": 3_821_079_552,
    "phi-3.5-mini": 3_821_079_552,
    "phi-3-medium-4k": 13_960_238_080,
    "phi-3-medium-128k": 13_960_238_080,
    "phi-3-small-8k": 7_392_272_384,
    "phi-3-small-128k": 7_392_272_384,
    "phi-4-mini": 3_836_021_760,
    "smollm2-135m": 134_515_008,
    "tinyllama-1.1b": 1_100_048_384,
    "llama-2-7b": 6_738_415_616,
}

TINY = ModelConfig(vocabulary=96, layers=2, width=32, heads=4, mlp_width=64, context=64)


def test_the_whole_line_is_there():
    assert names() == [
        *("tinystories-1m", "tinystories-3m", "tinystories-8m", "tinystories-28m", "tinystories-33m"),
        *("phi-1-small", "phi-1", "phi-1.5", "phi-2"),
        *("phi-3-mini-4k", "phi-3-mini-128k", "phi-3.5-mini", "phi-3-medium-4k", "phi-3-medium-128k"),
        *("phi-4", "phi-4-mini", "phi-3-small-8k", "phi-3-small-128k", "phi-3.5-moe"),
        *("smollm2-135m", "tinyllama-1.1b", "llama-2-7b"),
    ]


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED.items())
def test_parameter_counts_are_the_published_ones(name, parameters):
    assert find(name).config.parameters() == parameters


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.name)
def test_a_built_model_has_as_many_parameters_as_were_counted(entry: Entry):
    parameters = list(build(entry.name, device="meta").parameters())
    assert all(parameter.device.type == "meta" for parameter in parameters)
    assert sum(parameter.numel() for parameter in parameters) == entry.config.parameters()
    stacked = [p.numel() for p in parameters if p.ndim >= 2]
    experts, positions = entry.config.experts, entry.config.positions == "learned"
    routers = entry.config.layers * entry.config.width * experts.count if experts else 0
    assert (
        sum(stacked) == matrix_weights(entry.config) + routers + positions * entry.config.context * entry.config.width
    )


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("tinystories")] + ["phi-3.5-moe"])
def test_counts_equal_those_of_transformers(name):
    transformers = pytest.importorskip("transformers")
    c = find(name).config
    if c.experts is None:
        theirs = transformers.GPTNeoConfig(
            vocab_size=c.vocabulary,
            hidden_size=c.width,
            num_layers=c.layers,
            num_heads=c.heads,
            attention_types=[[["global", "local"], c.layers // 2]],
            max_position_embeddings=c.context,
        )
    else:
        theirs = transformers.PhimoeConfig(
            vocab_size=c.vocabulary,
            hidden_size=c.width,
            intermediate_size=c.mlp_width,
            num_hidden_layers=c.layers,
            num_attention_heads=c.heads,
            num_key_value_heads=c.key_value_heads,
            num_local_experts=c.experts.count,
            attention_bias=True,
            lm_head_bias=True,
        )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(theirs)
    assert model.num_parameters() == c.parameters()


def test_the_documentation_has_every_model_with_its_count():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.count("|") == 9 and "`" in line}
    assert list(rows) == names()
    for entry in EVERY:
        cells = [cell.strip() for cell in rows[entry.name].split("|")[2:-1]]
        c = entry.config
        assert cells[0] == (entry.published or "never published")
        assert cells[1] == f"{c.layers} × {c.width}"
        assert cells[3:] == [str(c.mlp_width), f"{c.vocabulary:,}", f"{c.context:,}", f"{c.parameters():,}"]


def test_active_parameters_of_the_experts():
    assert find("phi-3.5-moe").config.parameters(active=True) == pytest.approx(6.6e9, rel=0.01)


def test_longrope_entries_have_a_factor_for_each_frequency_and_say_where_they_are_not_the_published_ones():
    extended = {entry.name: entry for entry in EVERY if entry.config.longrope is not None}
    assert set(extended) == {
        *("phi-3-mini-128k", "phi-3.5-mini", "phi-3-medium-128k", "phi-4-mini", "phi-3-small-128k", "phi-3.5-moe"),
    }
    for name, entry in extended.items():
        rope = entry.config.longrope
        assert len(rope.short) == len(rope.long) == entry.config.rotary_size // 2
        assert list(rope.short) == sorted(rope.short)
        assert list(rope.long) == sorted(rope.long)
        interpolated = set(rope.short) == {1.0} and set(rope.long) == {entry.config.context / rope.original}
        assert interpolated == bool(entry.notes) == (name in ("phi-3-medium-128k", "phi-3-small-128k"))


# What the config.json files say, as far as it tells the models apart; LongRoPE's lists are those of longrope_factors.py.
_PHI_3 = {
    "model_type": "phi3",
    "vocab_size": 32064,
    "num_hidden_layers": 32,
    "hidden_size": 3072,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 8192,
    "max_position_embeddings": 4096,
    "original_max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "sliding_window": 2047,
    "tie_word_embeddings": False,
}
_MEDIUM = {
    "num_hidden_layers": 40,
    "hidden_size": 5120,
    "num_attention_heads": 40,
    "num_key_value_heads": 10,
    "intermediate_size": 17920,
}
_128K = {"max_position_embeddings": 131072, "sliding_window": 262144}
_PHI_2 = {
    "model_type": "phi",
    "vocab_size": 51200,
    "num_hidden_layers": 32,
    "hidden_size": 2560,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 10240,
    "max_position_embeddings": 2048,
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-5,
    "partial_rotary_factor": 0.4,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
_PHI_3_SMALL = {
    "model_type": "phi3small",
    "vocab_size": 100352,
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "ff_intermediate_size": 14336,
    "ff_dim_multiplier": None,
    "max_position_embeddings": 8192,
    "hidden_act": "gegelu",
    "gegelu_limit": 20.0,
    "layer_norm_epsilon": 1e-5,
    "rope_embedding_base": 1000000,
    "rope_position_scale": 1.0,
    "blocksparse_block_size": 64,
    "blocksparse_num_local_blocks": 16,
    "blocksparse_vert_stride": 8,
    "blocksparse_homo_head_pattern": False,
    "dense_attention_every_n_layers": 2,
    "mup_use_scaling": True,
    "mup_attn_multiplier": 1.0,
    "mup_embedding_multiplier": 10.0,
    "mup_width_multiplier": 8.0,
}
_MOE = {
    "model_type": "phimoe",
    "vocab_size": 32064,
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 6400,
    "max_position_embeddings": 131072,
    "original_max_position_embeddings": 4096,
    "hidden_act": "silu",
    "attention_bias": True,
    "lm_head_bias": True,
    "num_local_experts": 16,
    "num_experts_per_tok": 2,
    "router_jitter_noise": 0.01,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "sliding_window": 131072,
    "tie_word_embeddings": False,
}


_LLAMA = {
    "model_type": "llama",
    "vocab_size": 32000,
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 11008,
    "max_position_embeddings": 4096,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_scaling": None,
    "pretraining_tp": 1,
    "tie_word_embeddings": False,
}
_TINYLLAMA = {
    "num_hidden_layers": 22,
    "hidden_size": 2048,
    "num_key_value_heads": 4,
    "intermediate_size": 5632,
    "max_position_embeddings": 2048,
    "rope_theta": 10000.0,
}
_SMOLLM = {
    "num_hidden_layers": 30,
    "hidden_size": 576,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "max_position_embeddings": 8192,
    "vocab_size": 49152,
    "rope_theta": 100000,
    "rope_interleaved": False,
    "is_llama_config": True,
    "tie_word_embeddings": True,
}


def _longrope(short: tuple[float, ...], long: tuple[float, ...], **more: float) -> dict[str, object]:
    return {"rope_scaling": {"type": "longrope", "short_factor": list(short), "long_factor": list(long), **more}}


_SCALES = {
    "short_mscale": 1.243163121016122,
    "long_mscale": 1.243163121016122,
    "original_max_position_embeddings": 4096,
}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("phi-2", _PHI_2),
        ("phi-3-mini-4k", _PHI_3),
        (
            "phi-3-mini-128k",
            _PHI_3 | _128K | _longrope(factors.PHI_3_MINI_SHORT, factors.PHI_3_MINI_LONG),
        ),
        (
            "phi-3.5-mini",
            _PHI_3 | _128K | _longrope(factors.PHI_3_5_MINI_SHORT, factors.PHI_3_5_MINI_LONG),
        ),
        ("phi-3-medium-4k", _PHI_3 | _MEDIUM),
        (
            "phi-4",
            _PHI_3
            | _MEDIUM
            | {"vocab_size": 100352, "max_position_embeddings": 16384, "rope_theta": 250000, "sliding_window": None},
        ),
        ("phi-3-small-8k", _PHI_3_SMALL),
        ("llama-2-7b", _LLAMA),
        ("tinyllama-1.1b", _LLAMA | _TINYLLAMA),
        ("smollm2-135m", _LLAMA | _SMOLLM),
        (
            "phi-3.5-moe",
            _MOE | _longrope(factors.PHI_3_5_MOE_SHORT, factors.PHI_3_5_MOE_LONG, **_SCALES),
        ),
    ],
)
def test_entries_are_what_the_published_configurations_say(name, values):
    assert meaning(from_huggingface(values, Path("config.json"))) == meaning(find(name).config)


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: entry.name)
def test_a_published_format_holds_every_entry_exactly(entry: Entry):
    form = architecture_for(entry.config)
    again = from_huggingface(to_huggingface(entry.config, form), Path("config.json"))
    assert meaning(again) == meaning(entry.config)
    architectures = {
        "TinyStories": "GPTNeoForCausalLM",
        "phi": "PhiForCausalLM",
        "phi-3": "Phi3ForCausalLM",
        "phi-3-small": "Phi3SmallForCausalLM",
        "phi-3.5-moe": "PhimoeForCausalLM",
        "llama": "LlamaForCausalLM",
    }
    assert architectures[entry.family] == form.ARCHITECTURE


def test_scales_of_cosine_and_sine():
    assert find("phi-3-mini-128k").config.longrope.scales(131_072) == pytest.approx((1.190238, 1.190238), abs=1e-6)
    assert find("phi-3-small-128k").config.longrope.scales(131_072) == pytest.approx((1.0, 1.143544), abs=1e-6)
    assert find("phi-3.5-moe").config.longrope.scales(131_072) == (1.243163121016122, 1.243163121016122)


def test_phi_3_small_never_predicts_what_its_tokenizer_never_writes():
    dummies = set(find("phi-3-small-8k").config.dummy_tokens)
    assert not dummies & {100_257, 100_261, 100_262, 100_263, 100_266}  # end of text, the roles, end of turn
    assert {100_256, 100_258, 100_276, 100_277, 100_351} <= dummies
    assert min(dummies) == 100_256


@pytest.mark.parametrize("name", ["phi-3-mini-4k", "Phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct"])
def test_a_model_goes_by_its_published_name_too(name):
    assert find(name).name == "phi-3-mini-4k"


@pytest.mark.parametrize(
    ("wrong", "right"), [("phi3-mini", "phi-3-mini-4k"), ("phi-1-5", "phi-1.5"), ("tinystorys-3m", "tinystories-3m")]
)
def test_a_wrong_name_gets_one_line_with_the_nearest_right_one(wrong, right):
    with pytest.raises(UserError) as told:
        find(wrong)
    assert right in str(told.value)
    assert "\n" not in str(told.value)
    with pytest.raises(UserError, match="model list"):
        find("gemma")
