"""The vocabulary in a GGUF file: tokens with their types and scores, merges, special ids, the chat template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf.constants import TokenType

from hornbook.model.formats.gguf.header import Header

# What ends a turn or a text. llama.cpp takes these for control tokens that end a generation, whatever type the file
# gives them (`llama_vocab::impl::load` in src/llama-vocab.cpp); most files name only one such id.
_ENDS = """<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|calls|> <|flush|> <end_of_turn> <|endoftext|> </s> <eos>
    <|eom_id|> <EOT> _<EOT> [EOT] [EOS] <|end_of_text|> <turn|> <end_of_utterance> <|tool_response> [e~[
    <｜end▁of▁sentence｜>"""
ENDS = frozenset(_ENDS.split())
# The same of tokens for filling in the middle, unless a key names that token's id.
_FILL = {
    "fim_pre": "<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|>",
    "fim_suf": "<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|> <|suffix|>",
    "fim_mid": "<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|> <|middle|>",
    "fim_pad": "<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD]",
    "fim_rep": "<|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame>",
    "fim_sep": "<|file_sep|>",
}
_OLDER = {"fim_pre": "prefix", "fim_suf": "suffix", "fim_mid": "middle"}


@dataclass(frozen=True)
class Vocabulary:
    """What a file tells of its tokenizer.

    model: gpt2 (byte-level BPE with `merges`) or llama (SentencePiece with `scores`). pre: the name of how text is cut
    before it. kinds: a TokenType for each id. special: ids by role, of bos, eos, eot, eom, unknown, padding.
    prefix: a space goes before a text. template: of conversations.
    """

    model: str
    pre: str
    tokens: list[str]
    kinds: list[int]
    scores: list[float]
    merges: list[str]
    special: dict[str, int]
    add_bos: bool
    add_eos: bool
    prefix: bool
    template: str | None
    name: str

    def control(self) -> list[int]:
        """Ids of control tokens: those that text never gives."""
        kinds = (TokenType.CONTROL, TokenType.UNKNOWN)
        return [at for at, kind in enumerate(self.kinds) if kind in kinds]

    def ends(self) -> list[int]:
        """Ids that end a generation, the one that the file names first."""
        named = [self.special[role] for role in ("eos", "eot", "eom") if role in self.special]
        return list(dict.fromkeys([*named, *(at for at in self.control() if self.tokens[at] in ENDS)]))

    def text(self, role: str) -> str | None:
        """The spelling of a special token, None where there is none."""
        return self.tokens[self.special[role]] if role in self.special else None


def read(header: Header, size: int, pre: str | None = None) -> Vocabulary:
    """The vocabulary of a file, of as many tokens as the embedding has rows; `pre` overrules the file's own.

    Raises UserError where it is none.
    """
    model = header.get("tokenizer.ggml.model")
    if model not in ("gpt2", "llama"):
        header.refuse(
            f"tokenizer.ggml.model is {model!r:.60}; supported are gpt2 (byte-level BPE) and llama (SentencePiece)"
        )
    tokens = [text or f"[EMPTY_{at}]" for at, text in enumerate(header.strings("tokenizer.ggml.tokens"))]
    if len(tokens) != size:
        header.refuse(f"tokenizer.ggml.tokens has {len(tokens)} tokens, the embedding {size} rows")
    if len(set(tokens)) != size:
        header.refuse("tokenizer.ggml.tokens has a token twice")
    kinds = _column(header, "token_type", size, TokenType.NORMAL)
    special = _special(header, size, {"bos": 1, "eos": 2, "unknown": 0} if model == "llama" else {})
    fill = {
        name
        for role, names in _FILL.items()
        if not any(f"tokenizer.ggml.{key}_token_id" in header.values for key in (role, _OLDER.get(role)))
        for name in names.split()
    }
    for at, text in enumerate(tokens):
        if kinds[at] not in (TokenType.CONTROL, TokenType.UNKNOWN) and (text in ENDS or text in fill):
            kinds[at] = TokenType.CONTROL
    pre = pre or header.get("tokenizer.ggml.pre", "default")
    template, name = header.get("tokenizer.chat_template"), header.get("general.name")
    return Vocabulary(
        model=model,
        pre=pre if isinstance(pre, str) else "default",
        tokens=tokens,
        kinds=[int(kind) for kind in kinds],
        scores=_column(header, "scores", size, 0.0),
        merges=header.strings("tokenizer.ggml.merges") if model == "gpt2" else [],
        special=special,
        add_bos=header.flag("tokenizer.ggml.add_bos_token", model == "llama" or pre == "llama-bpe"),
        add_eos=header.flag("tokenizer.ggml.add_eos_token", False),
        prefix=header.flag("tokenizer.ggml.add_space_prefix", True) and model == "llama",
        template=template if isinstance(template, str) and template else None,
        name=name if isinstance(name, str) else "",
    )


def _column(header: Header, key: str, size: int, default: Any) -> list[Any]:
    """A number for each token."""
    values = header.get(f"tokenizer.ggml.{key}")
    if values is None:
        return [default] * size
    if not isinstance(values, np.ndarray) or len(values) < size or not np.isfinite(values).all():
        header.refuse(f"tokenizer.ggml.{key} is no list of {size} numbers, one a token")
    return values[:size].tolist()


def _special(header: Header, size: int, default: dict[str, int]) -> dict[str, int]:
    """Special ids by role; one outside the vocabulary is as good as none."""
    found = {}
    for role in ("bos", "eos", "eot", "eom", "unknown", "padding"):
        at = header.get(f"tokenizer.ggml.{role}_token_id", default.get(role))
        if isinstance(at, int) and not isinstance(at, bool) and 0 <= at < size:
            found[role] = at
    return found
