"""`hornbook audit --tasks`: what of the examination is asked, and what its scores are worth."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.model import model_folder
from hornbook.progress import Progress
from hornbook.runs.folders import is_model
from hornbook.settings import comma_separated, validated
from hornbook.teacher.client.settings import ClientSettings

if TYPE_CHECKING:
    from hornbook.audit.model import Asking
    from hornbook.audit.resemblance import Asked
    from hornbook.evaluate.exam.settings import ExamSettings


@dataclass(frozen=True)
class Exam:
    """What of the examination is asked. model: who is asked, None for a `result` of a model that is not here."""

    settings: ExamSettings
    asked: list[Asked]
    model: Path | None
    result: Path | None

    def audited(
        self,
        trained: tuple[Path | None, dict[str, Any] | None, ClientSettings | None],
        unseen: Path | None,
        into: Path,
        asking: Asking,
        progress: Progress,
    ) -> dict[str, Any]:
        """What scores are worth: of a result that is there, or of an examination that is made."""
        from hornbook.audit.exam import Trained, audit_candidate, audit_result
        from hornbook.audit.rephrasings.embeddings import EndpointEmbedder
        from hornbook.audit.rephrasings.tfidf import TfidfEmbedder
        from hornbook.evaluate.exam.examination import load

        corpus, found, vectors = trained
        with EndpointEmbedder(vectors) if vectors is not None else nullcontext(TfidfEmbedder()) as embedder:
            learned = Trained(corpus, found, embedder)
            if self.result is not None:
                return audit_result(self.result, self.asked, learned, progress)
            assert self.model is not None, "what is no result is a model"
            settings = self.settings
            candidate = load(self.model, settings, asking.precision)
            return audit_candidate(
                candidate,
                settings,
                self.asked,
                learned,
                into,
                progress,
                unseen=unseen,
                asking=asking,
            )


def exam_of(what: str, against: Path | None, unseen: Path | None, options: dict[str, Any]) -> Exam | None:
    """The benchmarks that `--tasks`, `--suite` or a result name, with their rows; None where `--against` does."""
    from hornbook.audit.resemblance import asked_rows, rows_of
    from hornbook.evaluate.exam import RESULTS
    from hornbook.evaluate.exam.compare import results
    from hornbook.evaluate.exam.settings import ExamSettings

    given = {name: value for name, value in options.items() if value not in (None, "")}
    result = Path(what) if (Path(what) / RESULTS).is_file() else None
    named = comma_separated(given.pop("tasks", ""))
    if result is None and not named and "suite" not in given:
        if given:
            raise UserError(f"--{next(iter(given))} belongs to --tasks NAMES or --suite NAME")
        return None
    if against is not None:
        raise UserError("--against asks for items of files and --tasks for the examination's; give one of them")
    if result is None:
        settings = validated(ExamSettings, {**given, "benchmarks": named}, "the examination")
        folder = model_of(what)
        if folder is None:
            raise UserError(f"{what} is no model to put benchmarks to; --against DIR looks for them in a corpus")
        return Exam(settings, asked_rows(settings), folder, None)
    if given.keys() & {"limit", "shots", "suite"}:
        raise UserError(f"{what} is a result: its questions are asked; leave out --limit, --shots and --suite")
    if unseen is not None:
        raise UserError(f"{what} is a result, and --unseen is for asking its model: name that, with --tasks")
    told = results(result)
    before = {name: value for name, value in told["settings"].items() if name != "benchmarks"}
    asked = (one for one in told["settings"]["benchmarks"] if Path(one).stem in told["benchmarks"])
    names = named or tuple(asked) or tuple(told["benchmarks"])
    settings = validated(ExamSettings, {**before, **given, "benchmarks": names}, f"{result}/{RESULTS}")
    model = Path(str(told["candidate"].get("model", "")))
    return Exam(settings, rows_of(result, settings), model if is_model(model) else None, result)


def model_of(what: str) -> Path | None:
    """The model that a user means, or None for a corpus or a run."""
    folder = Path(what)
    if folder.is_dir() and not any(map(is_model, (folder, folder / "model"))):
        return None
    return model_folder(what)
