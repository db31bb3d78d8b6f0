"""Rows of a template from an LLM: each is asked for with seeds of its own."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hornbook.seeds import derive
from hornbook.teacher.checks import complaints
from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.kinds.draws import Drawn, Extract, Supply, coverage, draw
from hornbook.teacher.kinds.rows import Asker, Written, request_for, written
from hornbook.teacher.kinds.template import Kind
from hornbook.teacher.kinds.topics import grow, roots
from hornbook.teacher.producer import Failed, Source, attempt

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class Order:
    """What is to be written: `count` rows of a kind. `source` is what the documents' source column says.

    `compare` texts are asked for with one fixed prompt as well, to hold the diversity against; 0: none.
    """

    kind: Kind
    count: int
    seed: int = 1
    source: str = ""
    extracts: Sequence[Extract] = ()
    compare: int = 0

    @property
    def label(self) -> str:
        """What the rows are called where people read of them."""
        return self.source or self.kind.name


class KindSource(Source[Written], Protocol):
    """A source of the rows of one order, and what there is to tell of them."""

    @property
    def name(self) -> str:
        """Who writes."""

    def coverage(self, drawn: Sequence[Drawn]) -> dict[str, dict[str, int]]:
        """For each thing that is drawn, how many of its possible values these rows have used."""

    def fixed(self) -> list[str]:
        """Texts that came of one fixed prompt, to hold the diversity against."""


class LlmRows:
    """A `KindSource` of the rows that an LLM writes by a template.

    The same order brings the same requests, so a client with a cache pays for none of them twice.
    """

    hint = (
        "Every answer is kept in the cache, so that the same again asks nothing: "
        "change the template, the model or the seed"
    )

    def __init__(self, order: Order, asker: Asker) -> None:
        self._order, self._asker = order, asker
        self._asked, self._supply = 0, Supply()

    @property
    def name(self) -> str:
        """Who writes."""
        return self._asker.name

    def more(self, count: int) -> Generator[Written | Failed, None, None]:
        """See `Source.more`. Raises BudgetError when a budget ends the run."""
        order, numbers = self._order, range(self._asked, self._asked + count)
        self._asked += count
        self._supply = _supply(order, self._asker, self._asked)
        requests = rows_of(order, self._supply, numbers)
        with closing(self._asker.ask(requests, total=count, label=f"write {order.label}")) as answers:
            for answer in answers:
                yield read(order, answer)

    def complaints(self, rows: Sequence[Written], sandbox: Sandbox | None) -> Iterable[str]:
        """See `Source.complaints`."""
        return complaints(self._order.kind, rows, sandbox)

    def coverage(self, drawn: Sequence[Drawn]) -> dict[str, dict[str, int]]:
        """For each placeholder, how many of its possible values these rows have used."""
        return coverage(self._order.kind, drawn, self._supply)

    def fixed(self) -> list[str]:
        """Texts of one prompt, the first row's, each asked for with a seed of its own."""
        order = self._order
        count = min(order.compare, order.count)
        if not count:
            return []
        drawn = draw(order.kind, 0, order.seed, self._supply)
        requests = (
            request_for(order.kind, drawn.values, derive(order.seed, order.kind.name, "fixed", number), drawn)
            for number in range(count)
        )
        answers = self._asker.ask(requests, total=count, label="one fixed prompt")
        rows = [read(order, answer) for answer in answers]
        return [row.text for row in rows if isinstance(row, Written)]


def rows_of(order: Order, supply: Supply, numbers: Iterable[int]) -> Iterator[Request]:
    """The requests of some rows."""
    for number in numbers:
        drawn = draw(order.kind, number, order.seed, supply)
        yield request_for(order.kind, drawn.values, derive(order.seed, order.kind.name, "row", number), drawn)


def read(order: Order, answer: Answer) -> Written | Failed:
    """The row that an answer comes to."""
    drawn: Drawn = answer.request.about
    if not answer.ok:
        return Failed(f"no answer ({answer.failure}): {answer.detail}", drawn.number)
    value = answer.text if order.kind.template.plain else answer.value
    return attempt(lambda: written(order.kind, drawn, value, order.seed), drawn.number)


def preview(order: Order) -> Iterator[Request]:
    """All requests as far as they are known without asking anything: trees of topics stay at their first level."""
    topics = {
        name: [topic.name for topic in roots(how, order.kind, order.seed)]
        for name, how in order.kind.template.draw.items()
        if how.topics
    }
    yield from rows_of(order, Supply(topics, order.extracts), range(order.count))


def _supply(order: Order, asker: Asker, rows: int) -> Supply:
    """Topics for so many rows, grown as far as that takes, and the extracts."""
    draws = order.kind.template.draw.items()
    grown = {name: grow(how, order.kind, asker, rows, seed=order.seed) for name, how in draws if how.topics}
    return Supply(grown, order.extracts)
