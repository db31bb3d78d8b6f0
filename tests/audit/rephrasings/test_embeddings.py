from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.audit.rephrasings.conftest import noise
from tests.audit.rephrasings.embedding_server import EmbeddingServer, Fault, serving
from tests.audit.rephrasings.told_again import QUESTIONS, WAYS

from hornbook.audit.rephrasings.candidates import candidates
from hornbook.audit.rephrasings.embeddings import TOGETHER, EndpointEmbedder
from hornbook.corpus.decontaminate.benchmarks import Benchmark
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.teacher.client.budget import BudgetError
from hornbook.teacher.client.settings import BudgetSettings, ClientSettings, Endpoint

TEXTS = noise(5 * TOGETHER)

Make = Callable[..., EndpointEmbedder]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def given(url: str, **rest: Any) -> EndpointEmbedder:
        endpoint = Endpoint(base_url=url, model="meaning", price_in=1.0)
        quick: dict[str, Any] = {"cache": tmp_path / "cache", "backoff": 0.01, "longest_pause": 0.05}
        return EndpointEmbedder(ClientSettings(endpoints=(endpoint,), **(quick | rest)))

    return given


def test_what_is_told_in_other_words_is_found(
    make: Make, make_corpus: Callable[..., Path], benchmark: Benchmark
) -> None:
    corpus = make_corpus([*noise(50), *WAYS["other words"]])
    with serving(EmbeddingServer()) as server, make(server.url) as embed:
        found, _ = candidates(corpus, benchmark.items, embed, 1, Progress())
    assert [pair.passage.text for (pair,) in found] == list(WAYS["other words"])
    assert {pair.similarity for (pair,) in found} == {1.0}


def test_rows_are_in_order_and_paid_for_once(make: Make) -> None:
    texts = [*TEXTS, *QUESTIONS, TEXTS[0]]
    with serving(EmbeddingServer()) as server:
        with make(server.url) as embed:
            assert embed.cost(texts)[0] == len(set(texts))
            rows = embed(texts)
            assert embed.budget.tokens == 3 * len(set(texts))
        assert rows[-2].argmax() == len(QUESTIONS) - 1
        assert np.allclose(np.linalg.norm(rows, axis=1), 1)
        with make(server.url, budget=BudgetSettings(requests=0)) as embed:
            assert embed.cost(texts) == (0, 0, 0.0)
            assert (embed(texts) == rows).all()
        assert set(server.texts.values()) == {1}


def test_faults_that_pass_are_waited_out(make: Make) -> None:
    faults: list[Fault | None] = [
        (429, {"Retry-After": "0"}, b"{}"), (500, {}, b"oh"), (200, {}, b'{"data": ['), (200, {}, b'{"data": []}'),
        (200, {}, b'{"data": [{"index": 0, "embedding": ["x"]}]}'), (503, {}, b""),
    ]  # fmt: skip
    server = EmbeddingServer(lambda number: faults[number] if number < len(faults) else None)
    with serving(server), make(server.url) as embed:
        assert len(embed(TEXTS)) == len(TEXTS)
        assert embed.budget.requests == len(faults) + 5
    assert set(server.texts.values()) == {1}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ((404, {}, b"{}"), "gave no vectors"),
        ((401, {}, b"{}"), "wants a key"),
        ((400, {}, b'{"error": {"message": "too long"}}'), "too long"),
        ((500, {}, b"oh"), "those that came are kept"),
    ],
)
def test_faults_that_stay_end_it_in_one_line(fault: Fault, told: str, make: Make) -> None:
    with serving(EmbeddingServer(lambda number: fault)) as server, make(server.url, retries=2) as embed:
        with pytest.raises(UserError, match=told) as caught:
            embed(TEXTS)
        assert "\n" not in str(caught.value)


def test_nobody_there(make: Make) -> None:
    with make("http://127.0.0.1:9/v1") as embed, pytest.raises(UserError, match="cannot be reached"):
        embed(["text"])


@pytest.mark.parametrize("budget", [{"requests": 2}, {"tokens": 1_000}, {"money": 0.001}])
def test_a_budget_ends_it_and_it_goes_on(budget: dict[str, float], make: Make) -> None:
    """A request may take 640 tokens at most, which are set aside, and takes 192."""
    texts = [f"text {number:03} " + 31 * "x" for number in range(5 * TOGETHER)]
    with serving(EmbeddingServer()) as server:
        with (
            make(server.url, budget=BudgetSettings(**budget)) as embed,
            pytest.raises(BudgetError, match="goes on from there"),
        ):
            for start in range(0, len(texts), TOGETHER):
                embed(texts[start : start + TOGETHER])
        assert len(server.texts) == 2 * TOGETHER
        assert min(value for value in embed.budget.left().model_dump().values() if value is not None) < 1_000
        with make(server.url) as embed:
            embed(texts)
        assert set(server.texts.values()) == {1}


def test_vectors_of_another_length_are_told(make: Make) -> None:
    odd = b'{"data": [{"index": 0, "embedding": [1.0, 2.0]}]}'
    with serving(EmbeddingServer(lambda number: (200, {}, odd) if number else None)) as server:
        embed = make(server.url)
        embed(["one"])
        with embed, pytest.raises(UserError, match="several lengths for meaning: 2, 17"):
            embed(["two"])
