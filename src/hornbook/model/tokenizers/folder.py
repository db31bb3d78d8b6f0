"""Read the tokenizer of any model folder: its files, its names for special tokens, its chat template, its stops."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as FastTokenizer

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.model.formats.adapter_config import model_files
from hornbook.model.tokenizers import gpt2, templates, tiktoken

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "cl100k_base.tiktoken",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
)
_TOKENS = ("tokenizer.json", "cl100k_base.tiktoken", "vocab.json", "tokenizer.model")

# What ends a document where no file of the folder says it.
_ENDS = ("<|endoftext|>", "</s>", "<eos>")
_ROLES = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")
# Spelled like this, a token can't be typed, whatever the file says: phi-3-mini's `</s>` is marked as plain text. Other
# tokens that are marked as text, such as `<think>`, are text.
_CONTROL = re.compile(r"<\|\S+\|>|</?s>|<(unk|pad|bos|eos|mask)>|\[(UNK|PAD|CLS|SEP|MASK|BOS|EOS)\]")


@dataclass(frozen=True)
class Loaded:
    """What a folder says of its tokenizer.

    control: spelling and id of every control token: only a template places it. hidden: ids that are no text, and not
    shown. names: tokens by role, bos_token, eos_token, pad_token, unk_token and so on, where known. stops: ids that
    the files say end a generation. prefix_once: SentencePiece's leading space belongs to the text's beginning
    alone, not to what follows a control token (`legacy: false`). begins: ids that every text begins with.
    """

    fast: FastTokenizer
    control: dict[str, int]
    hidden: frozenset[int]
    names: dict[str, str]
    template: str | None
    stops: frozenset[int]
    prefix_once: bool
    begins: tuple[int, ...]


def read(folder: Path) -> Loaded:
    """Read a folder's tokenizer, ready for plain text; an adapter's without one is its base's.

    Raises UserError that names the file at fault.
    """
    files = model_files(folder)
    if not any((folder / name).is_file() for name in _TOKENS):
        folder = files
    config = _object(folder / "tokenizer_config.json")
    model = _object(files / "config.json")
    fast = _fast(folder, config, model)
    _refuse_larger(folder, fast, model)
    fast.encode_special_tokens = True
    begins = _begins(fast)
    fast.post_processor = None  # it would add special tokens, which is the template's work, and blur the offsets
    names, listed = _names(folder, config)
    added = fast.get_added_tokens_decoder()
    special = {*names.values(), *listed}
    hidden = frozenset(at for at, token in added.items() if token.special or token.content in special)
    unmarked = [
        token.content
        for token in added.values()
        if not token.special and (token.content in special or _CONTROL.fullmatch(token.content))
    ]
    fast.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in unmarked])
    control = {token.content: at for at, token in fast.get_added_tokens_decoder().items() if token.special}
    ends = _listed(files, model)
    if "eos_token" not in names:
        names.update([("eos_token", end) for end in _unnamed_ends(fast, control, model, ends)][:1])
    known = templates.recognise(control.get, model)
    template = _template(folder, config)
    return Loaded(
        fast,
        control,
        hidden,
        names,
        known.template if template is None else template,
        _stops(ends, names, known.stops if template is None else (), control),
        config.get("legacy") is False,
        begins,
    )


def _refuse_larger(folder: Path, fast: FastTokenizer, model: Mapping[str, Any]) -> None:
    """Refuse a tokenizer with ids that the model beside it has no embedding for."""
    rows = model.get("vocab_size")
    size = max([fast.get_vocab_size(with_added_tokens=True), *(at + 1 for at in fast.get_added_tokens_decoder())])
    if isinstance(rows, int) and size > rows:
        raise UserError(
            f"{folder}: the tokenizer has {size} ids, but vocab_size in config.json is {rows}; give the tokenizer that "
            "the model was trained with"
        )


def _fast(folder: Path, config: Mapping[str, Any], model: Mapping[str, Any]) -> FastTokenizer:
    whole, ranks, vocabulary = folder / "tokenizer.json", folder / "cl100k_base.tiktoken", folder / "vocab.json"
    if whole.is_file():
        try:
            return FastTokenizer.from_file(str(whole))
        except Exception as error:  # the library raises a bare Exception for a damaged file
            raise UserError(f"{whole} cannot be read: {error}") from None
    if ranks.is_file():
        return tiktoken.load(ranks, tiktoken.PHI3_SMALL, tiktoken.PHI3_SMALL_SIZE)
    if vocabulary.is_file():
        return gpt2.load(vocabulary, folder / "merges.txt", _added(folder, config, model))
    if (folder / "tokenizer.model").is_file():
        raise UserError(
            f"{folder} has no tokenizer.json, only SentencePiece's tokenizer.model; load the folder with transformers' "
            "AutoTokenizer and save it again, that writes tokenizer.json"
        )
    raise UserError(
        f"{folder} has no tokenizer.json, no vocab.json with merges.txt and no cl100k_base.tiktoken; "
        "give a model folder that was saved with its tokenizer"
    )


def _added(folder: Path, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[int, str]:
    """Tokens behind GPT-2's vocabulary: the folder's own list, or codegen's for a folder that is codegen's or phi's."""
    listed = _object(folder / "added_tokens.json")
    described = config.get("added_tokens_decoder") or {}
    try:
        added = {int(at): str(token["content"]) for at, token in described.items()}
        added |= {int(at): text for text, at in listed.items()}
    except (TypeError, ValueError, KeyError, AttributeError):
        raise UserError(f"{folder}: added_tokens.json or tokenizer_config.json lists a token without its id") from None
    codegen = str(config.get("tokenizer_class", "")).startswith("CodeGen") or model.get("model_type") in (
        "phi",
        "codegen",
    )
    return gpt2.CODEGEN if codegen and not listed and not described else added


def _begins(fast: FastTokenizer) -> tuple[int, ...]:
    """What tokenizer.json puts before every text; `add_bos_token` beside it counts for nothing, as in transformers."""
    try:
        bare, whole = (fast.encode("a", add_special_tokens=added).ids for added in (False, True))
    except Exception:  # the library raises a bare Exception where the vocabulary has no such letter
        return ()
    return tuple(whole[: next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), 0)])


def _names(folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Special tokens by role, and those without one; a file gives one as text or as an object that holds it."""
    stated = _object(folder / "special_tokens_map.json") | dict(config)
    named = {role: _text(stated.get(role)) for role in _ROLES}
    more = [stated.get("additional_special_tokens"), stated.get("extra_special_tokens")]
    listed = [_text(token) for tokens in more if isinstance(tokens, list) for token in tokens]
    return {role: text for role, text in named.items() if text}, [text for text in listed if text]


def _text(token: Any) -> str:
    """A token's spelling, empty where there is none."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The folder's own template: a file of its own, or in tokenizer_config.json as text or as a list with names."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from None
    given = config.get("chat_template")
    if isinstance(given, list):
        try:
            named = {entry["name"]: entry["template"] for entry in given}
        except (TypeError, KeyError):
            named = {}
        if "default" not in named:
            raise UserError(f"{folder / 'tokenizer_config.json'}: of its chat templates none is named 'default'")
        given = named["default"]
    if given is not None and not isinstance(given, str):
        raise UserError(f"{folder / 'tokenizer_config.json'}: chat_template is neither text nor a list of templates")
    return given


def _listed(folder: Path, model: Mapping[str, Any]) -> list[int]:
    """Ids that end a generation by generation_config.json, or else by config.json."""
    generation = folder / "generation_config.json"
    values = _object(generation) if generation.is_file() else model
    ids = _ids(values)
    if not all(isinstance(token, int) for token in ids):
        raise UserError(f"{generation if generation.is_file() else folder / 'config.json'}: eos_token_id is no id")
    return ids


def _ids(values: Mapping[str, Any]) -> list[Any]:
    """What stands under `eos_token_id`: one id, a list of them, or nothing."""
    listed = values.get("eos_token_id")
    return listed if isinstance(listed, list) else [] if listed is None else [listed]


def _unnamed_ends(
    fast: FastTokenizer, control: Mapping[str, int], model: Mapping[str, Any], listed: list[int]
) -> list[str]:
    """What may end a document where the tokenizer's files name no `eos_token`, the likeliest first: the control token
    whose id config.json has, one that is spelled as an end, what else the files list.
    """
    spelled = {at: text for text, at in control.items()}
    ours = [spelled[at] for at in _ids(model) if isinstance(at, int) and at in spelled]
    others = [fast.id_to_token(at) for at in listed if 0 <= at < 1 << 32]  # what the library takes for an id
    return [end for end in (*ours, *(end for end in _ENDS if end in control), *others) if end]


def _stops(
    listed: list[int], names: Mapping[str, str], known: tuple[str, ...], control: Mapping[str, int]
) -> frozenset[int]:
    """Ids that end a generation: those that the folder's files list, and those `known` of a format that we lend it.

    Published files leave some out: phi-3-mini's first one names 32000 (`<|endoftext|>`) but not 32007 (`<|end|>`),
    which the template tells.
    """
    ends = {*known, names.get("eos_token", "")}
    return frozenset([*listed, *(control[end] for end in ends if end in control)])


def _object(path: Path) -> dict[str, Any]:
    """A JSON object, empty when there is no such file."""
    value = read_json(path) if path.is_file() else {}
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a JSON object")
    return value
