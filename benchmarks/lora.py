"""Fine-tuning a real model, beside transformers' Trainer and peft: tokens a second, memory, and the same losses.

python benchmarks/lora.py MODEL [--rounds 3] [--steps 8] [--rows 8] [--length 512] [--into FILE.json]

MODEL: a model folder that both read, such as `hornbook model import` makes of SmolLM2-135M. Every row is full: 8 rows
of 512 tokens of Python's own documentation a step, none of them padding; ids at random where the folder has no
tokenizer. Both train with AdamW, without dropout, clipped to 1, at a constant rate, in the same precision; adapters of
rank 16 on all linear maps begin as the same ones. Trainer runs as it is and with torch_compile; both on the GPU where
there is one. Every measurement is a process of its own, and the processes take turns. A step's time is the median
without the first two, which compile; processor seconds tell more than the clock where others work on the machine.
`--steps 50 --precision fp32` gives the losses to compare step by step.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import pydoc_data.topics
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic, process_time
from typing import Any, NamedTuple

RANK, RATE, WARM = 16, 1e-4, 2


class Work(NamedTuple):
    """What is measured of: the model, the adapter that is trained in its place, how much a step reads."""

    folder: Path
    adapter: Path | None
    precision: str
    steps: int
    rows: int
    length: int


def batches(work: Work) -> Any:
    """Ids (steps, rows, length) of one text, from its beginning again where it ends; or any ids."""
    import torch

    from hornbook.model.tokenizers import Tokenizer

    shape = work.steps, work.rows, work.length
    if not (work.folder / "tokenizer.json").is_file():
        vocabulary = json.loads((work.folder / "config.json").read_text())["vocab_size"]
        return torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(1))
    ids = Tokenizer(work.folder).encode(Path(pydoc_data.topics.__file__).read_text(encoding="utf-8"))
    wanted = math.prod(shape)
    return torch.tensor((ids * (wanted // len(ids) + 1))[:wanted]).view(shape)


def ours(work: Work) -> dict[str, Any]:
    """The training loop of `hornbook sft` and its like on the batches."""
    from hornbook.progress import Progress
    from hornbook.train import lora
    from hornbook.train.loop import train
    from hornbook.train.losses import IGNORE, count_targets
    from hornbook.train.objective import Batch, Objective
    from hornbook.train.pretrain import NextToken
    from hornbook.train.settings import TrainSettings

    rows, ends = batches(work), []

    class Rows(Objective):
        steps, tokens_per_step, tokens = len(rows), work.rows * work.length, rows.numel()

        def batch(self, step: int) -> Batch:
            ends.append((monotonic(), process_time()))
            ids = rows[step]
            targets = ids.roll(-1, 1)
            targets[:, -1] = IGNORE
            return {"ids": ids, "targets": targets, "count": count_targets(targets)}

        loss = NextToken.loss

    settings = TrainSettings(
        optimizer="adamw", learning_rate=RATE, betas=(0.9, 0.999), weight_decay=0.0, batch=work.rows, warmup=0,
        decay=0, precision=work.precision, checkpoint_seconds=1e9,
    )  # fmt: skip
    model = lora.load(work.folder if work.adapter is None else work.adapter, None, seed=1)
    with tempfile.TemporaryDirectory() as into:
        log = train(model, Rows(), settings, into=Path(into), label="", progress=Progress())
    return {"losses": [entry["loss"] for entry in log], "ends": [*ends, (monotonic(), process_time())]}


def theirs(work: Work, compiled: bool) -> dict[str, Any]:
    """Trainer on the same batches; peft's adapter where one is given."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    rows, ends, losses = batches(work).flatten(0, 1), [], []
    frozen = torch.bfloat16 if work.precision == "bf16" and work.adapter is not None else torch.float32
    model = AutoModelForCausalLM.from_pretrained(work.folder, dtype=frozen)
    if work.adapter is not None:
        model = PeftModel.from_pretrained(model, work.adapter, is_trainable=True)

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            ends.append((monotonic(), process_time()))

        def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
            losses.extend([logs["loss"]] if "loss" in logs else [])

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    with tempfile.TemporaryDirectory() as into:
        arguments = TrainingArguments(
            into, per_device_train_batch_size=work.rows, max_steps=work.steps, learning_rate=RATE,
            lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=1.0, optim="adamw_torch_fused",
            bf16=work.precision == "bf16", use_cpu=not torch.cuda.is_available(), torch_compile=compiled,
            logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True, seed=1,
        )  # fmt: skip
        data = [{"input_ids": row, "labels": row, "attention_mask": torch.ones_like(row)} for row in rows]
        InOrder(model, arguments, train_dataset=data, callbacks=[Clock()]).train()
    return {"losses": losses, "ends": [*ends, (monotonic(), process_time())]}


def memory() -> int:
    """The most bytes that were in use: of the card where there is one, else of the process."""
    import torch

    from hornbook.machine import peak_memory

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak_memory()


def measured(work: Work, told: dict[str, Any]) -> dict[str, Any]:
    """Tokens a second by the median step, seconds of all steps, peak memory in bytes and losses."""
    ends = told["ends"]
    wall, cpu = (
        median(after[clock] - before[clock] for before, after in zip(ends[WARM:], ends[WARM + 1 :], strict=False))
        for clock in (0, 1)
    )
    return {
        "tokens_per_second": round(work.rows * work.length / wall, 1),
        "cpu_seconds_per_step": round(cpu, 2),
        "seconds": round(ends[-1][0] - ends[0][0], 1),
        "peak_memory": memory(),
        "losses": told["losses"],
        "load": round(os.getloadavg()[0], 2),
    }


def worker(arguments: list[str]) -> None:
    """One measurement, as JSON on the last line."""
    who, folder, adapter, precision, *sizes = arguments
    work = Work(Path(folder), Path(adapter) if adapter else None, precision, *map(int, sizes))
    told = ours(work) if who == "ours" else theirs(work, compiled=who == "compiled")
    print(json.dumps(measured(work, told)))


def in_process(*arguments: str) -> dict[str, Any]:
    """A measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure in turns; the file is written after each, so that what was measured stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="of a measurement, the first two of which do not count")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--precision", nargs="+", default=["bf16", "fp32"])
    parser.add_argument("--what", nargs="+", default=["lora", "full"])
    parser.add_argument("--who", nargs="+", default=["ours", "eager", "compiled"])
    parser.add_argument("--into", type=Path, default=Path("lora.json"))
    chosen = parser.parse_args()

    from importlib.metadata import version

    from hornbook import machine
    from hornbook.files import write_json
    from hornbook.model.formats import checkpoint
    from hornbook.train import lora

    versions = {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(lora.load(chosen.model, lora.LoraSettings(rank=RANK), seed=1), Path(folder))
        made: list[dict[str, Any]] = []
        for _ in range(chosen.rounds):
            for precision, what, who in itertools.product(chosen.precision, chosen.what, chosen.who):
                adapter = folder if what == "lora" else ""
                sizes = map(str, (chosen.steps, chosen.rows, chosen.length))
                told = in_process(who, str(chosen.model), adapter, precision, *sizes)
                made.append({"precision": precision, "what": what, "who": who, **told})
                print(json.dumps({key: value for key, value in made[-1].items() if key != "losses"}), flush=True)
                read = {"rows": chosen.rows, "length": chosen.length}
                told_of = {"machine": machine.describe(), "versions": versions}
                write_json(chosen.into, {**told_of, **read, "runs": made})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2:])
    else:
        main()
