from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.evaluate.benchmark import EvaluateSettings, Subject
from hornbook.evaluate.problems import Problem, attempt, complete, extract, load, what_is_wrong
from hornbook.inference import generate as module
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.sandbox.program import CallResult, Outcome
from hornbook.sandbox.sandbox import isolation

PROMPT = 'def double(x):\n    """Return twice x."""\n'
DOUBLE = Problem("1", "numbers", "double", PROMPT, "Write double.", "    return 2 * x\n", ((2,), (0,)), (4, 0))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("    return 2 * x\n", "    return 2 * x"),
        ("    return 2 * x\n\n\ndef other():\n    return 1\n", "    return 2 * x"),
        ("    y = x\n\n    return y\nprint(1)\n    z = 2", "    y = x\n\n    return y"),
        ("    return 2 * x", "    return 2 * x"),
        ("\treturn 2 * x\n# said\n", "\treturn 2 * x"),
        ("", ""),
        ("return x\n", ""),
        ("\n\n    return x  \n", "\n\n    return x"),
    ],
)
def test_complete(text: str, body: str) -> None:
    assert complete(PROMPT.rstrip("\n"), "\n" + text) == (PROMPT + body).rstrip("\n") + "\n"


def test_what_goes_on_with_the_prompts_last_line() -> None:
    assert (
        complete('def f():\n    """x"""', "  # said\n    return 1\nf()")
        == 'def f():\n    """x"""  # said\n    return 1\n'
    )


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("def f():\n    return 1\n\n", "def f():\n    return 1\n"),
        ("Sure:\n```python\ndef f():\n    return 1\n```\nDone.", "def f():\n    return 1\n"),
        ("```\nx = 1\n```\n```\ny = 2\n```", "x = 1\n"),
        ("```py\nx = 1\n```\nand ```\ny\n```", "x = 1\n"),
        ("```python\nx = 1", "```python\nx = 1\n"),
        ("", "\n"),
    ],
)
def test_extract(answer: str, program: str) -> None:
    assert extract(answer) == program


@pytest.mark.parametrize(
    ("outcome", "wrong"),
    [
        (Outcome("ok", (CallResult(4), CallResult(0))), ""),
        (Outcome("ok", (CallResult(4), CallResult(1))), "double(0) returned 1, not 0"),
        (Outcome("ok", (CallResult(4), CallResult(False))), "double(0) returned False, not 0"),
        (Outcome("ok", (CallResult(error="TypeError: no"), CallResult(0))), "double(2) raised TypeError: no"),
        (Outcome("timeout", message="no answer"), "timeout: no answer"),
        (Outcome("died"), "died"),
    ],
)
def test_what_is_wrong(outcome: Outcome, wrong: str) -> None:
    assert what_is_wrong(DOUBLE, outcome) == wrong


def row(**changes: Any) -> str:
    values = {"id": "1", "family": "f", "name": "g", "prompt": "p", "question": "q", "solution": "s"}
    return json.dumps(values | {"cases": ["((1, 'a'), [True])", "((), None)"]} | changes)


def test_load(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text(row() + "\n" + row(id="2") + "\n")
    found = load(path)
    assert [one.id for one in found] == ["1", "2"]
    assert found[0].calls == ((1, "a"), ())
    assert found[0].expected == ([True], None)
    assert len(load(path, 1)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no problems"),
        (row() + "\n{", "line 2, is no problem"),
        (row() + "\n[]\n", "line 2, is no problem"),
        ('{"id": "1"}', "line 1, is no problem: it has no 'cases'"),
        (row(cases=["open('x')"]), "line 1, is no problem"),
        (row(cases=["(1,"]), "line 1, is no problem"),
        (row(cases=["1"]), "line 1, is no problem"),
        (row(cases=5), "line 1, is no problem"),
        (row(cases=["((b'',), 1)"]), "line 1, is no problem: TypeError: an argument must be a plain literal"),
        (row(cases=["((" + "[" * 70 + "]" * 70 + ",), 1)"]), "line 1, is no problem: TypeError: an argument"),
        (row(cases=["(" * 5000]), "line 1, is no problem"),
        (row(cases=["(-" * 5000]), "line 1, is no problem"),
        (row(cases=["((" + "9" * 5000 + ",), 1)"]), "line 1, is no problem"),
    ],
)
def test_broken_problems_are_named(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load(path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("style", ["completion", "chat"])
def test_attempt(style: Any, tokenizer_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that knows one answer of three: right, wrong, and one that never ends."""
    if not isolation().isolated:
        pytest.skip(isolation().how)
    tokenizer = Tokenizer(tokenizer_folder)
    bodies = ["    return 2 * x\n", "    return x\n", "    while True: pass\n"]
    asked: list[str] = []

    def answer(model: Any, prompts: list[list[int]], *, advance: Callable[[int], None], **settings: Any) -> Any:
        asked.extend(tokenizer.decode(prompt) for prompt in prompts)
        assert settings["stops"] == tokenizer.stops
        left = PROMPT.removeprefix(asked[0])  # what token healing asks for again
        whole = "```python\n" + PROMPT + "{}```" if style == "chat" else left + "{}\nprint('more')\n"
        return [tokenizer.encode(whole.format(body)) for body in bodies]

    monkeypatch.setattr(module, "generate", answer)
    problems = [Problem(str(i), *list(vars(DOUBLE).values())[1:]) for i in range(3)]
    subject = Subject("x", None, tokenizer, EvaluateSettings(seconds=0.5), Progress())  # type: ignore[arg-type]
    attempts = attempt(subject, problems, style)
    assert [one.passed for one in attempts] == [True, False, False]
    assert attempts[1].wrong == "double(2) returned 2, not 4"
    assert attempts[2].wrong.startswith("timeout")
    assert attempts[0].program.rstrip() == (PROMPT + bodies[0]).rstrip()
    assert PROMPT.startswith(asked[0]) if style == "completion" else "Write double." in asked[0]
