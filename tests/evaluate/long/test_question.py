from __future__ import annotations

from typing import Any

from hornbook.evaluate.long.question import Prompter
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
