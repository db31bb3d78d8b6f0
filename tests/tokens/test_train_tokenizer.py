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


@given(text=code_like, draw=st.data())
@example(text="def f(x):\n    return x\n\n\n    # end\n", draw=None)
def test_no_token_reaches_across_a_newline(tokenizer: Tokenizer, text: str, draw: st.DataObject | None) -> None:
    """A prompt that ends with a newline has the same ids whether or not what follows is there yet."""
    cuts = [index + 1 for index, character in enumerate(text) if character == "\n"]
    if not cuts:
        return
    for cut in cuts if draw is None else [draw.draw(st.sampled_from(cuts))]:
        assert tokenizer.encode(text[:cut]) + tokenizer.encode(text[cut:]) == tokenizer.encode(text)


@given(ids=st.text(max_size=60))
def test_a_newline_is_always_a_token_of_its_own(tokenizer: Tokenizer, ids: str) -> None:
    newline = tokenizer.encode("\n")
    assert len(newline) == 1
    assert tokenizer.encode(ids).count(newline[0]) == ids.count("\n")


def test_indentation_and_digits_stand_alone(tokenizer: Tokenizer) -> None:
    pieces = [tokenizer.decode([token]) for token in tokenizer.encode("        return x\n    y = 123\n")]
    assert pieces.count("1") == pieces.count("2") == pieces.count("3") == 1
    assert pieces[0].isspace()
    assert not any(piece.startswith("\n") and piece != "\n" for piece in pieces)


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
