from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hornbook.report.report import environment
from hornbook.report.run import Run
from hornbook.report.sections import evidence
from hornbook.runs.manifest import Manifest


def found(stage: str, question: str) -> dict[str, Any]:
    arms = [
        {"arm": "none", "mean": "90.0%", "difference": "", "verdict": ""},
        {"arm": "slow", "mean": "92.0%", "difference": "+2.0 points (+1.0 to +3.0)", "verdict": "better"},
    ]
    figures = [{"figure": "pass@1", "arms": arms}]
    return {"stage": stage, "question": question, "recipe": "pocket", "seeds": 3, "found": figures}


def run(*stages: str) -> Run:
    return Run({}, {name: Manifest(name, "", {}, {}, "", {}, 1.0, 1, {}) for name in stages})


def test_studies_of_the_steps_that_a_run_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "found.json"
    place.write_text(
        json.dumps({"a": found("dpo", "which <rate>?"), "b": found("sft", "?"), "c": found("write", "how?")})
    )
    monkeypatch.setattr(evidence, "FOUND", place)
    view = evidence.view(run("write", "dpo"), [])
    assert view is not None
    assert [one["study"] for one in view["studies"]] == ["c", "a"]
    page = environment().get_template("evidence.html").render(view=view)
    assert "which &lt;rate&gt;?" in page
    assert page.count("+2.0 points (+1.0 to +3.0)") == 2
    assert evidence.view(run("read"), []) is None


def test_what_comes_with_hornbook_is_told() -> None:
    view = evidence.view(run("pretrain", "dpo", "quantize"), [])
    assert view is not None
    assert environment().get_template("evidence.html").render(view=view)
