"""The scheduler: which sequences read what in each step, over one cache that they share.

A step reads one token of every sequence that is decoding, and of prompts as many as one step may take, first come
first served; so a long prompt does not freeze running streams, and a sequence leaves the moment it ends (continuous
batching: Yu et al. 2022, Orca). Full blocks of the cache are found again by whoever begins with the same tokens (Kwon
et al. 2023, arXiv:2309.06180; Zheng et al. 2023, arXiv:2312.07104). Where room is lacking, the sequence that came last
waits and is read again later. What a sequence is likely to go on with is read along, and left where its choices differ
(speculation: `lookup`). None of this changes a result: executors give a sequence the logits it would have alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hornbook.errors import UserError
from hornbook.inference.blocks import ROOTS, Blocks
from hornbook.inference.choosing import Chooser, Grammar, log_shares
from hornbook.inference.executor import Executor, Logits, Part
from hornbook.inference.lookup import PromptLookup
from hornbook.inference.sampling import Sampling

Finish = Literal["stop", "length", "cancelled", "error"]

# Tokens of prompts that a step reads: all it likes while nobody is waiting for a next token, few while somebody is.
ALONE, BESIDE = 512, 128
MOST = 64  # sequences at a time


def _never(token: int) -> bool:
    return False


@dataclass(frozen=True)
class Request:
    """What is asked for: at most `limit` tokens behind `prompt`, until one of `stops`, which is not given back.

    first: the ids that may come first, any where there are none. logprobs: how many of the likeliest tokens are told
    beside each, None for no probabilities at all. echo: tell them of the prompt, too. ended: asked of every token;
    True ends the sequence behind it.
    """

    prompt: Sequence[int]
    limit: int
    stops: Collection[int]
    sampling: Sampling = field(default_factory=Sampling)
    grammar: Grammar | None = None
    first: Collection[int] = ()
    logprobs: int | None = None
    echo: bool = False
    ended: Callable[[int], bool] = _never


@dataclass(frozen=True)
class Token:
    """A token, the logarithm of the probability that the model gave it, and the likeliest ones with theirs."""

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Answer:
    """A request under way. `tokens` grows; once `finish` says why it ended, nothing changes.

    ending: the one of its stops that ended it, if one did, which is not among the tokens.
    echoed: the prompt's tokens with their probabilities, if they were asked for; the first has none. cached: how many
    tokens of the prompt were found in the cache. guessed, accepted: tokens that were read before they were chosen, and
    those of them that were. error: what went wrong, where `finish` is "error".
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.tokens: list[Token] = []
        self.ending: Token | None = None
        self.echoed: list[Token] = []
        self.cached = self.guessed = self.accepted = 0
        self.finish: Finish | None = None
        self.error: Exception | None = None
        self._cancelled = False
        self._chooser = Chooser(request.sampling, request.prompt, grammar=request.grammar, first=request.first)
        self._ids = list(request.prompt)
        self._lookup = PromptLookup(self._ids, len(self._ids))
        self._rest()

    def cancel(self) -> None:
        """Give up: the next step frees what it holds. May be called from any thread."""
        self._cancelled = True

    def _rest(self, long: bool = False) -> None:
        """Nothing is read."""
        self._blocks: list[int] = []
        self._read = self._sealed = 0
        self._guess: list[int] = []  # what the step reads behind the ids
        self._long, self._content = long, ROOTS[long]

    @property
    def _pending(self) -> int:
        return len(self._ids) - self._read


class Scheduler:
    """Requests in, tokens out, over an executor. One thread at a time may use it, `Answer.cancel` aside."""

    def __init__(self, executor: Executor, *, most: int = MOST, prompt_lookup: bool | None = None) -> None:
        """most: sequences at a time; others wait. prompt_lookup: whether guesses are read along; unless given they are
        where the executor is exact (elsewhere they change logits by rounding) and the likeliest token is taken (what is
        drawn repeats too little to gain by them)."""
        self._executor, self.most = executor, most
        self._prompt_lookup = prompt_lookup
        self._pool = Blocks(executor.blocks, executor.block)
        self._running: list[Answer] = []
        self._waiting: deque[Answer] = deque()
        self.context = min(executor.context, executor.blocks * executor.block)
        self.vocabulary = executor.vocabulary

    @property
    def limit(self) -> str:
        """What keeps sequences from being longer, in words."""
        if self.context < self._executor.context:
            return f"the cache of keys and values has room for {self.context}; a larger one (--cache GB) has more"
        return f"the model's context is {self.context}; shorten it"

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._running or self._waiting)

    @property
    def running(self) -> int:
        """Sequences that are read or decoded."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that have no place yet."""
        return len(self._waiting)

    @property
    def used(self) -> float:
        """The share of the cache that sequences hold; what is kept for others beside that does not count."""
        return self._pool.used / self._pool.count

    def submit(self, request: Request) -> Answer:
        """Take a request in; steps work on it. Raises UserError for a prompt that leaves no room for an answer."""
        if not request.prompt:
            raise ValueError("a prompt needs at least one token")
        room = self.context + (request.limit == 0)
        if len(request.prompt) >= room:
            raise UserError(f"the prompt is {len(request.prompt)} tokens long, {self.limit}")
        answer = Answer(request)
        self._waiting.append(answer)
        return answer

    def run(self, request: Request) -> Iterator[Token]:
        """Yield a request's tokens as they are made; the work of others goes on beside it."""
        answer = self.submit(request)
        told = 0
        try:
            while answer.finish is None:
                self.step()
                yield from answer.tokens[told:]
                told = len(answer.tokens)
        finally:
            answer.cancel()
            self._sweep()
        if answer.error is not None:
            raise answer.error

    def step(self) -> None:
        """Read something of every sequence that has a place, and choose what follows where a prompt has been read."""
        self._sweep()
        self._admit()
        planned = self._plan()
        if not planned:
            return
        for (answer, size), logits in zip(planned, self._executor.step([_part(*one) for one in planned]), strict=True):
            start, answer._read = answer._read, answer._read + size
            self._seal(answer)
            try:
                self._take(answer, start, logits)
            except UserError as error:
                self._end(answer, "error", error)

    def fail(self, error: Exception) -> None:
        """End everything that is under way with an error."""
        for answer in [*self._running, *self._waiting]:
            self._end(answer, "error", error)

    def _sweep(self) -> None:
        """Let go of what was cancelled."""
        for answer in [*self._running, *self._waiting]:
            if answer._cancelled:
                self._end(answer, "cancelled")

    def _admit(self) -> None:
        """Give places to those that wait, in order, while there is room for their prompts."""
        while self._waiting and len(self._running) < self.most:
            needed = len(self._waiting[0]._ids) // self._pool.size + 1
            if self._running and needed > self._pool.available:
                return
            self._running.append(self._waiting.popleft())

    def _plan(self) -> list[tuple[Answer, int]]:
        """Who reads how many tokens in this step; all of them have the blocks for it."""
        for answer in self._running:
            switch = self._executor.switch
            if switch is not None and not answer._long and len(answer._ids) > switch:
                # What was read under the short factors is of no use to a longer sequence.
                self._pool.release(answer._blocks)
                answer._rest(long=True)
        planned: dict[Answer, int] = {answer: 1 for answer in self._running if answer._pending == 1}
        budget = BESIDE if planned else ALONE
        for answer in self._running:
            if answer in planned:
                continue
            if not answer.request.echo:
                self._adopt(answer)
            size = min(answer._pending, budget)
            if size and not any(_repeats(answer, other, planned[other], self._pool.size) for other in planned):
                planned[answer] = size
                budget -= size
        for answer in list(planned):  # those that came last lose their place first
            while answer in planned and not self._make_room(answer, answer._read + planned[answer]):
                loser = self._running[-1]
                self._pool.release(loser._blocks)
                loser._rest()
                self._waiting.appendleft(self._running.pop())
                planned.pop(loser, None)
        self._speculate(planned)
        return list(planned.items())

    def _guesses(self, answer: Answer) -> bool:
        """Whether what an answer may go on with is read along."""
        if self._prompt_lookup is None:
            return self._executor.exact and answer.request.sampling.temperature == 0
        return self._prompt_lookup

    def _speculate(self, planned: dict[Answer, int]) -> None:
        """Guess what sequences that are being decoded go on with, as far as there is room and it makes them faster."""
        decoding = [
            one
            for one, size in planned.items()
            if size == 1 and one.tokens and one._pending == 1 and self._guesses(one)
        ]
        hopeful = [answer for answer in decoding if answer._lookup.follow()]
        if not hopeful:
            return
        tokens, made = sum(planned.values()), float(sum(size == one._pending for one, size in planned.items()))
        for answer in hopeful:
            switch = self._executor.switch
            longest = self.context if switch is None or answer._long else min(switch, self.context)
            # A step makes a token more than it guesses.
            left = min(answer.request.limit - len(answer.tokens) - 1, longest - len(answer._ids))
            guess, expected = answer._lookup.guess(left, tokens, made, self._executor.cost)
            if guess and self._make_room(answer, len(answer._ids) + len(guess)):
                answer._guess = guess
                tokens, made = tokens + len(guess), made + expected

    def _adopt(self, answer: Answer) -> None:
        """Take over what others have read of the same beginning; at least one token is left to read."""
        size = self._pool.size
        while answer._read == len(answer._blocks) * size and answer._pending > size:
            found = self._pool.find(answer._content, answer._ids[answer._read : answer._read + size])
            if found is None:
                return
            answer._content, block = found
            answer._blocks.append(block)
            answer._read += size
            answer._sealed += 1
            answer.cached = max(answer.cached, min(answer._read, len(answer.request.prompt)) * (not answer.tokens))

    def _make_room(self, answer: Answer, length: int) -> bool:
        """Give a sequence the blocks for `length` tokens, False where there are not enough."""
        while len(answer._blocks) * self._pool.size < length:
            block = self._pool.allocate(answer._blocks[-1] if answer._blocks else None)
            if block is None:
                return False
            answer._blocks.append(block)
        return True

    def _seal(self, answer: Answer) -> None:
        """Let others find the blocks that are full."""
        size = self._pool.size
        while (answer._sealed + 1) * size <= answer._read:
            tokens = answer._ids[answer._sealed * size : (answer._sealed + 1) * size]
            answer._content = self._pool.seal(answer._blocks[answer._sealed], answer._content, tokens)
            answer._sealed += 1

    def _take(self, answer: Answer, start: int, logits: Logits) -> None:
        """What follows from the logits of a sequence that has read up to `answer._read`."""
        request = answer.request
        if request.echo and start < len(request.prompt) and len(answer.echoed) < len(request.prompt):
            self._echo(answer, start, logits)
        if answer._pending:
            return
        if request.limit == 0:
            self._end(answer, "length")
            return
        guess, answer._guess = answer._guess, []
        answer.guessed += len(guess)
        for guessed, row in zip([*guess, None], logits[-1 - len(guess) :], strict=True):
            self._choose(answer, row)
            if answer.finish is not None or answer._ids[-1] != guessed:
                return
            answer.accepted += 1
            answer._read += 1
            self._seal(answer)

    def _choose(self, answer: Answer, logits: Logits) -> None:
        """Choose the next token of a sequence, logits (vocabulary,), and end it there if it ends."""
        request = answer.request
        left = min(request.limit - len(answer.tokens), self.context - len(answer._ids))
        token = answer._chooser.choose(logits, left)
        told = _told(token, logits, request.logprobs)
        if token in request.stops:
            answer.ending = told
            self._end(answer, "stop")
            return
        answer.tokens.append(told)
        answer._ids.append(token)
        if request.ended(token) or answer._chooser.finished:
            self._end(answer, "stop")
        elif len(answer.tokens) >= request.limit or len(answer._ids) >= self.context:
            self._end(answer, "length")

    def _echo(self, answer: Answer, start: int, logits: Logits) -> None:
        """Tell the probabilities of the prompt's tokens that these logits predict: those behind start."""
        prompt = answer.request.prompt
        if start == 0:
            answer.echoed = [Token(prompt[0])]
        for row, position in enumerate(range(start + 1, min(start + len(logits) + 1, len(prompt)))):
            if position == len(answer.echoed):  # a sequence that lost its place is read again
                answer.echoed.append(_told(prompt[position], logits[row], answer.request.logprobs))

    def _end(self, answer: Answer, finish: Finish, error: Exception | None = None) -> None:
        self._pool.release(answer._blocks)
        answer._rest()
        if answer in self._running:
            self._running.remove(answer)
        elif answer in self._waiting:
            self._waiting.remove(answer)
        answer.error = error
        answer.finish = finish


def _part(answer: Answer, size: int) -> Part:
    """What a sequence reads in a step, and its guess."""
    wanted: Literal["none", "last", "every"] = "last" if size == answer._pending else "none"
    if answer._guess or (answer.request.echo and answer._read < len(answer.request.prompt)):
        wanted = "every"
    ids = answer._ids[answer._read : answer._read + size] + answer._guess
    return Part(ids, answer._read, list(answer._blocks), answer._long, wanted)


def _repeats(answer: Answer, other: Answer, size: int, block: int) -> bool:
    """Whether `other` reads in this very step a block that `answer` would read: it will be found one step later."""
    end = answer._read + block
    return (
        answer._pending > block
        and not answer.request.echo
        and answer._long == other._long
        and other._read <= answer._read
        and end <= other._read + size
        and answer._ids[:end] == other._ids[:end]
    )


def _told(token: int, logits: np.ndarray, top: int | None) -> Token:
    """A token with its probability, logits (vocabulary,), and `top` likeliest ones."""
    if top is None:
        return Token(token)
    logs = log_shares(logits)
    likeliest = np.argpartition(-logs, top)[:top] if top else np.zeros(0, np.int64)
    likeliest = likeliest[np.lexsort((likeliest, -logs[likeliest]))]
    return Token(token, float(logs[token]), tuple((int(one), float(logs[one])) for one in likeliest))
