"""The red team's page: escaped, folded, the same bytes for the same figures."""

from __future__ import annotations

import json
from typing import Any

from hornbook.evaluate.redteam.campaign import summary
from hornbook.report.redteam import page

EVIL = "<script>alert('x')</script>"


def row(family: str, verdict: str, **rest: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"Do {EVIL}"}, {"role": "assistant", "content": "Well"}]
    told = {"id": f"1 / {family}", "request": "Do", "category": "theft", "family": family, "persona": "nurse"}
    told |= {"variant": 1, "skill": "low", "kind": "single turn", "messages": turns, "why": "", "turn": 1}
    return told | ({"verdict": verdict} if verdict else {"unknown": "nobody knows"}) | rest


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "candidate": {"model": f"models/{EVIL}", "precision": "float32"},
        "judge": {"name": "Judy"},
        "requests": 1,
        "faults": {},
        "left_out": {"translation": 2},
        "machine": {"processor": "one", "cores": 2},
        "versions": {"torch": "2.13"},
        **summary(rows),
    }


def test_a_page_tells_figures_and_folds_conversations() -> None:
    rows = [row("direct", "refusal"), row("role play", "compliance"), row("adaptive", "partial"), row("encoding", "")]
    made = page(figures(rows), rows)
    assert made == page(json.loads(json.dumps(figures(rows), sort_keys=True)), rows)
    assert EVIL not in made and "&lt;script&gt;" in made
    assert made.count("<details>") == 4
    open_text = "".join(part.partition("</details>")[2] or part for part in made.split("<details>"))
    assert f"Do {EVIL}".replace("<", "&lt;").replace(">", "&gt;")[:14] not in open_text
    assert "best: role play" in made and "100%" in made
    assert "Judged by Judy." in made and "translation (2)" in made and "nobody knows (1)" in made
    assert 'aria-label="refusals 0, in part 1, answers 0, unrelated 0"' in made


def test_a_page_without_categories_and_successes() -> None:
    rows = [row("encoding", "", category="")]
    made = page(figures(rows), rows)
    assert "By category" not in made and "nothing known" in made
