"""The texts stage: sources of a recipe that the teacher writes, `teacher:KIND#COUNT`, each a corpus of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict
from rich.markup import escape

from hornbook.display import plural
from hornbook.progress import Progress
from hornbook.runs.effort import Effort
from hornbook.runs.stage import Input, Stage, Work
from hornbook.settings import Settings
from hornbook.teacher.diversity import compare
from hornbook.teacher.kinds.draws import extracts
from hornbook.teacher.kinds.folder import Folder
from hornbook.teacher.kinds.rows import Asker
from hornbook.teacher.kinds.source import KindSource, LlmRows, Order
from hornbook.teacher.kinds.template import Kind, load
from hornbook.teacher.producer import produce
from hornbook.teacher.settings import PREFIX, TeacherSettings, ordered

if TYPE_CHECKING:
    from hornbook.sandbox.sandbox import Sandbox

BUILTIN_COMPARE = 200  # texts of one fixed plan that the built-in teacher's diversity is held against


def texts_settings(
    sources: Mapping[str, str], teacher: TeacherSettings | None, *, base: Path, seed: int
) -> dict[str, Any]:
    """What decides the texts. `sources`: paths by name; template files are relative to `base`."""
    orders = [_order(name, path, teacher, base, seed) for name, path in sorted(sources.items())]
    return {
        "seed": seed,
        "teacher": teacher.client().model if teacher else "builtin",
        "texts": [
            {"source": one.source, "kind": one.kind.name, "template": one.kind.digest, "count": one.count}
            for one in orders
        ],
        "compare": teacher.compare if teacher else BUILTIN_COMPARE,
    }


def needs_documents(sources: Mapping[str, str], base: Path) -> bool:
    """Whether any of the templates starts from documents of a corpus."""
    return any(_draws_extracts(load(ordered(path)[0], base)) for path in sources.values())


def write_texts(
    sources: Mapping[str, str],
    teacher: TeacherSettings | None,
    corpus: Path | None,
    *,
    base: Path,
    seed: int,
    into: Path,
    progress: Progress,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Write each source as the corpus `into/NAME`. Returns the figures of each, and how many documents there are.

    `corpus` holds the documents that some templates start from.
    """
    written: dict[str, Any] = {}
    for name, path in sorted(sources.items()):
        order = _order(name, path, teacher, base, seed)
        if corpus is not None and _draws_extracts(order.kind):
            order = replace(order, extracts=extracts(corpus, order.count, seed=seed))
        if teacher is None:
            written[name] = write_kind(order, None, into=into / name, progress=progress)
            continue
        from hornbook.teacher.client.client import Client

        with Client(teacher.client(), progress) as client:
            figures = write_kind(order, client, into=into / name, allow_unisolated=allow_unisolated)
            written[name] = {**figures, "requests": client.figures.as_dict()}
            progress.say(escape(f"  {name}: {client.figures.line()}"))
    return {
        "documents": sum(one["documents"] for one in written.values()),
        "characters": sum(one["characters"] for one in written.values()),
        "texts": written,
    }


def write_kind(
    order: Order,
    asker: Asker | None,
    *,
    into: Path,
    progress: Progress | None = None,
    allow_unisolated: bool = False,
) -> dict[str, Any]:
    """Write rows of one kind as the corpus `into`, by an LLM or, without one, by the built-in teacher.

    Returns the figures. Raises UserError where not one row passes, code cannot be isolated or the built-in teacher
    does not know the kind, and BudgetError when a budget ends the run.
    """
    source: KindSource
    if asker is None:
        from hornbook.teacher.builtin.texts import texts_of

        source = texts_of(order)
    else:
        source = LlmRows(order, asker)
    with ExitStack() as stack:
        sandbox = stack.enter_context(_sandbox(allow_unisolated)) if order.kind.template.check.run else None
        folder = stack.enter_context(Folder(into, order.kind, source=order.label, teacher=source.name))
        tally = produce(
            source, order.count, folder, label=order.label, teacher=source.name, sandbox=sandbox, progress=progress
        )
    return {
        "kind": order.kind.name,
        "teacher": source.name,
        "asked": tally.asked,
        "documents": tally.kept,
        "characters": sum(map(len, folder.texts)),
        "removed": tally.reasons(),
        "coverage": source.coverage(folder.drawn),
        "diversity": compare(folder.texts, source.fixed()),
    }


def _sandbox(allow_unisolated: bool) -> Sandbox:
    from hornbook.sandbox.sandbox import Sandbox

    return Sandbox(allow_unisolated=allow_unisolated)


def _order(name: str, path: str, teacher: TeacherSettings | None, base: Path, seed: int) -> Order:
    kind, count = ordered(path)
    compare = teacher.compare if teacher else BUILTIN_COMPARE
    return Order(load(kind, base), count, seed, name, (), min(compare, count))


def _draws_extracts(kind: Kind) -> bool:
    return any(draw.extract for draw in kind.template.draw.values())


class OrderedSource(Settings):
    """What the teacher has to know of a recipe's source."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)

    name: str
    path: str


class TextsStageSettings(Settings):
    """What the texts stage depends on."""

    seed: int = 1
    sources: tuple[OrderedSource, ...]
    teacher: TeacherSettings | None = None

    @property
    def ordered(self) -> dict[str, str]:
        """The sources that the teacher writes: their paths by name."""
        return {source.name: source.path for source in self.sources if source.path.startswith(PREFIX)}

    @property
    def count(self) -> int:
        """Texts in all."""
        return sum(ordered(path)[1] for path in self.ordered.values())


def _needs_documents(settings: TextsStageSettings, base: Path) -> bool:
    return needs_documents(settings.ordered, base)


def _texts(work: Work[TextsStageSettings]) -> dict[str, Any]:
    return write_texts(
        work.settings.ordered,
        work.settings.teacher,
        work.inputs.get("corpus"),
        base=work.base,
        seed=work.settings.seed,
        into=work.into,
        progress=work.progress,
        allow_unisolated=work.allow_unisolated,
    )


def _texts_decides(settings: TextsStageSettings, base: Path) -> dict[str, Any]:
    return texts_settings(settings.ordered, settings.teacher, base=base, seed=settings.seed)


TEXTS = Stage(
    name="texts",
    summary="what the teacher writes as a source",
    settings=TextsStageSettings,
    run=_texts,
    inputs=(
        Input(
            "corpus",
            ("filter", "read"),
            "A corpus folder: one with documents/ in it.",
            optional=True,
            when=_needs_documents,
        ),
    ),
    runs_generated_code=True,
    wanted=lambda settings: bool(settings.ordered),
    decides=_texts_decides,
    headline=lambda f: ", ".join(f"{one['documents']:,} {name}" for name, one in f["texts"].items()),
    estimate=lambda settings, volume: Effort(plural(settings.count, "text"), settings.count / 2_000),
)
