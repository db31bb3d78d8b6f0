"""The score table, as the terminal shows it."""

from __future__ import annotations

from typing import Any

from rich.table import Table

NAMES = {
    "phase1": "phase 1: library text",
    "phase2": "phase 2: + exercises",
    "sft": "SFT",
    "dpo": "DPO",
    "4bit": "4-bit",
}


def score_table(figures: dict[str, Any]) -> Table:
    """One row a checkpoint: pass@1 both ways, refusals, validation losses."""
    sources = sorted({s for scores in figures["scores"].values() for s in scores.get("validation_loss", {})})
    table = Table(title="What each step did", title_justify="left")
    table.add_column("after")
    table.add_column("pass@1", justify="right", style="bold")
    table.add_column("95% interval", justify="right")
    table.add_column("in chat", justify="right")
    table.add_column("declines\nharmful", justify="right")
    table.add_column("declines\nharmless", justify="right")
    for source in sources:
        table.add_column(f"loss\n{source}", justify="right")
    for name, scores in figures["scores"].items():
        low, high = scores["completion"]["interval"]
        refusals = scores.get("refusals", {})
        table.add_row(
            NAMES[name],
            f"{scores['pass_at_1']:.1%}",
            f"{low:.0%}-{high:.0%}",
            f"{scores['chat']['pass_at_1']:.1%}" if "chat" in scores else "",
            _share(refusals.get("harmful_refused")),
            _share(refusals.get("harmless_refused")),
            *(f"{scores['validation_loss'][s]:.2f}" if s in scores["validation_loss"] else "" for s in sources),
        )
    return table


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
