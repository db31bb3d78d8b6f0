"""The next token: distributions are transformers', penalties are OpenAI's, a seed gives the same text again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hornbook.inference.choosing import Chooser, log_shares
from hornbook.inference.sampling import Sampling

SIZE = 3000


def logits(seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(SIZE) * 4).astype(np.float32)


def by_transformers(values: np.ndarray, sampling: Sampling) -> np.ndarray:
    """The distribution that transformers draws from."""
    import torch
    from transformers.generation import logits_process as theirs

    scores = torch.tensor(values)[None].double()
    steps = [theirs.TemperatureLogitsWarper(sampling.temperature)]
    if sampling.top_k:
        steps.append(theirs.TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        steps.append(theirs.TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        steps.append(theirs.MinPLogitsWarper(sampling.min_p))
    for step in steps:
        scores = step(torch.zeros(1, 1, dtype=torch.long), scores)
    return scores.softmax(-1)[0].numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0},
        {"temperature": 0.5, "top_k": 7},
        {"temperature": 1.5, "top_p": 0.8},
        {"temperature": 8.0, "top_p": 0.97},
        {"temperature": 2.0, "min_p": 0.1},
        {"temperature": 1.2, "top_k": 40, "top_p": 0.9, "min_p": 0.02},
    ],
    ids=str,
)
def test_draws_are_transformers(settings: dict[str, float]) -> None:
    values = logits()
    wanted = by_transformers(values, Sampling.model_validate(settings))
    chooser = Chooser(Sampling.model_validate(settings), [])
    drawn = Counter(chooser.choose(values) for _ in range(4000))
    assert all(wanted[token] > 0 for token in drawn)
    likely = np.argsort(-wanted)[:6]
    seen = [drawn[int(token)] for token in likely]
    expected = wanted[likely] * 4000
    rest = (4000 - sum(seen), 4000 - expected.sum())
    if rest[1] > 5:
        seen, expected = [*seen, rest[0]], np.append(expected, rest[1])
    expected = expected * sum(seen) / expected.sum()
    assert len(seen) < 2 or stats.chisquare(seen, expected).pvalue > 1e-4


def test_a_seed_gives_the_same_again_and_another_does_not() -> None:
    def text(seed: int) -> list[int]:
        chooser = Chooser(Sampling(temperature=2.0, seed=seed), [])
        return [chooser.choose(logits(step)) for step in range(20)]

    assert text(3) == text(3) != text(4)


def test_penalties() -> None:
    values = np.array([2.0, 1.9, -1.0, 0.5], np.float32)
    greedy = Chooser(Sampling(), [])
    assert [greedy.choose(values) for _ in range(2)] == [0, 0]
    repetition = Chooser(Sampling(repetition_penalty=2.0), [1, 2])
    assert [repetition.choose(values) for _ in range(3)] == [0, 0, 0]  # what was chosen first counts from then on, too
    presence = Chooser(Sampling(presence_penalty=0.2), [0])  # the prompt does not count
    assert [presence.choose(values) for _ in range(4)] == [0, 1, 0, 0]
    frequency = Chooser(Sampling(frequency_penalty=0.2), [0])
    assert [frequency.choose(values) for _ in range(5)] == [0, 1, 0, 1, 0]
    assert values.tolist() == pytest.approx([2.0, 1.9, -1.0, 0.5])


def test_the_repetition_penalty_is_transformers() -> None:
    import torch
    from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

    values = logits(5)
    prompt = [int(token) for token in np.argsort(-values)[:3]]
    theirs = RepetitionPenaltyLogitsProcessor(1.7)(torch.tensor([prompt]), torch.tensor(values)[None])
    assert Chooser(Sampling(repetition_penalty=1.7), prompt).choose(values) == int(theirs.argmax())


def test_only_what_may_come_first_comes_first() -> None:
    chooser = Chooser(Sampling(), [], first=(5, 9))
    values = logits(6)
    assert chooser.choose(values) == max((5, 9), key=lambda token: values[token])
    assert chooser.choose(values) == int(values.argmax())


def test_log_shares_sum_to_one() -> None:
    assert float(np.exp(log_shares(logits(7))).sum()) == pytest.approx(1, abs=1e-5)


def test_what_is_imported_is_light() -> None:
    """The native executor's path loads no PyTorch."""
    import subprocess
    import sys

    code = "import sys; import hornbook.inference.scheduler, hornbook.inference.spoken; print([m for m in ('torch',) if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
    assert Path(__file__).exists()
