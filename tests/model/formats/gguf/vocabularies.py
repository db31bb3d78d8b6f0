"""Tiny vocabularies of both kinds, and texts that are hard for them. Run it to record the ids that llama.cpp gives:

    python tests/model/formats/gguf/vocabularies.py   # with llama-cpp-python and gguf installed

`test_tokenizer.py` compares with llama.cpp itself where it is installed, and with the record everywhere.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf

RECORD = Path(__file__).with_name("llama_cpp_ids.json")
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)

_TEXT = """
def add_all(values): return the sum of all the values that there are, don't they'll we've I'm he'd she's you're
the quick brown fox jumps over the lazy dog then there these those thesis theatre abababa bababab cacaca abcabcabc
if name == "tea" and count > 3: return 12345 67890 3.14 1,000,000 ((((()))))  {"key": [1, 2, 3]} ===== ----- .....
naïve façade café Straße 漢字 漢字仮名 日本語 한국어 привет мир العربية नमस्ते ½ Ⅷ ٣٤٥ 🙂🙃 👩‍👩‍👧
"""


def bytes_to_characters() -> list[str]:
    """GPT-2's alphabet, written down anew."""
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printing else next(others)) for byte in range(256)]


ALPHABET = bytes_to_characters()


def merges(words: list[tuple[str, ...]], count: int) -> list[tuple[str, str]]:
    """BPE: the most frequent pair is joined, of equally frequent ones the first by its spelling."""
    found = []
    for _ in range(count):
        pairs = Counter(pair for word in words for pair in itertools.pairwise(word))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        found.append(best)
        words = [_joined(word, best) for word in words]
    return found


def _joined(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    made: list[str] = []
    for part in word:
        if made and (made[-1], part) == pair:
            made[-1] += part
        else:
            made.append(part)
    return tuple(made)


def byte_level(pre: str, **more: Any) -> dict[str, Any]:
    """Keys of a byte-level BPE whose merges reach over everything that the cuts must keep apart."""
    words = (
        re.findall(r"\s*\S+\s?", _TEXT * 2) + ["  \n", "\n\n\n", "\t\t", "    ", "a1", "1a", "12", "!a", "a!", "'s"] * 3
    )
    pairs = merges([tuple(ALPHABET[byte] for byte in word.encode()) for word in words], 700)
    lacking = {ALPHABET[byte] for byte in (1, 2, 3, 0xC0, 0xC1, 0xF5)}  # as SmolLM2 has no token for some bytes
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens += [character for character in ALPHABET if character not in lacking]
    tokens += dict.fromkeys("".join(pair) for pair in pairs)
    kinds = [CONTROL] * 3 + [NORMAL] * (len(tokens) - 3)
    added = [" " * count for count in range(9, 1, -1)] + ["\t\t\t", "<think>", "</think>"]
    tokens += [*added, "[PAD]", "[PAD1]"]
    kinds += [USER] * len(added) + [UNUSED] * 2
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [" ".join(pair) for pair in pairs],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 2,
        **more,
    }


def sentencepiece(name: str, **more: Any) -> dict[str, Any]:
    """Keys of a SentencePiece vocabulary with byte fallback, as Llama 2's and phi-3's are made."""
    words = re.findall(r"\s*\S+", _TEXT * 2)
    pieces = [tuple(word.strip().replace(" ", "▁")) for word in words] + [("▁", *word.strip()) for word in words]
    pieces += [("▁",) * 8, ("▁", "▁", "▁", "a"), ("=",) * 6, ("▁", "<", "0", "x")] * 3
    pairs = merges(pieces, 500)
    letters = sorted({letter for piece in pieces for letter in piece} - set("漢🙃☃"))
    joined = list(dict.fromkeys("".join(pair) for pair in pairs))
    # llama.cpp joins text to control tokens where a vocabulary leads there; Llama's and phi-3's do not.
    joined = [
        piece for piece in joined if not set(piece) & set("漢🙃☃") and piece not in ("<s", "s>", "</", "/s", "/s>")
    ]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *joined, *letters]
    kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(joined) + len(letters))]
    scores = [0.0] * 259 + [-float(at) for at in range(len(joined) + len(letters))]
    special = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    tokens += [*special, "<think>", "[PAD9]"]
    kinds += [CONTROL] * 5 + [USER, UNUSED]
    scores += [-1000.0] * 6 + [-10000.0]
    return {
        "general.name": name,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        **more,
    }


def vocabularies() -> dict[str, dict[str, Any]]:
    """By a name, the keys of each file."""
    made = {pre: byte_level(pre) for pre in ("gpt-2", "phi-2", "smollm", "llama-bpe", "dbrx", "seed-coder")}
    made["smollm with bos"] = byte_level("smollm", **{"tokenizer.ggml.add_bos_token": True})
    made["llama"] = sentencepiece("a llama")
    made["llama without space"] = sentencepiece(
        "a llama", **{"tokenizer.ggml.add_space_prefix": False, "tokenizer.ggml.add_eos_token": True}
    )
    made["phi-3"] = sentencepiece("Phi-3 mini", **{"tokenizer.ggml.add_bos_token": False})
    return made


def texts(seed: int, count: int, tokens: list[str], marked: list[str]) -> Iterator[str]:
    """Hard texts: words of many scripts, any characters, tokens one after the other, marks, white space.

    tokens: a vocabulary's. marked: its control tokens and others that are found as they are spelled. Characters that
    this Python's Unicode does not know are left out: libraries whose Unicode is older or newer tell them apart.
    """
    draw = random.Random(seed)
    words = [
        *_TEXT.split(),
        " the",
        "\n",
        "\n\n",
        "\t",
        "  ",
        "   ",
        " " * 11,
        "\r\n",
        "!!!",
        "<|",
        "|>",
        "<s",
        "/s>",
        "</",
    ]
    words += [
        "s>",
        "<0x41>",
        "▁",
        "▁▁",
        "Ġ",
        "Ċ",
        "\xa0",
        "\u3000",
        "\u2028",
        "\x85",
        "\x1c",
        "\x00",
        "\u200b",
        "\ufeff",
    ]
    words += ["\u0301", "ǅ", "I'LL", "'S", "́a", "ſ", "'ſ", "1½2", "٣4", "a_b", "☃", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
    planes = [(0x20, 0x7F), (0, 0x250), (0x250, 0x3000), (0x3000, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000)]
    spelled = [token.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n") for token in tokens]
    for _ in range(count):
        kind = draw.randrange(5)
        if kind == 0:
            yield "".join(draw.choices(words, k=draw.randrange(1, 12)))
        elif kind == 1:
            drawn = [chr(draw.randrange(*draw.choice(planes))) for _ in range(draw.randrange(1, 20))]
            yield "".join(one for one in drawn if unicodedata.category(one) != "Cn")
        elif kind == 2:
            yield "".join(draw.choices(spelled, k=draw.randrange(1, 10)))
        elif kind == 3:
            yield "".join(draw.choice([*marked, *words, " ", "\n", "  \n"]) for _ in range(draw.randrange(1, 8)))
        else:
            yield "".join(draw.choices("aA \n\t01'_=-.ab▁", k=draw.randrange(1, 30)))


def real_files() -> Iterator[Path]:
    """What HORNBOOK_TEST_GGUF names: files, wheels, and folders of them, as the `models` folder of llama.cpp is one."""
    for name in filter(None, os.environ.get("HORNBOOK_TEST_GGUF", "").split(os.pathsep)):
        yield from sorted(Path(name).glob("*.gguf")) if Path(name).is_dir() else [Path(name)]


def marks(values: dict[str, Any]) -> list[str]:
    """Tokens that are found in a text as they are spelled."""
    kinds = values["tokenizer.ggml.token_type"]
    return [token for token, kind in zip(values["tokenizer.ggml.tokens"], kinds, strict=True) if kind in (3, 4)]


def write(path: Path, values: dict[str, Any]) -> Path:
    """A file with this vocabulary and no tensors."""
    writer = gguf.GGUFWriter(path, "llama")
    for key, value in values.items():
        if isinstance(value, list):
            writer.add_array(key, value)
            continue
        add = {bool: writer.add_bool, int: writer.add_uint32, str: writer.add_string}[type(value)]
        add(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


class LlamaCpp:
    """llama.cpp's own tokenizer of a file."""

    def __init__(self, path: Path) -> None:
        import llama_cpp

        self.model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)

    def ids(self, text: str, *, special: bool, ends: bool = False) -> list[int]:
        """special: control tokens are looked for in the text. ends: begin and end are added as the file says."""
        return self.model.tokenize(text.encode(), add_bos=ends, special=special)


def record() -> None:
    """Write the ids of some texts, of every vocabulary, as the installed llama-cpp-python gives them."""
    import llama_cpp

    told: dict[str, Any] = {"llama-cpp-python": llama_cpp.__version__, "vocabularies": {}}
    for name, values in vocabularies().items():
        with tempfile.TemporaryDirectory() as folder:
            theirs = LlamaCpp(write(Path(folder) / "a.gguf", values))
            chosen = dict.fromkeys(texts(7, 36, values["tokenizer.ggml.tokens"], marks(values)))
            told["vocabularies"][name] = [
                [text, *(theirs.ids(text, special=special, ends=special) for special in (False, True))]
                for text in chosen
            ]
    lines = (
        f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]"
        for name, rows in told["vocabularies"].items()
    )
    head = json.dumps(told["llama-cpp-python"])
    RECORD.write_text(f'{{"llama-cpp-python": {head},\n"vocabularies": {{\n{",".join(lines)}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    record()
