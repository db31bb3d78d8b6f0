"""Guesses change how fast a text is made, never the text: token by token, to the last bit of its probabilities."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from hornbook.inference.executor import Executor, Logits, Part
from hornbook.inference.lookup import MOST, PromptLookup
from hornbook.inference.native import library
from hornbook.inference.native.executor import NativeExecutor
from hornbook.inference.sampling import Sampling
from hornbook.inference.scheduler import Answer, Request, Scheduler
from hornbook.inference.torch_executor import TorchExecutor
from hornbook.model import save
from hornbook.model.config import LongRope

LONGROPE = LongRope(original=48, short=(1.0,) * 8, long=(1.5, 2, 2, 3, 4, 5, 6, 8))
VOCABULARY = 24


def cost(tokens: int) -> float:
    return 1 + 0.1 * tokens


class Alternating:
    """A grammar with a state: even and odd ids take turns; ends after twenty."""

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def restrict(self, logits: NDArray[np.float32], left: int) -> None:
        logits[len(self.accepted) % 2 :: 2] = -np.inf
        if left < 4:
            logits[2:] = -np.inf

    def accept(self, token: int) -> None:
        self.accepted.append(token)

    @property
    def finished(self) -> bool:
        return len(self.accepted) == 20


def requests(chance: random.Random, count: int) -> list[Request]:
    """Texts that repeat themselves, chosen from in every way there is, with stops and limits of every kind."""
    made = []
    for _ in range(count):
        phrase = [chance.randrange(VOCABULARY) for _ in range(chance.choice((2, 5, 9)))]
        prompt = [chance.randrange(VOCABULARY) for _ in range(3)] + phrase * chance.choice((1, 2, 3))
        sampling = chance.choice(
            (
                Sampling(),
                Sampling(repetition_penalty=1.2, frequency_penalty=0.3, presence_penalty=0.1),
                Sampling(temperature=0.4, top_p=0.9, seed=chance.randrange(99)),
                Sampling(temperature=0.7, top_k=4, min_p=0.05, repetition_penalty=1.1, seed=chance.randrange(99)),
            )
        )
        ended = chance.choice((frozenset(), frozenset({chance.randrange(VOCABULARY)})))
        made.append(
            Request(
                prompt,
                chance.choice((1, 2, 30, 60)),
                chance.choice(((), {chance.randrange(VOCABULARY)})),
                sampling,
                Alternating() if chance.random() < 0.3 else None,
                logprobs=chance.choice((None, 2)),
                echo=chance.random() < 0.2,
                ended=ended.__contains__,
            )
        )
    return made


def answered(executor: Executor, asked: Sequence[Request], prompt_lookup: bool, most: int = 5) -> list[Answer]:
    scheduler = Scheduler(executor, most=most, prompt_lookup=prompt_lookup)
    answers = [scheduler.submit(request) for request in asked]
    while scheduler.busy:
        scheduler.step()
    assert scheduler.used == 0
    return answers


def told(answers: Sequence[Answer]) -> list[Any]:
    return [(one.tokens, one.ending, one.finish, one.echoed) for one in answers]


@pytest.fixture(params=["torch", "native"])
def executor_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Executor]:
    def make(model: Any, tokens: int) -> Executor:
        if request.param == "torch":
            return TorchExecutor(model, tokens=tokens)
        if (reason := library.absent()) is not None:
            pytest.skip(f"no native engine: {reason}")
        save(model, tmp_path / "model")
        return NativeExecutor(tmp_path / "model", tokens=tokens, threads=1)

    return make


@pytest.mark.numerics
@pytest.mark.parametrize(
    ("shape", "tokens"), [({}, 2000), ({}, 240), ({"longrope": LONGROPE}, 700)], ids=["room", "little room", "switch"]
)
def test_a_text_is_the_same_to_the_last_bit(
    shape: dict[str, Any], tokens: int, make_model: Callable[..., Any], executor_of: Callable[..., Executor]
) -> None:
    """Greedy and sampled; penalties, grammars, stops, limits; batches, lost places, LongRoPE's switch, the context."""
    executor = executor_of(make_model(seed=5, vocabulary=VOCABULARY, context=120, **shape), tokens)
    without = answered(executor, requests(random.Random(3), 40), prompt_lookup=False)
    beside = answered(executor, requests(random.Random(3), 40), prompt_lookup=True)
    assert told(beside) == told(without)
    assert sum(one.accepted for one in beside) > 30
    assert sum(one.guessed - one.accepted for one in beside) > 10
    assert sum(one.guessed for one in without) == 0
    assert [one.request.grammar.accepted for one in beside if isinstance(one.request.grammar, Alternating)] == [
        one.request.grammar.accepted for one in without if isinstance(one.request.grammar, Alternating)
    ]


class Chain:
    """An executor whose next token depends on the last two, by a table; it has no cache, so that nothing is hidden."""

    context, switch, block, blocks, exact = 64, None, 16, 64, True

    def __init__(self, table: NDArray[np.float32]) -> None:
        """table: (vocabulary, vocabulary, vocabulary) logits of the token behind two."""
        self.vocabulary, self._table = len(table), table
        self._texts: dict[int, list[int]] = {}  # by the first block of a sequence

    def step(self, parts: Sequence[Part]) -> list[Logits]:
        made = []
        for part in parts:
            text = self._texts.setdefault(part.blocks[0], [])
            text[part.start :] = part.ids
            ends = range(part.start, len(text)) if part.wanted == "every" else [len(text) - 1]
            made.append(np.stack([self._table[text[end - 1], text[end]] for end in ends]))
        return made

    def cost(self, tokens: int) -> float:
        return 1 + 0.01 * tokens


def test_a_sampled_text_has_the_distribution_that_the_model_gives_it() -> None:
    """Every text of four tokens over three: how often it comes, beside what the chain's own probabilities multiply to."""
    count, length, prompt = 1500, 4, [0, 1, 2, 0, 1, 2, 0, 1, 1, 0, 1]
    table = np.random.default_rng(1).normal(size=(3, 3, 3)).astype(np.float32)
    asked = [Request(prompt, length, (), Sampling(temperature=0.8, seed=seed)) for seed in range(count)]
    answers = answered(Chain(table), asked, prompt_lookup=True, most=1)
    came = Counter(tuple(token.id for token in one.tokens) for one in answers)
    shares = np.exp(table.astype(np.float64) / 0.8)
    shares /= shares.sum(-1, keepdims=True)
    distance = 0.0
    for text in itertools.product(range(3), repeat=length):
        every = (*prompt[-2:], *text)
        expected = count * np.prod([shares[every[at], every[at + 1], every[at + 2]] for at in range(length)])
        distance += (came[text] - expected) ** 2 / expected
    accepted, guessed = sum(one.accepted for one in answers), sum(one.guessed for one in answers)
    assert accepted > count / 4
    assert guessed - accepted > count / 4
    assert distance < chi2.ppf(0.99, 3**length - 1)


def test_what_was_read_along_is_found_by_the_next_turn(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=5, vocabulary=VOCABULARY, context=200)
    first = [1, 2, 3] * 11
    cached = []
    for prompt_lookup in (False, True):
        scheduler = Scheduler(TorchExecutor(model, tokens=400), prompt_lookup=prompt_lookup)
        said = [token.id for token in scheduler.run(Request(first, 60, ()))]
        answer = scheduler.submit(Request([*first, *said, 7], 1, ()))
        scheduler.step()
        cached.append(answer.cached)
    assert cached[0] == cached[1] > len(first)


@pytest.mark.parametrize(
    ("told", "exact", "temperature", "guesses"),
    [
        (None, True, 0, True),
        (None, True, 0.1, False),
        (None, False, 0, False),
        (True, False, 0.1, True),
        (False, True, 0, False),
    ],
)
def test_where_nobody_says_only_the_likeliest_tokens_are_guessed(
    told: bool | None, exact: bool, temperature: float, guesses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Chain, "exact", exact)
    scheduler = Scheduler(Chain(np.zeros((3, 3, 3), np.float32)), prompt_lookup=told)
    answer = scheduler.submit(Request([0, 1, 2, 0, 1, 2, 0, 1], 20, (), Sampling(temperature=temperature)))
    while scheduler.busy:
        scheduler.step()
    assert (answer.guessed > 0) == guesses


def test_fewer_steps_are_made_where_a_text_repeats_itself() -> None:
    """A chain that counts 0, 1, 2, 0, ... for sure: a step reads as many tokens as may be guessed."""
    table = np.zeros((3, 3, 3), np.float32)
    for last in range(3):
        table[:, last, (last + 1) % 3] = 9
    executor = Chain(table)
    scheduler = Scheduler(executor, prompt_lookup=True)
    answer = scheduler.submit(Request([0, 1, 2, 0, 1], 50, ()))
    steps = 0
    while scheduler.busy:
        scheduler.step()
        steps += 1
    assert [token.id for token in answer.tokens] == [(2 + at) % 3 for at in range(50)]
    assert steps < 12
    assert answer.guessed == answer.accepted > 40


def test_guesses_go_on_as_the_text_did_and_reach_beyond_its_end() -> None:
    text = [5, 6, 7, 8, 9, 1, 5, 6]
    guess, expected = PromptLookup(text, len(text)).guess(4, 1, 1.0, lambda tokens: 1.0)
    assert guess == [7, 8, 9, 1]
    assert 1 < expected < 4
    loop = [3, 1, 2, 1, 2]
    assert PromptLookup(loop, len(loop)).guess(9, 1, 1.0, lambda tokens: 1.0)[0] == [1, 2, 1, 2, 1, 2, 1, 2, 1]
    assert len(PromptLookup(loop, len(loop)).guess(99, 1, 1.0, lambda tokens: 1.0)[0]) == MOST
    assert PromptLookup([1, 2, 3, 4], 4).guess(9, 1, 1.0, lambda tokens: 1.0) == ([], 0.0)
    assert PromptLookup(loop, len(loop)).guess(0, 1, 1.0, cost) == ([], 0.0)


def test_guesses_that_do_not_come_true_end() -> None:
    """The same two tokens, each time with another behind them: after some of them nothing is guessed any more."""
    text = [1, 2, 100]
    lookup = PromptLookup(text, len(text))
    guessed = []
    for other in range(101, 130):
        text += [1, 2]
        guessed.append(len(lookup.guess(9, 1, 1.0, cost)[0]))
        text.append(other)
    assert guessed[0] > 0
    assert not any(guessed[20:])


def test_a_guess_in_a_full_step_has_to_be_surer() -> None:
    """Beside many sequences a token costs all of them time: what is likely enough for one alone is not for 32."""
    text = [1, 2, 3, 1, 2]
    alone = PromptLookup(text, len(text)).guess(9, 1, 1.0, lambda tokens: 0.7 + 0.3 * tokens)[0]
    beside = PromptLookup(text, len(text)).guess(9, 32, 32.0, lambda tokens: 0.7 + 0.3 * tokens)[0]
    assert (len(alone), len(beside)) == (1, 0)
