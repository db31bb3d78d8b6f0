"""What a request leaves open is what the model's own files say."""

from __future__ import annotations

from typing import Any

import pytest

from hornbook.inference.sampling import Sampling
from hornbook.serve.wire import ChatAsked

PUBLISHED = Sampling(temperature=0.6, top_k=50, top_p=0.9, min_p=0.1, repetition_penalty=1.1)


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": 1.5, "top_p": 0.5}, {"temperature": 1.5, "top_p": 0.5}),
        ({"top_k": -1, "min_p": 0}, {"top_k": 0, "min_p": 0.0}),
        ({"top_p": 0}, {"top_p": 1.0, "top_k": 1}),
        ({"repetition_penalty": 1, "presence_penalty": 0.5}, {"repetition_penalty": 1.0, "presence_penalty": 0.5}),
    ],
    ids=str,
)
def test_tokens_are_chosen_as_asked_and_else_as_the_models_files_say(
    asked: dict[str, Any], changed: dict[str, Any]
) -> None:
    request = ChatAsked(messages=[{"role": "user", "content": "Hi"}], **asked)
    assert request.sampling(PUBLISHED, 7) == PUBLISHED.model_copy(update={**changed, "seed": 7})
