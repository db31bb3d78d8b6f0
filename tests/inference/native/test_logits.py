"""The logits of a whole quantized model equal NumPy's emulation of the engine's arithmetic, to the last bit."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hornbook.inference.executor import Part
from hornbook.inference.native import library as libraries
from hornbook.inference.native.executor import NativeExecutor, turns
from hornbook.model import build, save
from hornbook.model.config import ModelConfig
from hornbook.model.formats.quantization import Quantization
from hornbook.model.formats.quantized import matrices, replace, weight_of
from hornbook.quantize.methods import rtn

emulation = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("emulation.py"))))
SHAPE = ModelConfig(
    vocabulary=90, layers=2, width=64, heads=4, kv_heads=2, mlp_width=96, context=64, tied_embeddings=False
)
FORMS = (Quantization(4), Quantization(4, 32, symmetric=False), Quantization(8))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_logits_are_the_emulations(form: Quantization, kernels: libraries.Kernels, tmp_path: Path) -> None:
    model = build(SHAPE, seed=1)
    vectors = {name: one.detach().numpy() for name, one in model.named_parameters() if one.dim() == 1}
    held = {}
    for name in matrices(model):
        made = rtn(weight_of(model, name).detach(), None, form)
        replace(model, name, form).store(made.levels, made.scales, made.zero_points)
        zeros = 0 if made.zero_points is None else made.zero_points.numpy().astype(np.int32).repeat(form.group, 1)
        held[name] = (made.levels.numpy().astype(np.int32) - zeros, made.scales.float().numpy())
    save(model, tmp_path)
    ids = np.random.default_rng(2).integers(0, 90, 41).tolist()
    executor = NativeExecutor(tmp_path, kernels=kernels.name, threads=2)
    found = executor.step([Part(ids, 0, range(2), wanted="every")])[0]
    wanted = emulation.logits(
        ids, held, vectors, turns(SHAPE)[0], layers=2, heads=4, kv_heads=2, epsilon=SHAPE.norm_epsilon
    )
    np.testing.assert_array_equal(found, wanted)
