"""What a checkpoint's files say beside the model, ids, precision and generation settings: kept for when it is written.

Where nothing was read, or the model is written with another tokenizer than its own, it all follows from the tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model.formats import adapter_config
from hornbook.model.formats.adapter_config import Adapter
from hornbook.model.formats.layout import Parts
from hornbook.model.tokenizers import Tokenizer

if TYPE_CHECKING:
    import torch

IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
GENERATION = "generation_config.json"


@dataclass(frozen=True)
class Origin:
    """The folder that a model was read from, and what it says.

    ways: in which of its tensors each of ours is stored. adapter: what lies beside them in an adapter's folder.
    ids: the special ids that config.json has. dtype: what it calls the weights' precision, None where it does not.
    dtypes: how each of our tensors was stored. generation: generation_config.json, None where there is none.
    """

    folder: Path
    ids: Mapping[str, Any]
    dtype: str | None
    dtypes: Mapping[str, torch.dtype]
    generation: Mapping[str, Any] | None
    ways: Mapping[str, Parts]
    adapter: Adapter | None = None


def read(
    folder: Path, values: Mapping[str, Any], dtypes: Mapping[str, torch.dtype], ways: Mapping[str, Parts]
) -> Origin:
    """What a folder says; values: of its config.json. Raises UserError for generation settings that are damaged."""
    path = adapter_config.model_files(folder) / GENERATION
    generation = read_json(path) if path.is_file() else None
    if generation is not None and not isinstance(generation, dict):
        raise UserError(f"{path} is not a JSON object")
    dtype = values.get("dtype") or values.get("torch_dtype")
    ids = {key: values[key] for key in IDS if key in values}
    return Origin(folder, ids, dtype if isinstance(dtype, str) else None, dtypes, generation, ways)


def special_ids(origin: Origin | None, tokenizer: Tokenizer | None) -> dict[str, Any]:
    """Ids of the tokens that begin, end and pad, as config.json has them.

    Null where neither files nor a tokenizer tell one, lest a reader takes its own defaults.
    """
    found: dict[str, Any] = dict.fromkeys(IDS)
    if tokenizer is not None:
        end = tokenizer.end_of_text
        begin, pad = (tokenizer.named(role) for role in ("bos_token", "pad_token"))
        found = {
            "bos_token_id": end if begin is None else begin,
            "eos_token_id": end,
            "pad_token_id": end if pad is None else pad,
        }
    return found | dict(origin.ids if origin is not None and _own(origin, tokenizer) else {})


def generation(origin: Origin | None, tokenizer: Tokenizer | None) -> dict[str, Any] | None:
    """What generation_config.json is to hold: what it held, and every token that ends an answer. None for no file."""
    kept = origin.generation if origin is not None and _own(origin, tokenizer) else None
    if tokenizer is None:
        return None if kept is None else dict(kept)
    if kept is None:
        ids = special_ids(origin, tokenizer)
        return ids | {"eos_token_id": list(dict.fromkeys([*_listed(ids["eos_token_id"]), *sorted(tokenizer.stops)]))}
    listed = _listed(kept.get("eos_token_id"))
    lacking = sorted(tokenizer.stops - set(listed))
    return dict(kept) | ({"eos_token_id": [*listed, *lacking]} if lacking else {})


def _own(origin: Origin, tokenizer: Tokenizer | None) -> bool:
    """Whether the tokenizer is the one that lies beside the model."""
    return tokenizer is None or tokenizer.folder.resolve() == origin.folder.resolve()


def _listed(ids: Any) -> list[Any]:
    return ids if isinstance(ids, list) else [] if ids is None else [ids]
