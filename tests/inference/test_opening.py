"""Which executor answers, what is said of it, and what a start with the native one leaves out."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook import machine
from hornbook.errors import Notice, UserError
from hornbook.inference.native import library as libraries
from hornbook.inference.native.executor import NativeExecutor
from hornbook.inference.opening import _room, open_scheduler
from hornbook.inference.scheduler import Request
from hornbook.inference.torch_executor import TorchExecutor

WITHOUT_TORCH = """
import sys
from hornbook.cli import main
sys.argv = ["hornbook", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", [name for name in ("torch", "transformers", "numpy") if name in sys.modules])
"""


@pytest.fixture
def native() -> None:
    """Skips where there is no engine, or a GPU that would be used instead."""
    if isinstance(found := libraries.load(), str):
        pytest.skip(f"no native engine: {found}")
    if machine.has_gpu():
        pytest.skip("PyTorch computes on this machine's GPU")


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("command", [["generate", "--max-tokens", "3"], ["chat"]], ids=lambda command: command[0])
def test_pytorch_is_not_loaded(command: list[str], make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    folder = str(make_checkpoint()[1])
    said = [command[0], folder, *(["x"] if command[0] == "generate" else []), *command[1:]]
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *said],
        input="hello\n/quit\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.endswith("loaded: ['numpy']\n")


@pytest.mark.usefixtures("native")
def test_the_native_engine_answers_unless_a_precision_is_asked_for(
    make_checkpoint: Callable[..., tuple[Any, Path]],
) -> None:
    folder = make_checkpoint()[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(open_scheduler(folder)._executor, NativeExecutor)
        assert isinstance(open_scheduler(folder, dtype="fp32")._executor, TorchExecutor)


def test_where_there_is_no_engine_pytorch_answers_and_says_so(
    make_checkpoint: Callable[..., tuple[Any, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    monkeypatch.setattr(libraries, "load", lambda: "it was not built")
    with pytest.warns(Notice, match="PyTorch computes, not the faster native engine: it was not built"):
        assert isinstance(open_scheduler(make_checkpoint()[1])._executor, TorchExecutor)


def test_a_long_prompt_is_told_what_keeps_it_from_being_read(make_checkpoint: Callable[..., tuple[Any, Path]]) -> None:
    """The model's context, or a cache that has no room for it."""
    folder = make_checkpoint(context=4000)[1]
    for cache, told in (
        (None, "the model's context is 4000; shorten it"),
        (0.001, "a larger one (--cache GB) has more"),
    ):
        scheduler = open_scheduler(folder, dtype="fp32", most=1, cache=cache)
        with pytest.raises(UserError, match=re.escape(told)):
            scheduler.submit(Request([1] * 4000, 1, ()))


def test_unless_told_the_cache_has_room_for_the_whole_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: 16 * 10**9)
    each = 400_000
    assert _room(each, None, 8_000, 1) == 8_000  # 3.2 GB
    assert _room(each, None, 100_000, 1) == 10_000  # a quarter of the memory
    assert _room(each, None, 1_000, 64) == 5_000  # 2 GB, which several share
    assert _room(each, 0.4, 8_000, 1) == 1_000
