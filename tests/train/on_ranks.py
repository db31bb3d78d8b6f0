"""What processes that train together do in tests, and how such processes are started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hornbook.machine import Choice
from hornbook.model.config import ModelConfig
from hornbook.model.transformer import Transformer
from hornbook.progress import Progress
from hornbook.runs import ranks
from hornbook.runs.ranks import PartDone
from hornbook.tokens.mixture import schedule
from hornbook.train import loop
from hornbook.train.held_out import HeldOutSettings
from hornbook.train.pretrain import NextToken, Sequential
from hornbook.train.settings import TrainSettings
from hornbook.train.validation import validations_of

SHAPE = ModelConfig(vocabulary=61, layers=3, width=24, heads=3, kv_heads=1, mlp_width=40, initial_std=0.1)
PRECISE = Choice("cpu", torch.float64, compile=False, why="")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch", "hornbook.train.loop", "hornbook.train.dpo", "torch.distributed.fsdp"])


def start(world: int, work: Callable[..., None], *given: Any, timeout: float = 60) -> list[int]:
    """Let `world` processes do the same work; returns their exit codes, and ends those that wait for a dead one."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    told = {"WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [_context.Process(target=_one, args=(told | {"RANK": rank}, work, *given)) for rank in range(world)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout)
        if process.is_alive() or process.exitcode:  # as torchrun does: when one is gone, the others are ended
            for other in processes:
                other.kill()
    for process in processes:
        process.join()
    return [process.exitcode or 0 for process in processes]


def _one(told: Mapping[str, Any], work: Callable[..., None], *given: Any) -> None:
    os.environ.update({name: str(value) for name, value in told.items()})
    torch.set_num_threads(1)
    try:
        work(*given)
    except PartDone:
        return


def wait_and_work(into: Path) -> None:
    """Rank 0 is busy elsewhere for a second, and the other waits for it; that one tells what that took."""
    ranks.store()
    if not ranks.rank():
        time.sleep(1)
        ranks.release()
        time.sleep(0.5)
        return
    before = time.process_time()
    ranks.follow({})
    (into / "seconds").write_text(str(time.process_time() - before))


def objective(batch: int = 6, steps: int = 20) -> Sequential:
    """Rows of two phases, with padding."""
    parts = []
    for seed, count in ((1, steps // 2), (2, steps - steps // 2)):
        table = np.random.default_rng(seed).integers(6, 61, (40, 17)).astype(np.uint16)
        table[::3, 9:] = 5
        parts.append(NextToken([table], schedule([40], [1.0], count * batch, 9, seed), batch, 17, 5))
    return Sequential(parts)


def model() -> Transformer:
    """A small model in fp64, the same on every rank."""
    made = Transformer(SHAPE).double()
    made.initialise(torch.Generator().manual_seed(5))
    return made


def train(
    settings: Mapping[str, Any], into: Path, steps: int = 20, stop: int | None = None, patience: int | None = None
) -> None:
    """Train in fp64; rank 0 writes weights, losses and the first step's gradients into `into/trained.pt`.

    stop: the step in which the last rank is killed, as by kill -9. patience: with it the training is measured on rows
    held out, every second step.
    """
    gradients: dict[str, torch.Tensor] = {}
    taken = 0
    clip = loop.clip

    def watched(parameters: Sequence[torch.nn.Parameter], most: float) -> float:
        nonlocal taken
        taken += 1
        for number, parameter in enumerate(parameters if not gradients else ()):
            assert parameter.grad is not None
            grad: Any = parameter.grad
            gradients[str(number)] = (grad.full_tensor() if hasattr(grad, "full_tensor") else grad).clone()
        if taken == stop and ranks.rank() == ranks.world() - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return clip(parameters, most)

    loop.clip = watched
    chosen = loop.choose
    loop.choose = lambda *_: PRECISE
    try:
        trained = model()
        held = objective(steps=2).parts[1] if patience else None
        told = HeldOutSettings(**settings, validation=1, validate_every=2, patience=patience) if patience else None
        log = loop.train(
            trained,
            objective(steps=steps),
            TrainSettings(**settings),
            into=into,
            label="",
            progress=Progress(),
            seed=7,
            validations=validations_of(held, steps, told, into) if told else (),
        )
    finally:
        loop.clip, loop.choose = clip, chosen
    torch.save({"weights": trained.state_dict(), "log": log, "gradients": gradients}, into / "trained.pt")
