"""A checkpoint's tokenizer: text to ids and back, and conversations to ids.

Text from people and documents is always plain text: `<|end|>` typed by a user is seven characters, never a control
token. Only a chat template can place control tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.decoders import DecodeStream

from hornbook.errors import UserError
from hornbook.files import read_json

Message = Mapping[str, str]

# The control tokens of Hornbook's own tokenizers; the first five are phi-3's.
END_OF_TEXT, ASSISTANT, SYSTEM, END, USER = "<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"
PAD = "<|pad|>"

FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")

# Stand-ins for the messages' contents while a template is rendered: private-use characters that no template spells.
_OPEN, _CLOSE = "\ue000", "\ue001"


class Tokenizer:
    """Load with `Tokenizer(folder)`; the folder holds tokenizer.json and tokenizer_config.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "tokenizer.json").is_file():
            raise UserError(f"{folder} has no tokenizer.json; give a model folder that was saved with its tokenizer")
        try:
            self._plain = FastTokenizer.from_file(str(folder / "tokenizer.json"))
            self._control = FastTokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises a bare Exception for a damaged file
            raise UserError(f"{folder / 'tokenizer.json'} cannot be read: {error}") from None
        self._plain.encode_special_tokens = True
        config = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
        template = folder / "chat_template.jinja"
        self.template: str | None = (
            template.read_text(encoding="utf-8") if template.is_file() else config.get("chat_template")
        )
        names = {key: config.get(key) for key in ("bos_token", "eos_token", "pad_token")}
        # transformers writes a token as plain text, or as an object that holds it beside its options.
        spelled = {key: name.get("content") if isinstance(name, dict) else name for key, name in names.items()}
        self._names: dict[str, str] = {key: name for key, name in spelled.items() if name}
        self._generation = folder / "generation_config.json"

    @property
    def size(self) -> int:
        """Number of ids, control tokens included."""
        return int(self._plain.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; nothing in it is taken for a control token."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many plain texts, in parallel."""
        return [list(e.ids) for e in self._plain.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; control tokens are left out."""
        return str(self._plain.decode(list(ids), skip_special_tokens=True))

    def stream(self, ids: Iterator[int]) -> Iterator[str]:
        """Text as ids arrive, never half a character."""
        decoder = DecodeStream(skip_special_tokens=True)
        seen: list[int] = []
        said = 0
        for token in ids:
            seen.append(token)
            piece = decoder.step(self._plain, token)
            if piece:
                said += len(piece)
                yield piece
        # A token can end one character and begin another; when the other never comes, the first is still to be said.
        rest = self.decode(seen)[said:].rstrip("\ufffd")
        if rest:
            yield rest

    def control(self, name: str) -> int:
        """Id of a control token such as `<|end|>`."""
        token = self._plain.token_to_id(name)
        if token is None:
            raise UserError(f"the tokenizer in {self.folder} has no token {name}")
        return int(token)

    @property
    def end_of_text(self) -> int:
        """Id that ends a document."""
        return self.control(self._names.get("eos_token", "<|endoftext|>"))

    @property
    def stops(self) -> frozenset[int]:
        """Every id that ends a generation, as generation_config.json lists them."""
        if not self._generation.is_file():
            return frozenset({self.end_of_text})
        listed = read_json(self._generation).get("eos_token_id", self.end_of_text)
        return frozenset(listed if isinstance(listed, list) else [listed])

    def chat(self, messages: Sequence[Message], *, answer: bool = True) -> list[int]:
        """Ids of a conversation in the model's template; with `answer`, up to where the assistant begins to speak."""
        return self.chat_with_mask(messages, answer=answer)[0]

    def chat_with_mask(self, messages: Sequence[Message], *, answer: bool = False) -> tuple[list[int], list[bool]]:
        """Ids of a conversation, and which of them the assistant writes (its words and the token that ends them)."""
        ids: list[int] = []
        mask: list[bool] = []
        spoken = False
        for piece, role in self._pieces(messages, answer):
            if role is not None:
                part = self.encode(piece)
                mask += [role == "assistant"] * len(part)
                spoken = role == "assistant"
            else:
                part = list(self._control.encode(piece, add_special_tokens=False).ids)
                # The template's first token after the assistant's words is the one that ends its turn.
                mask += [spoken and index == 0 for index in range(len(part))]
                spoken = False
            ids += part
        return ids, mask

    def _pieces(self, messages: Sequence[Message], answer: bool) -> Iterator[tuple[str, str | None]]:
        """The rendered conversation, cut where contents begin and end: (content, role) or (template text, None)."""
        if self.template is None:
            raise UserError(f"the tokenizer in {self.folder} has no chat template; use `hornbook generate` instead")
        masked = [dict(m) | {"content": f"{_OPEN}{index}{_CLOSE}"} for index, m in enumerate(messages)]
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            text = environment.from_string(self.template).render(
                messages=masked, add_generation_prompt=answer, **self._names
            )
        except TemplateError as error:
            raise UserError(f"the chat template in {self.folder} does not accept this conversation: {error}") from None
        head, *rest = text.split(_OPEN)
        if head:
            yield head, None
        for part in rest:
            number, tail = part.split(_CLOSE, 1)
            message = messages[int(number)]
            yield message["content"], message["role"]
            if tail:
                yield tail, None


def _refuse(reason: str) -> None:
    raise TemplateError(reason)
