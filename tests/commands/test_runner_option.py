from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from hornbook import machine
from hornbook.cli import app
from hornbook.errors import UserError
from hornbook.workers import runner


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(runner, "_chosen", None)
    monkeypatch.setattr(runner, "_workers", 1)
    yield


def test_run_takes_the_runner_and_the_workers_and_refuses_an_unknown_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[tuple[str | None, int]] = []
    choose = runner.choose
    monkeypatch.setattr(runner, "choose", lambda name, workers: chosen.append((name, workers)))
    for arguments in (["--runner", "ray"], ["--workers", "3"], []):
        done = CliRunner().invoke(app, ["run", "phi-1", "--dry-run", *arguments])
        assert done.exit_code == 0, done.output
    assert chosen == [("ray", machine.cores()), (None, 3), (None, machine.cores())]
    monkeypatch.setattr(runner, "choose", choose)
    done = CliRunner().invoke(app, ["run", "phi-1", "--dry-run", "--runner", "spark"])
    assert isinstance(done.exception, UserError)
    assert "there is no runner 'spark'" in str(done.exception)
