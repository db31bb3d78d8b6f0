"""A model folder's tokenizer as the keys of a GGUF file, where llama.cpp knows how it cuts text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf.constants import TokenType

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model.formats.gguf.tokenizer import CUTS, GPT2
from hornbook.model.tokenizers import Tokenizer

_BYTES = {f"<0x{byte:02X}>" for byte in range(256)}


def vocabulary_keys(folder: Path, tokenizer: Tokenizer, size: int, format_: str) -> dict[str, Any]:
    """`tokenizer.ggml.*` and the chat template for a vocabulary of `size` ids.

    Raises UserError for a tokenizer that llama.cpp would read otherwise.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"{folder} has no tokenizer.json; load it with transformers' AutoTokenizer and save it again")
    state = read_json(path)
    model = state["model"]
    if model.get("type") != "BPE":
        raise UserError(
            f"{path}: a {model.get('type')} tokenizer is not exported; byte-level BPE and SentencePiece are"
        )
    tokens = {at: text for text, at in model["vocab"].items()}
    kinds = dict.fromkeys(tokens, TokenType.NORMAL)
    pieces = bool(model.get("byte_fallback"))
    if pieces:
        kinds |= {at: TokenType.BYTE for at, text in tokens.items() if text in _BYTES}
    control = set(tokenizer.controls.values())
    for added in state.get("added_tokens", ()):
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = TokenType.CONTROL if added["id"] in control else TokenType.USER_DEFINED
    unknown = model["vocab"].get(model.get("unk_token"))
    if unknown is not None and pieces:
        kinds[unknown] = TokenType.UNKNOWN
    for at in range(size):
        if at not in tokens:
            tokens[at], kinds[at] = f"[PAD{at}]", TokenType.UNUSED
    merges = [one if isinstance(one, str) else " ".join(one) for one in model["merges"]]
    keys: dict[str, Any] = {
        "tokenizer.ggml.model": "llama" if pieces else "gpt2",
        "tokenizer.ggml.pre": "default" if pieces else _pre(state, path, format_),
        "tokenizer.ggml.tokens": [tokens[at] for at in range(size)],
        "tokenizer.ggml.token_type": [int(kinds[at]) for at in range(size)],
        "tokenizer.ggml.add_bos_token": bool(tokenizer.begins),
        "tokenizer.ggml.add_eos_token": False,
    }
    if pieces:
        keys["tokenizer.ggml.scores"] = _scores([tokens[at] for at in range(size)], merges)
        keys["tokenizer.ggml.add_space_prefix"] = _prefixed(state)
    else:
        keys["tokenizer.ggml.merges"] = merges
    roles = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}
    ids = {role: tokenizer.named(name) for role, name in roles.items()}
    ids["eos"] = tokenizer.end_of_text if ids["eos"] is None else ids["eos"]
    keys |= {f"tokenizer.ggml.{role}_token_id": at for role, at in ids.items() if at is not None}
    if tokenizer.template is not None:
        keys["tokenizer.chat_template"] = tokenizer.template
    return keys


def _scores(tokens: list[str], merges: list[str]) -> list[float]:
    """What SentencePiece joins by: the earlier a token is made, the higher its score."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", ""), rank)
    return [-float(ranks[text] + 1) if text in ranks else 0.0 for text in tokens]


def _prefixed(state: dict[str, Any]) -> bool:
    """Whether a space goes before a text."""
    normal, cut = state.get("normalizer") or {}, state.get("pre_tokenizer") or {}
    prepends = any(one.get("type") == "Prepend" for one in normal.get("normalizers", [normal]))
    return prepends or cut.get("prepend_scheme", "never") != "never"


def _pre(state: dict[str, Any], path: Path, format_: str) -> str:
    """llama.cpp's name for how this tokenizer cuts text before merging."""
    cut = state.get("pre_tokenizer") or {}
    found: list[str] = []
    for one in cut.get("pretokenizers", [cut]):
        if one.get("type") == "Split" and one.get("behavior") == "Isolated" and not one.get("invert"):
            found.append(one["pattern"].get("Regex", ""))
        elif one.get("type") == "Digits" and one.get("individual_digits"):
            found.append(r"\p{N}")
        elif one.get("type") == "ByteLevel" and not one.get("add_prefix_space"):
            found += [GPT2] if one.get("use_regex", True) else []
        elif one.get("type") != "Split" or one.get("behavior") != "Removed":  # bytes that no token has
            found.append("")
    whole = bool(state["model"].get("ignore_merges"))
    names = [name for name, one in CUTS.items() if (one.expressions, one.whole) == (tuple(found), whole)]
    if not names or state.get("normalizer"):
        raise UserError(
            f"{path} cuts text in a way that llama.cpp does not know by name, and would give other ids: the model "
            "can't be exported; `hornbook serve` runs it"
        )
    return "phi-2" if "phi-2" in names and format_ == "phi" else names[0]
