"""Losses against plain numpy in float64, and batches that depend on the step alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.longrope.extend import LongAndShort
from hornbook.tokens.mixture import schedule
from hornbook.train.dpo import Preferences
from hornbook.train.losses import IGNORE, count_targets, cross_entropy
from hornbook.train.pretrain import NextToken, Sequential
from hornbook.train.rows import Example, Pair, Rows, laid_out
from hornbook.train.tuning import LearntTokens

PAD = 5


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def logits_of(model: Any, ids: Any) -> np.ndarray:
    with torch.no_grad():
        return model(torch.as_tensor(ids)).double().numpy()


def next_token(seed: int, rows: int, total: int, batch: int = 4) -> NextToken:
    table = np.random.default_rng(seed).integers(6, 400, (rows, 17)).astype(np.uint16)
    table[::3, 11:] = PAD
    return NextToken([table], schedule([rows], [1.0], total, 9, seed), batch, 17, PAD)


def test_next_token_loss(make_model: Callable[..., Any]) -> None:
    model, objective = make_model(seed=1), next_token(1, 12, 12, batch=12)
    batch = objective.batch(0)
    rows = np.array([objective.shards[0][row] for row in objective.schedule.rows], dtype=np.int64)
    likelihood, total, count = log_softmax(logits_of(model, rows[:, :-1])), 0.0, 0
    for row in range(12):
        for at in range(16):
            if rows[row, at + 1] != PAD:
                total, count = total - likelihood[row, at, rows[row, at + 1]], count + 1
    loss, _ = objective.loss(model, batch)
    assert count < 12 * 16
    assert loss.item() == pytest.approx(total / count, rel=1e-5)


def test_what_stands_after_padding_changes_nothing(make_model: Callable[..., Any]) -> None:
    model = make_model(seed=1)
    targets = torch.tensor([[7, 8, IGNORE, IGNORE]])
    logits = torch.randn(1, 4, 400, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = cross_entropy(logits, targets, count_targets(targets))
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad[0, 2:].any()
    assert logits.grad[0, :2].any()
    assert loss.item() == pytest.approx(
        cross_entropy(logits[:, :2], targets[:, :2], count_targets(targets)).item(), rel=1e-6
    )
    ignored = torch.full((1, 4), IGNORE)
    nothing = cross_entropy(logits, ignored, count_targets(ignored))
    assert nothing.item() == 0.0
    assert model is not None


def test_sequential_crosses_the_boundary() -> None:
    first, second = next_token(1, 12, 14), next_token(2, 20, 21)
    both = Sequential([first, second])
    assert (first.steps, second.steps, both.steps) == (3, 5, 8)
    assert [both.tokens_before(step) for step in (0, 3, 8)] == [0, 3 * 4 * 16, 8 * 4 * 16]
    for step in range(8):
        wanted = first.batch(step) if step < 3 else second.batch(step - 3)
        assert all(torch.equal(both.batch(step)[name], wanted[name]) for name in ("ids", "targets"))
    with pytest.raises(IndexError):
        both.batch(8)


def test_tokens_are_counted_without_padding() -> None:
    """12 rows of 16 read tokens, of which every third has 11; 22 rows are read in whole batches of 4, that is 20."""
    objective = next_token(1, 12, 22)
    read = np.array([objective.shards[0][row, :-1] for row in objective.schedule.rows[:20]])
    assert objective.tokens == objective.tokens_of[0] == (read != PAD).sum() < 20 * 16
    both = LongAndShort(objective, next_token(2, 20, 8))  # two steps
    assert both.tokens == (read[:8] != PAD).sum() + both.parts["short"].tokens


def test_batches_are_the_same_whenever_asked() -> None:
    objective = next_token(3, 30, 60)
    later = objective.batch(7)
    for step in (0, 3, 7):
        objective.batch(step)
    assert torch.equal(objective.batch(7)["ids"], later["ids"])
    assert torch.equal(
        later["ids"][:, 1:][later["targets"][:, :-1] != IGNORE],
        later["targets"][:, :-1][later["targets"][:, :-1] != IGNORE],
    )


def test_answers_teach_the_assistants_tokens_only(make_model: Callable[..., Any]) -> None:
    source = np.random.default_rng(5)
    ids, mask = source.integers(6, 400, (6, 12)), source.random((6, 12)) < 0.4
    order = np.array([5, 0, 3, 2])
    objective = LearntTokens(Rows(ids, mask, np.ones_like(ids)), order, 2)
    assert objective.steps == 2
    batch = objective.batch(1)
    for row, number in enumerate((3, 2)):
        for at in range(11):
            target = batch["targets"][row, at].item()
            assert target == (ids[number, at + 1] if mask[number, at + 1] else IGNORE)
    model = make_model(seed=2)
    likelihood = log_softmax(logits_of(model, ids[[3, 2], :-1]))
    wanted = [-likelihood[r, at, ids[n, at + 1]] for r, n in enumerate((3, 2)) for at in range(11) if mask[n, at + 1]]
    assert objective.loss(model, batch)[0].item() == pytest.approx(np.mean(wanted), rel=1e-5)


def test_conversations_that_share_a_row_are_learnt_as_if_alone(make_model: Callable[..., Any]) -> None:
    """Each token's loss packed with others is its loss in a row of its own; of texts, which are learnt whole, too."""
    model, source = make_model(seed=4), np.random.default_rng(9)
    examples = [
        Example(source.integers(6, 400, length).tolist(), list(source.random(length) < 0.5))
        for length in (9, 4, 7, 12, 5)
    ]
    examples += [Example(source.integers(6, 400, length).tolist(), [True] * length) for length in (3, 8)]

    def losses(rows: Rows) -> list[float]:
        objective = LearntTokens(rows, np.arange(len(rows.ids)), len(rows.ids))
        batch = objective.batch(0)
        with torch.no_grad():
            logits = model(batch["ids"], document_ids=batch["document_ids"])
        each = torch.nn.functional.cross_entropy(logits.mT, batch["targets"], reduction="none", ignore_index=IGNORE)
        mean = each.sum().item() / max(1, (batch["targets"] != IGNORE).sum().item())
        assert objective.loss(model, batch)[0].item() == pytest.approx(mean)
        return sorted(each[batch["targets"] != IGNORE].tolist())

    together = laid_out(examples, 20, PAD)
    assert len(together.ids) == 3  # 48 tokens
    alone = [laid_out([example], 20, PAD) for example in examples]
    wanted = sorted(loss for rows in alone for loss in losses(rows))
    assert losses(together) == pytest.approx(wanted, abs=1e-5)


def pairs_of(chosen: np.ndarray, rejected: np.ndarray, masks: np.ndarray) -> list[Pair]:
    return [
        Pair(Example(better.tolist(), one.tolist()), Example(worse.tolist(), other.tolist()))
        for better, worse, one, other in zip(chosen, rejected, *masks, strict=True)
    ]


@pytest.mark.parametrize("chosen_weight", [0.0, 0.3])
def test_dpo_loss_by_hand(chosen_weight: float, make_model: Callable[..., Any]) -> None:
    source = np.random.default_rng(6)
    chosen, rejected = source.integers(6, 400, (2, 5, 14))
    masks = source.random((2, 5, 14)) < 0.5
    masks[:, :, 3] = True
    reference = source.normal(-20, 5, (5, 2)).astype(np.float32)
    order = np.array([4, 1, 2])
    pairs = pairs_of(chosen, rejected, masks)
    objective = Preferences(pairs, reference, order, 3, 0.1, chosen_weight, length=20, pad=PAD, compiled=True)
    assert objective.batch(0)["ids"].shape == (3, 2, 20)  # 13 and padding
    assert [objective.tokens_before(step) for step in range(objective.steps + 1)] == [0, 3 * 2 * 20]
    model = make_model(seed=7)

    def summed(ids: np.ndarray, mask: np.ndarray) -> float:
        likelihood = log_softmax(logits_of(model, ids[None, :-1])[0])
        return float(sum(likelihood[at, ids[at + 1]] for at in range(13) if mask[at + 1]))

    gains, likelihoods, words = [], 0.0, 0
    for pair in order:
        one, other = summed(chosen[pair], masks[0][pair]), summed(rejected[pair], masks[1][pair])
        gains.append((one - other) - (float(reference[pair, 0]) - float(reference[pair, 1])))
        likelihoods, words = likelihoods + one, words + int(masks[0][pair, 1:].sum())
    wanted = np.mean([np.log1p(np.exp(-0.1 * gain)) for gain in gains]) - chosen_weight * likelihoods / words
    loss, figures = objective.loss(model, objective.batch(0))
    assert loss.item() == pytest.approx(wanted, rel=1e-4)
    assert figures["accuracy"] == pytest.approx(np.mean(np.array(gains) > 0))
    assert figures["margin"] == pytest.approx(np.mean(gains), rel=1e-4)


def preferences() -> Preferences:
    source = np.random.default_rng(6)
    chosen, rejected = source.integers(6, 400, (2, 9, 14))
    masks = source.random((2, 9, 14)) < 0.5
    masks[:, :, 3] = True
    reference = source.normal(-20, 5, (9, 2)).astype(np.float32)
    return Preferences(
        pairs_of(chosen, rejected, masks), reference, np.arange(9), 9, 0.1, 0.3, length=13, pad=PAD, compiled=False
    )


def answers() -> LearntTokens:
    source = np.random.default_rng(5)
    ids, mask, documents = source.integers(6, 400, (9, 12)), source.random((9, 12)) < 0.4, source.random((9, 12)) < 0.2
    return LearntTokens(Rows(ids, mask, documents.cumsum(1)), np.arange(9), 9)


@pytest.mark.parametrize("rows", [1, 4, 9, 100])
@pytest.mark.parametrize(
    "objective",
    [
        next_token(1, 12, 12, batch=9),
        Sequential([next_token(1, 12, 12, batch=9)]),
        answers(),
        preferences(),
        LongAndShort(next_token(1, 12, 12, batch=4), next_token(2, 20, 21, batch=9)),
        LongAndShort(next_token(1, 12, 12, batch=9), None),
    ],
    ids=["next token", "sequential", "answers", "preferences", "long and short", "long"],
)
def test_parts_add_up_to_the_whole(make_model: Callable[..., Any], objective: Any, rows: int) -> None:
    """Loss, figures and gradients: what is not spread evenly (padding, masks) too."""
    model = make_model(seed=3).double()
    model.compute = torch.float64  # a part sums in another order than the whole
    batch = objective.batch(0)
    loss, figures = objective.loss(model, batch)
    loss.backward()
    whole = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    parts = list(objective.micro_batches(batch, rows))
    assert len(parts) == 1 or rows < 9 or "short_ids" in batch
    assert all(len(tensor) <= rows for part in parts for tensor in part.values() if tensor.ndim)
    total, added = 0.0, Counter[str]()
    for part in parts:
        piece, told = objective.loss(model, part)
        piece.backward()
        total += piece.item()
        added.update(told)
    assert total == pytest.approx(loss.item(), rel=1e-5)
    assert dict(added) == pytest.approx(figures, rel=1e-5, abs=1e-6)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, whole[name], rtol=1e-4, atol=1e-7, msg=name)
