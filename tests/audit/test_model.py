from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.audit import answers as module
from hornbook.audit.answers import answered, checks_of
from hornbook.audit.model import THRESHOLDS, Asking, audit_model, similarity, split
from hornbook.audit.page import page
from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.sandbox.judge import judge
from hornbook.sandbox.sandbox import Sandbox

DOUBLE = Item(
    "code",
    "d",
    "def double(x):\n",
    "    return 2 * x\n",
    "def double(x):\n    return 2 * x\n",
    "double",
    "assert double(2) == 4",
)
CHOICE = Item("quiz", "q", "What is it?", choices=("this", "that <b>one</b>"), right=1)


def test_which_function_is_asked_for() -> None:
    helper = "def help(x):\n    return x\n\ndef double(x):\n    return help(2 * x)\n"
    named = Item("c", "1", "Write double.", code=helper, checks="assert double(2) == 4\nassert double(help(1)) == 2")
    assert checks_of(named).entry == "double"
    assert checks_of(replace(named, checks="assert print(")).entry == ""
    spaced = replace(named, code="import math\ndef help(x): return x\n@print\ndef  double (x ,y = 1) :return 2\n")
    assert module._prompt(spaced) == 'def double(x, y=1):\n    """Write double."""\n'
    assert module._prompt(replace(named, code="class C: pass")) == module._prompt(replace(named, checks="1")) == ""
    assert checks_of(replace(named, entry="help")).entry == "help"
    with Sandbox(allow_unisolated=True) as sandbox:
        assert judge(sandbox, checks_of(named), helper) == ""
        assert judge(sandbox, checks_of(named), helper.replace("2 *", "3 *")).startswith(
            "the tests fail: AssertionError"
        )


def test_the_split() -> None:
    right = {("b", "1"): True, ("b", "2"): True, ("b", "3"): False, ("b", "4"): False}
    near = {("b", "1"): 1.0, ("b", "2"): 0.92, ("b", "3"): 0.86, ("b", "4"): 0.0}
    rows = split(right, near)
    assert [(row["similar"]["of"], row["similar"]["share"], row["other"]["share"]) for row in rows] == [
        (1, 1.0, 0.3333), (2, 1.0, 0.0), (3, 0.6667, 0.0), (3, 0.6667, 0.0),
    ]  # fmt: skip
    assert [row["threshold"] for row in rows] == list(THRESHOLDS)


def corpus(folder: Path, texts: list[str]) -> Path:
    (folder / "documents").mkdir(parents=True)
    rows = [{"id": str(number), "text": text, "source": "s"} for number, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "documents" / "part-00000.parquet")
    return folder


LOOP = "def total(values):\n    result = 0\n    for value in values:\n        if value > 3:\n            result += value\n    return result\n"


def test_similarity_is_the_likeness_of_shapes(tmp_path: Path) -> None:
    items = (
        Item("c", "same", "q", code=LOOP),
        Item("c", "other", "q", code=LOOP.replace("result += value", "print(value ** 2, [value])")),
    )
    near = similarity(
        corpus(tmp_path, ["words", LOOP.replace("value", "v")]), [Benchmark("c", "code", items)], Progress()
    )
    assert near["c", "same"] == 1.0
    assert 0.5 < near["c", "other"] < 0.95


def test_a_model_is_audited_and_shown(make_checkpoint: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    model, folder = make_checkpoint(1)
    benchmarks = [
        Benchmark(
            "quiz",
            "text",
            tuple(Item("quiz", str(n), f"What is {n}?", choices=CHOICE.choices, right=n % 2) for n in range(9)),
        )
    ]
    place = corpus(tmp_path / "corpus", ["nothing"])
    found = audit_model(
        model, Tokenizer(folder), benchmarks, place, ["unseen text", "more of it"], Asking(most=6), Progress()
    )
    (row,) = found["benchmarks"]
    assert (row["items"], row["score"]["of"], row["perturbed"]["texts"]) == (6, 6, 6)
    assert [line["other"]["of"] for line in row["split"]] == [6] * 4
    assert found == audit_model(
        model, Tokenizer(folder), benchmarks, place, ["unseen text", "more of it"], Asking(most=6), Progress()
    )
    shown = page("my <model>", "benchmarks", None, found)
    assert "my &lt;model&gt;" in shown
    assert "similar part" in shown
    assert "likelier than unseen" in shown
    unknown = audit_model(model, Tokenizer(folder), benchmarks, None, [], Asking(most=6), Progress())
    assert "The corpus of this model is not known" in page("m", "b", None, unknown)


LIAR = """
class Liar:
    def __eq__(self, other):
        return True
def double(x):
    return Liar()
"""
FORGER = """
import os, struct
def double(x):
    for answer in (b"None", b"True", b"4"):
        record = struct.pack("<BI", 0, len(answer)) + answer + struct.pack("<BI", 2, 0)
        os.write(3, record)
    os._exit(0)
"""


def test_no_program_of_a_model_forges_a_pass(
    make_checkpoint: Callable[..., tuple[Any, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way of `hornbook audit MODEL`, with a model that writes what it is told."""
    from hornbook.inference import generate

    broken = replace(DOUBLE, id="broken", checks="assert double(2) == 5")
    items = [replace(DOUBLE, id=name) for name in ("right", "wrong", "liar", "forger")] + [broken]
    programs = [DOUBLE.code, DOUBLE.code.replace("2 *", "3 *"), LIAR, FORGER, DOUBLE.code]
    model, folder = make_checkpoint(1)
    written = iter(programs)
    monkeypatch.setattr(generate, "generate", lambda *_, **__: [[0]] * len(items))
    monkeypatch.setattr(module, "complete", lambda prompt, text: next(written))
    right = answered(model, Tokenizer(folder), items, Progress(), allow_unisolated=True)
    assert right == {
        ("code", "right"): True,
        ("code", "wrong"): False,
        ("code", "liar"): False,
        ("code", "forger"): False,
    }
    found = audit_model(
        model, Tokenizer(folder), [Benchmark("quiz", "text", (CHOICE,))], None, [], Asking(most=6), Progress()
    )
    found["benchmarks"][0]["unjudged"] = 2
    assert "2 items left out" in page("m", "b", None, found)


def test_the_page_of_a_corpus_escapes_and_shows_both_sides() -> None:
    hit = {
        "benchmark": "quiz",
        "item": "7",
        "rule": "words",
        "share": 0.9,
        "document": "abcdef",
        "source": "web",
        "path": "p",
        "question": "Is <b> bold?",
        "excerpt": "Is <b> bold now?",
    }
    row = {
        "name": "quiz",
        "kind": "text",
        "items": 10,
        "short": 2,
        "leaked": 1,
        "documents": 1,
        "incomplete": [],
        "rules": {"words": 1},
        "hits": [hit],
    }
    clean = {**row, "name": "clean", "leaked": 0, "hits": []}
    shown = page("corpus", "dir", {"documents": 3, "characters": 99, "benchmarks": [row, clean], "left_out": {}}, None)
    assert "<b> bold" not in shown
    assert "clean (10, 2 too short)" in shown
    assert "src=" not in shown
    assert "http" not in shown
