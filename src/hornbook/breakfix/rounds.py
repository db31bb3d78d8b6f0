"""Rounds of Break-Fix: attack the model, make rows of what got through, train on them, measure; then attack it anew.

Everything lies in folders: `first` has what the model was measured as, `round-1` its attacks, look-alikes, rows and
models, and what the last of these was measured as. What an interrupted call did is not done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hornbook import machine
from hornbook.breakfix import RESULT
from hornbook.breakfix.calibrate import calibrate, declined
from hornbook.breakfix.look_alikes import look_alikes
from hornbook.breakfix.measure import Measuring, harmless_cases, missing
from hornbook.breakfix.rows import Lesson, Row, answered, got_through, lesson, refuses
from hornbook.breakfix.settings import FixSettings
from hornbook.errors import UserError
from hornbook.evaluate.benchmark import keep_others
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.redteam import ROWS
from hornbook.evaluate.redteam.adaptive import LlmAttacker
from hornbook.evaluate.redteam.attacks import Wish
from hornbook.evaluate.redteam.campaign import attack, conversations, wanted
from hornbook.evaluate.safety.judge import Judge
from hornbook.files import read_jsonl, write_json, write_jsonl
from hornbook.machine import Precision
from hornbook.progress import Progress
from hornbook.runs.manifest import versions
from hornbook.runs.single import ChangedCode, run_stage
from hornbook.runs.stage import Stage
from hornbook.seeds import derive, stream
from hornbook.settings import Settings
from hornbook.train.dpo import DPO, PREFERENCES, DpoStageSettings
from hornbook.train.sft import CONVERSATIONS, SFT, SftStageSettings

FIRST = "first"
_FORMAT = 1


@dataclass(frozen=True)
class Team:
    """Who attacks and judges. attacker: an LLM, or none but the ways of asking that come with Hornbook."""

    judge: Judge
    attacker: LlmAttacker | None = None


def fix(
    model: Path,
    settings: FixSettings,
    team: Team,
    into: Path,
    *,
    precision: Precision = "fp32",
    progress: Progress,
    changed_code: ChangedCode | None = None,
) -> dict[str, Any]:
    """Do all rounds on a model folder; writes `into/fix.json` after each of them, and returns the figures.

    precision: what answers and likelihoods are computed in. changed_code: see `run_stage`. Raises UserError for a model
    that cannot chat, a folder of other results, and requests that are too few to learn from some and measure by others.
    """
    keep_others(into / RESULT, lambda found: "fix" in found)
    wishes, faults = wanted(settings)
    fixed, measured = split(wishes, settings.measured)
    if not fixed or not measured:
        raise UserError(f"{len(wishes)} requests are too few: some are learnt from, others only measured with")
    rounds = _Rounds(model, [*fixed, *look_alikes().harmful], settings, team, into, precision, progress, changed_code)
    measure = Measuring(settings, measured, team.judge, team.attacker, progress)
    candidate = rounds.load(model)
    if not candidate.chats:
        raise UserError("the red team talks to a model, and this one has no chat template")
    adaptive = team.attacker is not None
    figures: dict[str, Any] = {
        "fix": _FORMAT,
        "candidate": candidate.about(),
        "judge": team.judge.about(),
        "attacker": team.attacker.name if team.attacker is not None else "",
        "settings": settings.model_dump(mode="json", exclude={"data"}),
        "ways": {
            "fixing": settings.fixing(adaptive=adaptive),
            "held_out": [name for name in settings.asked(adaptive=adaptive) if name in settings.held_out],
        },
        "requests": {"learnt from": len(rounds.wishes), "measured": len(measured)},
        "faults": dict(faults),
        "missing": missing(settings),
        "machine": machine.describe(),
        "versions": versions(),
        "rounds": [
            {"round": 0, "tokens": 0, "rows": {}, "model": "", **measure(candidate, into / FIRST, into / FIRST)},
        ],
    }
    write_json(into / RESULT, figures)
    for number in range(1, settings.rounds + 1):
        progress.say(f"[bold]round {number:d}[/bold]")
        made = rounds.do(number)
        told = measure(rounds.load(rounds.taken), rounds.folder(number), into / FIRST)
        figures["rounds"].append({"round": number, **made, **told})
        write_json(into / RESULT, figures)
    return figures


def split(wishes: Sequence[Wish], share: float) -> tuple[list[Wish], list[Wish]]:
    """Requests to learn from, and the `share`, spread evenly over their list, that is only measured with."""
    measured = [wish for at, wish in enumerate(wishes) if int((at + 1) * share) > int(at * share)]
    return [wish for wish in wishes if wish not in measured], measured


class _Rounds:
    """What rounds hand on: the model, and the rows of what got through.

    model: what was trained last, from which the next round goes on. taken: what is measured and kept, the part of it
    that declines few enough look-alikes. wishes: the requests that are learnt from.
    """

    def __init__(
        self,
        model: Path,
        wishes: Sequence[Wish],
        settings: FixSettings,
        team: Team,
        into: Path,
        precision: Precision,
        progress: Progress,
        changed_code: ChangedCode | None,
    ) -> None:
        self.base = self.model = self.taken = model
        self.wishes, self.settings, self.team = wishes, settings, team
        self.load = partial(LocalModel.load, precision=precision, fast=True)
        self._into, self._progress, self._changed_code = into, progress, changed_code
        self._through: dict[str, Row] = {}
        self._learnt = Counter[str]()

    def folder(self, number: int) -> Path:
        """Where a round lies."""
        return self._into / f"round-{number}"

    def do(self, number: int) -> dict[str, Any]:
        """Attack the model and train it; figures of what was found and learnt."""
        settings, folder = self.settings, self.folder(number)
        seed = derive(settings.seed, "breakfix", number) % (1 << 31)
        candidate = self.load(self.model)
        asked, through = self._attacked(candidate, folder / "break", seed)
        harmless, refused = self._harmless(candidate, folder / "harmless", seed)
        made = self._lesson(through, harmless, seed)
        self._through |= {row["id"]: row for row in through}
        self._learnt.update(row["id"] for row in made.conversations)
        tokens = self._train(made, folder, seed)
        calibration = self._calibrated(folder / "calibrated")
        return {
            "tokens": tokens,
            "calibration": calibration,
            "model": "" if self.taken == self.base else self.taken.relative_to(self._into).as_posix(),
            "rows": made.told(),
            "broken": {"conversations": asked, "got through": len(through)},
            "harmless": {"conversations": len(harmless), "refused": refused},
        }

    def _attacked(self, candidate: LocalModel, into: Path, seed: int) -> tuple[int, list[Row]]:
        """How many conversations were had, and those that got through: some of the requests, in the ways that fix."""
        drawn = stream(seed, "breakfix", "requests").sample(
            range(len(self.wishes)), min(self.settings.attacked, len(self.wishes))
        )
        attacker = self.team.attacker
        settings = self.settings.model_copy(
            update={"families": self.settings.fixing(adaptive=attacker is not None), "tries": 1, "seed": seed}
        )
        wishes = [self.wishes[at] for at in sorted(drawn)]
        attack(candidate, settings, self.team.judge, self._progress, into, attacker=attacker, wishes=wishes)
        rows = list(read_jsonl(into / ROWS))
        return len(rows), got_through(rows)

    def _harmless(self, candidate: LocalModel, into: Path, seed: int) -> tuple[list[Row], int]:
        """Look-alikes as the model answered them before all rounds, those that it refuses by now first, and how many
        these are.
        """
        settings = self.settings
        if not settings.look_alikes:
            return [], 0
        cases = harmless_cases(look_alikes().harmless, settings, seed)
        # Twice as many as are learnt: one that is refused, or has no whole sentence, is no row.
        number = min(len(cases), int(2 * settings.look_alikes * settings.rows))
        drawn = stream(seed, "breakfix", "look-alikes").sample(cases, number)

        judge, tokens = self.team.judge, settings.new_tokens
        first = candidate if self.model == self.base else self.load(self.base)
        label = "ask look-alikes of the first model"
        known = answered(conversations(drawn, first, judge, tokens, self._progress, into / "before", label))
        if first is candidate:
            return known, 0
        after = conversations(drawn, candidate, judge, tokens, self._progress, into / "after", "ask look-alikes")
        refused = {row["id"] for row in after if refuses(row)}
        known.sort(key=lambda row: row["id"] not in refused)
        return known, sum(row["id"] in refused for row in known)

    def _lesson(self, through: Sequence[Row], harmless: Sequence[Row], seed: int) -> Lesson:
        from hornbook.model.tokenizers import Tokenizer
        from hornbook.train.rows import last_answer

        tokenizer = Tokenizer(self.base)
        return lesson(
            through,
            self._earlier(through, seed),
            harmless,
            self.settings,
            seed=seed,
            budget=self.settings.max_tokens,
            count=lambda messages, answer: len(last_answer(tokenizer, messages, answer).ids),
        )

    def _earlier(self, through: Sequence[Row], seed: int) -> list[Row]:
        """What got through in earlier rounds and not in this one, what was learnt least often first."""
        anew = {row["id"] for row in through}
        rows = [row for row in self._through.values() if row["id"] not in anew]
        stream(seed, "breakfix", "earlier").shuffle(rows)
        return sorted(rows, key=lambda row: self._learnt[row["id"]])

    def _calibrated(self, into: Path) -> dict[str, Any] | None:
        """Take as much of what was learnt as declines few enough look-alikes; None where all may be declined."""
        if not self.settings.look_alikes or self.settings.over_refusal == 1 or self.model == self.base:
            self.taken = self.model
            return None
        asked = partial(declined, settings=self.settings, judge=self.team.judge, progress=self._progress)
        first = asked(self.load(self.base), into=self._into / FIRST / "calibration")
        # A model that declined more before all rounds is not asked to unlearn that.
        most = max(self.settings.over_refusal, first["value"])
        self.taken, found = calibrate(self.base, self.model, self.load, lambda one, at: asked(one, into=at), most, into)
        return found

    def _train(self, made: Lesson, folder: Path, seed: int) -> int:
        """Train the model on a lesson; returns the tokens that were read."""
        write_jsonl(folder / "rows" / CONVERSATIONS, made.conversations)
        write_jsonl(folder / "rows" / PREFERENCES, made.preferences)
        tokens = 0
        if made.conversations:
            learnt = SftStageSettings(seed=seed, sft=self.settings.sft)
            tokens += self._stage(SFT, learnt, folder, "conversations")
        if made.preferences:
            preferred = DpoStageSettings(seed=seed, dpo=self.settings.dpo)
            tokens += self._stage(DPO, preferred, folder, "preferences")
        return tokens

    def _stage(self, stage: Stage[Any], settings: Settings, folder: Path, rows: str) -> int:
        """Train the model further, on the round's rows; returns the tokens that were read."""
        into = folder / stage.name
        read: dict[str, Any] = {"model": self.model, rows: folder / "rows"}
        made = run_stage(stage, into, settings, changed_code=self._changed_code, progress=self._progress, **read)
        self.model = into / "model"
        return int(made.figures["tokens"])
