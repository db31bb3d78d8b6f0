"""Print constraints that hold every package pyproject.toml names at the lowest version it allows.

Where several extras name a package, that is the lowest that all of them allow: they are tested together.
"""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
lowest: dict[str, str] = {}
for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
    if bound := re.match(r"([\w.-]+)>=([\w.]+)", requirement):
        name, version = bound.groups()
        lowest[name] = max(lowest.get(name, "0"), version, key=lambda one: [int(part) for part in one.split(".")])
for name, version in lowest.items():
    print(f"{name}=={version}")
