"""On one GPU: training beside what its matrix products alone would take, LoRA beside peft's Trainer, decoding.

python benchmarks/gpu.py [--what train lora decode] [--into gpu.json]
python benchmarks/gpu.py --smoke  # the same in small, on any processor: does it run?

train   phi-1.5's and phi-1-small's (350M) shape, rows of 2,048 random ids, bf16, compiled, AdamW. `of_products` is the
        share of the speed that the model's own matrix products reach alone, forward and backward, in the same shapes on
        the same card; `mfu` is model FLOP/s (PaLM's count) over the maker's dense bf16 figure, where the card is known.
lora    rank 16 on phi-1.5's shape: 3,000 rows of 2,048, `benchmarks/lora.py` for both sides.
decode  one sequence with a cache of 2,048 tokens, bf16: milliseconds a token, and `roofline`, what reading every weight
        once would take at the rate at which this card copies memory; phi-1.5's shape and Llama-2-7B's.

Weights are random: they change no time. Every measurement is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from lora import memory

HERE = Path(__file__).parent
SMALL = {"layers": 2, "width": 64, "heads": 4, "mlp_width": 128, "vocabulary": 512, "context": 128}
TRAIN, DECODE, LORA = ("phi-1.5", "phi-1-small"), ("phi-1.5", "llama-2-7b"), "phi-1.5"
LORA_ROWS, BATCH = 3_000, 12  # 250 steps


def shape(name: str, small: bool) -> Any:
    """The configuration that is measured: a model's, or one of its kind that takes no time."""
    from hornbook.model.registry import find

    config = find(name).config
    return config.model_copy(update=SMALL) if small else config


def card() -> str:
    """The GPU's name; empty where there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def known(name: str) -> Any:
    """The accelerator that a card of this name is, as `hornbook plan` knows it; None for another."""
    from hornbook.planning.gpus import GPUS

    found = [gpu for gpu in GPUS.values() if gpu.name in name.lower()]
    return max(found, key=lambda gpu: len(gpu.name), default=None)  # an A100 is no A10


def seconds_of(action: Callable[[], Any], repeats: int = 10) -> float:
    """The median time of `action`, until the card has done it."""
    import torch

    taken = []
    for _ in range(repeats + 2):
        began = monotonic()
        action()
        if card():
            torch.cuda.synchronize()
        taken.append(monotonic() - began)
    return median(taken[2:])


def products_alone(config: Any, tokens: int) -> float:
    """Seconds of a step's matrix products, forward and backward, in bf16 with nothing between them."""
    import torch

    from hornbook.model import build

    device = "cuda" if card() else "cpu"
    shapes: dict[tuple[int, int], int] = {}
    for module in build(config, device="meta").modules():
        if isinstance(module, torch.nn.Linear):
            size = module.in_features, module.out_features
            shapes[size] = shapes.get(size, 0) + 1
    total = 0.0
    for (inner, outer), count in shapes.items():
        x = torch.randn(tokens, inner, device=device, dtype=torch.bfloat16)
        y = torch.randn(tokens, outer, device=device, dtype=torch.bfloat16)
        w = torch.randn(outer, inner, device=device, dtype=torch.bfloat16)
        for action in (lambda x=x, w=w: x @ w.T, lambda y=y, w=w: y @ w, lambda x=x, y=y: y.T @ x):
            total += count * seconds_of(action)
    return total


def train(name: str, small: bool, rows: int, steps: int) -> dict[str, Any]:
    """Tokens a second of the training loop, as `benchmarks/lora.py` measures it."""
    from hornbook.model import build, save

    config = shape(name, small)
    length = config.context
    with tempfile.TemporaryDirectory() as folder:
        save(build(config), Path(folder))
        found = run("lora.py", "--worker", "ours", folder, "", "bf16", steps, rows, length)
    speed = found["tokens_per_second"]
    flops = 3 * config.flops_per_token(length // 2) * speed  # half of a row is seen by a token on average
    products = 3 * config.flops_per_token(0) * rows * length / products_alone(config, rows * length)
    told: dict[str, Any] = {
        "model": name, "parameters": config.parameters(), "rows": rows, "length": length, "tokens_per_second": speed,
        "flops_per_second": flops, "peak_memory": found["peak_memory"], "products_flops_per_second": products,
        "of_products": flops / products,
    }  # fmt: skip
    gpu = known(card())
    return told | ({"mfu": flops / gpu.flops} if gpu else {})


def decode(name: str, small: bool, tokens: int) -> dict[str, Any]:
    """Milliseconds a token at the end of a full cache, one sequence, its logits handed to the processor each time."""
    import torch

    from hornbook.inference.executor import Part
    from hornbook.inference.torch_executor import TorchExecutor
    from hornbook.model import build

    config = shape(name, small)
    device = "cuda" if card() else "cpu"
    model = build(config, device=device, dtype=torch.bfloat16).eval()
    context = min(2048, config.context)
    executor, read = TorchExecutor(model, tokens=context), context - tokens
    blocks = range(executor.blocks)
    ids = torch.randint(config.vocabulary, (context,), generator=torch.Generator().manual_seed(1)).tolist()
    for start in range(0, read, 512):
        executor.step([Part(ids[start : min(start + 512, read)], start, blocks)])
    taken = []
    for position in range(read, context):
        began = monotonic()
        executor.step([Part([ids[position]], position, blocks)])
        taken.append(monotonic() - began)
    used = memory()
    # Of a table that is not the output matrix too, one row is read.
    read_once = sum(p.numel() * p.element_size() for p in model.parameters())
    read_once -= 0 if config.tied_embeddings else 2 * config.vocabulary * config.width
    source = torch.empty(min(1 << 30, read_once), dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    rate = 2 * source.numel() / seconds_of(lambda: target.copy_(source))
    return {
        "model": name, "context": context, "milliseconds": 1000 * median(taken[tokens // 4 :]),
        "roofline": 1000 * (read_once + context * config.cache_bytes_per_token()) / rate, "bytes_per_second": rate,
        "peak_memory": used,
    }  # fmt: skip


def lora(small: bool, into: Path) -> list[dict[str, Any]]:
    """All rows by our loop, 20 steps of each by Trainer as it is and compiled; see `benchmarks/lora.py`."""
    from hornbook.model import build, save
    from hornbook.model.formats import checkpoint
    from hornbook.train import lora as adapters

    config = shape(LORA, small)
    rows = 2 if small else BATCH
    save(build(config), into / "model")
    checkpoint.save(adapters.load(into / "model", adapters.LoraSettings(rank=16), seed=1), into / "adapter")
    made = []
    for who, steps in (
        ("ours", 4 if small else LORA_ROWS // BATCH),
        ("eager", 4 if small else 20),
        ("compiled", 4 if small else 20),
    ):
        told = run("lora.py", "--worker", who, into / "model", into / "adapter", "bf16", steps, rows, config.context)
        made.append({"who": who, "rows": rows * steps, **{key: told[key] for key in told if key != "losses"}})
    return made


def run(script: str, *arguments: object) -> Any:
    """What a script of this folder tells in a process of its own, as JSON on its last line."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure what was asked for; the file is written after each, so that what was measured stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", default=["train", "lora", "decode"], choices=["train", "lora", "decode"])
    parser.add_argument("--rows", type=int, default=16, help="of a training step")
    parser.add_argument("--steps", type=int, default=20, help="of a training, the first two of which do not count")
    parser.add_argument("--tokens", type=int, default=100, help="that are decoded")
    parser.add_argument("--smoke", action="store_true", help="small shapes, on any processor; no figure of use")
    parser.add_argument("--into", type=Path, default=Path("gpu.json"))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    small = bool(chosen.smoke)
    if chosen.only:
        what, name = chosen.only
        if what == "train":
            told = train(name, small, *((2, 5) if small else (chosen.rows, chosen.steps)))
        else:
            told = decode(name, small, 8 if small else chosen.tokens)
        print(json.dumps(told))
        return

    from importlib.metadata import version

    from hornbook import machine
    from hornbook.files import write_json

    if not card() and not small:
        raise SystemExit("PyTorch finds no GPU here; --smoke runs the same in small")
    names = ("torch", "transformers", "peft") if "lora" in chosen.what else ("torch",)
    found: dict[str, Any] = {
        "card": card(), "machine": machine.describe(), "versions": {name: version(name) for name in names},
    }  # fmt: skip
    for what in chosen.what:
        if what == "lora":
            with tempfile.TemporaryDirectory() as folder:
                found[what] = lora(small, Path(folder))
        else:
            found[what] = []
            for name in TRAIN if what == "train" else DECODE:
                options = ["--only", what, name, "--rows", chosen.rows, "--steps", chosen.steps]
                options += ["--tokens", chosen.tokens, *(["--smoke"] if small else [])]
                found[what].append(run("gpu.py", *options))
                print(json.dumps(found[what][-1]), flush=True)
        write_json(chosen.into, found)


if __name__ == "__main__":
    main()
