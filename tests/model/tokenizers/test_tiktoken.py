"""Rank tables in the fast form: the same ids as tiktoken's own algorithm, on anything."""

from __future__ import annotations

import base64
import itertools
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers, trainers
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import BPE

from hornbook.errors import UserError
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.tokenizers import tiktoken as ours
from hornbook.model.tokenizers.alphabet import CHARACTERS, spell, unspell

# As OpenAI publishes it, possessive and ignoring case; ours is spelled for another engine.
PUBLISHED = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
CONTROL = {700: "<|endoftext|>", 703: "<|user|>", 704: "<|assistant|>", 706: "<|end|>"}
TEXT = "def add(a, b):\n    return a + b  # naïve: it's we'll 1234 12345\r\n\n\t\tx = '''漢字🙂'''\n" * 3
NASTY = [
    "'s", "'S", "'ſ", "'LL", "'ve", "'", " ", "  ", "\n", "\r", "\r\n", "\t", "\x0b", "\x85", "\xa0", "\u2028", "\u3000",
    "\u180e", "\u200b", "\x00", "\x1c", "1", "12", "1234", "٣", "½", "Ⅷ", "a", "Z", "é", "e\u0301", "漢", "字", "🙂", "👨‍👩‍👧",
    "🏴\U000e0067", "ǅ", "ʰ", "_", "-", "!!", "...", "<|end|>", "<|endoftext|>", "\ufeff", "\ufffd", "\U0010ffff", "the", " the",
]  # fmt: skip


def table(path: Path, size: int = 700) -> dict[bytes, int]:
    """Train a small rank table, write it where `path` says, and return it."""
    tokenizer = FastTokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(ours.CL100K), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(CHARACTERS)
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    source = Path(pytest.__file__).read_text() + TEXT
    tokenizer.train_from_iterator([source, Path(random.__file__).read_text()], trainer)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    ranks = {unspell(token): rank for token, rank in vocabulary}
    path.write_text("".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items()))
    return ranks


def literal(text: str, ranks: dict[bytes, int]) -> list[int]:
    """tiktoken's algorithm, word for word: cut, then join the two neighbours of lowest rank until none can be joined."""
    import regex

    ids = []
    for piece in regex.findall(PUBLISHED, text):
        whole = piece.encode()
        parts = [whole] if whole in ranks else [bytes([byte]) for byte in whole]
        while True:
            joined = [(ranks[a + b], i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in ranks]
            if not joined:
                break
            at = min(joined)[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids += [ranks[part] for part in parts]
    return ids


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[FastTokenizer, dict[bytes, int]]:
    path = tmp_path_factory.mktemp("ranks") / "small.tiktoken"
    ranks = table(path)
    return ours.load(path, CONTROL, 720), ranks


@given(parts=st.lists(st.sampled_from(NASTY) | st.text(max_size=6), max_size=20))
@example(parts=[TEXT])
def test_equal_to_the_literal_algorithm(small: tuple[FastTokenizer, dict[bytes, int]], parts: list[str]) -> None:
    fast, ranks = small
    fast.encode_special_tokens = True
    text = "".join(parts)
    ids = fast.encode(text, add_special_tokens=False).ids
    assert ids == literal(text, ranks)
    assert fast.decode(ids) == text


@given(letters=st.text("ab", max_size=30), order=st.randoms(use_true_random=False))
def test_any_order_of_ranks(letters: str, order: random.Random, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tables that no training would give: tokens that cannot be reached, halves with higher ranks than their whole."""
    tokens = [a + b + c for a in ("", "a", "b", "ab") for b in ("a", "b", "ba") for c in ("a", "b", "bb")]
    tokens = sorted(set(tokens) | {"ababab", "bbbb"})
    order.shuffle(tokens)
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {token.encode(): rank for rank, token in enumerate(tokens, start=256)}
    path = tmp_path_factory.mktemp("ranks") / "odd.tiktoken"
    path.write_text("".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items()))
    fast = ours.load(path, {}, 0)
    assert fast.encode(letters, add_special_tokens=False).ids == literal(letters, ranks)


def test_ids_of_control_tokens_and_the_padding(small: tuple[FastTokenizer, dict[bytes, int]]) -> None:
    fast, ranks = small
    assert len(ranks) == 700
    assert fast.get_vocab_size() == 720
    assert {at: fast.id_to_token(at) for at in CONTROL} == CONTROL
    assert fast.id_to_token(719) == "<|dummy_719|>"
    fast.encode_special_tokens = False
    assert fast.encode("<|user|><|end|>").ids == [703, 706]


def test_bytes_are_spelled_and_read_back() -> None:
    every = bytes(range(256))
    assert unspell(spell(every)) == every
    assert len(set(CHARACTERS)) == 256
    assert spell(b" a\n") == "ĠaĊ"
    assert unspell("   ") == b"   "  # an added token is no spelling


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"IQ== 0\nIg= 1\n", "line 2 is not a token in base64 and its rank"),
        (b"IQ== zero\n", "line 1 is not a token"),
        (b"IQ==\n", "line 1 is not a token"),
        (b"IQ== 0\nIg== 1\n", "cut short or damaged"),
        (b"IQ== 0\nIg== 2\n", "cut short or damaged"),
        (b"", "cut short or damaged"),
        (b"\xff\xfe 1\n", "line 1 is not a token"),
    ],
)
def test_damage_is_told_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "cl100k_base.tiktoken").write_bytes(content)
    with pytest.raises(UserError, match=message) as told:
        Tokenizer(tmp_path)
    assert "\n" not in str(told.value)


def test_a_taken_id_is_refused(tmp_path: Path) -> None:
    table(tmp_path / "small.tiktoken", 300)
    with pytest.raises(UserError, match="has that id already"):
        ours.load(tmp_path / "small.tiktoken", {299: "<|end|>"}, 320)
    with pytest.raises(UserError, match="has it as 32"):
        ours.load(tmp_path / "small.tiktoken", {301: spell(b"A")}, 320)


@pytest.fixture(scope="module")
def phi3_small(tmp_path_factory: pytest.TempPathFactory, real_data: Callable[[str], Path]) -> Tokenizer:
    folder = tmp_path_factory.mktemp("phi-3-small")
    shutil.copy(real_data("tokenizers/cl100k_base.tiktoken"), folder)
    shutil.copy(real_data("tokenizers/phi-3-small.tokenizer_config.json"), folder / "tokenizer_config.json")
    return Tokenizer(folder)


def adversarial(count: int, ranks: dict[bytes, int]) -> list[str]:
    """Strings of several kinds: any code points, nasty neighbours, scraps of tokens, long runs, cut source code."""
    source = random.Random(7)
    tokens = list(ranks)
    code = Path(random.__file__).read_text() + TEXT
    scalars = [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]

    def one(kind: int) -> str:
        if kind == 0:
            return "".join(map(chr, source.choices(scalars, k=source.randrange(30))))
        if kind == 1:
            return "".join(source.choices(NASTY, k=source.randrange(40)))
        if kind == 2:
            return b"".join(source.choices(tokens, k=source.randrange(20))).decode(errors="replace")
        if kind == 3:
            return "".join(source.choice(NASTY) * source.randrange(1, 90) for _ in range(source.randrange(4)))
        start = source.randrange(len(code))
        return code[start : start + source.randrange(200)]

    return [one(number % 5) for number in range(count)]


def test_phi3_smalls_tokenizer_equals_tiktoken(phi3_small: Tokenizer, real_data: Callable[[str], Path]) -> None:
    library = pytest.importorskip("tiktoken")
    ranks = ours.read_ranks(real_data("tokenizers/cl100k_base.tiktoken"))
    theirs = library.Encoding("cl100k_base", pat_str=PUBLISHED, mergeable_ranks=ranks, special_tokens={})
    texts = adversarial(10_000, ranks)
    for text, ids in zip(texts, phi3_small.encode_many(texts), strict=True):
        assert ids == theirs.encode_ordinary(text), repr(text)
        assert phi3_small.decode(ids) == text
    long = "a" * 20_000 + " " * 20_000 + "漢" * 5_000
    assert phi3_small.encode(long) == theirs.encode_ordinary(long)
    assert phi3_small.encode("a\ud800") == theirs.encode_ordinary("a\ud800")


def test_phi3_small_as_published(phi3_small: Tokenizer, tmp_path: Path) -> None:
    assert phi3_small.size == 100_352
    assert phi3_small.stops == {100_257, 100_266}
    assert phi3_small.end_of_text == 100_257
    question = [{"role": "user", "content": "Hi"}]
    asked = [100_257, 100_262, 198, 13_347, 100_266, 198, 100_263, 198]
    assert phi3_small.chat(question) == asked
    phi3_small.save(tmp_path)
    saved = Tokenizer(tmp_path)
    assert (saved.chat(question), saved.stops, saved.size) == (asked, phi3_small.stops, phi3_small.size)
    from transformers import AutoTokenizer

    auto = AutoTokenizer.from_pretrained(tmp_path)
    assert auto.apply_chat_template(question, add_generation_prompt=True, return_dict=True)["input_ids"] == asked
    assert len(auto) == 100_352
