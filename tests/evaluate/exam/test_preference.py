"""Two results' answers in both orders: who wins, and how far a judge is to be trusted that has its ways."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.audit.rephrasings.conftest import JudgeServer as Server
from tests.evaluate.exam.conftest import Parrot
from tests.evaluate.exam.test_grading import Connect, Writer, connect, go, story  # noqa: F401 (a fixture)
from tests.teacher.client.server import Act, Call
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.evaluate.exam.preference import Pair, Preference, preferences


@pytest.fixture
def results(own_data: Path, tmp_path: Path, connect: Connect) -> tuple[Path, Path]:  # noqa: F811
    """Two results of three stories and three dialogues, of which the third is unknown."""

    def judge(call: Call) -> Act:
        return story(call) if "<beginning>" in call.text else Act(content='{"reason": "r", "quality": 5}')

    with Server(judge) as server, connect(server.url) as client:
        for name, texts in (("a", ("3 3 3", "9 9 9", "5 5 5")), ("b", ("7 7 7", "8 8 8", "6 6 6"))):
            writer = Writer(*texts, identity=name)
            go(writer, own_data, tmp_path / name, "tinystories", "mt_bench", teacher=client)
    return tmp_path / "a", tmp_path / "b"


def say(better: str) -> Act:
    return Act(content=json.dumps({"reason": " Since. ", "better": better}))


def both(call: Call) -> tuple[str, str]:
    """The last answers that are shown first and second."""
    parts = re.findall(r"<(?:first|second)>\n(.*?)\n</(?:first|second)>", call.text, re.DOTALL)
    first, second = (part.rpartition("Answered:\n")[2] for part in parts)
    return first, second


def judged(results: tuple[Path, Path], connect: Connect, act: Callable[[Call], Act]) -> dict[str, Preference]:  # noqa: F811
    with Server(act) as server, connect(server.url, cache=results[0] / f"cache-{server.port}") as client:
        return {one.name: one for one in preferences(*results, client)}


def test_a_fair_judge_agrees_with_itself(results: tuple[Path, Path], connect: Connect) -> None:  # noqa: F811
    def fair(call: Call) -> Act:
        first, second = both(call)
        return say("equal" if first == second else "first" if first > second else "second")

    found = judged(results, connect, fair)
    one = found["tinystories"]
    assert (one.preferred["n"], one.gained, one.lost, one.preferred["value"]) == (3, 2, 1, pytest.approx(2 / 3))
    assert one.agreement["value"] == 1 and one.agreement["n"] == 3 and one.p == 1
    assert one.first["value"] == 0.5 and one.unknown == {}
    assert one.pairs[0] == Pair("1", 1, ("second", "second"), ("Since.", "Since."))
    # The answers to dialogues are the same in both, and the third of them is unknown in both.
    talk = found["mt_bench"]
    assert (talk.preferred["n"], talk.preferred["value"], len(talk.pairs)) == (2, 0.5, 4)
    assert json.loads(json.dumps(one.figures()))["pairs"][0]["better"] == ["second", "second"]


def test_a_judge_who_likes_the_first_decides_nothing(results: tuple[Path, Path], connect: Connect) -> None:  # noqa: F811
    one = judged(results, connect, lambda call: say("first"))["tinystories"]
    assert (one.gained, one.lost, one.preferred["value"]) == (0, 0, 0.5)
    assert one.agreement["value"] == 0 and one.first["value"] == 1


def test_what_a_judge_fails_to_say_is_unknown(results: tuple[Path, Path], connect: Connect) -> None:  # noqa: F811
    def sometimes(call: Call) -> Act:
        first, second = both(call)
        if first.startswith("9"):  # in one order alone
            return Act(content="the first, I think")
        return say("first" if first > second else "second")

    one = judged(results, connect, sometimes)["tinystories"]
    assert (one.preferred["n"], one.gained, one.lost, one.preferred["value"]) == (2, 2, 0, 1.0)
    assert one.unknown == {"the judge's answer is invalid": 1} and one.agreement["n"] == 2
    none = judged(results, connect, lambda call: Act(content="hm"))["tinystories"]
    assert (none.preferred, none.p) == ({"value": None, "interval": [0.0, 1.0], "n": 0}, 1.0)


def test_from_the_command_line(results: tuple[Path, Path], tmp_path: Path, own_data: Path) -> None:
    def told(*words: object) -> Any:
        return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "100", "XDG_CACHE_HOME": str(tmp_path)})

    with Server(lambda call: say("second")) as server:
        done = told("compare", *results, "--teacher", f"{server.url}#judge")
        assert done.exit_code == 0, done.output or done.exception
        assert "TinyStories" in done.output and "agrees" in done.output
        as_json = told("compare", *results, "--teacher", f"{server.url}#judge", "--json")
    assert {one["name"] for one in json.loads(as_json.output)} == {"tinystories", "mt_bench"}
    plain = told("compare", *results, "--flipped", 1).output
    assert "gained" in plain and "'3 3 3' (consistency 0.3, creativity 0.3, grade 0.3, grammar 0.3)" in plain
    done = told("compare", *results, "--teacher", "builtin")
    assert isinstance(done.exception, UserError) and "judges no answers" in str(done.exception)


def test_results_without_graded_answers(own_data: Path, tmp_path: Path, connect: Connect) -> None:  # noqa: F811
    for name in "ab":
        go(Parrot(), own_data, tmp_path / name, "piqa")
    with Server(story) as server, connect(server.url) as client, pytest.raises(UserError, match="share no benchmark"):
        preferences(tmp_path / "a", tmp_path / "b", client)
