"""A GGUF file's tokenizer as Hugging Face's files: the ids are llama.cpp's (src/llama-vocab.cpp, src/unicode.cpp)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gguf.constants import TokenType
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from hornbook.model.formats.gguf.header import Header
from hornbook.model.formats.gguf.vocabulary import Vocabulary
from hornbook.model.tokenizers.alphabet import CHARACTERS

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SEED_CODER = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}"
    r"| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Cut:
    """How text is cut before merging: by each expression in turn. whole: a word that is a token is taken unmerged."""

    expressions: tuple[str, ...]
    whole: bool = False

    def steps(self) -> list[pre_tokenizers.PreTokenizer]:
        """Each expression, then bytes as characters."""
        splits = [pre_tokenizers.Split(Regex(expression), "isolated") for expression in self.expressions]
        return [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]


# By the names of `tokenizer.ggml.pre`. A further one is a line here, once its ids equal llama.cpp's.
CUTS = {
    "gpt-2": Cut((GPT2,)),
    "phi-2": Cut((GPT2,)),
    "smollm": Cut((r"\p{N}", GPT2)),
    "llama-bpe": Cut((_LLAMA3,), whole=True),
    "dbrx": Cut((_LLAMA3,)),
    "seed-coder": Cut((_SEED_CODER,)),
}


def build(vocabulary: Vocabulary, header: Header) -> Tokenizer:
    """The tokenizer. Raises UserError for a pre-tokenizer that is not supported, and for a damaged vocabulary."""
    tokenizer = _bpe(vocabulary, header) if vocabulary.model == "gpt2" else _sentencepiece(vocabulary, header)
    tokenizer.add_tokens(list(_added(vocabulary)))
    wanted = (("bos", vocabulary.add_bos), ("eos", vocabulary.add_eos))
    put = {role: vocabulary.special[role] for role, add in wanted if add and role in vocabulary.special}
    if put:
        begin, end = ([vocabulary.tokens[put[role]]] if role in put else [] for role in ("bos", "eos"))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[*begin, "$A", *end],
            pair=[*begin, "$A", *end, *(f"{one}:1" for one in (*begin, "$B", *end))],
            special_tokens=[(vocabulary.tokens[at], at) for at in dict.fromkeys(put.values())],
        )
    return tokenizer


def _bpe(vocabulary: Vocabulary, header: Header) -> Tokenizer:
    """Byte-level BPE with the file's merges."""
    cut = CUTS.get(vocabulary.pre)
    if cut is None:
        known = ", ".join(CUTS)
        header.refuse(f"tokenizer.ggml.pre is {vocabulary.pre!r:.60}; supported are {known} (pre=NAME chooses one)")
    ids = {text: at for at, text in enumerate(vocabulary.tokens)}
    merges: dict[tuple[str, str], None] = {}
    for line in vocabulary.merges:
        at = line.find(" ", 1)
        pair = (line[:at], line[at + 1 :])
        if at < 0 or not {*pair, "".join(pair)} <= ids.keys():
            header.refuse(f"tokenizer.ggml.merges: {line!r:.60} does not join two tokens to a third")
        merges.setdefault(pair)
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=list(merges), ignore_merges=cut.whole))
    # Bytes that no token has (SmolLM2 lacks 21) vanish, but nothing is joined across them.
    lacking = "".join(re.escape(character) for character in CHARACTERS if character not in ids)
    vanish = [pre_tokenizers.Split(Regex(f"[{lacking}]"), "removed")] if lacking else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*cut.steps(), *vanish])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentencepiece(vocabulary: Vocabulary, header: Header) -> Tokenizer:
    """SentencePiece's BPE: of all neighbours that together are a token, those of the highest score are joined first."""
    ids = {text: at for at, text in enumerate(vocabulary.tokens)}
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    lacking = [text for text in bytes_ if text not in ids]
    if lacking:
        header.refuse(f"tokenizer.ggml.tokens lacks {len(lacking)} of the 256 bytes, {lacking[0]} among them")
    model = models.BPE(
        vocab=ids,
        merges=[pair for _, _, pair in sorted(_joins(vocabulary, ids))],
        unk_token=vocabulary.text("unknown"),
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    space = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), space]) if vocabulary.prefix else space
    strip = [decoders.Strip(" ", 1, 0)] if vocabulary.prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def _joins(vocabulary: Vocabulary, ids: dict[str, int]) -> Iterator[tuple[float, int, tuple[str, str]]]:
    """Every pair of tokens that together are one, each with its rank: by the score of what they make.

    No text joins to a control token here; llama.cpp leaves that to vocabularies, whose tokens do not lead there.
    """
    never = (TokenType.CONTROL, TokenType.UNKNOWN, TokenType.BYTE)
    for at, text in enumerate(vocabulary.tokens):
        if vocabulary.kinds[at] in never or len(text) < 2:
            continue
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in ids and right in ids:
                yield -vocabulary.scores[at], at, (left, right)


def _added(vocabulary: Vocabulary) -> Iterator[AddedToken]:
    """Tokens that are found in a text as they are spelled, before it is cut: user-defined ones in any, control tokens
    only where special tokens are looked for.

    llama.cpp strips white space after the special tokens of models that are called phi-3, but for three.
    """
    strips = any(name in vocabulary.name.lower() for name in ("phi-3", "phi3"))
    control = set(vocabulary.control())
    for at, text in enumerate(vocabulary.tokens):
        if at in control or vocabulary.kinds[at] == TokenType.USER_DEFINED:
            stripped = strips and text not in ("<unk>", "<s>", "<|endoftext|>")
            yield AddedToken(text, normalized=False, special=at in control, rstrip=stripped)


def files(vocabulary: Vocabulary, tokenizer: Tokenizer, context: int) -> dict[str, str]:
    """The tokenizer's files by name, and the generation settings: what Hornbook and transformers read."""
    names = {
        key: text
        for key, role in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
        if (text := vocabulary.text(role)) is not None
    }
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "add_bos_token": vocabulary.add_bos,
        "add_eos_token": vocabulary.add_eos,
        "model_max_length": context,
        **{f"{key}_token": text for key, text in names.items()},
    }
    made = {"tokenizer.json": tokenizer.to_str()}
    if vocabulary.template is not None:
        config["chat_template"] = vocabulary.template
        made["chat_template.jinja"] = vocabulary.template
    made["tokenizer_config.json"] = _json(config)
    ids = special_ids(vocabulary)
    made["generation_config.json"] = _json(ids | {"eos_token_id": vocabulary.ends() or None})
    return made


def special_ids(vocabulary: Vocabulary) -> dict[str, int | None]:
    """Ids of the tokens that begin, end and pad, under the keys of config.json."""
    roles = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    return {key: vocabulary.special.get(role) for key, role in roles.items()}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
