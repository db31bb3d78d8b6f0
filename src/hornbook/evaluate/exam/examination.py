"""The examination: benchmarks put to a candidate, part by part, so that what was answered is never asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from hornbook import machine
from hornbook.errors import UserError
from hornbook.evaluate.benchmark import keep_others
from hornbook.evaluate.exam import RESULTS, ROWS
from hornbook.evaluate.exam import data as files
from hornbook.evaluate.exam.candidate import Answered, Candidate, LocalModel
from hornbook.evaluate.exam.declaration import Benchmark, find
from hornbook.evaluate.exam.grading import Grader, exchanges
from hornbook.evaluate.exam.questions import questions
from hornbook.evaluate.exam.rules import RULES, Ask, Question
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.evaluate.exam.summary import summary
from hornbook.evaluate.safety.classifier import offline
from hornbook.evaluate.safety.judge import Judge, Opinion
from hornbook.files import digest_file, digest_value, keep, kept, made_once, remove_folder, write_json, write_jsonl
from hornbook.machine import Precision
from hornbook.progress import Progress
from hornbook.runs.manifest import versions
from hornbook.sandbox.judge import judge
from hornbook.sandbox.program import Limits
from hornbook.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from hornbook.teacher.client.client import Client

PARTS = "parts"  # of a result that is being made
_FORMAT = 1  # of rows; another one makes the parts on disk void
_SECONDS = 3.0  # of a program: HumanEval's own limit
_PART = 64  # questions that are kept together
_NO_NUMBER = "the model's probabilities are no numbers"


def asks(settings: ExamSettings) -> set[Ask]:
    """The ways in which the benchmarks of the settings are asked."""
    data = files.folder_of(settings.data)
    return {RULES[find(name, data).score].ask for name in settings.asked}


def load(folder: Path, settings: ExamSettings, precision: Precision) -> LocalModel:
    """A model folder to put benchmarks to. Only where answers are written another engine is opened to write them."""
    writes = not asks(settings) <= {"likelihood", "perplexity"}
    return LocalModel.load(folder, precision=precision, chat=settings.chat, tokens=settings.tokens, fast=writes)


def examine_model(
    folder: Path,
    settings: ExamSettings,
    progress: Progress,
    into: Path,
    *,
    precision: Precision = "fp32",
    allow_unisolated: bool = False,
    judge: Judge | None = None,
    teacher: Client | None = None,
) -> dict[str, Any]:
    """Put benchmarks to a model folder; see `examine`."""
    candidate = load(folder, settings, precision)
    return examine(candidate, settings, progress, into, allow_unisolated=allow_unisolated, judge=judge, teacher=teacher)


def examine(
    candidate: Candidate,
    settings: ExamSettings,
    progress: Progress,
    into: Path,
    *,
    allow_unisolated: bool = False,
    judge: Judge | None = None,
    teacher: Client | None = None,
) -> dict[str, Any]:
    """Put benchmarks to a candidate; writes `into/exam.json` and `into/rows/NAME.jsonl`, and returns the figures.

    A benchmark that cannot be asked (its data is not there or damaged, the candidate has no conversations, nobody
    grades answers) is told of under `missing`, and the others are asked all the same. What an interrupted examination
    answered is not asked again. judge: of refusals; a classifier unless given. teacher: an LLM that grades answers.
    """
    keep_others(into / RESULTS, lambda found: "exam" in found)
    data = files.folder_of(settings.data)
    missing: dict[str, str] = {}
    scores: dict[str, Any] = {}
    for benchmark in (find(name, data) for name in settings.asked):
        if benchmark.name in scores or benchmark.name in missing:
            raise UserError(f"two of the benchmarks are called {benchmark.name}; ask them one after the other")
        try:
            rows, asked, unknown = _prepared(benchmark, settings, data, candidate, teacher)
        except UserError as error:
            missing[benchmark.name] = f"{benchmark.name}: {str(error).removeprefix(f'{benchmark.name}: ')}"
            if len(settings.asked) > 1:
                progress.say(escape(f"  {missing[benchmark.name]}"))
            continue
        examiner = _Examiner(
            candidate,
            allow_unisolated,
            (judge or offline()) if RULES[benchmark.score].ask == "reply" else None,
            Grader(teacher, benchmark.judge) if teacher is not None and benchmark.judge is not None else None,
        )
        told = _answered(benchmark, asked, unknown, examiner, progress, into)
        scores[benchmark.name] = files.told(rows) | told
        progress.say(escape(f"  {in_words(scores[benchmark.name])}"))
    if not scores:
        why = next(iter(missing.values()), "no benchmark is named; `hornbook evaluate --list` tells of all")
        raise UserError(f"none of {len(missing)} benchmarks can be asked; {why}" if len(missing) > 1 else why)
    figures = {
        "exam": _FORMAT,
        "candidate": candidate.about(),
        "settings": settings.model_dump(mode="json", exclude={"data", "tokens"}),
        "machine": machine.describe(),
        "versions": versions(),
        "benchmarks": scores,
        "missing": missing,
    }
    write_json(into / RESULTS, figures)
    return figures


def _prepared(
    benchmark: Benchmark, settings: ExamSettings, data: Path | None, candidate: Candidate, teacher: Client | None
) -> tuple[files.Rows, list[Question], Counter[str]]:
    """A benchmark's rows, its questions, and why rows can't be asked. Raises UserError where none can."""
    found = files.locate(benchmark.files, data)
    if found is None:
        raise UserError(files.missing(benchmark, data))
    rule = RULES[benchmark.score]
    if rule.ask in ("reply", "dialogue") and not candidate.chats:
        raise UserError("is asked in a chat, and the model has no chat template")
    if benchmark.judge is not None and teacher is None:
        raise UserError("its answers are graded by an LLM; name one with --teacher URL#MODEL")
    rule.ready()
    rows = files.read(found)
    return rows, *questions(benchmark, rows, data, limit=settings.limit, shots=settings.shots)


@dataclass(frozen=True)
class _Examiner:
    """Who is asked, and who judges what was said: programs are run, requests have a judge, other answers a grader."""

    candidate: Candidate
    allow_unisolated: bool
    judge: Judge | None
    grader: Grader | None

    @property
    def judges(self) -> Judge | Grader | None:
        """Whoever judges answers."""
        return self.judge or self.grader

    @property
    def identity(self) -> list[str]:
        """Digests of all that rows depend on."""
        return [self.candidate.identity, *([self.judges.identity] if self.judges is not None else [])]


def in_words(figures: Mapping[str, Any]) -> str:
    """One benchmark's score in a line."""
    main = figures["metrics"].get(figures["metric"])
    if main is None:
        return f"{figures['title']}: unknown"
    low, high = main["interval"]
    return f"{figures['title']} {main['value']:.1%} ({low:.0%}–{high:.0%})"


def _answered(
    benchmark: Benchmark,
    asked: Sequence[Question],
    unknown: Counter[str],
    examiner: _Examiner,
    progress: Progress,
    into: Path,
) -> dict[str, Any]:
    """One benchmark's figures, from what `into` holds as far as that is there."""
    declared = [_FORMAT, *examiner.identity, benchmark.model_dump(mode="json", exclude={"twin"})]
    prompts = digest_value([_shown(question) for question in asked])
    key = digest_value([*declared, prompts, dict(unknown)])
    place, done = into / ROWS / f"{benchmark.name}.jsonl", into / PARTS / f"{benchmark.name}.json"
    before = kept(done, key)
    if before is not None and place.is_file() and digest_file(place) == before.result["rows"]:
        return dict(before.result["figures"])
    said = into / PARTS / f"{benchmark.name}.answers"
    rows: list[dict[str, Any]] = []
    with progress.task(benchmark.title, len(asked)) as bar:
        for start in range(0, len(asked), _PART):
            some = asked[start : start + _PART]
            part = into / PARTS / benchmark.name / f"{start:06}.json"
            own = digest_value([*declared, [_shown(question) for question in some]])
            rows += made_once(part, own, partial(_ask, benchmark, some, examiner, said))
            bar.advance(len(some))
    figures = summary(benchmark, rows, unknown) | {"prompts": prompts}
    if examiner.judges is not None:
        figures["judge"] = examiner.judges.about()
    (into / RESULTS).unlink(missing_ok=True)  # of an earlier examination: it never stands beside other rows
    write_jsonl(place, rows)
    examples = {_name(text): text for text in {question.shared() for question in asked} if text}
    write_json(place.with_suffix(".examples.json"), examples)
    keep(done, key, {"figures": figures, "rows": digest_file(place)})
    remove_folder(into / PARTS / benchmark.name)
    return figures


def _name(examples: str) -> str:
    """What rows call the examples in front of them."""
    return digest_value(examples)[:12]


def _shown(question: Question) -> list[Any]:
    """All of a question that a model sees, and what is right."""
    checks = [] if question.checks is None else [question.checks.entry, question.checks.text]
    right = [list(question.gold), list(question.targets), checks]
    facts = [question.facts] if question.facts else []
    turns = [list(question.turns)] if question.turns else []
    return [question.id, question.shared(), *question.prompts, *question.answers, right, *facts, *turns]


def _said(benchmark: Benchmark, some: Sequence[Question], candidate: Candidate) -> list[Answered]:
    """What a candidate answers."""
    ask = RULES[benchmark.score].ask
    if ask == "likelihood":
        return list(candidate.likelihoods(some))
    if ask == "perplexity":
        return list(candidate.perplexities(some))
    if ask == "reply":
        turns = [[{"role": "user", "content": one.shared() + one.prompts[0]}] for one in some]
        return list(candidate.replies(turns, benchmark.new_tokens))
    if ask == "dialogue":
        return _dialogues(candidate, [one.turns for one in some], benchmark.new_tokens)
    return list(candidate.texts(some, benchmark.until, benchmark.new_tokens))


def _dialogues(candidate: Candidate, every: Sequence[Sequence[str]], new_tokens: int) -> list[Answered]:
    """What is answered to each turn, with the turns before it; all of a dialogue is unknown with one of its answers."""
    talked: list[list[dict[str, str]]] = [[] for _ in every]
    made = [Answered([]) for _ in every]
    for at in range(max(map(len, every), default=0)):
        left = [number for number, turns in enumerate(every) if at < len(turns) and not made[number].unknown]
        for number in left:
            talked[number].append({"role": "user", "content": every[number][at]})
        for number, one in zip(left, candidate.replies([talked[number] for number in left], new_tokens), strict=True):
            made[number] = replace(one, found=None if one.unknown else [*made[number].found, one.found])
            talked[number].append({"role": "assistant", "content": one.found or ""})
    return made


def _said_once(benchmark: Benchmark, some: Sequence[Question], examiner: _Examiner, place: Path) -> list[Answered]:
    """The same, kept where somebody judges it: a judge who is away, or another one, has no model asked again."""
    if examiner.judges is None:
        return _said(benchmark, some, examiner.candidate)
    page = benchmark.model_dump(mode="json", exclude={"twin", "judge"})
    key = digest_value([_FORMAT, examiner.candidate.identity, page, [_shown(question) for question in some]])
    made = made_once(
        place / f"{key[:32]}.json", key, lambda: [asdict(one) for one in _said(benchmark, some, examiner.candidate)]
    )
    return [Answered(**one) for one in made]


def _ask(benchmark: Benchmark, some: Sequence[Question], examiner: _Examiner, place: Path) -> list[dict[str, Any]]:
    """Rows of some questions: as asked, as answered, and as scored; without scores where the answer is unknown.

    place: a folder for answers that are judged.
    """
    rule = RULES[benchmark.score]
    answered = [_sound(one) for one in _said_once(benchmark, some, examiner, place)]
    texts = [one.found for one in answered]
    if rule.ask == "program":
        known = [(question, one) for question, one in zip(some, answered, strict=True) if not one.unknown]
        wrong = judged(
            [question for question, _ in known],
            [one.found for _, one in known],
            allow_unisolated=examiner.allow_unisolated,
        )
        answered = [one if one.unknown else replace(one, found=next(wrong)) for one in answered]
    if examiner.judge is not None:
        told = [
            (question.prompts[0], one.found) for question, one in zip(some, answered, strict=True) if not one.unknown
        ]
        opinions = iter(examiner.judge(told))
        answered = [one if one.unknown else _judged(one, next(opinions)) for one in answered]
    if examiner.grader is not None:
        answered = _graded(some, answered, examiner.grader)
    rows = []
    for question, one, text in zip(some, answered, texts, strict=True):
        row: dict[str, Any] = {"id": question.id, "prompt": question.prompts[0] or "".join(question.choices[:1])}
        if question.shots or question.description:
            row["examples"] = _name(question.shared())
        if question.group:
            row["group"] = question.group
        if question.choices:
            row["choices"] = list(question.choices)
        if question.turns:
            row["turns"] = list(question.turns)
        if rule.ask == "program" or examiner.judges is not None:
            row["answer"] = text
        if one.dropped:
            row["dropped"] = one.dropped
        row |= {"tokens": one.tokens}
        row |= {"unknown": one.unknown} if one.unknown else rule.score(benchmark, question, one.found)
        rows.append(row)
    return rows


def _sound(answered: Answered) -> Answered:
    """An answer of which every probability is a number; another one is unknown, and chooses nothing."""
    found = answered.found if isinstance(answered.found, list) else [answered.found]
    values = (getattr(one, "logprob", one) for one in found)
    if any(isinstance(value, float) and isnan(value) for value in values):
        return replace(answered, found=None, unknown=_NO_NUMBER)
    return answered


def _judged(answered: Answered, opinion: Opinion) -> Answered:
    return replace(answered, found=opinion, unknown="" if opinion.verdict is not None else opinion.reason)


def _graded(some: Sequence[Question], answered: Sequence[Answered], grader: Grader) -> list[Answered]:
    """Answers with what is said of each of their texts; unknown where that is unknown of any."""
    every = [
        [] if one.unknown else exchanges(question, one.found) for question, one in zip(some, answered, strict=True)
    ]
    told = iter(grader([exchange for each in every for exchange in each]))
    made = []
    for one, each in zip(answered, every, strict=True):
        found = [next(told) for _ in each]
        lacking = next((graded.reason for graded in found if not graded.grades), "")
        made.append(replace(one, found=found, unknown=lacking) if each else one)
    return made


def judged(questions: Sequence[Question], answers: Sequence[str], *, allow_unisolated: bool = False) -> Iterator[str]:
    """For each answer what is wrong with the program that it makes, in one line; empty where the tests pass."""
    with Sandbox(Limits(seconds=_SECONDS), allow_unisolated=allow_unisolated) as sandbox:
        for question, answer in zip(questions, answers, strict=True):
            assert question.checks is not None, "a program's question has checks"
            yield judge(sandbox, question.checks, question.program(answer))
