"""What does a setting change? The same recipe once for each value of it, and the loss on text that was held out.

    python examples/compare.py [KEY VALUE...]

Everything but that setting is equal, the seed too. Runs that are there are not made again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hornbook import ConsoleProgress, run_recipe


def main(key: str, values: Sequence[Any], into: Path, settings: dict[str, Any] | None = None) -> None:
    """Run the recipe `stories` with each of the values. settings: what else is other than in the recipe."""
    for value in values:
        changed = {**(settings or {}), key: value}
        made = run_recipe("stories", into / f"{key}-{value}", changed, until="samples", progress=ConsoleProgress())
        parameters, losses = made["pretrain"].figures["parameters"], made["samples"].figures["validation_loss"]
        told = ", ".join(f"{loss['stories']:.3f} after {name}" for name, loss in losses.items())
        print(f"{key} = {value}: {parameters:,} parameters, nats a token: {told}")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(sys.argv[1], sys.argv[2:], Path("runs/compare"))
    else:
        main("model.layers", (1, 2, 4), Path("runs/compare"))
