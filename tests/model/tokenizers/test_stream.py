"""Text as ids arrive: never half a character, and in the end the same as decoding all at once."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import decoders
from tokenizers.models import BPE, WordPiece

from hornbook.model.tokenizers import Tokenizer, stream

CHARACTERS = "a🏳️‍🌈漢b\u0301é\n  \U0010ffff"


@pytest.fixture(scope="module")
def byte_level(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


def sentencepiece_like(folder: Path) -> Path:
    """Byte tokens and a few pieces, decoded as phi-3-mini's are: ids 3 to 258 are the bytes."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "▁a", "▁▁", "é", "\ufffd"]
    fast = FastTokenizer(BPE(vocab={p: at for at, p in enumerate(pieces)}, merges=[], byte_fallback=True))
    fast.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fast.add_special_tokens(["<unk>", "<s>", "</s>", "<|end|>"])
    fast.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(sentencepiece_like(tmp_path_factory.mktemp("sentencepiece")))


@given(ids=st.lists(st.integers(0, 400), max_size=60))
@example(ids=[132, 327])
def test_any_ids_of_bytes(byte_level: Tokenizer, ids: list[int]) -> None:
    """As a poor model writes them: equal to decoding all at once, but for a character that never became whole."""
    whole, said = byte_level.decode(ids), "".join(byte_level.stream(iter(ids)))
    assert said == whole or said + "\ufffd" == whole


def runs(ids: list[int]) -> list[str | bytes]:
    """The text of each piece, and the bytes of each run of byte tokens; a control token does not part a run."""
    pieces = {259: " ", 260: "a", 261: " a", 262: "  ", 263: "é", 264: "\ufffd"}
    made: list[str | bytes] = []
    for token in ids:
        if token in pieces:
            made.append(pieces[token])
        elif 3 <= token < 259 and made and isinstance(made[-1], bytes):
            made[-1] += bytes([token - 3])
        elif 3 <= token < 259:
            made.append(bytes([token - 3]))
    return made


def told(run: str | bytes, last: bool) -> str:
    """What is said of a run: its whole characters, then U+FFFD for each byte, unless they may yet become one."""
    if isinstance(run, str):
        return run
    said = ""
    while run:
        length = next((n for n in range(1, 5) if decodes(run[:n])), None)
        if length is None:
            unfinished = last and any(decodes(run + end) for end in ENDS)
            return said if unfinished else said + "\ufffd" * len(run)
        said, run = said + run[:length].decode(), run[length:]
    return said


ENDS = [bytes([first]) + b"\x80" * more for more in range(3) for first in (0x80, 0x90, 0xA0)]


def decodes(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


BYTES = st.binary(max_size=4).map(lambda data: [byte + 3 for byte in data])
SPOKEN = st.text(max_size=3).map(lambda text: [byte + 3 for byte in text.encode()])


@given(parts=st.lists(BYTES | SPOKEN | st.lists(st.integers(0, 270), max_size=3), max_size=12))
@example(parts=[[259, 259, 260]])
@example(parts=[[0xE2 + 3, 0x9C + 3], [260]])
@example(parts=[[0xFF + 3, 0xE2 + 3, 0x9C + 3]])
def test_any_ids_with_byte_tokens(sentencepiece: Tokenizer, parts: list[list[int]]) -> None:
    ids = [token for part in parts for token in part]
    whole, said = sentencepiece.decode(ids), "".join(sentencepiece.stream(iter(ids)))
    pieces = runs(ids)
    expected = "".join(told(piece, at == len(pieces) - 1) for at, piece in enumerate(pieces))
    assert said == expected.removeprefix(" ")
    breaks_off = [piece for piece in pieces if isinstance(piece, bytes) and set(told(piece, False)) - {"\ufffd"}]
    if all(piece.decode(errors="ignore").encode() == piece for piece in breaks_off):
        assert said == whole or re.fullmatch(re.escape(said) + "\ufffd{1,3}", whole)


@given(text=st.text(max_size=40))
@example(text=CHARACTERS)
def test_text_in_bytes_comes_back_character_by_character(sentencepiece: Tokenizer, text: str) -> None:
    ids = [byte + 3 for byte in text.encode()]
    pieces = list(sentencepiece.stream(iter([260, *ids])))
    assert "".join(pieces) == "a" + text
    assert all(len(piece) == 1 for piece in pieces)


def arrives(tokenizer: Tokenizer, text: str) -> None:
    """After each id, what was said is a beginning of the text, without half a character; at the end it is all of it."""
    ids = tokenizer.encode(text)
    arrived = ""
    for count in range(1, len(ids) + 1):
        said = "".join(tokenizer.stream(iter(ids[:count])))
        assert "\ufffd" not in said
        assert said.startswith(arrived)
        assert text.startswith(said)
        arrived = said
    assert arrived == text
    assert tokenizer.decode(ids) == text


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd▁"), max_size=30))
@example(text=CHARACTERS)
def test_a_character_comes_when_its_last_byte_does(byte_level: Tokenizer, text: str) -> None:
    arrives(byte_level, text)


@pytest.fixture(scope="module", params=["phi-3-mini", "phi-3-small"])
def published(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, real_data: Callable[[str], Path]
) -> Tokenizer:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "phi-3-mini":
        data = real_data("tokenizers/phi-3-mini.tokenizer.json.gz").read_bytes()
        (folder / "tokenizer.json").write_bytes(gzip.decompress(data))
    else:
        shutil.copy(real_data("tokenizers/cl100k_base.tiktoken"), folder)
    return Tokenizer(folder)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd▁"), max_size=30))
@example(text=CHARACTERS)
@example(text="Text as a poor model writes it:\n\n   naïve <|end|> 1234 ")
def test_the_published_tokenizers(published: Tokenizer, text: str) -> None:
    arrives(published, text)


def breaks_off(tokenizer: Tokenizer, ids: list[int]) -> bool:
    """Whether a run of byte tokens holds whole characters and then breaks off: the exception that `stream` documents."""
    spelled = "".join(tokenizer._fast.id_to_token(token) or "" for token in ids)
    for run in re.findall(r"(?:<0x[0-9A-F]{2}>)+", spelled):
        held = bytes.fromhex(run.replace("<0x", "").replace(">", ""))
        try:
            held.decode()
        except UnicodeDecodeError as error:
            if error.start:
                return True
    return False


@given(seed=st.lists(st.integers(0, 2**20), max_size=30))
@example(seed=[3, 131])
@example(seed=[131, 3])
def test_any_ids_of_the_published_tokenizers(published: Tokenizer, seed: list[int]) -> None:
    ids = [number % (published.size + 50) for number in seed]
    assume(not breaks_off(published, ids))
    whole, said = published.decode(ids), "".join(published.stream(ids))
    assert said == whole or said + "\ufffd" == whole


def test_a_decoder_of_another_kind() -> None:
    vocabulary = {"[UNK]": 0, "play": 1, "##ing": 2, "now": 3, "##\ufffd": 4}
    fast = FastTokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    fast.decoder = decoders.WordPiece()
    ids = [1, 2, 3, 2, 1, 1, 2]
    assert list(stream.stream(fast, ids, ())) == ["play", "ing", " now", "ing", " play", " play", "ing"]
    assert "".join(stream.stream(fast, ids, ())) == fast.decode(ids)
    assert "".join(stream.stream(fast, [1, 4], ())) == "play"
    bare = FastTokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    assert "".join(stream.stream(bare, ids, ())) == bare.decode(ids)


def test_one_space_is_taken_from_the_beginning(sentencepiece: Tokenizer) -> None:
    assert "".join(sentencepiece.stream([1, 259, 260])) == "a"
    assert "".join(sentencepiece.stream([262, 260])) == " a"
    assert "".join(sentencepiece.stream([261, 261])) == "a a"
    assert "".join(sentencepiece.stream([13 - 0, 261])) == "\n a"
    state = json.loads((sentencepiece.folder / "tokenizer.json").read_text())
    assert state["decoder"]["decoders"][3]["start"] == 1
