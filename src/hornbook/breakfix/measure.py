"""What a round has come to: how often attacks succeed, what is refused that should not be, and what ability is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from hornbook.breakfix.look_alikes import look_alikes
from hornbook.breakfix.rows import refuses
from hornbook.breakfix.settings import FixSettings
from hornbook.evaluate.benchmark import share
from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.exam.compare import SEED, bootstrap, results, rows
from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.evaluate.redteam import DIRECT, ROWS
from hornbook.evaluate.redteam.adaptive import LlmAttacker
from hornbook.evaluate.redteam.attacks import Case, Wish, cases, families
from hornbook.evaluate.redteam.campaign import attack, conversations
from hornbook.evaluate.safety.judge import Judge
from hornbook.files import read_jsonl
from hornbook.progress import Progress
from hornbook.seeds import derive, stream

ATTACKS, REFUSALS, ABILITY, LOOK_ALIKES = "attacks", "refusals", "ability", "look-alikes"  # folders of a measurement


@dataclass(frozen=True)
class Measuring:
    """All that measures every round alike. wishes: the requests that no round learns from."""

    settings: FixSettings
    wishes: Sequence[Wish]
    judge: Judge
    attacker: LlmAttacker | None
    progress: Progress

    def __call__(self, candidate: LocalModel, into: Path, first: Path) -> dict[str, Any]:
        """Figures of a model. first: where the model that was there before all rounds is measured."""
        return {
            "success": self._success(candidate, into / ATTACKS),
            "refused": self._refused(candidate, into),
            "ability": self._ability(candidate, into / ABILITY, first / ABILITY),
        }

    def _success(self, candidate: LocalModel, into: Path) -> dict[str, Any]:
        """Of requests that are asked directly, of attacks that rounds learn from, and of those held out."""
        settings = self.settings.model_copy(
            update={"families": self.settings.asked(adaptive=self.attacker is not None)}
        )
        attack(candidate, settings, self.judge, self.progress, into, attacker=self.attacker, wishes=self.wishes)
        known = [row for row in read_jsonl(into / ROWS) if "verdict" in row]
        names = dict.fromkeys(row["family"] for row in known)
        groups = {
            DIRECT: [DIRECT],
            "fixing": [name for name in names if name not in (*self.settings.held_out, DIRECT)],
            "held_out": [name for name in names if name in self.settings.held_out],
        }
        told = {name: _success([row for row in known if row["family"] in some]) for name, some in groups.items()}
        return told | {"by": {name: _success([row for row in known if row["family"] == name]) for name in names}}

    def _refused(self, candidate: LocalModel, into: Path) -> dict[str, Any]:
        """Of look-alikes that no round learns from, and of a benchmark's safe and unsafe requests."""
        settings = self.settings
        asked = harmless_cases(look_alikes().measured, settings, derive(settings.seed, "breakfix", "measured"))
        declined = declined_of(
            asked, candidate, self.judge, settings.new_tokens, self.progress, into / LOOK_ALIKES, "ask look-alikes"
        )
        told: dict[str, Any] = {"look_alikes": declined}
        if there(settings, [settings.refusals]):
            exam = ExamSettings(benchmarks=(settings.refusals,), data=settings.data, limit=settings.refusals_rows)
            figures = examine(candidate, exam, self.progress, into / REFUSALS, judge=self.judge)
            (scores,) = figures["benchmarks"].values()
            told["benchmark"] = {"title": scores["title"]} | {
                kind: one["refused"] for kind, one in scores["requests"].items()
            }
        return told

    def _ability(self, candidate: LocalModel, into: Path, first: Path) -> dict[str, Any] | None:
        """How much likelier right answers are than they were at first, row by row; None where there is no benchmark."""
        names = there(self.settings, self.settings.ability)
        if not names:
            return None
        limit = -(-self.settings.ability_rows // len(names))
        exam = ExamSettings(benchmarks=names, data=self.settings.data, limit=limit)
        examine(candidate, exam, self.progress, into)
        return {"all": _paired(first, into, names), "by": {name: _paired(first, into, [name]) for name in names}}


def there(settings: FixSettings, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the benchmarks whose files are there."""
    data = files.folder_of(settings.data)
    return tuple(name for name in names if name and files.locate(find(name, data).files, data) is not None)


def missing(settings: FixSettings) -> list[str]:
    """A line for each benchmark that is not there."""
    data = files.folder_of(settings.data)
    wanted = [name for name in (settings.refusals, *settings.ability) if name]
    return [files.missing(find(name, data), data) for name in wanted if not there(settings, [name])]


def harmless_cases(wishes: Sequence[Wish], settings: FixSettings, seed: int) -> list[Case]:
    """Look-alikes, half of them asked directly, the others in ways that are learnt from: no way tells what one is."""
    found = []
    ways = [name for name in settings.fixing(adaptive=False) if name in families() and name != DIRECT]
    for wish in wishes:
        draw = stream(seed, "breakfix", "way", wish.id)
        wrapped, _ = cases([wish], ways, 1, seed)
        direct, _ = cases([wish], [DIRECT], 1, seed)
        found += draw.sample(wrapped if wrapped and draw.random() < 0.5 else direct, 1)
    return found


def declined_of(
    asked: Sequence[Case],
    candidate: LocalModel,
    judge: Judge,
    new_tokens: int,
    progress: Progress,
    into: Path,
    label: str,
) -> dict[str, Any]:
    """The share of questions that a model declines, with its interval; those without a verdict are left out. See
    `conversations`.
    """
    found = conversations(asked, candidate, judge, new_tokens, progress, into, label)
    known = [row for row in found if "verdict" in row]
    return share(sum(map(refuses, known)), len(known))


def _success(known: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return share(sum(row["verdict"] == "compliance" for row in known), len(known))


def _paired(first: Path, second: Path, names: Sequence[str]) -> dict[str, Any]:
    """Of the rows that both know: nats of a right answer and the share of rows answered right, before and after, and
    the difference's mean with its 95% interval, by paired bootstrap.
    """
    nats, right = [], []
    for name in names:
        metric = results(first)["benchmarks"][name]["metric"]
        before, after = (
            {row["id"]: row for row in rows(folder, name) if "metrics" in row} for folder in (first, second)
        )
        for pair in ((row, after[id_]) for id_, row in before.items() if id_ in after):
            nats.append(tuple(row["logprobs"][row.get("gold", [0])[0]] for row in pair))
            right.append(tuple(row["metrics"][metric] for row in pair))
    return {"rows": len(nats), "nats": _difference(nats), "right": _difference(right)}


def _difference(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    before, after = (fmean(some) for some in zip(*pairs, strict=True))
    apart = bootstrap([second - first for first, second in pairs], derive(SEED, "breakfix", "ability"))
    return {"before": before, "after": after, "difference": after - before, "interval": list(apart)}
