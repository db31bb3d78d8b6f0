"""Whatever a teacher says, one row's oddity is that row's: it is removed with its reason, and the others are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.teacher.answering import field

from hornbook.files import read_jsonl
from hornbook.progress import Progress
from hornbook.sandbox.sandbox import Sandbox, isolation
from hornbook.teacher.checks import cases_of, complaints
from hornbook.teacher.client.messages import Answer, Reply, Request, Usage, settled
from hornbook.teacher.kinds.folder import Folder
from hornbook.teacher.kinds.rows import Written
from hornbook.teacher.kinds.source import LlmRows, Order
from hornbook.teacher.kinds.template import load
from hornbook.teacher.llm import LlmWriter
from hornbook.teacher.producer import UnusableError, produce
from hornbook.teacher.settings import WriteSettings
from hornbook.teacher.write import write

UNISOLATED = not isolation().isolated
EXERCISES, MATHEMATICS = load("exercises"), load("mathematics")
NESTED = "[" * 70 + "]" * 70
ADDED = " + ".join(["1"] * 600)

# What an exercise's example may be like: a literal's text for the arguments, and for the value.
ODD_EXAMPLES = [
    (f"({NESTED},)", "4"),
    ("(2,)", NESTED),
    ("(0x" + "f" * 5000 + ",)", "4"),
    ("(2,)", "0x" + "f" * 5000),
    ("(" + "9" * 5000 + ",)", "4"),
    ("(2,)", "1e999"),
    ("(1e999 - 1e999,)", "4"),
    ("({[]: 1},)", "4"),
    ("('\\ud800',)", "'\\ud800'"),
    ("(b'',)", "4"),
    ("(" * 3000, "4"),
    ("(-" * 3000 + "1", "4"),
    ("\x00", "4"),
    ("(1j,)", "..."),
    ("{1, 2}", "4"),
    ("(2,)\n(3,)", "4"),
    ("('\U0001f642', '\u202e')", "'\\N{BULLET}'"),
]
# What its code may be like, with {name} for the function's name.
ODD_CODE = [
    f'def {{name}}(value={ADDED}):\n    """Return value."""\n    return value * 2\n',
    f'def {{name}}(value):\n    """Return value."""\n    return value * 2 + {ADDED}\n',
    'def {name}(value):\n    """Return \\ud800."""\n    return value * 2\n',
    'def {name}(value):\n    """Return \\N{{NO SUCH NAME}}."""\n    return value * 2\n',
    'def {name}(value):\n    """Return value."""\n    return 10 ** 400 * value\n',
    'def {name}(value):\n    """Return value."""\n    return 10 ** 5000 * value\n',
    'def {name}(value):\n    """Return value."""\n    return ' + NESTED + "\n",
    'def {name}(value):\n    """Return value."""\n    return "\\ud800"\n',
    'def {name}(value):\n    """Return value."""\n    raise Exception("\\ud800")\n',
    'def {name}(value, *rest, **more):\n    """Return value."""\n    return value * 2\n',
    'def {name}(value):\n    """Return value."""\n    import os\n    os._exit(0)\n',
    "\ufeff\x00\x0c def",
    "(" * 5000,
    "x = " + "-" * 5000 + "1",
    'def {name}(ｖalue):\n    """Return value."""\n    return value * 2\n',
]


class Odd:
    """An `Asker` whose every third answer is changed. They go through the client's reader, as those of a cache do."""

    name = "odd"

    def __init__(self, change: Callable[[dict[str, Any], str], Any]) -> None:
        self._change = change
        self._asked = 0

    def ask(
        self, requests: Iterable[Request], *, ordered: bool = True, total: int | None = None, label: str = ""
    ) -> Generator[Answer, None, None]:
        for request in requests:
            prompt = request.messages[-1].content + str(request.seed)
            assert request.schema is not None
            said = {name: field(name, inner, prompt) for name, inner in request.schema["properties"].items()}
            self._asked += 1
            if self._asked % 3 == 0:
                said = self._change(said, request.about.values.get("name", ""))
            reply = Reply(said if isinstance(said, str) else json.dumps(said), "stop", "", Usage())
            answer = settled([reply], request, attempts=1)
            assert answer is not None
            yield answer


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(allow_unisolated=UNISOLATED) as made:
        yield made


def _changes() -> Iterator[Callable[[dict[str, Any], str], Any]]:
    for arguments, value in ODD_EXAMPLES:
        examples = [{"arguments": f"({n},)", "value": f"{2 * n}"} for n in (1, 2, 3)]
        examples.append({"arguments": arguments, "value": value})
        yield lambda said, name, examples=examples: {**said, "examples": examples}
    for code in ODD_CODE:
        yield lambda said, name, code=code: {**said, "code": code.replace("{name}", name)}
    yield lambda said, name: "[" * 100_000 + "]" * 100_000
    yield lambda said, name: {**said, "examples": [json.loads("[" * 900 + "]" * 900)] * 3}
    yield lambda said, name: json.dumps(said)[:-1] + ', "more": ' + "9" * 5000 + "}"


def test_the_write_stage_survives_every_odd_answer(tmp_path: Path) -> None:
    changes = list(_changes())
    asked = iter(range(10**6))

    def change(said: dict[str, Any], name: str) -> Any:
        return changes[next(asked) % len(changes)](said, name)

    wanted = WriteSettings(exercises=3 * len(changes), problems=3 * len(changes), conversations=40, preferences=20)
    figures = write(
        LlmWriter(Odd(change), EXERCISES),
        wanted,
        seed=1,
        into=tmp_path,
        progress=Progress(),
        allow_unisolated=UNISOLATED,
    )
    assert figures["exercises"] == 3 * len(changes)
    assert figures["problems"] == 3 * len(changes)
    assert sum(figures["removed"].values()) == figures["asked"] - figures["exercises"] > len(changes) // 2
    assert {"example is no plain literal", "not valid Python", "failed its check"} < set(figures["removed"])
    assert len(list(read_jsonl(tmp_path / "problems.jsonl"))) == figures["problems"]
    assert figures["conversations"]


ODD_MATHEMATICS = [
    ("def solution():\n    return 10 ** 400\n", 42),
    ("def solution():\n    return 10 ** 400\n", 10**400),
    ("def solution():\n    return -10 ** 400\n", 1.5),
    ("def solution():\n    return 42\n", 10**4000),
    ("def solution():\n    return 10 ** 5000\n", 1),
    (f"def solution(x={ADDED}):\n    return 1\n", 1),
    (f"def solution(x={'(' * 90}1{')' * 90}):\n    return 1\n", 1),
    ("def solution():\n    return float('nan')\n", 1),
    ("def solution():\n    return True\n", 1),
    ("def solution():\n    return " + NESTED + "\n", 1),
]


def test_mathematics_beyond_every_float(tmp_path: Path, sandbox: Sandbox) -> None:
    numbers = iter(range(10**6))

    def change(said: dict[str, Any], name: str) -> Any:
        code, result = ODD_MATHEMATICS[next(numbers) % len(ODD_MATHEMATICS)]
        return {**said, "code": code, "result": result}

    order = Order(MATHEMATICS, 2 * len(ODD_MATHEMATICS))
    with Folder(tmp_path, MATHEMATICS, source="m", teacher="odd") as folder:
        tally = produce(LlmRows(order, Odd(change)), order.count, folder, label="m", teacher="odd", sandbox=sandbox)
    assert tally.kept == order.count
    assert tally.kept + tally.removed.total() == tally.asked
    assert tally.removed["failed its check"] > 3


nested = st.integers(0, 120).map(lambda levels: "[" * levels + "]" * levels)
huge = st.integers(0, 6000).flatmap(
    lambda digits: st.sampled_from(["9" * digits, "0x" + "f" * digits, "-" * digits + "1"])
)
escapes = st.sampled_from(["'\\ud800'", "'\\udfff\\ud800'", "'\\x00'", "b'x'", "1j", "1e999", "...", "{[]}", "{1: {}}"])
texts = nested | huge | escapes | st.text(max_size=20) | st.text(max_size=8).map(repr)
literals = texts | st.lists(texts, min_size=1, max_size=3).map(lambda parts: f"({', '.join(parts)},)")


@pytest.mark.parametrize("number", ["0x" + "f" * 4_000, "-0b1" + "0" * 15_000])
def test_whole_numbers_that_python_does_not_write_out_are_unusable(number: str) -> None:
    with pytest.raises(UnusableError, match="no plain literal"):
        cases_of([{"arguments": f"({number},)", "value": "1"}])
    with pytest.raises(UnusableError, match="no plain literal"):
        cases_of([{"arguments": "(1,)", "value": f"[{number}]"}])


@settings(max_examples=200, deadline=None)
@given(arguments=literals, value=literals)
def test_examples_of_any_text_are_cases_or_unusable(arguments: str, value: str) -> None:
    row = [{"arguments": arguments, "value": value}]
    try:
        cases_of(row)
    except UnusableError as error:
        assert str(error).startswith("example")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(odd=st.lists(st.tuples(literals, literals), min_size=3, max_size=6), code=st.sampled_from(ODD_CODE) | st.text())
def test_odd_rows_leave_the_good_ones(
    odd: list[tuple[str, str]], code: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    examples = [{"arguments": arguments, "value": value} for arguments, value in odd]
    asked = iter(range(100))

    def change(said: dict[str, Any], name: str) -> Any:
        changed = {"examples": examples} if next(asked) % 2 else {"code": code.replace("{name}", name)}
        return {**said, **changed}

    order = Order(EXERCISES, 6)
    with Folder(tmp_path_factory.mktemp("odd"), EXERCISES, source="e", teacher="odd") as folder:
        tally = produce(LlmRows(order, Odd(change)), order.count, folder, label="e", teacher="odd", sandbox=sandbox)
    assert tally.kept == order.count
    assert tally.kept + tally.removed.total() == tally.asked


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(returned=literals)
def test_what_a_program_returns_is_right_or_told(returned: str, sandbox: Sandbox) -> None:
    said = {
        "question": "How many? " * 20,
        "reasoning": "r",
        "result": 1,
        "code": f"def solution():\n    return {returned}\n",
    }
    rows = LlmRows(Order(MATHEMATICS, 3), Odd(lambda _, name: said)).more(3)
    found = complaints(MATHEMATICS, [row for row in rows if isinstance(row, Written)], sandbox)
    assert len(found) >= 2
    assert found[:2] == ["", ""]


def test_an_odd_answer_in_the_cache_ends_no_later_run(
    tmp_path: Path, start_teacher: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    changes = list(_changes())
    asked = iter(range(10**6))

    def change(body: dict[str, Any], said: dict[str, Any]) -> Any:
        number = next(asked)
        name = said["code"].split("(")[0].removeprefix("def ")
        return changes[number // 2 % len(changes)](said, name) if number % 2 else said

    teacher = start_teacher(change)
    found = []
    for folder in ("a", "b"):
        writer = LlmWriter(ask(teacher), EXERCISES)
        wanted = WriteSettings(exercises=40, problems=4, conversations=10, preferences=4)
        into = tmp_path / folder
        found.append(write(writer, wanted, seed=1, into=into, progress=Progress(), allow_unisolated=UNISOLATED))
        sent = len(teacher.requests)
    assert found[0] == found[1]
    assert found[0]["exercises"] == 40
    assert sum(found[0]["removed"].values()) > 10
    assert sent == len(teacher.requests)
