"""Prompt look-up: what a text goes on with, guessed from where its last two tokens stood before, in itself.

A model that summarises, edits or repeats itself copies what it has read. The guess costs nothing, and an executor reads
several tokens of a sequence for far less than one step each; so what is guessed is read along, and kept as far as the
model chooses the same (Saxena 2023, prompt look-up decoding; Leviathan et al. 2023, arXiv:2211.17192; Chen et al. 2023,
arXiv:2302.01318). How much is guessed follows from how often guesses came true in this very text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

MOST = 16  # tokens that are guessed at a time
_LENGTHS = 8  # longer agreements are taken for equally good
_WEIGHT = 4.0  # so many guesses the belief before the first one counts for
_GAIN = 1.1  # a step has to be faster by this much, since what it costs is known roughly


class PromptLookup:
    """The guesses of one sequence, whose tokens so far are `ids`, a list that grows.

    A source is a place in `ids` that is expected to come next, since `agreed` tokens before it are those at the end.
    """

    def __init__(self, ids: Sequence[int], prompt: int) -> None:
        """prompt: how many of the ids were not chosen by the model; nothing is learnt from them."""
        self._ids, self._prompt = ids, prompt
        self._seen = 0
        self._behind: dict[tuple[int, int], int] = {}  # where the text went on behind two tokens, the last time
        self._source: int | None = None
        self._agreed = 0
        # By how many tokens agreed: guesses that came true, and all. Before the first one, half of what is missing to
        # certainty goes with every two tokens.
        self._right = [_WEIGHT * (1 - 0.5 ** (agreed / 2)) for agreed in range(_LENGTHS + 1)]
        self._all = [_WEIGHT] * (_LENGTHS + 1)

    def guess(self, most: int, tokens: int, made: float, cost: Callable[[int], float]) -> tuple[list[int], float]:
        """What is worth reading along, `most` tokens at most, and how many of them are expected to come true.

        tokens: what the step reads without them. made: how many tokens of answers it makes. cost: of a step of so many
        tokens, in any unit. As many are guessed as make tokens fastest, all sequences of the step together.
        """
        if not self.follow():
            return [], 0.0
        assert self._source is not None
        # A further token is never surer than those before it, and never cheaper: beyond the fastest, all are slower.
        speed = made / cost(tokens)
        least, count, gain = speed * _GAIN, 0, 0.0
        share, expected = 1.0, 0.0
        for index in range(min(most, MOST)):
            share *= self._chance(self._agreed + index)
            expected += share
            before, speed = speed, (made + expected) / cost(tokens + index + 1)
            if speed <= before:
                break
            if speed > least:
                count, gain = index + 1, expected
        # What reaches beyond the end goes on with what was guessed: a text that repeats itself.
        period = len(self._ids) - self._source
        return [self._ids[self._source + index % period] for index in range(count)], gain

    def _chance(self, agreed: int) -> float:
        """How likely the token behind so many that agreed is the right one."""
        at = min(agreed, _LENGTHS)
        return self._right[at] / self._all[at]

    def follow(self) -> bool:
        """Take in what came since the last time; whether there is anything to guess."""
        ids, source = self._ids, self._source
        for at in range(self._seen, len(ids)):
            token = ids[at]
            if source is not None:
                right = ids[source] == token
                if at >= self._prompt:
                    length = min(self._agreed, _LENGTHS)
                    self._right[length] += right
                    self._all[length] += 1
                source, self._agreed = (source + 1, self._agreed + 1) if right else (None, 0)
            if at:
                pair = ids[at - 1], token
                if source is None and (source := self._behind.get(pair)) is not None:
                    self._agreed = 2
                self._behind[pair] = at + 1
        self._seen, self._source = len(ids), source
        return source is not None
