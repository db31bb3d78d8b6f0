from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.filter import language as languages
from hornbook.corpus.filter.language import identify_language
from hornbook.errors import UserError

TEXTS = {
    "en": "The children went down to the river because the evening was still warm.",
    "de": "Die Kinder gingen hinunter zum Fluss, weil der Abend noch warm war.",
    "fr": "Les enfants descendirent vers la rivière, car la soirée était encore chaude.",
    "es": "Los niños bajaron al río porque la tarde todavía era cálida.",
    "ru": "Дети спустились к реке, потому что вечер был ещё тёплым.",
    "zh": "孩子们走到河边，因为傍晚的天气仍然很暖和。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_languages(code: str) -> None:
    pytest.importorskip("py3langid")
    found, score = identify_language(TEXTS[code], "a.txt")
    assert found == code
    assert 0.5 < score <= 1
    assert score == round(score, 3)


def test_a_long_text_is_judged_by_its_excerpts() -> None:
    pytest.importorskip("py3langid")
    assert identify_language(TEXTS["de"] * 2_000, "a.txt")[0] == "de"
    assert identify_language(TEXTS["zh"] * 2_000, "a.txt")[0] == "zh"


def test_code_is_told_by_its_name_and_nothing_by_no_letters() -> None:
    assert identify_language(TEXTS["fr"], "sub/a.py#3") == ("code", 1.0)
    assert identify_language("x = 1", "a.rs.gz") == ("code", 1.0)
    assert identify_language("1 + 2 = 3", "a.txt") == ("und", 0.0)
    assert identify_language("", "a.txt") == ("und", 0.0)


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    languages._identifier.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install py3langid"):
        identify_language("text", "a.txt")


@pytest.mark.parametrize("code", ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"])
def test_problems_in_eleven_languages(code: str, real_data: Callable[[str], Path]) -> None:
    pytest.importorskip("py3langid")
    file = real_data(f"benchmarks/mgsm/mgsm_{code}.tsv")
    problems = [line.split("\t")[0] for line in file.read_text(encoding="utf-8").splitlines()[:40]]
    assert sum(identify_language(problem, "a.tsv")[0] == code for problem in problems) >= 39
