"""What is suggested was answered: of Hornbook's own models, by the evaluation of their run."""

from __future__ import annotations

import shutil
from pathlib import Path

from hornbook.files import write_json, write_jsonl
from hornbook.model.tokenizers import Tokenizer
from hornbook.serve.suggestions import suggestions


def test_questions_that_were_answered_rightly(tmp_path: Path, tokenizer_folder: Path) -> None:
    model = tmp_path / "run" / "08-dpo" / "model"
    shutil.copytree(tokenizer_folder, model)
    tokenizer = Tokenizer(model)
    assert suggestions(model, tokenizer) == ()
    questions = {"a": "Count the words.", "b": "Count.", "c": "Sort the numbers in values.", "d": "Add."}
    families = {"a": "count", "b": "count", "c": "sort", "d": "add"}
    for stage in ("03-write", "09-evaluate"):
        (tmp_path / "run" / stage).mkdir()
    write_jsonl(
        tmp_path / "run" / "03-write" / "problems.jsonl",
        [{"id": one, "question": question} for one, question in questions.items()],
    )
    attempts = [{"id": one, "family": family, "passed": one != "d"} for one, family in families.items()]
    write_json(tmp_path / "run" / "09-evaluate" / "dpo.json", {"chat": attempts})
    assert suggestions(model, tokenizer) == ("Count.", "Sort the numbers in values.")
    shrunk = tmp_path / "run" / "10-quantize" / "model"
    shutil.copytree(model, shrunk)
    write_json(shrunk.parent / "4bit.json", {"chat": [attempts[0]]})
    assert suggestions(shrunk, tokenizer) == ("Count the words.",)
    (shrunk.parent / "4bit.json").write_text('{"chat": [3]}')
    assert suggestions(shrunk, tokenizer) == ()
