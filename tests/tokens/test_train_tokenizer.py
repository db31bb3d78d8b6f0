"""The tokenizer that is trained: its boundaries, its bytes, its files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hornbook.model.tokenizers import Tokenizer
from hornbook.tokens import train_tokenizer
from hornbook.tokens.settings import SMALLEST_VOCABULARY

code_like = st.lists(
    st.sampled_from(["\n", "    ", "\t", " ", "def", "f(x):", "return", "_", "__init__", '"', "12", "é", "\r\n", "🙂"])
    | st.text(max_size=4),
    max_size=25,
).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


@given(text=code_like)
@example(text="def f(x):\n    return x\n\n\n    # end\n")
@example(text='def f(x):\n    """Twice x."""\n')
def test_a_prompt_that_ends_a_line_has_the_ids_that_it_has_in_a_text(tokenizer: Tokenizer, text: str) -> None:
    """Whether or not the next line is there yet, unless that is blank: newlines join other newlines alone."""
    for cut in (index + 1 for index, character in enumerate(text) if character == "\n"):
        follows = text[cut:].lstrip()
        if not {"\r", "\n"} & set(text[cut : len(text) - len(follows)]):
            assert tokenizer.encode(text[:cut]) + tokenizer.encode(text[cut:]) == tokenizer.encode(text)


@given(text=code_like)
def test_no_token_has_a_newline_and_a_sign(tokenizer: Tokenizer, text: str) -> None:
    for token in tokenizer.encode(text):
        spelled = tokenizer.spelling(token)
        assert b"\n" not in spelled or spelled.isspace()


def test_indentation_and_digits_stand_alone(tokenizer: Tokenizer) -> None:
    pieces = [tokenizer.decode([token]) for token in tokenizer.encode("        return x\n    y = 123\n")]
    assert pieces.count("1") == pieces.count("2") == pieces.count("3") == 1
    assert pieces[0].isspace() and pieces.count("\n") == 2


def test_ids_in_order(tokenizer: Tokenizer) -> None:
    assert [tokenizer.control(name) for name in train_tokenizer.CONTROL_TOKENS] == list(range(6))
    assert tokenizer.size == 380


def test_a_small_text_makes_a_small_vocabulary(tmp_path: Path) -> None:
    trained = train_tokenizer.train(["ab"], 400)
    least = len(train_tokenizer.CONTROL_TOKENS) + 256
    assert least <= trained.get_vocab_size() <= least + 1
    assert train_tokenizer.train([], 300).get_vocab_size() == least == SMALLEST_VOCABULARY


def test_the_same_bytes_in_every_process(tokenizer_folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom conftest import some_text\nfrom hornbook.tokens import train_tokenizer as t\n"
        "t.save(t.train([some_text(1)], 380), Path(sys.argv[2]), context=64)"
    )
    for seed in ("0", "123"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": "3"}
        subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parents[1]), str(tmp_path / seed)],
            check=True,
            env=environment,
        )
        for path in tokenizer_folder.iterdir():
            assert (tmp_path / seed / path.name).read_bytes() == path.read_bytes(), path.name
