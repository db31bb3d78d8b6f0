"""The README's commands work as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]


def commands() -> list[str]:
    """Every line that the README's console blocks show after a `$`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, flags=re.DOTALL)
    lines = re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines()
    return [line.removeprefix("$ ").split("  #")[0].strip() for line in lines if line.startswith("$ ")]


def test_there_are_commands_and_each_is_of_a_known_kind() -> None:
    found = commands()
    assert len(found) >= 8
    assert {shlex.split(command)[0] for command in found} <= {"make", "hornbook", "git", "cd"}
