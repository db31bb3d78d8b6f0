"""A checkpoint's tokenizer: text to ids and back, and conversations to ids.

Text from people and documents is always plain text: `<|end|>` typed by a user is seven characters, never a control
token. Only a chat template can place control tokens.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Encoding
from tokenizers import Tokenizer as FastTokenizer

from hornbook.errors import UserError
from hornbook.files import write_bytes, write_json, write_text
from hornbook.model.tokenizers import chat as chats
from hornbook.model.tokenizers import folder as folders
from hornbook.model.tokenizers import stream as streams
from hornbook.model.tokenizers.folder import FILES
from hornbook.model.tokenizers.pieces import Message, Piece, Rendered, render, spelled

__all__ = ["ASSISTANT", "END", "END_OF_TEXT", "FILES", "PAD", "SYSTEM", "USER", "Message", "Tokenizer"]

# The control tokens of Hornbook's own tokenizers; the first five are phi-3's.
END_OF_TEXT, ASSISTANT, SYSTEM, END, USER = "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"
PAD = "<|pad|>"

_ANSWER = "An answer."


class Tokenizer:
    """Load with `Tokenizer(folder)`: any `tokenizer.json`, GPT-2's vocab.json and merges.txt, or cl100k_base.tiktoken.

    `template` is the chat template, or None for a model that knows no turns. `begins` are the ids that the model
    expects in front of every text, none for most: Llama-2's `<s>`.
    """

    def __init__(self, folder: Path) -> None:
        loaded = folders.read(folder)
        self.folder = folder
        self.template = loaded.template
        self._fast = loaded.fast
        self._control = loaded.control
        self._hidden = loaded.hidden
        self._stops = loaded.stops
        self._names = loaded.names
        self._prefix_once = loaded.prefix_once
        self.begins = loaded.begins
        self._beginning_with: dict[str, tuple[int, ...]] = {}

    @property
    def size(self) -> int:
        """Number of ids, control tokens included."""
        return int(self._fast.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; nothing in it is taken for a control token. Half a surrogate pair becomes U+FFFD."""
        try:
            return self._fast.encode(text, add_special_tokens=False).ids
        except TypeError:
            return self._fast.encode(_mended(text), add_special_tokens=False).ids

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a text that a model reads from its beginning: `begins`, then the plain text; one id at least."""
        return [*self.begins, *self.encode(text)] or [self.end_of_text]

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many plain texts, in parallel."""
        try:
            encodings = self._fast.encode_batch_fast(texts, add_special_tokens=False)
        except TypeError:
            encodings = self._fast.encode_batch_fast([_mended(text) for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; tokens that the folder's files call special are left out."""
        return str(self._fast.decode([token for token in ids if token not in self._hidden], skip_special_tokens=False))

    def spell(self, ids: Sequence[int]) -> str:
        """Text of ids, control tokens spelled."""
        return str(self._fast.decode(list(ids), skip_special_tokens=False))

    def beginning_with(self, text: str) -> tuple[int, ...]:
        """Ids of the tokens of plain text whose text begins with `text`, in order."""
        if text not in self._beginning_with:  # the whole vocabulary is looked at, and prompts end alike
            wanted = text.encode()
            found = (token for token, spelled in self._spellings.items() if spelled.startswith(wanted))
            self._beginning_with[text] = tuple(found)
        return self._beginning_with[text]

    def spelling(self, token: int) -> bytes:
        """The bytes that a token adds to a text; a control token's own spelling."""
        return self._spellings.get(token) or (self._fast.id_to_token(token) or "").encode()

    @cached_property
    def _spellings(self) -> dict[int, bytes]:
        """The bytes of every token that is no control token."""
        control = set(self._control.values())
        return streams.spellings(self._fast, [token for token in range(self.size) if token not in control])

    def stream(self, ids: Iterable[int]) -> Iterator[str]:
        """Text as ids arrive, never half a character; see `tokenizers.stream` for how it compares with `decode`."""
        return streams.stream(self._fast, ids, self._hidden)

    def streamed(self) -> streams.TextStream:
        """The same, told one id after the other."""
        return streams.TextStream(self._fast, self._hidden)

    def serialised(self) -> str:
        """The whole tokenizer as `tokenizer.json` has it."""
        return str(self._fast.to_str())

    def control(self, name: str) -> int:
        """Id of a control token such as `<|end|>`."""
        token = self._fast.token_to_id(name)
        if token is None:
            raise UserError(f"the tokenizer in {self.folder} has no token {name}")
        return int(token)

    @property
    def controls(self) -> Mapping[str, int]:
        """Spelling and id of every control token."""
        return self._control

    @property
    def end_of_text_name(self) -> str:
        """Spelling of the control token that ends a document."""
        return self._names.get("eos_token", END_OF_TEXT)

    @property
    def end_of_text(self) -> int:
        """Id that ends a document."""
        return self.control(self.end_of_text_name)

    def named(self, role: str) -> int | None:
        """Id of the token that the folder's files call `bos_token`, `pad_token` and so on, None without one."""
        return self._control.get(self._names.get(role, ""))

    @cached_property
    def end_of_turn(self) -> int:
        """Id that ends what the assistant says: what the template puts behind it, else `end_of_text`."""
        if self.template is not None:
            with contextlib.suppress(UserError):  # a template may want more than a question and its answer
                pieces = self._render(
                    [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": _ANSWER}], False
                )
                behind = "".join(piece.text for piece in pieces.pieces).rpartition(_ANSWER)[2]
                found = spelled(self._control).match(behind.lstrip())
                if found:
                    return self._control[found[0]]
        return self.end_of_text

    @cached_property
    def stops(self) -> frozenset[int]:
        """Ids that end a generation: those of the folder's files, and what ends a turn even where they forget it."""
        return self._stops if self.template is None else self._stops | {self.end_of_turn}

    @cached_property
    def pad(self) -> int:
        """Id to fill rows up with. No text has it, nor ends with it, so that it can be told from what is learned.

        The folder's own where it is none of the stops (many fill up with what ends a text), else any control token that
        is none; `end_of_text` where there is no other.
        """
        names = [self._names.get("pad_token"), self._names.get("unk_token"), *sorted(self._control)]
        ids = [self._control[name] for name in names if name in self._control]
        found = next((token for token in ids if token not in self.stops), None)
        return self.end_of_text if found is None else found

    def chat(self, messages: Sequence[Message], *, answer: bool = True) -> list[int]:
        """Ids of a conversation in the model's template; with `answer`, up to where the assistant begins to speak."""
        return chats.encode(self._render(messages, answer), self._control, self._encode_run)[0]

    def chat_with_mask(self, messages: Sequence[Message], *, answer: bool = False) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and which of them the assistant writes.

        That is what the template encloses in {% generation %}; in a template without it, the assistant's words and the
        token that ends them. Raises UserError for one that changes messages so that this cannot be told.
        """
        conversation = self._render(messages, answer)
        if any(piece.written is None for piece in conversation.pieces):
            raise UserError(
                f"the chat template in {self.folder} rewrites the text of messages, so what the assistant writes "
                "cannot be told from the rest; put {% generation %} and {% endgeneration %} around it"
            )
        return chats.encode(conversation, self._control, self._encode_run)

    def _render(self, messages: Sequence[Message], answer: bool) -> Rendered:
        if self.template is None:
            raise UserError(f"the tokenizer in {self.folder} has no chat template")
        variables: dict[str, Any] = {"add_generation_prompt": answer, **self._names}
        where = f"the chat template in {self.folder}"
        return render(self.template, messages, variables, where, self._control)

    def encode_with_mask(self, text: str, learnt: str) -> tuple[list[int], list[bool]]:
        """Ids of two plain texts in one encoding, and which of them hold a character of the second."""
        pieces = [Piece(text, True, False), Piece(learnt, True, True)]
        return chats.encode(Rendered(pieces, turns=False), {}, self._encode_run)

    def save(self, folder: Path) -> None:
        """Write the tokenizer's files into `folder`, so that `Tokenizer` and transformers' AutoTokenizer read them."""
        present = [name for name in FILES if (self.folder / name).is_file()]
        if "tokenizer.json" in present:
            for name in present:
                write_bytes(folder / name, (self.folder / name).read_bytes())
            return
        write_text(folder / "tokenizer.json", self._fast.to_str())
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **self._names}
        if self.template is not None:
            config["chat_template"] = self.template
            write_text(folder / "chat_template.jinja", self.template)
        write_json(folder / "tokenizer_config.json", config)

    def _encode_run(self, text: str, first: bool) -> Encoding:
        """Plain text of a conversation; `first` when no control token is in front of it."""
        fast = self._fast if first else self._inside
        try:
            return fast.encode(text, add_special_tokens=False)
        except TypeError:
            return fast.encode(_mended(text), add_special_tokens=False)

    @cached_property
    def _inside(self) -> FastTokenizer:
        """The tokenizer for text behind a control token: without the space that SentencePiece puts before a text."""
        state = json.loads(self._fast.to_str())
        cutting = _replaced(state["pre_tokenizer"], "prepend_scheme", "first", "never")
        normal = _replaced(state["normalizer"], "prepend", "▁", "") if self._prefix_once else state["normalizer"]
        if (cutting, normal) == (state["pre_tokenizer"], state["normalizer"]):
            return self._fast
        inside = FastTokenizer.from_str(json.dumps(state | {"pre_tokenizer": cutting, "normalizer": normal}))
        inside.encode_special_tokens = True
        return inside


def _mended(text: str) -> str:
    """Text with U+FFFD in the place of halves of surrogate pairs, which UTF-8 cannot hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _replaced(part: Any, key: str, value: str, instead: str) -> Any:
    """A part of tokenizer.json with a setting replaced wherever it has that value."""
    if isinstance(part, list):
        return [_replaced(item, key, value, instead) for item in part]
    if not isinstance(part, dict):
        return part
    return {k: instead if (k, v) == (key, value) else _replaced(v, key, value, instead) for k, v in part.items()}
