"""What a grammar allows is all that a model can say: a model with random weights writes valid JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hornbook.errors import UserError
from hornbook.inference.grammar import Grammars
from hornbook.inference.sampling import Sampling
from hornbook.inference.scheduler import Request, Scheduler
from hornbook.inference.spoken import Spoken
from hornbook.inference.torch_executor import TorchExecutor
from hornbook.model.tokenizers import Tokenizer

SCHEMA = {
    "type": "object",
    "properties": {
        "score": {"type": "integer", "minimum": 0, "maximum": 5},
        "reason": {"type": "string", "maxLength": 12},
        "tags": {"type": "array", "items": {"enum": ["good", "bad"]}, "maxItems": 3},
    },
    "required": ["score", "reason", "tags"],
    "additionalProperties": False,
}


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Tokenizer:
    return Tokenizer(tokenizer_folder)


def test_random_weights_write_what_a_schema_and_a_pattern_ask_for(
    make_model: Callable[..., Any], tokenizer: Tokenizer
) -> None:
    scheduler = Scheduler(TorchExecutor(make_model(context=400), tokens=4000))
    grammars = Grammars(tokenizer, scheduler.vocabulary)
    for seed in range(6):
        for kind in ("schema", "pattern"):
            grammar = grammars.of_schema(SCHEMA) if kind == "schema" else grammars.of_regex("[a-c]{3,6}-[0-9]{2}")
            spoken = Spoken(tokenizer)
            sampling = Sampling(temperature=1.5, seed=seed)
            answer = scheduler.submit(Request([1, 2], 300, tokenizer.stops, sampling, grammar, ended=spoken.hear))
            while scheduler.busy:
                scheduler.step()
            spoken.end()
            text = spoken.take()
            assert answer.finish == "stop"
            if kind == "pattern":
                assert re.fullmatch("[a-c]{3,6}-[0-9]{2}", text)
                continue
            value = json.loads(text)
            assert value.keys() == {"score", "reason", "tags"}
            assert 0 <= value["score"] <= 5 and len(value["reason"]) <= 12 and set(value["tags"]) <= {"good", "bad"}


def test_an_answer_that_gets_too_long_is_closed_in_time(make_model: Callable[..., Any], tokenizer: Tokenizer) -> None:
    scheduler = Scheduler(TorchExecutor(make_model(context=400), tokens=4000))
    grammars = Grammars(tokenizer, scheduler.vocabulary)
    text = {"type": "string"}
    schema = {
        "type": "object",
        "properties": {"why": text, "more": {"type": "array", "items": text}, "score": {"type": "integer"}},
    }
    schema |= {"required": ["why", "more", "score"], "additionalProperties": False}
    for seed in range(8):
        spoken = Spoken(tokenizer)
        sampling, grammar = Sampling(temperature=1.0, seed=seed), grammars.of_schema(schema)
        scheduler.submit(Request([1, 2], 120, tokenizer.stops, sampling, grammar, ended=spoken.hear))
        while scheduler.busy:
            scheduler.step()
        spoken.end()
        assert json.loads(spoken.take()).keys() == {"why", "more", "score"}


@pytest.mark.parametrize("limit", [48, 90, 200])
def test_a_text_is_closed_no_sooner_than_it_must_be(limit: int, tokenizer: Tokenizer) -> None:
    """However long the schema's own notes are: a reason that may have few tokens has them."""
    notes = "why, in a few words that say what is good about the text and what is not, one sentence at most"
    verdict = {"enum": ["worse", "equal", "better"]}
    item = {"type": "object", "properties": {"verdict": verdict}, "required": ["verdict"]}
    schema = {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "description": notes},
            "verdicts": {"type": "array", "items": item},
        },
        "required": ["reason", "verdicts"],
    }
    grammar = Grammars(tokenizer, 400).of_schema(schema)
    [letter] = tokenizer.encode("a")
    made: list[int] = []
    while not grammar.finished:
        logits = np.zeros(400, np.float32)
        logits[letter] = 1
        grammar.restrict(logits, limit - len(made))
        made.append(int(logits.argmax()))
        grammar.accept(made[-1])
    value = json.loads(tokenizer.decode(made))
    assert limit - 10 <= len(made) <= limit
    assert re.fullmatch("a+", value["reason"]) and value["verdicts"] == []


@pytest.mark.parametrize("schema", [{"type": "strange"}, {"type": "integer", "minimum": 5, "maximum": 2}], ids=str)
def test_what_cannot_be_enforced_is_told(schema: dict[str, Any], tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match="cannot be enforced"):
        Grammars(tokenizer, 400).of_schema(schema)
    with pytest.raises(UserError, match="cannot be enforced"):
        Grammars(tokenizer, 400).of_regex("(")
