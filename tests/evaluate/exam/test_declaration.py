from __future__ import annotations

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.evaluate.exam.declaration import benchmarks, find, suites
from hornbook.evaluate.exam.rules import RULES

PAGE = """
title = "Mine"
about = "of my own"
source = "nowhere"
score = "choice"
prompt = "{{ q }}"
choices = ["yes", "no"]
gold = "{{ a }}"
files = [{ file = "mine.jsonl" }]
"""


def test_every_page_is_whole() -> None:
    assert len(benchmarks()) >= 20
    for name, one in benchmarks().items():
        assert one.name == name and one.files and one.rows, name
        assert one.headline in {"acc", "acc_norm", "mass", "exact", "strict", "pass@1", "safety", "right", "grade"}, (
            name
        )
        assert all(copy.note for copy in one.files if copy.state != "whole"), name
        assert one.score in RULES


def test_suites_name_benchmarks_and_shares() -> None:
    assert set(suites()) == {"phi-1", "phi-1.5", "phi-3", "smollm2", "safety"}
    for suite in suites().values():
        assert set(suite.benchmarks) <= set(benchmarks())
        assert all(0 < score < 1 for row in suite.rows for score in row.scores.values())
    assert {row.benchmark: row.scores for row in suites()["phi-3"].rows}["mmlu"] == {
        "phi-3-mini": 0.688,
        "phi-3-small": 0.757,
        "phi-3-medium": 0.780,
    }


def test_a_page_of_the_users(tmp_path: Path) -> None:
    page = tmp_path / "mine.toml"
    page.write_text(PAGE)
    assert find(str(page)).title == "Mine"
    assert find("mine", tmp_path) == find(str(page))
    with pytest.raises(UserError, match=r"no benchmark 'arc_esay' \(did you mean 'arc_easy'\?\)"):
        find("arc_esay")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('score = "chioce"', r"there is no score 'chioce' \(did you mean 'choice'\?\)"),
        ('pompt = ""', "pompt is not a setting"),
        ('score = "program"', "the score program needs program, tests, entry"),
        ('files = [{ file = "a", form = "acr" }]', r"there is no form 'acr' \(did you mean 'arc'\?\)"),
        ('score = "dialogue"', "the score dialogue needs judge, turns"),
        ('judge = { prompt = "", grades = { wit = "" } }', "the score choice takes no judge"),
        ('turns = "said"', "the score choice takes no turns"),
        (
            'judge = { prompt = "", grades = { why = "" } }',
            "judge: 'why' is the name of something else; call the grade or the class otherwise",
        ),
        ("title = 3", "mine.toml: title: input should be a valid string"),
    ],
)
def test_a_mistake_in_a_page_is_told(tmp_path: Path, line: str, told: str) -> None:
    key = line.partition(" ")[0]
    kept = [one for one in PAGE.splitlines() if not one.startswith(key)]
    page = tmp_path / "mine.toml"
    page.write_text("\n".join([*kept, line]))
    with pytest.raises(UserError, match=told):
        find(str(page))
