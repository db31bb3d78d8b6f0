from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluate.long.prompt import NEAR, Prompter, Question, TooShortError, fit, tokens
from hornbook.model.tokenizers import Tokenizer


def test_completion_and_chat(pieces: Any) -> None:
    assert pieces.decode(Prompter(pieces).ids("Why?", "Because")) == "Why?\nBecause"
    assert pieces.decode(Prompter(pieces).ids("Why?", "")) == "Why?"
    chat = Prompter(pieces, chat=True)
    assert pieces.decode(chat.ids("Why?", "Because")) == "<user>Why?$<assistant>Because"
    assert pieces.decode(chat.ids("Why?", "")) == "<user>Why?$<assistant>"


def test_a_begun_answer_is_what_the_model_would_have_said(tokenizer_folder: Any) -> None:
    tokenizer = Tokenizer(tokenizer_folder)
    prompter = Prompter(tokenizer)
    assert prompter.chat
    user = {"role": "user", "content": "Which value?"}
    whole = tokenizer.chat([user, {"role": "assistant", "content": "The value is 12"}], answer=False)
    ids = prompter.ids("Which value?", "The value is")
    assert ids == whole[: len(ids)]
    assert ids[: len(tokenizer.chat([user]))] == tokenizer.chat([user])


def build_from(sizes: list[int], frame: int, room: int, asked: list[int]):
    totals = [frame, *accumulate(sizes, initial=frame)][1:]

    def build(count: int) -> Question:
        asked.append(count)
        return Question([0] * totals[count], f"{count}", ("x",), room)

    return build


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=300),
    frame=st.integers(0, 50),
    room=st.integers(1, 20),
    length=st.integers(1, 4000),
)
def test_one_more_would_not_fit(sizes: list[int], frame: int, room: int, length: int) -> None:
    build = build_from(sizes, frame, room, [])
    if frame + room > length:
        with pytest.raises(TooShortError, match=str(frame + room)):
            fit(build, length, len(sizes))
        return
    found = fit(build, length, len(sizes))
    count = int(found.text)
    assert tokens(found) <= length
    assert count == len(sizes) or tokens(found) == length or tokens(build(count + 1)) > length


def test_long_prompts_are_near_in_few_steps() -> None:
    asked: list[int] = []
    sizes = [1 + (place * 7919) % 5 for place in range(200_000)]
    found = fit(build_from(sizes, 40, 16, asked), 131_072, len(sizes))
    assert 131_072 - tokens(found) <= 131_072 // NEAR
    assert len(asked) <= 8


def test_it_ends_where_sizes_change_abruptly() -> None:
    asked: list[int] = []
    sizes = [1] * 5000 + [50] * 5000
    found = fit(build_from(sizes, 0, 1, asked), 100_000, len(sizes))
    assert 100_000 - 50 < tokens(found) <= 100_000
    assert len(asked) < 30


def test_it_starts_from_the_least() -> None:
    build = build_from([10] * 20, 0, 0, [])
    assert int(fit(build, 95, 20, least=3).text) == 9
    with pytest.raises(TooShortError):
        fit(build, 25, 20, least=3)
