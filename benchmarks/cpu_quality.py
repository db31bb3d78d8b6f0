"""How far whole-number arithmetic moves a model: the KL divergence from fp32 of the native engine and of llama.cpp.

python benchmarks/cpu_quality.py MODEL TEXT [TEXT ...] [--rows 8] [--llama FOLDER] [--into benchmarks/cpu_quality.json]

MODEL: a folder of the Llama architecture, tied. All of its matrices are rounded to 4 bits in groups of 32; both engines
read these very numbers, as compressed-tensors and as Q4_0, and PyTorch computes with them in fp32. The mean over tokens
of rows of 512, each with the standard error of the rows' means.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from cpu_decode import LlamaCpp, describe, q4_0
from numpy.typing import NDArray
from real_model import text_of
from safetensors.numpy import load_file

from hornbook import machine
from hornbook.files import write_json
from hornbook.inference.executor import Part
from hornbook.inference.native.executor import BLOCK, NativeExecutor
from hornbook.model import load, save
from hornbook.model.config import ModelConfig
from hornbook.model.formats.gguf.architectures import LAYERS, MODULES
from hornbook.model.formats.quantization import Quantization
from hornbook.model.formats.quantized import matrices, replace, weight_of
from hornbook.model.tokenizers import Tokenizer
from hornbook.quantize.methods import rtn

TIME = 512


def rounded(source: Path, folder: Path) -> ModelConfig:
    """Write the model with every matrix in 4 bits."""
    model, form = load(source, dtype=torch.float32), Quantization(4)
    for name in [one for one in matrices(model) if not (one == "lm_head" and model.config.tied_embeddings)]:
        made = rtn(weight_of(model, name).detach(), None, form)
        replace(model, name, form).store(made.levels, made.scales, made.zero_points)
    save(model, folder)
    config: ModelConfig = model.config
    return config


def as_gguf(folder: Path, c: ModelConfig) -> None:
    """The same numbers as one GGUF file: llama.cpp turns neighbouring pairs, so rows of q and k change places."""
    file = gguf.GGUFWriter(folder / "model.gguf", "llama")
    describe(file, c)
    stored = load_file(folder / "model.safetensors")
    for name, values in stored.items():
        module = name.rpartition(".")[0]
        if module.startswith("model.layers."):
            _, _, layer, inner = module.split(".", 3)
            theirs = f"blk.{layer}.{LAYERS[inner]}.weight"
        else:
            inner, theirs = module, f"{MODULES[module]}.weight"
        if name.endswith("_packed"):
            heads = {"self_attn.q_proj": c.heads, "self_attn.k_proj": c.key_value_heads}.get(inner)
            blocks = q4_0(values.view(np.uint8), stored[name.replace("_packed", "_scale")])
            if heads:
                blocks = blocks.reshape(heads, 2, -1, blocks.shape[-1]).swapaxes(1, 2).reshape(blocks.shape)
            file.add_tensor(theirs, np.ascontiguousarray(blocks), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
        elif "norm" in name:
            file.add_tensor(theirs, values.astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def divergences(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.float64]:
    """KL divergence of each token's distribution: logits (time, vocabulary) -> (time,)."""
    p, q = (torch.from_numpy(one).double().log_softmax(-1) for one in (wanted, found))
    result: NDArray[np.float64] = (p.exp() * (p - q)).sum(-1).numpy()
    return result


def main() -> None:
    """Compare along rows of text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--llama", help="the folder where llama_cpp is, as for PYTHONPATH")
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    if given.llama:
        sys.path.insert(0, given.llama)
    tokenizer = Tokenizer(given.model)
    each = -(-given.rows // len(given.texts))
    ids = [tokenizer.encode(text_of(path, 8 * TIME * each)) for path in given.texts]
    rows = [one[at : at + TIME] for one in ids for at in range(0, each * TIME, TIME)][: given.rows]
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room) / "model"
        config = rounded(given.model, folder)
        as_gguf(folder, config)
        exact, native = load(folder), NativeExecutor(folder, tokens=TIME)
        exact.compute = torch.float32
        theirs = LlamaCpp(folder, machine.cores(), TIME)
        found: dict[str, list[float]] = {"native": [], "llama.cpp": []}
        for row in rows:
            with torch.inference_mode():
                wanted = exact(torch.tensor([row]))[0].float().numpy()
            ours = native.step([Part(row, 0, range(TIME // BLOCK), wanted="every")])[0]
            found["native"].append(float(divergences(wanted, ours).mean()))
            found["llama.cpp"].append(float(divergences(wanted, theirs.every(row)).mean()))
    result: dict[str, Any] = {"rows": len(rows), "tokens": sum(map(len, rows)), "kernels": native.kernels}
    for name, values in found.items():
        result[name] = {"kl": float(np.mean(values)), "error": float(np.std(values, ddof=1) / len(values) ** 0.5)}
    apart = np.subtract(found["native"], found["llama.cpp"])
    result["more_than_llama.cpp"] = {"kl": float(apart.mean()), "error": float(apart.std(ddof=1) / len(apart) ** 0.5)}
    result["rows_with_less"] = sum(a < b for a, b in zip(found["native"], found["llama.cpp"], strict=True))
    print(json.dumps(result, indent=1))
    if given.into:
        write_json(given.into, {"model": given.model.name, **result, "machine": machine.describe()})


if __name__ == "__main__":
    main()
