"""Likelihoods of continuations: equal to reading each sequence by itself, and to the last bit whatever is beside it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.inference import likelihood
from hornbook.inference.likelihood import Reader, Scored, Together
from hornbook.model.config import BlockSparse, Experts, LongRope

SHAPES: dict[str, dict[str, Any]] = {
    "full": {},
    "groups": {"heads": 8, "kv_heads": 2, "mlp_width": 150},
    "window": {"sliding_window": 30},
    "learned": {"positions": "learned", "activation": "gelu", "norm": "layer", "block": "parallel", "qkv_bias": True},
    "sparse": {"attention": ("sparse", "full"), "blocksparse": BlockSparse(block=8, local_blocks=2, stride=3)},
    "experts": {"experts": Experts(count=4)},
    "longrope": {"longrope": LongRope(original=100, short=(1.0,) * 8, long=(1.5, 2, 2, 3, 4, 5, 6, 8))},
}
CONTEXT = 300


def some_questions(seed: int = 3, count: int = 9) -> list[Together]:
    """Few questions of each kind: behind shared examples, one answer or several, of one token or more, some long."""
    chance = random.Random(seed)

    def drawn(most: int) -> list[int]:
        return [chance.randrange(400) for _ in range(chance.randint(1, most))]

    made = []
    shots = [drawn(60) for _ in range(2)]
    for number in range(count):
        shared = shots[number % 2] if number % 3 else []
        context = [*shared, *drawn(40 if number % 4 else 150)]
        answers = [drawn(1 if number % 5 == 0 else 20) for _ in range(chance.randint(1, 5))]
        answers += [answers[0], answers[0][:1]]
        contexts = [[*context, *drawn(3)] if number % 7 == 6 else context for _ in answers]
        sequences = [Scored([*one, *answer], len(one)) for one, answer in zip(contexts, answers, strict=True)]
        made.append(Together(sequences, len(shared)))
    return made


def one_by_one(model: Any, sequence: Scored) -> tuple[float, bool]:
    with torch.inference_mode():
        logits = model(torch.tensor([list(sequence.ids[:-1])]))[0].double()
    wanted = torch.tensor(list(sequence.ids[sequence.begin :]))
    told = logits[sequence.begin - 1 :]
    return float(told.log_softmax(-1).gather(1, wanted[:, None]).sum()), bool((told.argmax(-1) == wanted).all())


@pytest.mark.numerics
@pytest.mark.parametrize("chunk", [16, 512])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_equals_reading_each_sequence_by_itself(
    shape: dict[str, Any], chunk: int, make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "_CHUNK", chunk)
    model = make_model(seed=4, context=CONTEXT, **shape)
    questions = some_questions()
    if "longrope" in shape:  # the sequences of a question are read under the factors of the longest
        questions = [Together([max(q.sequences, key=lambda one: len(one.ids))], q.shared) for q in questions]
    for question, found in zip(questions, Reader(model).score(questions), strict=True):
        for sequence, made in zip(question.sequences, found, strict=True):
            logprob, greedy = one_by_one(model, sequence)
            assert made.logprob == pytest.approx(logprob, abs=2e-3 if "experts" in shape else 2e-4)
            assert made.greedy == greedy


@pytest.mark.numerics
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_bits_do_not_depend_on_what_is_beside(
    shape: dict[str, Any], make_model: Callable[..., Any], threads: int
) -> None:
    model = make_model(seed=5, context=CONTEXT, **shape)
    questions = some_questions(seed=6, count=12)
    alone = [next(Reader(model).score([question])) for question in questions]
    for tokens in (1, 100, 1024):
        assert list(Reader(model, tokens=tokens).score(questions)) == alone
    order = random.Random(7).sample(range(12), 12)
    again = list(Reader(model).score([questions[at] for at in order]))
    assert [again[order.index(at)] for at in range(12)] == alone


def test_each_token_is_read_once(make_model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(seed=1, context=CONTEXT)
    read: list[int] = []
    paged = model.paged

    def counted(ids: Any, *rest: Any) -> Any:
        read.append(int((ids != 0).sum()))
        return paged(ids, *rest)

    monkeypatch.setattr(model, "paged", counted)
    shots, question = list(range(1, 101)), list(range(200, 240))
    letters = [Scored([*shots, *question, letter], 140) for letter in (5, 6, 7, 8)]
    ends = [Scored([*shots, *question, 9, 9, letter], 140) for letter in (5, 6)]
    list(Reader(model).score([Together(letters, 100), Together(ends, 100)]))
    assert read == [100, 40 + 40 + 2]


def test_what_is_longer_than_the_context_is_refused(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=1, context=20)
    assert len(next(Reader(model).score([Together([Scored([1] * 21, 3)])]))) == 1
    with pytest.raises(ValueError, match="22 tokens, the model's context is 20"):
        next(Reader(model).score([Together([Scored([1] * 22, 3)])]))


def test_probabilities_of_all_next_tokens_are_one(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=2, context=20)
    every = Together([Scored([7, 3, token], 2) for token in range(model.config.vocabulary)])
    (found,) = Reader(model).score([every])
    assert np.exp([one.logprob for one in found]).sum() == pytest.approx(1, abs=1e-5)
    assert sum(one.greedy for one in found) == 1
