"""What exercises are composed of. A part has code, a meaning of its own that does not run the code, and words.

Templates use `{v}` for the value a part is applied to and `{k}` for the constant drawn with it, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# How tightly an expression binds: an operand looser than its place needs is put in parentheses.
SUM, PRODUCT, POWER, ATOM = 1, 2, 3, 4


@dataclass(frozen=True)
class Part:
    """One choice on one axis of a family. `words` holds one entry a wording; subclasses say of what type."""

    key: str
    slug: str
    code: str
    apply: Callable[..., Any]
    words: tuple[Any, ...]
    constants: tuple[Any, ...] = ()
    level: int = ATOM

    def bind(self, k: Any, wording: int) -> Bound:
        """The part with its constant `k` (None where it has none) and one of its wordings."""
        return Bound(self, k, wording)


@dataclass(frozen=True)
class Bound:
    """A part whose constant and wording are chosen."""

    part: Part
    k: Any
    wording: int

    @property
    def key(self) -> str:
        """The part's key."""
        return self.part.key

    def code(self, v: str, need: int = 0) -> str:
        """The expression for the value named `v`, in parentheses where it binds less than `need`."""
        text = self.part.code.format(v=v, k=self.k)
        return f"({text})" if self.part.level < need else text

    def apply(self, *values: Any) -> Any:
        """What the part means for `values`."""
        return self.part.apply(*values, self.k)

    def words(self, **slots: str) -> str:
        """The chosen wording with its slots filled; for parts whose wordings are single templates."""
        text: str = self.part.words[self.wording]
        return text.format(k=self.k, **slots)


@dataclass(frozen=True)
class GroupWords:
    """`group`: "even {noun}"; `are`: "are even"; `be`: "is even"."""

    group: str
    are: str
    be: str


class Test(Part):
    """True or False of a value."""

    def bind(self, k: Any, wording: int) -> BoundTest:
        """See `Part.bind`."""
        return BoundTest(self, k, wording)


@dataclass(frozen=True)
class BoundTest(Bound):
    """A test with its constant and wording."""

    @property
    def always(self) -> bool:
        """Whether this is the test that everything passes, which has no code."""
        return not self.part.code

    @property
    def be(self) -> str:
        """As said of one thing: "is even"."""
        return self._words.be.format(k=self.k)

    @property
    def are(self) -> str:
        """As said of several: "are even"."""
        return self._words.are.format(k=self.k)

    @property
    def _words(self) -> GroupWords:
        words: GroupWords = self.part.words[self.wording]
        return words

    def group(self, noun: str) -> str:
        """The things that pass, without the article: "even numbers"."""
        return self._words.group.format(noun=noun, k=self.k)

    def those(self, noun: str, source: str, form: int) -> str:
        """The things of `source` that pass: "the even numbers in values", or "the numbers in values that are even"."""
        if form % 2 and not self.always:
            return f"the {noun} in {source} that {self.are}"
        return f"the {self.group(noun)} in {source}"

    def condition(self, v: str) -> str:
        """` if CODE` for a comprehension, or nothing for the test that everything passes."""
        return "" if self.always else f" if {self.code(v)}"


@dataclass(frozen=True)
class ChangeWords:
    """`one`: "the square of {x}"; `many`: "the squares of {x}"; `then`: "squared"."""

    one: str
    many: str
    then: str


class Change(Part):
    """A value made of a value."""

    def bind(self, k: Any, wording: int) -> BoundChange:
        """See `Part.bind`."""
        return BoundChange(self, k, wording)


@dataclass(frozen=True)
class BoundChange(Bound):
    """A change with its constant and wording."""

    @property
    def same(self) -> bool:
        """Whether this is the change that changes nothing."""
        return self.part.code == "{v}"

    @property
    def then(self) -> str:
        """As a participle: "squared"."""
        words: ChangeWords = self.part.words[self.wording]
        return words.then.format(k=self.k)

    def one(self, x: str) -> str:
        """Of one thing: "the square of n"."""
        words: ChangeWords = self.part.words[self.wording]
        return words.one.format(x=x, k=self.k)

    def many(self, x: str) -> str:
        """Of several things: "the squares of the even numbers in values"."""
        words: ChangeWords = self.part.words[self.wording]
        return words.many.format(x=x, k=self.k)


ALL = Test("all", "", "", lambda v, k: True, (GroupWords("{noun}", "are there", "is there"),))
SAME = Change("same", "", "{v}", lambda v, k: v, (ChangeWords("{x}", "{x}", "left alone"),))


@dataclass(frozen=True)
class JoinWords:
    """`one`: "is even and is positive"; `many`: "are even and are positive"; from {x} and {y}."""

    one: str
    many: str


class Join(Part):
    """How two tests make one."""

    def bind(self, k: Any, wording: int) -> BoundJoin:
        """See `Part.bind`."""
        return BoundJoin(self, k, wording)


@dataclass(frozen=True)
class BoundJoin(Bound):
    """A join with its wording."""

    def be(self, first: BoundTest, second: BoundTest) -> str:
        """Of one thing: "is even and is greater than 3"."""
        words: JoinWords = self.part.words[self.wording]
        return words.one.format(x=first.be, y=second.be)

    def are(self, first: BoundTest, second: BoundTest) -> str:
        """Of several: "are even and are greater than 3"."""
        words: JoinWords = self.part.words[self.wording]
        return words.many.format(x=first.are, y=second.are)

    def condition(self, first: BoundTest, second: BoundTest, v: str) -> str:
        """The code that tests the value named `v`."""
        return self.part.code.format(x=first.code(v), y=second.code(v))

    def passes(self, first: BoundTest, second: BoundTest, value: Any) -> bool:
        """What the joined test means for `value`."""
        return bool(self.part.apply(first.apply(value), second.apply(value)))


JOINS = (
    Join("and", "and", "{x} and {y}", lambda x, y: x and y, (JoinWords("{x} and {y}", "{x} and {y}"),)),
    Join("or", "or", "{x} or {y}", lambda x, y: x or y, (JoinWords("{x} or {y}", "{x} or {y}"),)),
    Join(
        "but_not",
        "not",
        "{x} and not {y}",
        lambda x, y: x and not y,
        (JoinWords("{x} but not if it {y}", "{x}, except those that {y}"),),
    ),
    Join(
        "xor",
        "either",
        "({x}) != ({y})",
        lambda x, y: x is not y,
        (JoinWords("either {x} or {y}, not both", "either {x} or {y}, not both"),),
    ),
)


def each(change: BoundChange, v: str, source: str, test: BoundTest) -> str:
    """The inside of a comprehension: `v * v for v in values if v > 3`."""
    return f"{change.code(v)} for {v} in {source}{test.condition(v)}"
