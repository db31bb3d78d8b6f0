from __future__ import annotations

import io

import pytest
from rich.console import Console

from hornbook import progress
from hornbook.progress import ConsoleProgress, Progress


def test_the_silent_one_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress().task("x", 3) as bar:
        bar.advance()
        bar.note("y")
    Progress().say("z")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_bars() -> None:
    out = io.StringIO()
    shown = ConsoleProgress(Console(file=out, force_terminal=True, width=120))
    with shown.task("training", 100, done=40) as bar:
        bar.advance(30)
        bar.note("loss 1.234  9,999 tokens/s")
        shown.say("hello")
    text = out.getvalue()
    assert "training" in text
    assert "70/100" in text
    assert "loss 1.234" in text
    assert "hello" in text


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, width=120)).task("training", 200, done=100) as bar:
        for _ in range(100):
            clock[0] += 0.5
            bar.advance()
            bar.note("loss 2")
    lines = out.getvalue().splitlines()
    assert [line.split()[:2] for line in lines] == [["training", "65%"], ["training", "80%"], ["training", "95%"]]
    assert "loss 2" in lines[-1]


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_to_do_is_nothing_to_see(terminal: bool) -> None:
    out = io.StringIO()
    with ConsoleProgress(Console(file=out, force_terminal=terminal, width=120)).task("judge pairs", 0) as bar:
        bar.note("loss 2")
    assert out.getvalue() == ""
