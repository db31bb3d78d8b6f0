"""What generation_config.json asks for is what transformers takes from it; penalties are transformers'."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.errors import UserError
from hornbook.inference.generate import generate, stream
from hornbook.inference.sampling import Published, Sampling, choose, published, seen_in


def folder(into: Path, value: Any) -> Path:
    (into / "generation_config.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return into


@pytest.mark.parametrize(
    "file",
    [
        {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [1, 2], "transformers_version": "4.1"},
        {"do_sample": True},
        {"do_sample": True, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05, "max_new_tokens": 2048},
        {"temperature": 0.6, "top_p": 0.9, "max_length": 4096, "_from_model_config": True},
        {"do_sample": False, "repetition_penalty": 1.2, "temperature": None},
    ],
)
def test_the_file_is_read_as_transformers_reads_it(tmp_path: Path, file: dict[str, Any]) -> None:
    from transformers import GenerationConfig

    told = published(folder(tmp_path, file))
    theirs = GenerationConfig.from_pretrained(tmp_path)
    # What its documentation names as the defaults; older versions put them into the object, newer ones leave None.
    defaults = {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "repetition_penalty": 1.0, "do_sample": False}
    value = {key: own if getattr(theirs, key) is None else getattr(theirs, key) for key, own in defaults.items()}
    sampling = told.sampling
    assert sampling.repetition_penalty == value["repetition_penalty"]
    assert told.limit == theirs.max_new_tokens
    if value["do_sample"]:
        assert (sampling.temperature, sampling.top_k, sampling.top_p) == (
            value["temperature"],
            value["top_k"],
            value["top_p"],
        )
    else:
        assert sampling.temperature == 0
    assert told.ignored == ()


def test_what_is_not_supported_is_told(tmp_path: Path) -> None:
    file = {
        "do_sample": True,
        "min_p": 0.1,
        "num_beams": 4,
        "typical_p": 1.0,
        "no_repeat_ngram_size": 0,
        "use_cache": True,
    }
    told = published(folder(tmp_path, file))
    assert told.ignored == ("num_beams",)
    assert told.sampling.min_p == 0.1


def test_a_folder_that_asks_for_nothing(tmp_path: Path) -> None:
    nothing = Published(Sampling(), None, ())
    assert published(tmp_path) == nothing
    assert published(folder(tmp_path, {"eos_token_id": 2, "pad_token_id": 0, "do_sample": False})) == nothing
    assert not nothing.says
    assert str(nothing.sampling) == "the most likely token"
    assert str(Sampling(temperature=0.6, top_k=50, top_p=0.9, repetition_penalty=1.1)) == (
        "temperature 0.6, top-k 50, top-p 0.9, repetition penalty 1.1"
    )


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ({"do_sample": True, "temperature": -1}, "temperature: "),
        ({"do_sample": True, "top_p": "x"}, "top_p: "),
        ({"repetition_penalty": 0}, "repetition_penalty: "),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"max_new_tokens": "many"}, "max_new_tokens is 'many'"),
        ([], "is not a JSON object"),
        ("{", "is not valid JSON"),
    ],
)
def test_values_that_make_no_sense(tmp_path: Path, file: Any, told: str) -> None:
    with pytest.raises(UserError, match=f"generation_config.json.*{told}") as error:
        published(folder(tmp_path, file))
    assert "\n" not in str(error.value)


def test_the_penalty_is_that_of_transformers() -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    generator = torch.Generator().manual_seed(0)
    logits, ids = torch.randn(3, 20, generator=generator), torch.randint(20, (3, 9), generator=generator)
    mask = torch.ones_like(ids, dtype=torch.bool)
    expected = RepetitionPenaltyLogitsProcessor(1.7)(ids, logits.clone())
    chosen = choose(logits, Sampling(repetition_penalty=1.7), generator, seen_in(ids, mask, 20))
    assert chosen.tolist() == expected.argmax(-1).tolist()
    assert chosen.tolist() != logits.argmax(-1).tolist()


def test_padding_was_not_said() -> None:
    seen = seen_in(torch.tensor([[0, 0, 3], [1, 2, 3]]), torch.tensor([[False, False, True], [True] * 3]), 5)
    assert seen.tolist() == [[False, False, False, True, False], [False, True, True, True, False]]


def test_a_penalty_holds_for_prompt_and_answer_in_any_batch(make_model: Callable[..., Any]) -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    model, process = make_model(seed=5), RepetitionPenaltyLogitsProcessor(1.5)
    prompts, sampling = [[3, 9, 27], [5], [8, 8, 8, 8, 7, 6, 5]], Sampling(repetition_penalty=1.5)
    expected = []
    for prompt in prompts:
        ids = list(prompt)
        with torch.inference_mode():
            for _ in range(12):
                ids.append(int(process(torch.tensor([ids]), model(torch.tensor([ids]))[:, -1]).argmax()))
        expected.append(ids[len(prompt) :])
    assert generate(model, prompts, limit=12, stops=(), sampling=sampling) == expected
    assert [list(stream(model, one, limit=12, stops=(), sampling=sampling)) for one in prompts] == expected
    assert expected != generate(model, prompts, limit=12, stops=())
    stop = expected[1][4]  # one row ends and leaves the batch, the others go on
    ended = [row[: row.index(stop)] if stop in row else row for row in expected]
    assert generate(model, prompts, limit=12, stops={stop}, sampling=sampling) == ended
