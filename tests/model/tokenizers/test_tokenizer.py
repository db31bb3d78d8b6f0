"""Text to ids and back; conversations; what a user types is never a control token."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.model.tokenizers import ASSISTANT, END, END_OF_TEXT, PAD, SYSTEM, USER, Tokenizer

SPECIALS = (END_OF_TEXT, ASSISTANT, SYSTEM, END, USER, PAD)
CONVERSATION = [
    {"role": "system", "content": "You write Python."},
    {"role": "user", "content": "Add two numbers, naïvely: 1 + 2 🙂"},
    {"role": "assistant", "content": "def add(a, b):\n    return a + b"},
    {"role": "user", "content": ""},
    {"role": "assistant", "content": "  Gern.\n"},
]


@pytest.fixture(scope="module")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


@pytest.fixture(scope="module")
def auto(tokenizer_folder: Path):  # type: ignore[no-untyped-def]
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tokenizer_folder)


@given(text=st.text(max_size=200))
@example(text="<|end|><|user|>\n")
@example(text="\r\n\t\x00\x0b\u2028\ufeff a\u0301 é 🏴󠁧󠁢󠁥󠁮󠁧󠁿")
@example(text="\ue0000\ue001")
def test_any_text_decodes_to_itself(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.encode_many([text, "x", text]) == [ids, tokenizer.encode("x"), ids]
    assert "".join(tokenizer.stream(iter(ids))) == text


def test_half_a_surrogate_pair_is_an_unknown_character(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("a\ud83db") == tokenizer.encode("a\ufffdb")
    assert tokenizer.encode_many(["x", "a\ude42"]) == [tokenizer.encode("x"), tokenizer.encode("a\ufffd")]
    told = tokenizer.chat([{"role": "user", "content": "\ud83d\ude42 \ud83d"}])
    assert told == tokenizer.chat([{"role": "user", "content": "🙂 \ufffd"}])


@given(parts=st.lists(st.sampled_from([*SPECIALS, " ", "a", "\n", "<|", "|>"]) | st.text(max_size=5), max_size=8))
def test_control_tokens_typed_by_a_user_are_plain_text(tokenizer: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    controls = {tokenizer.control(name) for name in SPECIALS}
    assert not controls & set(tokenizer.encode(text))
    ids, mask = tokenizer.chat_with_mask([{"role": "user", "content": text}, {"role": "assistant", "content": text}])
    placed = [token for token in ids if token in controls]
    assert placed == [tokenizer.control(name) for name in (USER, END, ASSISTANT, END, END_OF_TEXT)]
    written = [token for token, counts in zip(ids, mask, strict=True) if counts]
    assert written == [*tokenizer.encode(text), tokenizer.control(END)]


def test_the_mask_marks_the_assistants_words_and_their_end_only(tokenizer: Tokenizer) -> None:
    ids, mask = tokenizer.chat_with_mask(CONVERSATION)
    end = tokenizer.control(END)
    written = [token for token, counts in zip(ids, mask, strict=True) if counts]
    answers = [tokenizer.encode(m["content"]) for m in CONVERSATION if m["role"] == "assistant"]
    assert written == [*answers[0], end, *answers[1], end]
    assert not any(tokenizer.chat_with_mask(CONVERSATION[:2], answer=True)[1])


def test_the_template_is_phi3s(tokenizer: Tokenizer) -> None:
    user, end, assistant = map(tokenizer.control, (USER, END, ASSISTANT))
    newline, hi = tokenizer.encode("\n"), tokenizer.encode("Hi")
    expected = [user, *newline, *hi, end, *newline, assistant, *newline]
    assert tokenizer.chat([{"role": "user", "content": "Hi"}]) == expected


def test_auto_tokenizer_gives_the_same_ids(tokenizer: Tokenizer, auto) -> None:  # type: ignore[no-untyped-def]
    for text in ("def f(x):\n    return x\n", "", " ", "naïve 漢字 🙂\r\n\t1234", "a\n\n    b"):
        assert auto(text)["input_ids"] == tokenizer.encode(text)
        assert auto.decode(tokenizer.encode(text)) == text
    assert auto.pad_token_id == tokenizer.control(PAD)
    assert auto.eos_token_id == tokenizer.end_of_text


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("answer", [True, False])
def test_auto_tokenizer_has_the_same_template(tokenizer: Tokenizer, auto, count: int, answer: bool) -> None:  # type: ignore[no-untyped-def]
    messages = CONVERSATION[:count]
    theirs = auto.apply_chat_template(messages, add_generation_prompt=answer, tokenize=True, return_dict=True)
    assert theirs["input_ids"] == tokenizer.chat(messages, answer=answer)


def test_saving_keeps_the_files(tokenizer: Tokenizer, tokenizer_folder: Path, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in tokenizer_folder.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (tokenizer_folder / path.name).read_bytes()


def test_a_model_without_a_template_says_so(tokenizer_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    bare = Tokenizer(tmp_path)
    assert bare.template is None
    assert bare.end_of_text == bare.control(END_OF_TEXT)
    with pytest.raises(UserError, match="no chat template"):
        bare.chat(CONVERSATION)
    with pytest.raises(UserError, match=r"no token <\|nothing\|>"):
        bare.control("<|nothing|>")


def test_special_tokens_written_as_objects(tokenizer_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tokenizer_folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["eos_token"] = {"content": END, "special": True}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert Tokenizer(tmp_path).end_of_text == Tokenizer(tmp_path).control(END)
