from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hornbook.cli import app
from hornbook.errors import UserError

RUNNER = CliRunner()


def test_json_has_everything() -> None:
    done = RUNNER.invoke(app, ["plan", "phi-1.5", "--json", "--gpu", "h100", "--gpus", "16", "--price", "2.5"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["recipe"] == "phi-1.5"
    assert told["terms"]["gpu"]["name"] == "h100"
    assert told["gpu_dollars"] == pytest.approx(2.5 * told["gpu_hours"])
    assert told["hours"] == pytest.approx(told["gpu_hours"] / 16)
    assert told["comparison"]["gpu"] == "a100", "the published hours are of that one, whatever is asked for"
    assert told["comparison"]["planned_gpu_hours"] > 1500


def test_a_person_sees_documents_tokens_hours_and_dollars() -> None:
    done = RUNNER.invoke(app, ["plan", "phi-1.5"], env={"COLUMNS": "150"})
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    for words in (
        "documents",
        "tokens",
        "hours",
        "dollars",
        "1,500 A100-hours",
        "3,033 A100-hours",
        "training on one GPU",
    ):
        assert words in told
    assert "1 × A100" in told
    shared = " ".join(RUNNER.invoke(app, ["plan", "phi-1.5", "--gpus", "8"], env={"COLUMNS": "150"}).output.split())
    assert "8 × A100" in shared and "shared evenly by 8 GPUs, which is not what Hornbook's own does" in shared


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "phi-9"], "there is no recipe 'phi-9'"),
        (["plan", "pocket", "--gpu", "a10000"], "there is no GPU 'a10000'"),
        (["plan", "pocket", "--teacher-price", "cheap"], "is not two prices such as 2.5,10"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str) -> None:
    done = RUNNER.invoke(app, arguments)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
