"""One thread a process, no network, and small models and tokenizers that many tests need."""

from __future__ import annotations

import gc
import os

# Before torch, tokenizers start their threads, here and in every process the tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
# Containers often set this; every process that a test starts would compile Hornbook again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import functools
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from hypothesis import settings

# A shell has what it starts in the background ignore Ctrl-C; so would every process that a test starts and stops.
signal.signal(signal.SIGINT, signal.default_int_handler)

# So much is loaded and kept here that looking through it as often as Python does takes a tenth of all time.
gc.set_threshold(50_000, 20, 100)

# Eighty commands are put together anew for every call of one: half of what a call takes.
typer.testing._get_command = functools.cache(typer.testing._get_command)

# The same examples in every run, so that what passes here passes there; `make fuzz` looks for others.
FUZZ = int(os.environ.get("HORNBOOK_FUZZ", "0"))
settings.register_profile("hornbook", deadline=None, max_examples=FUZZ or 60, derandomize=not FUZZ)
settings.load_profile("hornbook")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: begun last, one of them would keep a single process busy while others wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What is loaded by then stays: no collection looks through it, and no training that ends puts it back."""
    gc.collect()
    gc.freeze()
    gc.freeze = gc.unfreeze = lambda: None


SNIPPET = '''def add_all(values):
    """Return the sum of all values."""
    total = 0
    for value in values:
        total += value
    return total


class Shop:
    """Sells things: naïve, façade, 漢字, 🙂."""

    def price(self, name, count=12):
        if name == "tea" and count > 3:
            return count * 4.5
        return None
'''


def some_text(seed: int, lines: int = 400) -> str:
    """Lines of code in a random order: enough for a few hundred merges."""
    source = random.Random(seed)
    words = [word for line in SNIPPET.splitlines() for word in line.split()]
    made = []
    for _ in range(lines):
        made.append("    " * source.randrange(3) + " ".join(source.choices(words, k=source.randrange(1, 9))))
    return SNIPPET + "\n".join(made) + "\n"


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Real data, which this repository does not hold: `real_data("tokenizers/gpt2_vocab.json")`.

    The variable HORNBOOK_TEST_DATA names its folder; without it tests that need such data are skipped, and what lacks
    in that folder is a failure.
    """
    root = os.environ.get("HORNBOOK_TEST_DATA")

    def find(name: str) -> Path:
        if not root:
            pytest.skip("needs real data: HORNBOOK_TEST_DATA names no folder")
        path = Path(root).absolute() / name
        assert path.exists(), f"HORNBOOK_TEST_DATA: {path} is not there"
        return path

    return find


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A browser with a profile of its own, at an address."""
    from tests.benchmarks.scripts import script

    browser = script("browser")
    if browser.chromium() is None:
        pytest.skip("there is no Chromium on this machine")
    opened = []

    def make(url: str, **options: Any) -> Any:
        opened.append(browser.Browser(tmp_path / f"profile{len(opened)}", **options))
        opened[-1].open(url)
        return opened[-1]

    yield make
    for one in opened:
        one.__exit__()


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of 380 ids, saved; do not write to it."""
    from hornbook.tokens import train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer.save(train_tokenizer.train([some_text(1)], 380), folder, context=64)
    return folder


@pytest.fixture
def make_model() -> Callable[..., Any]:
    """A small model with random weights: `make_model(seed, **shape)`."""
    import torch

    from hornbook.model.config import ModelConfig
    from hornbook.model.transformer import Transformer

    def make(seed: int = 0, **shape: Any) -> Transformer:
        small = {"vocabulary": 400, "layers": 2, "width": 64, "heads": 4, "mlp_width": 96, "context": 64}
        model = Transformer(ModelConfig(**(small | {"initial_std": 0.2} | shape)))
        generator = torch.Generator().manual_seed(seed)
        model.initialise(generator)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" in name:  # a norm that does nothing would hide that it is missing
                    parameter.normal_(1.0, 0.2, generator=generator)
        return model.eval()

    return make


@pytest.fixture
def make_checkpoint(
    make_model: Callable[..., Any], tokenizer_folder: Path, tmp_path: Path
) -> Callable[..., tuple[Any, Path]]:
    """A small model and the folder it is saved in: `make_checkpoint(seed, **shape)`."""
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    def make(seed: int = 0, **shape: Any) -> tuple[Any, Path]:
        model = make_model(seed, **shape)
        folder = tmp_path / f"checkpoint-{seed}-{len(list(tmp_path.iterdir()))}"
        checkpoint.save(model, folder, Tokenizer(tokenizer_folder))
        return model, folder

    return make


@pytest.fixture(scope="session")
def small_smollm2(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a tiny one in it that is called smollm2-135m; do not write to it."""
    import torch

    from hornbook.model import build, save
    from hornbook.model.config import ModelConfig
    from hornbook.model.tokenizers import Tokenizer

    shape = {"vocabulary": 49_152, "layers": 1, "width": 32, "heads": 2, "kv_heads": 1, "mlp_width": 32}
    config = ModelConfig(format="llama", context=512, qkv_bias=False, **shape)
    folder = tmp_path_factory.mktemp("models")
    save(build(config, dtype=torch.bfloat16, seed=4), folder / "smollm2-135m", Tokenizer(tokenizer_folder))
    return folder


@pytest.fixture
def with_smollm2(small_smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model called smollm2-135m is on this machine, as the recipe tutor wants."""
    monkeypatch.setenv("HORNBOOK_MODELS", str(small_smollm2))
