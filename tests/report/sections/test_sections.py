from __future__ import annotations

from pathlib import Path

from hornbook.report import sections
from hornbook.report.report import SECTIONS


def test_a_section_is_a_module_a_template_and_a_line() -> None:
    names = {section.name for section in SECTIONS}
    folder = Path(sections.__file__).parent
    assert {file.stem for file in folder.glob("*.html")} == names
    assert {file.stem for file in folder.glob("*.py")} == names | {"__init__"}
    assert all(section.view.__module__ == f"{sections.__name__}.{section.name}" for section in SECTIONS)
