"""What each way to shrink a model costs: bytes, perplexity, KL divergence and agreement with the original.

python benchmarks/quantize.py MODEL --texts FILE FILE [--ways WAY WAY] [--into benchmarks/quantize.json]
python benchmarks/quantize.py --plot docs/images/quantize.svg --into benchmarks/quantize.json

MODEL: a model folder. FILE: a text, or a corpus' .jsonl.gz. Every fourth piece of the texts is kept to measure with.
Everything is computed in fp32; `q4_0` is llama.cpp's type of that name, as the gguf package quantises it, for the same
matrices. Intervals are those of 2,000 resamplings of held-out rows, both ways on the same ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from real_model import text_of

from hornbook import machine
from hornbook.files import read_json, write_json
from hornbook.model.formats import checkpoint
from hornbook.model.formats.quantized import matrices, weight_of
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.quantize import quality
from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize

TIME = 512
WAYS: dict[str, dict[str, Any]] = {
    "rtn": {"method": "rtn"},
    "rtn, zero points": {"method": "rtn", "symmetric": False},
    "gptq": {},
    "gptq, zero points": {"symmetric": False},
    "gptq, group 64": {"group": 64},
    "rtn, 8 bits": {"method": "rtn", "bits": 8},
}


def rows_of(tokenizer: Tokenizer, texts: list[Path], calibrating: int, measuring: int) -> Rows:
    """Rows of `TIME` ids: pieces of the texts in turn, every fourth to measure with."""
    each = [tokenizer.encode(text_of(path, 8 * TIME * (calibrating + measuring))) for path in texts]
    cut = [[ids[at : at + TIME] for at in range(0, len(ids) - TIME, TIME)] for ids in each]
    pieces = [row for together in zip(*cut, strict=False) for row in together]
    kept = [row for at, row in enumerate(pieces) if at // len(texts) % 4 == 3]
    others = [row for at, row in enumerate(pieces) if at // len(texts) % 4 != 3]
    return Rows(np.array(others[:calibrating]), np.array(kept[:measuring]))


def q4_0(source: Path) -> tuple[Any, int]:
    """The model with llama.cpp's Q4_0 in the place of what `quantize` rounds, and its bytes."""
    model, size = checkpoint.load(source, compute=torch.float32), 0
    with torch.no_grad():
        for name in matrices(model):
            if name in ("embed", "lm_head"):
                continue
            weight = weight_of(model, name)
            kind = gguf.GGMLQuantizationType.Q4_0
            packed = gguf.quants.quantize(weight.float().numpy(), kind)
            size += packed.nbytes
            model.get_submodule(name).weight = torch.nn.Parameter(
                torch.from_numpy(gguf.quants.dequantize(packed, kind).copy())
            )
    quantized = {f"{name}.weight" for name in matrices(model) if name != "embed"}
    return model, size + sum(2 * one.numel() for name, one in model.named_parameters() if name not in quantized)


def ratio(one: dict[str, Any], other: dict[str, Any]) -> list[float]:
    """KL of one way over that of another: the value and its 95% interval."""
    draw = np.random.default_rng(1)
    counts = one["tokens"]
    picks = draw.integers(0, len(counts), (2000, len(counts)))
    sums = [(way["kl"] * counts)[picks].sum(1) for way in (one, other)]
    middle = float((one["kl"] * counts).sum() / (other["kl"] * counts).sum())
    return [round(value, 4) for value in (middle, *np.quantile(sums[0] / sums[1], (0.025, 0.975)))]


def draw(ways: dict[str, dict[str, Any]], path: Path) -> None:
    """KL divergence over size, a point each way."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for way, found in ways.items():
        colour = "#2f6f4f" if way.startswith("gptq") else "#b0772f" if way.startswith("rtn") else "#333"
        axes.plot(found["bytes"] / 1e6, found["kl"], "o", color=colour)
        axes.annotate(way, (found["bytes"] / 1e6, found["kl"]), (6, 4), textcoords="offset points", fontsize=8)
    axes.set_ylim(0, 1.15 * max(found["kl"] for found in ways.values()))
    axes.margins(x=0.3)
    axes.set_xlabel("MB")
    axes.set_ylabel("KL, nats a token")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure every way, print a table, write JSON; or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--texts", type=Path, nargs="+", default=[])
    parser.add_argument("--calibrating", type=int, default=32)
    parser.add_argument("--measuring", type=int, default=24)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--into", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    if given.model is None:
        if given.plot is None or given.into is None:
            parser.error("a MODEL and --texts are needed, or --plot and --into of what was measured")
        draw(read_json(given.into)["ways"], given.plot)
        return
    rows = rows_of(Tokenizer(given.model), given.texts, given.calibrating, given.measuring)
    original = checkpoint.load(given.model, compute=torch.float32)
    compared: dict[str, Any] = {}
    table: dict[str, Any] = {}
    model, size = q4_0(given.model)
    compared["q4_0"] = quality.compare(original, model, rows.measuring)
    table["q4_0"] = {"bytes": size, **quality.told(compared["q4_0"])}
    print("q4_0", table["q4_0"], flush=True)
    for way in given.ways:
        settings = QuantizeSettings(**WAYS[way], measured_rows=0)
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            figures = quantize(given.model, rows, settings, into=Path(folder), progress=Progress())
            seconds = time.process_time() - start
            model = checkpoint.load(Path(folder) / "model", compute=torch.float32)
            compared[way] = quality.compare(original, model, rows.measuring)
        table[way] = {
            "bytes": figures["bytes_after"],
            "processor_seconds": round(seconds, 1),
            **quality.told(compared[way]),
        }
        print(way, table[way], flush=True)
    ratios = {
        f"{one} / {other}": ratio(compared[one], compared[other])
        for one, other in (("gptq", "rtn"), ("gptq, zero points", "rtn, zero points"), ("gptq", "q4_0"))
        if one in compared and other in compared
    }
    print(ratios)
    if given.into:
        about = {
            "model": given.model.name,
            "machine": machine.describe(),
            "texts": [path.name for path in given.texts],
            "rows_of": TIME,
        }
        about |= {"calibrating": len(rows.calibrating), "measuring": len(rows.measuring)}
        write_json(given.into, {"model": given.model.name, **about, "ways": table, "kl_ratios": ratios})
    if given.plot:
        draw(table, given.plot)


if __name__ == "__main__":
    main()
