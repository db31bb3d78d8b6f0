"""What the built-in teacher writes as sources of text: stories, and facts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.teacher.builtin import facts, stories, story_cast
from hornbook.teacher.builtin.stories import Story
from hornbook.teacher.builtin.story_plots import PLOTS
from hornbook.teacher.kinds.draws import Drawn
from hornbook.teacher.kinds.rows import Written
from hornbook.teacher.kinds.source import KindSource, Order
from hornbook.teacher.kinds.template import FOLDER, Kind
from hornbook.teacher.producer import Composed, Failed, nothing_wrong
from hornbook.teacher.settings import BUILTIN_KINDS

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

SEPARATOR = ", "  # of several values


def check_kind(kind: Kind) -> None:
    """Raise UserError for a kind that only an LLM can write, and for a template of one's own."""
    who = "name an LLM with --teacher URL#MODEL, or in the recipe's [teacher] table"
    if kind.name not in BUILTIN_KINDS:
        raise UserError(f"the built-in teacher writes {', '.join(BUILTIN_KINDS)}; for {kind.name} {who}")
    if kind.folder.resolve() != FOLDER.resolve():
        raise UserError(f"the built-in teacher reads no templates; for {kind.folder / kind.name}.toml {who}")


class _Texts:
    """What sources of composed texts have in common: each is right as it is made."""

    name = "builtin"
    hint = ""

    def __init__(self, order: Order, rows: Iterator[Written]) -> None:
        self._order = order
        self._rows = Composed(rows)

    def more(self, count: int) -> Generator[Written | Failed, None, None]:
        """See `Source.more`."""
        yield from self._rows.more(count)

    def complaints(self, rows: Sequence[Written], sandbox: Sandbox | None) -> Iterable[str]:
        """See `Source.complaints`."""
        return nothing_wrong(rows, sandbox)


class Stories(_Texts):
    """A `Source` of composed stories; each is right, and none is told twice."""

    def __init__(self, order: Order) -> None:
        told = enumerate(stories.stories(order.count, seed=order.seed))
        super().__init__(order, (self._row(number, story, order.kind.name) for number, story in told))

    def coverage(self, drawn: Sequence[Drawn]) -> dict[str, dict[str, int]]:
        """How many of the words, plots and features these rows have used."""
        nouns = {word for words in story_cast.NOUNS.values() for word in words}
        adjectives = {word for words in (*story_cast.ADJECTIVES.values(), story_cast.OF_HEROES) for word in words}
        possible = {
            "verb": len(story_cast.VERBS),
            "noun": len(nouns),
            "adjective": len(adjectives),
            "plot": len(PLOTS),
        }
        used = {name: {one.values[name] for one in drawn} for name in possible}
        features = {feature for one in drawn for feature in one.values["features"].split(SEPARATOR) if feature}
        return {
            **{name: {"used": len(used[name]), "of": of} for name, of in possible.items()},
            "features": {"used": len(features), "of": len(stories.FEATURES)},
        }

    def fixed(self) -> list[str]:
        """Texts of one plan: what came of asking again and again with one fixed prompt."""
        order = self._order
        return stories.retold(min(order.compare, order.count), seed=order.seed)

    @staticmethod
    def _row(number: int, story: Story, kind: str) -> Written:
        values = {
            name: SEPARATOR.join(value) if isinstance(value, list) else str(value)
            for name, value in story.seeds.items()
        }
        return Written(Drawn(number, values), {}, story.text, kind)


class Facts(_Texts):
    """A `Source` of days' football results; no day comes twice."""

    def __init__(self, order: Order) -> None:
        told = enumerate(facts.days(order.count, seed=order.seed))
        super().__init__(order, (Written(Drawn(number, {}), {}, text, order.kind.name) for number, text in told))

    def coverage(self, drawn: Sequence[Drawn]) -> dict[str, dict[str, int]]:
        """How many of the days these rows have used."""
        return {"day": {"used": len({one.number for one in drawn}), "of": facts.DAYS}}

    def fixed(self) -> list[str]:
        """Texts of one day: what would come of asking for it again and again."""
        order = self._order
        return facts.replayed(min(order.compare, order.count), seed=order.seed)


SOURCES: dict[str, Callable[[Order], KindSource]] = {
    "stories": Stories,
    "facts": Facts,
}  # by kind; `settings.BUILTIN_KINDS` names the same


def texts_of(order: Order) -> KindSource:
    """The source of an order's rows. Raises UserError as `check_kind` does."""
    check_kind(order.kind)
    return SOURCES[order.kind.name](order)
