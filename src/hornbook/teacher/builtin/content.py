"""What the built-in teacher has in store to say, in TOML files that anybody can read and add to."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from hornbook.files import read_toml
from hornbook.settings import Settings, validated

FOLDER = Path(__file__).parent.parent / "templates" / "builtin"

T = TypeVar("T", bound=Settings)


def load(name: str, model: type[T]) -> T:
    """The file of this name, checked. Raises UserError with one line that names the wrong key."""
    path = FOLDER / f"{name}.toml"
    return validated(model, read_toml(path), "the file", f"{path.name}: ")
