from __future__ import annotations

import json
from pathlib import Path

from hornbook.corpus.settings import CleanSettings
from hornbook.corpus.talks import clean_talks
from hornbook.files import read_jsonl

PROMPT = 'def sum_of_even_squares(values):\n    """Return the sum of the squares of the even numbers in values."""\n'
SOLUTION = "    return sum(v * v for v in values if v % 2 == 0)\n"


def test_rows_that_hold_a_problem_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "problems.jsonl").write_text(json.dumps({"id": "evens", "prompt": PROMPT, "solution": SOLUTION}))
    hello = {"id": "hello", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}
    asked = {
        "id": "asked",
        "messages": [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": SOLUTION}],
    }
    pair = {"id": "pair", "prompt": PROMPT, "chosen": SOLUTION, "rejected": "    return 0\n"}
    (tmp_path / "conversations.jsonl").write_text(json.dumps(hello) + "\n" + json.dumps(asked) + "\n")
    (tmp_path / "preferences.jsonl").write_text(json.dumps(pair) + "\n")
    figures = clean_talks(
        [tmp_path / "conversations.jsonl", tmp_path / "preferences.jsonl"],
        tmp_path / "problems.jsonl",
        CleanSettings(),
        into=tmp_path / "out",
    )
    assert figures == {"conversations": {"kept": 1, "removed": 1}, "preferences": {"kept": 0, "removed": 1}}
    assert list(read_jsonl(tmp_path / "out/conversations.jsonl")) == [hello]
    (removed,) = read_jsonl(tmp_path / "out/removed/conversations.jsonl")
    assert (removed["id"], removed["reason"], removed["problem"]) == ("asked", "contamination", "evens")
