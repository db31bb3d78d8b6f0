from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from hornbook.errors import UserError
from hornbook.model.config import Experts
from hornbook.model.tokenizers import END, Tokenizer
from hornbook.progress import ConsoleProgress, Progress
from hornbook.train.data import Given
from hornbook.train.dpo import DpoSettings, dpo, encode_pairs, look
from hornbook.train.figures import columns
from hornbook.train.losses import IGNORE
from hornbook.train.rows import Example, Pair, padded

SMALL = {"batch": 6, "learning_rate": 1e-2, "warmup": 0.0, "chosen_weight": 0.0}


def losses(base: Path, preferences: list[dict[str, Any]], into: Path, **settings: Any) -> dict[str, list[float]]:
    dpo(
        base,
        [Given("pairs", rows=preferences)],
        DpoSettings(**SMALL | settings),
        seed=1,
        into=into,
        progress=Progress(),
    )
    return columns(into)


@pytest.mark.numerics
@pytest.mark.parametrize("micro_batch", [None, 3, 4])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_before_the_first_step_the_policy_is_the_reference_to_the_bit(
    precision: str, micro_batch: int | None, base: Path, preferences: list[dict[str, Any]], tmp_path: Path
) -> None:
    check_first_step(losses(base, preferences, tmp_path, precision=precision, compile=False, micro_batch=micro_batch))


@pytest.mark.slow
@pytest.mark.numerics
def test_and_so_it_is_as_this_machine_trains(base: Path, preferences: list[dict[str, Any]], tmp_path: Path) -> None:
    """In bf16 where the processor has it and compiled where a compiler is found, on parts of two sizes."""
    check_first_step(losses(base, preferences, tmp_path, micro_batch=4))


def check_first_step(told: dict[str, list[float]]) -> None:
    assert told["margin"][0] == 0.0
    assert told["accuracy"][0] == 0.5
    assert told["loss"][0] == pytest.approx(np.log(2), abs=1e-6)
    assert all(margin != 0 for margin in told["margin"][1:])


@pytest.mark.numerics
def test_experts_that_are_sampled_are_those_of_the_first_step(
    make_checkpoint: Callable[..., tuple[Any, Path]], preferences: list[dict[str, Any]], tmp_path: Path
) -> None:
    base = make_checkpoint(1, norm="layer", experts=Experts(count=4), kv_heads=2, lm_head_bias=True)[1]
    assert losses(base, preferences, tmp_path / "out", micro_batch=4, compile=False)["margin"][0] == 0.0


def test_pairs_are_read_once_for_the_reference(base: Path, preferences: list[dict[str, Any]], tmp_path: Path) -> None:
    """40 pairs in batches of 6: the seventh batch begins the second epoch; half an epoch leaves pairs unread."""
    told = losses(base, preferences, tmp_path / "two", epochs=2.0, compile=False)
    assert len(told["loss"]) == 13
    assert np.isfinite(np.load(tmp_path / "two" / "training" / "reference.npy")).all()
    losses(base, preferences, tmp_path / "half", epochs=0.5, compile=False)
    assert np.isfinite(np.load(tmp_path / "half" / "training" / "reference.npy")).all(1).sum() == 18


def test_what_was_downloaded_stays_what_it_was(
    make_model: Callable[..., Any], base: Path, preferences: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A Llama in bf16: trained in fp32, and written as it was read, in its own format with its own ids."""
    from safetensors.torch import load_file

    from hornbook.model.formats import checkpoint
    from hornbook.model.tokenizers import Tokenizer

    downloaded = tmp_path / "downloaded"
    checkpoint.save(make_model(1, initial_std=0.05, format="llama").bfloat16(), downloaded, Tokenizer(base))
    config = json.loads((downloaded / "config.json").read_text()) | {"bos_token_id": 7}
    (downloaded / "config.json").write_text(json.dumps(config))
    losses(downloaded, preferences, tmp_path / "out", epochs=0.5, compile=False)
    assert json.loads((tmp_path / "out/model/config.json").read_text()) == config
    before, after = (load_file(folder / "model.safetensors") for folder in (downloaded, tmp_path / "out/model"))
    assert {name: tensor.dtype for name, tensor in after.items()} == {name: t.dtype for name, t in before.items()}
    assert any((tensor != before[name]).any() for name, tensor in after.items())


def test_pairs_that_do_not_do(base: Path, preferences: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"all 40 pairs are longer than 5 tokens; raise dpo\.max_length"):
        losses(base, preferences, tmp_path, max_length=5)


def test_pairs_that_are_too_long_are_told(base: Path, preferences: list[dict[str, Any]]) -> None:
    long = {"prompt": "the tea", "chosen": " is hot" * 90, "rejected": " is cold"}
    told = ConsoleProgress(Console(file=io.StringIO(), width=200))
    settings = DpoSettings(max_length=40)
    seen = look(base, [Given("rows", rows=[*preferences, long])], settings, seed=1, progress=told)
    assert "  left out 1 pair: longer than 40 tokens" in told.console.file.getvalue().splitlines()
    assert seen.told[0].startswith("40 pairs")


def test_few_pairs_are_a_step_an_epoch(base: Path, preferences: list[dict[str, Any]], tmp_path: Path) -> None:
    assert len(losses(base, preferences[:4], tmp_path, batch=16, epochs=2.0, compile=False)["loss"]) == 2


def test_an_answer_is_encoded_with_what_it_answers(base: Path, preferences: list[dict[str, Any]]) -> None:
    """Its ids are those that a model would have to write, to the end of its turn, and nothing behind that is kept."""
    tokenizer = Tokenizer(base)
    pairs, too_long, refused, _ = encode_pairs(preferences, tokenizer, 60)
    assert (too_long, refused) == (0, {})
    for preference, pair in zip(preferences, pairs, strict=True):
        for answer, (ids, mask) in zip((preference["chosen"], preference["rejected"]), pair, strict=True):
            if preference["messages"]:
                talk = [*preference["messages"], {"role": "assistant", "content": answer}]
                whole, end = tokenizer.chat(talk, answer=False), tokenizer.control(END)
            else:
                whole, end = tokenizer.encode(preference["prompt"] + answer), tokenizer.end_of_text
                whole = [*whole, end]
            assert ids == whole[: len(ids)]
            assert ids[-1] == end
            assert mask[-1]
            learnt = tokenizer.decode([token for token, said in zip(ids, mask, strict=True) if said])
            assert learnt.lstrip("\n") == answer


def test_rows_are_as_long_as_their_batch_needs() -> None:
    short, long = (Pair(Example([1] * n, [True] * n), Example([1, 2], [False, True])) for n in (5, 100))
    ids, targets = padded([short], 4096, 9)
    assert ids.shape == targets.shape == (1, 2, 64)
    assert ids[0, 1].tolist() == [1, 2] + [9] * 62
    assert targets[0, 1].tolist() == [2] + [IGNORE] * 63
    assert padded([short, long], 4096, 9)[0].shape == (2, 2, 128)
    assert padded([short, long], 99, 9)[0].shape == (2, 2, 99)
    # What is not compiled may have any length: no more is computed than is needed.
    assert padded([short], 4096, 9, few_lengths=False)[0].shape == (1, 2, 8)
    assert padded([short, long], 4096, 9, few_lengths=False)[0].shape == (2, 2, 104)
    assert padded([short, long], 100, 9, few_lengths=False)[0].shape == (2, 2, 100)
