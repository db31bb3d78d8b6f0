"""Whatever arrives when: everybody gets what they would get alone, from a cache that is shared and bounded."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.errors import UserError
from hornbook.inference.blocks import Blocks
from hornbook.inference.executor import Logits, Part
from hornbook.inference.sampling import Sampling
from hornbook.inference.scheduler import BESIDE, Answer, Request, Scheduler
from hornbook.inference.torch_executor import TorchExecutor
from hornbook.model.config import LongRope


class Watched(TorchExecutor):
    """Keeps what each step reads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.steps: list[list[Part]] = []

    def step(self, parts: Sequence[Part]) -> list[Logits]:
        self.steps.append(list(parts))
        return super().step(parts)

    @property
    def read(self) -> int:
        return sum(len(part.ids) for parts in self.steps for part in parts)


def finish(scheduler: Scheduler) -> None:
    while scheduler.busy:
        scheduler.step()


def ids(answer: Answer) -> list[int]:
    return [token.id for token in answer.tokens]


def lone(model: Any, request: Request) -> list[int]:
    return [token.id for token in Scheduler(TorchExecutor(model, tokens=model.config.context)).run(request)]


def by_full_recompute(model: Any, prompt: list[int], limit: int) -> list[int]:
    made = list(prompt)
    with torch.inference_mode():
        while len(made) < len(prompt) + limit and len(made) < model.config.context:
            made.append(int(model(torch.tensor([made]))[0, -1].argmax()))
    return made[len(prompt) :]


@pytest.mark.numerics
@pytest.mark.parametrize("tokens", [4000, 500], ids=["room", "little room"])
def test_64_arrivals_get_what_they_get_alone(tokens: int, make_model: Callable[..., Any]) -> None:
    """Shared beginnings, whole turns of a chat, long prompts; with little room sequences lose their places."""
    model = make_model(seed=1, context=400, heads=4, kv_heads=2)
    chance = random.Random(2)
    shots = [[chance.randrange(400) for _ in range(100)] for _ in range(3)]
    requests: list[Request] = []
    for _ in range(64):
        prompt = [chance.randrange(400) for _ in range(chance.choice((1, 7, 40, 150)))]
        if chance.random() < 0.6:
            prompt = chance.choice(shots)[: chance.choice((100, 90, 64))] + prompt
        sampling = chance.choice(
            (Sampling(), Sampling(), Sampling(temperature=1.0, top_p=0.9, seed=chance.randrange(9)))
        )
        requests.append(Request(prompt, chance.randrange(1, 24), {chance.randrange(400)}, sampling))
    executor = Watched(model, tokens=tokens)
    scheduler = Scheduler(executor, most=12)
    answers: list[Answer] = []
    while len(answers) < len(requests) or scheduler.busy:
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            answers += [scheduler.submit(request) for request in requests[len(answers) : len(answers) + 1]]
        scheduler.step()
    assert [ids(answer) for answer in answers] == [lone(model, request) for request in requests]
    assert scheduler.used == 0
    assert sum(answer.cached for answer in answers) > (1000 if tokens == 4000 else 0)


def test_the_next_turn_reads_only_what_is_new(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=3, context=400)
    executor = Watched(model, tokens=400)
    scheduler = Scheduler(executor, prompt_lookup=False)
    first = list(range(150))
    said = [token.id for token in scheduler.run(Request(first, 30, ()))]
    executor.steps.clear()
    second = [*first, *said, 7, 8, 9]
    answer = scheduler.submit(Request(second, 5, ()))
    finish(scheduler)
    assert answer.cached == (len(first) + len(said) - 1) // 16 * 16
    assert executor.read == len(second) - answer.cached + 4
    assert ids(answer) == lone(model, Request(second, 5, ()))


def test_a_prompt_that_several_begin_with_is_read_once(make_model: Callable[..., Any]) -> None:
    executor = Watched(make_model(seed=3, context=400), tokens=2000)
    scheduler = Scheduler(executor)
    shared = list(range(160))
    answers = [scheduler.submit(Request([*shared, 200 + one], 1, ())) for one in range(8)]
    finish(scheduler)
    assert executor.read == 160 + 8
    assert [answer.cached for answer in answers] == [0, *[160] * 7]


def test_a_long_prompt_does_not_freeze_a_stream(make_model: Callable[..., Any]) -> None:
    executor = Watched(make_model(context=700), tokens=1400)
    scheduler = Scheduler(executor, prompt_lookup=False)
    stream = scheduler.submit(Request([1, 2, 3], 40, ()))
    scheduler.step()
    scheduler.submit(Request(list(range(399)), 2, ()))
    for count in range(2, 6):
        scheduler.step()
        assert len(stream.tokens) == count
        assert sum(len(part.ids) for part in executor.steps[-1]) <= 1 + BESIDE


@pytest.mark.parametrize("tokens", [100, 400], ids=["little room", "room"])
def test_each_sequence_switches_by_its_own_length(tokens: int, make_model: Callable[..., Any]) -> None:
    """LongRoPE beside others, in chunks, from shared prefixes of both regimes; before, at and beyond the switch."""
    longrope = LongRope(original=48, short=(1.0,) * 8, long=(1.5, 2, 2, 3, 4, 5, 6, 8))
    model = make_model(seed=7, context=100, longrope=longrope)
    beginning = list(range(30, 70))
    prompts = [[1, 2, 3], beginning, [*beginning, 5, 6], beginning + [9] * 20, beginning + [9] * 21 + [4], beginning]
    scheduler = Scheduler(TorchExecutor(model, tokens=tokens), most=4)
    answers = [scheduler.submit(Request(prompt, 30, ())) for prompt in prompts]
    finish(scheduler)
    again = scheduler.submit(Request(prompts[4], 30, ()))
    finish(scheduler)
    wanted = [by_full_recompute(model, prompt, 30) for prompt in prompts]
    assert [ids(answer) for answer in answers] == wanted
    assert ids(again) == wanted[4]
    assert again.cached > 0 or tokens == 100


def test_what_was_cancelled_frees_its_place_at_the_next_step(make_model: Callable[..., Any]) -> None:
    scheduler = Scheduler(TorchExecutor(make_model(context=400), tokens=400), most=1, prompt_lookup=False)
    first, second = (scheduler.submit(Request([one, 5], 300, ())) for one in (1, 2))
    for _ in range(5):
        scheduler.step()
    assert (len(first.tokens), len(second.tokens)) == (5, 0)
    first.cancel()
    scheduler.step()
    assert (first.finish, len(first.tokens), len(second.tokens)) == ("cancelled", 5, 1)
    second.cancel()
    scheduler.step()
    assert not scheduler.busy
    assert scheduler.used == 0


def test_probabilities_are_the_models_own(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=9, context=100)
    prompt = list(range(60, 100))
    scheduler = Scheduler(TorchExecutor(model, tokens=100))
    answer = scheduler.submit(Request(prompt, 4, (), Sampling(repetition_penalty=1.3), logprobs=3, echo=True))
    finish(scheduler)
    every = [*prompt, *ids(answer)]
    with torch.inference_mode():
        logs = model(torch.tensor([every]))[0].log_softmax(-1).numpy()
    told = [*answer.echoed, *answer.tokens]
    assert [token.id for token in told] == every
    assert told[0].logprob is None
    for position in range(1, len(every)):
        assert told[position].logprob == pytest.approx(logs[position - 1, every[position]], abs=1e-4)
        likeliest = np.argsort(-logs[position - 1])[:3]
        assert [one for one, _ in told[position].top] == likeliest.tolist()
    only = scheduler.submit(Request(prompt, 0, (), logprobs=0, echo=True))
    finish(scheduler)
    assert (only.finish, only.tokens, len(only.echoed)) == ("length", [], len(prompt))


def test_ends(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=3, context=32)
    scheduler = Scheduler(TorchExecutor(model, tokens=64))
    free = by_full_recompute(model, [4, 5], 10)
    stop = scheduler.submit(Request([4, 5], 10, {free[3]}))
    full = scheduler.submit(Request(list(range(30)), 10, ()))
    ended = scheduler.submit(Request([4, 5], 10, (), ended=lambda token: token == free[2]))
    finish(scheduler)
    at = free.index(free[3])
    assert (ids(stop), stop.finish) == (free[:at], "stop")
    assert (len(full.tokens), full.finish) == (2, "length")
    assert (ids(ended), ended.finish) == (free[: free.index(free[2]) + 1], "stop")
    with pytest.raises(UserError, match="32 tokens long, the model's context is 32"):
        scheduler.submit(Request([1] * 32, 1, ()))
    with pytest.raises(ValueError, match="at least one"):
        scheduler.submit(Request([], 1, ()))


def test_blocks_leave_last_used_first_and_the_last_of_a_prefix_before_its_beginning() -> None:
    blocks = Blocks(4, 2)

    def write(tokens: list[int]) -> list[int]:
        mine: list[int] = []
        content = -1
        for start in range(0, len(tokens), 2):
            block = blocks.allocate(mine[-1] if mine else None)
            assert block is not None
            mine.append(block)
            content = blocks.seal(block, content, tokens[start : start + 2])
        return mine

    one, other = write([1, 2, 3, 4]), write([5, 6, 7, 8])
    assert blocks.allocate(None) is None
    blocks.release(other)
    blocks.release(one)
    assert blocks.allocate(None) == other[1]
    assert blocks.allocate(None) == other[0]
    found = blocks.find(-1, [1, 2])
    assert found is not None and found[1] == one[0]
    assert blocks.find(found[0], [9, 9]) is None
    assert blocks.allocate(None) == one[1]
    assert blocks.allocate(None) is None
