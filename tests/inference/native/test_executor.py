"""The native executor against PyTorch's, and against itself: whatever the step, the threads and the processor."""

from __future__ import annotations

import ctypes
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.inference.steps import random_steps

from hornbook.errors import UserError
from hornbook.inference.executor import Part
from hornbook.inference.native import library as libraries
from hornbook.inference.native.executor import BLOCK, CacheDtype, NativeExecutor, turns
from hornbook.inference.native.weights import NotNative, unsupported
from hornbook.model import save
from hornbook.model.config import Experts, LongRope, ModelConfig, RopeScaling
from hornbook.model.rope import rotary_angles

PHI = {
    "norm": "layer",
    "block": "parallel",
    "activation": "gelu",
    "qkv_bias": True,
    "out_bias": True,
    "mlp_bias": True,
    "lm_head_bias": True,
    "tied_embeddings": False,
    "rotary_share": 0.5,
}
SHAPES: dict[str, dict[str, Any]] = {
    "phi3": {},
    "groups": {"width": 128, "heads": 8, "kv_heads": 2, "mlp_width": 160},
    "own head": {"heads": 4, "kv_heads": 1, "head_dim": 24, "format": "llama"},
    "window": {"sliding_window": 30},
    "phi": PHI,
    "longrope": {"longrope": LongRope(original=40, short=(1.0,) * 8, long=(1.5, 2, 2, 3, 4, 5, 6, 8))},
    "llama3": {"format": "llama", "rope_scaling": RopeScaling(kind="llama3", factor=8, original=64)},
}
VOCABULARY, CONTEXT = 400, 700


@pytest.fixture(autouse=True)
def _there(library: ctypes.CDLL) -> None:
    """Skips where there is no library."""


@pytest.fixture(params=list(SHAPES))
def folder(request: pytest.FixtureRequest, make_model: Callable[..., Any], tmp_path: Path) -> tuple[Any, Path]:
    """A model with random weights of each shape, and its folder."""
    return saved(make_model(seed=4, context=CONTEXT, **SHAPES[request.param]), tmp_path)


def saved(model: Any, folder: Path) -> tuple[Any, Path]:
    save(model, folder)
    return model, folder


def some_ids(length: int, seed: int = 1) -> list[int]:
    return [random.Random(seed * 1000 + i).randrange(VOCABULARY) for i in range(length)]


def alone(executor: NativeExecutor, ids: list[int], long: bool = False) -> np.ndarray:
    return executor.step([Part(ids, 0, range(-(-len(ids) // BLOCK)), long, "every")])[0]


@pytest.fixture
def halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch rounds keys and values to fp16, as the engine's cache does."""
    whole = F.scaled_dot_product_attention

    def rounded(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        return whole(q, k.half().float(), v.half().float(), *rest, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", rounded)


def assert_pytorchs(model: Any, executor: NativeExecutor, atol: float) -> None:
    for length in (90, 35):
        ids = some_ids(length)
        with torch.inference_mode():
            wanted = model(torch.tensor([ids]))[0].numpy()
        made = alone(executor, ids, executor.switch is not None and length > executor.switch)
        np.testing.assert_allclose(made, wanted, atol=atol)


@pytest.mark.usefixtures("halved")
def test_logits_are_pytorchs(folder: tuple[Any, Path], kernels: libraries.Kernels) -> None:
    model, path = folder
    # A key that is rounded the other way, for the last bit of its fp32, is off by 2^-11.
    assert_pytorchs(model, NativeExecutor(path, tokens=200, kernels=kernels.name), 4e-3)


def test_a_cache_in_fp32_rounds_no_key_and_no_value(folder: tuple[Any, Path], kernels: libraries.Kernels) -> None:
    model, path = folder
    assert_pytorchs(model, NativeExecutor(path, tokens=200, kernels=kernels.name, cache_dtype="fp32"), 1e-4)


@pytest.mark.usefixtures("halved")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_halves_are_computed_with_as_they_are(
    dtype: torch.dtype, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    model, path = saved(make_model(seed=5, context=CONTEXT).to(dtype), tmp_path)
    ids = some_ids(50)
    with torch.inference_mode():
        wanted = model.float()(torch.tensor([ids]))[0].numpy()
    np.testing.assert_allclose(alone(NativeExecutor(path), ids), wanted, atol=1e-3)


@pytest.mark.parametrize("cache_dtype", ["fp16", "fp32"])
def test_bits_do_not_depend_on_the_step(folder: tuple[Any, Path], cache_dtype: CacheDtype) -> None:
    _, path = folder
    chance = random.Random(6)
    texts = [some_ids(length, length) for length in (400, 37, 300, 3)]
    longest = NativeExecutor(path).switch
    long = [longest is not None and len(ids) > longest for ids in texts]
    wanted = [
        alone(NativeExecutor(path, threads=1, cache_dtype=cache_dtype), ids, flag)
        for ids, flag in zip(texts, long, strict=True)
    ]
    executor = NativeExecutor(path, tokens=900, threads=2, cache_dtype=cache_dtype)
    for index, part, logits in random_steps(executor, texts, long, chance):
        np.testing.assert_array_equal(logits, wanted[index][part.start : part.start + len(part.ids)])


@pytest.mark.parametrize("cache_dtype", ["fp16", "fp32"])
def test_every_processor_gives_the_same_bits(folder: tuple[Any, Path], cache_dtype: CacheDtype) -> None:
    _, path = folder
    ids = some_ids(45)
    first, *others = [one.name for one in libraries.all_kernels() if one.here]
    wanted = alone(NativeExecutor(path, kernels=first, cache_dtype=cache_dtype), ids)
    for name in others:
        made = alone(NativeExecutor(path, kernels=name, cache_dtype=cache_dtype), ids)
        np.testing.assert_array_equal(made, wanted, err_msg=name)


def test_logits_are_those_that_are_wanted(folder: tuple[Any, Path]) -> None:
    """Of texts that are read together, longer than a step and shorter; what was not asked for is in the cache as well."""
    executor = NativeExecutor(folder[1], tokens=2000)
    texts = [some_ids(length, length) for length in (60, 300, 5, 270, 90, 39)]
    long = [executor.switch is not None and len(ids) > executor.switch for ids in texts]
    every = [alone(NativeExecutor(folder[1]), ids, flag) for ids, flag in zip(texts, long, strict=True)]
    blocks = [range(index * 10, index * 10 + 10) for index in range(len(texts))]
    for shift in range(3):
        wanted = [("none", "last", "every")[(index + shift) % 3] for index in range(len(texts))]
        parts = [Part(ids[:-1], 0, *rest) for ids, *rest in zip(texts, blocks, long, wanted, strict=True)]
        behind = [Part(ids[-1:], len(ids) - 1, *rest) for ids, *rest in zip(texts, blocks, long, strict=True)]
        for asked, whole, read, then in zip(wanted, every, executor.step(parts), executor.step(behind), strict=True):
            expected = {"none": whole[:0], "last": whole[-2:-1], "every": whole[:-1]}[asked]
            np.testing.assert_array_equal(read, expected)
            np.testing.assert_array_equal(then, whole[-1:])


def test_what_the_library_takes_on_trust_is_checked(make_model: Callable[..., Any], tmp_path: Path) -> None:
    executor = NativeExecutor(saved(make_model(context=CONTEXT), tmp_path)[1], tokens=64)
    for part in (
        Part([], 0, [0]),
        Part([VOCABULARY], 0, [0]),
        Part([-1], 0, [0]),
        Part([1], 32, [0]),
        Part([1], 0, [2]),
    ):
        with pytest.raises(ValueError):
            executor.step([part])


@pytest.mark.parametrize(
    "scaling",
    [
        {},
        {"rope_scaling": RopeScaling(factor=4)},
        {"rope_scaling": RopeScaling(kind="llama3", factor=8, original=64)},
        {"longrope": LongRope(original=40, short=tuple(1 + i / 9 for i in range(8)), long=(1.5, 2, 2, 3, 4, 5, 6, 8))},
    ],
    ids=str,
)
def test_angles_are_those_of_the_model(scaling: dict[str, Any]) -> None:
    config = ModelConfig(width=64, heads=4, rope_theta=50_000.0, context=4000, **scaling)
    positions = torch.arange(4000)[None]
    for long, mine in ((False, turns(config)[0]), (True, turns(config)[1])):
        scale = config.longrope.scales(4000)[long] if config.longrope else 1.0
        cosine = rotary_angles(positions, config, torch.tensor([[long]]))[0][0, 0].numpy()
        made = np.cos((np.arange(4000, dtype=np.float32)[:, None] * mine).astype(np.float64)) * scale
        np.testing.assert_allclose(made, cosine, atol=5e-4)


def test_what_is_not_computed_natively_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = {"positions": "learned", "activation": "gelu"}
    for shape in ({"experts": Experts(count=4)}, learned, {"activation": "gegelu"}, {"dummy_tokens": (3,)}):
        assert "not computed natively" in str(unsupported(ModelConfig(**shape)))
    assert unsupported(ModelConfig(**PHI)) is None
    monkeypatch.setattr(libraries, "load", lambda: "it was not built")
    with pytest.raises(NotNative, match="it was not built"):
        NativeExecutor(tmp_path)


def test_kernels_of_another_name_are_refused(
    make_model: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = saved(make_model(), tmp_path)
    monkeypatch.setenv(libraries.KERNELS, "portabel")
    with pytest.raises(UserError, match="did you mean 'portable'"):
        NativeExecutor(path)
    monkeypatch.setenv(libraries.KERNELS, "portable")
    assert NativeExecutor(path).kernels == "portable"


def test_damaged_weights_are_named(make_model: Callable[..., Any], tmp_path: Path) -> None:
    _, path = saved(make_model(), tmp_path)
    file = path / "model.safetensors"
    raw = bytearray(file.read_bytes())
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    name = next(name for name in header if name.endswith("down_proj.weight"))
    at = 8 + length + header[name]["data_offsets"][0]
    raw[at : at + 4] = np.float32(np.nan).tobytes()
    file.write_bytes(raw)
    with pytest.raises(UserError, match=r"down_proj.* NaN or infinite"):
        NativeExecutor(path)
    file.write_bytes(raw[:-10])
    with pytest.raises(UserError, match="cut short"):
        NativeExecutor(path)
