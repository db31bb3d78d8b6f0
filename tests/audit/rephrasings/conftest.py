"""Corpora with questions told again among passages of the same words, and judges that answer by content."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.audit.rephrasings.told_again import QUESTIONS, WAYS
from tests.teacher.client.server import Act, Call, Server

from hornbook.corpus.decontaminate.benchmarks import Benchmark, Item

MakeCorpus = Callable[..., Path]


def noise(count: int, seed: int = 1) -> list[str]:
    """Passages of the questions' own words, drawn by chance: nothing is told in them."""
    chance = random.Random(seed)
    words = sorted({word for text in QUESTIONS for word in text.split()})
    return [" ".join(chance.choices(words, k=chance.randrange(15, 60))) for _ in range(count)]


@pytest.fixture
def benchmark() -> Benchmark:
    items = [Item("quiz", str(number), question) for number, question in enumerate(QUESTIONS)]
    return Benchmark("quiz", "text", tuple(items))


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """`make_corpus([text, ...])` is a corpus folder with a document for each text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def make(texts: list[str], folder: str = "corpus") -> Path:
        rows = [{"id": f"id{n}", "text": text, "source": "web", "path": f"{n}.txt"} for n, text in enumerate(texts)]
        (tmp_path / folder / "documents").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / folder / "documents" / "part-00000.parquet")
        return tmp_path / folder

    return make


def same(problem: str, passage: str) -> bool:
    """Whether a passage is a question told again: known from the list of them, not from the words."""
    number = QUESTIONS.index(problem)
    return any(texts[number] in passage for texts in WAYS.values())


def asked(body: dict[str, Any]) -> tuple[str, str]:
    """The problem and the passage of a request to a judge."""
    said = "\n".join(message["content"] for message in body["messages"])
    found = re.search(r"<problem>\n(.*?)\n</problem>.*?<passage>\n(.*?)\n</passage>", said, re.DOTALL)
    assert found is not None
    return found[1], found[2]


def say(body: dict[str, Any], said: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the stand-in judge answers."""
    verdict = "yes" if same(*asked(body)) else "no"
    return {"reason": f"I say {verdict}, having <read> both.", "same_problem": verdict}


class JudgeServer(Server):
    """The server that misbehaves as told, with a judge behind it in place of a reckoner."""

    def _completion(self, call: Call, act: Act) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": act.content}
        if act.content is None:
            message["content"] = json.dumps(say(call.body))
        elif isinstance(act.content, dict):
            message |= act.content["message"]
        usage = {"prompt_tokens": 20, "completion_tokens": 10}
        return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
