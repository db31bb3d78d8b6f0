from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from hornbook.corpus.clean.settings import CleanSettings
from hornbook.corpus.filter.settings import FilterSettings
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.corpus.read.settings import ReadSettings, Source


def test_defaults_are_valid() -> None:
    assert ReadSettings().maximum_characters == 8_000
    assert GradeSettings().threshold == 3
    assert CleanSettings().similarity == 0.7
    assert Source(name="s", path=".").split


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Source, {"name": "", "path": "."}),
        (Source, {"name": "s", "path": ".", "share": 0}),
        (ReadSettings, {"maximum_characters": 0}),
        (GradeSettings, {"held_out": 1}),
        (CleanSettings, {"similarity": 1.5}),
        (CleanSettings, {"similarty": 0.5}),
    ],
)
def test_nonsense_is_refused(kind: type, values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        kind(**values)


def test_front_pages_and_settings_load_nothing_heavy() -> None:
    heavy = ("daft", "pyarrow", "sklearn", "scipy", "numpy", "torch", "trafilatura", "py3langid")
    rooms = ", ".join(f"hornbook.corpus.{name}" for name in ("read", "filter", "grade", "clean", "decontaminate"))
    code = f"import sys, {rooms}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"language": {"keep": ["english"]}}, "there is no language 'english'"),
        ({"language": {"shares": {"EN": 0.5}}}, "there is no language 'EN'"),
        ({"heuristics": {"rules": ["c4.bad_words"]}}, "comes with no words of its own"),
        ({"heuristics": {"limits": {"gopher.few_words": 20}}}, "rules names none"),
        ({"heuristics": {"without": ["gopher.few_words"]}}, "rules names none"),
        ({"heuristics": {"rules": ["c4"], "limits": {"gopher.few_words": 20}}}, "'gopher.few_words' is not: name it"),
        (
            {"heuristics": {"rules": ["c4"], "without": ["c4.few_sentences"], "limits": {"c4.few_sentences": 9}}},
            "'c4.few_sentences' is not: name it",
        ),
        ({"heuristics": {"rules": ["c4"], "without": ["gopher"]}}, "rules that are on, and 'gopher' is not"),
        ({"heuristics": {"rules": ["gopher"], "bad_words": ["darn"]}}, "c4.bad_words, which is not on"),
        ({"heuristics": {"bad_words": ["darn"]}}, "c4.bad_words, which is not on"),
    ],
)
def test_filters_that_could_do_nothing(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FilterSettings.model_validate(values)


def test_filters_that_do_something() -> None:
    FilterSettings.model_validate({"language": {"keep": ["en", "code", "und", "ceb"], "shares": {"*": 0.1}}})
    FilterSettings.model_validate({"heuristics": {"rules": ["c4"], "limits": {"c4.few_sentences": 3}}})
    FilterSettings.model_validate({"heuristics": {"rules": ["c4"], "bad_words": ["darn"], "without": ["c4.citations"]}})
    FilterSettings.model_validate({"heuristics": {"rules": ["c4.citations", "gopher"], "without": ["c4"]}})
