"""The blocks of a paged cache: who has which, what full ones hold, and which leave when room is needed.

A full block is known by the block before it and its tokens, so that a chain of blocks is a prefix, compared exactly.
Blocks that no sequence has keep what they hold until they are needed: the least recently used leaves first, and of a
sequence's blocks the last, since a prefix is worth nothing without its beginning.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

ROOTS = {
    False: -1,
    True: -2,
}  # what the first block follows: a prefix read under LongRoPE's long factors is another one

_Key = tuple[int, tuple[int, ...]]


class Blocks:
    """`count` blocks of `size` tokens. A content is the number of what a full block holds; no number is used twice."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size
        self._users = np.zeros(count, np.int64)
        self._empty = np.ones(count, np.bool_)  # nobody has it, and it holds nothing that is worth keeping
        self._content: dict[_Key, tuple[int, int]] = {}  # -> its number, and the block that holds it
        self._key: dict[int, _Key] = {}  # of blocks
        self._idle: OrderedDict[int, None] = OrderedDict()  # full, and nobody has them; the next to leave first
        self._made = 0

    @property
    def available(self) -> int:
        """How many blocks `allocate` can still give."""
        return int(self._empty.sum()) + len(self._idle)

    @property
    def used(self) -> int:
        """How many blocks sequences have."""
        return self.count - self.available

    def find(self, before: int, tokens: Sequence[int]) -> tuple[int, int] | None:
        """Content and block of what follows the content `before` with these tokens; the caller has the block then."""
        found = self._content.get((before, tuple(tokens)))
        if found is not None:
            self._idle.pop(found[1], None)
            self._users[found[1]] += 1
        return found

    def allocate(self, after: int | None) -> int | None:
        """A block for writing: the one behind `after` if it is empty, so that a sequence lies side by side; or None."""
        if after is not None and after + 1 < self.count and self._empty[after + 1]:
            block = after + 1
        elif self._empty.any():
            block = self._roomiest()
        elif self._idle:
            block = self._idle.popitem(last=False)[0]
            del self._content[self._key.pop(block)]
        else:
            return None
        self._empty[block] = False
        self._users[block] = 1
        return block

    def seal(self, block: int, before: int, tokens: Sequence[int]) -> int:
        """A block is full and will not be written again: others may find it. Returns the number of its content."""
        key = (before, tuple(tokens))
        if key not in self._content:
            self._made += 1
            self._content[key] = (self._made, block)
            self._key[block] = key
        return self._content[key][0]

    def release(self, blocks: Sequence[int]) -> None:
        """A sequence has these blocks, in its order, no longer."""
        for block in reversed(blocks):
            self._users[block] -= 1
            if self._users[block] == 0:
                if block in self._key:
                    self._idle[block] = None
                else:
                    self._empty[block] = True

    def _roomiest(self) -> int:
        """Where a sequence has most room to grow: the first of the empty blocks, or the middle of the longest run."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], self._empty, [False])).astype(np.int8)))
        starts, ends = edges[::2], edges[1::2]
        longest = int((ends - starts).argmax())
        start, end = int(starts[longest]), int(ends[longest])
        return start if start == 0 or end - start < 2 else (start + end) // 2
