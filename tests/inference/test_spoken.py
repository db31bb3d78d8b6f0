"""Stop strings across token borders: what is said is the text up to the first of them, however it is cut."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hornbook.inference.spoken import Spoken
from hornbook.model.tokenizers import Tokenizer


class Letters:
    """Stands for a tokenizer: a token is a piece of text."""

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces

    def streamed(self) -> Letters:
        return self

    def tell(self, token: int) -> str:
        return self.pieces[token]

    def end(self) -> str:
        return ""


@given(
    st.lists(st.text("ab\n", max_size=4), max_size=12), st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)
)
def test_equals_cutting_the_whole_text(pieces: list[str], stops: list[str]) -> None:
    spoken = Spoken(Letters(pieces), stops)  # type: ignore[arg-type]
    said = ""
    whole = "".join(pieces)
    # A stop string counts from the moment it is complete; of two that are, the one that begins first.
    done = next((n for n in range(len(pieces) + 1) if any(stop in "".join(pieces[:n]) for stop in stops)), None)
    for token in range(len(pieces)):
        stopped = spoken.hear(token)
        said += spoken.take()
        if stopped:
            assert done == token + 1
            break
    spoken.end()
    said += spoken.take()
    if done is None:
        assert said == whole
    else:
        heard = "".join(pieces[:done])
        assert said == heard[: min(heard.find(stop) for stop in stops if stop in heard)]


def test_characters_are_whole(tokenizer_folder: Path) -> None:
    tokenizer = Tokenizer(tokenizer_folder)
    spoken = Spoken(tokenizer, ["漢字"])
    pieces = []
    for token in tokenizer.encode("naïve 🙂 漢字 never said"):
        stopped = spoken.hear(token)
        pieces.append(spoken.take())
        if stopped:
            break
    assert "".join(pieces) == "naïve 🙂 "
    assert not any("\ufffd" in piece for piece in pieces)
