"""Settings: what is wrong is told with the nearest right key, and what decides a result is told from what does not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from hornbook.errors import UserError
from hornbook.settings import SAME_RESULT, Settings, apply, deciding, key_and_value, parsed, validated
from hornbook.train.dpo import DpoSettings


class Part(Settings):
    share: float = 1.0
    often: Annotated[int, SAME_RESULT] = 1


class Whole(Settings):
    seed: int = 1
    part: Part = Part()
    perhaps: Part | None = None
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = Field({})
    batch: Annotated[int | None, SAME_RESULT] = None


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sede": 2}, "sede is not a setting (did you mean 'seed'?)"),
        ({"part": {"shar": 2}}, "part.shar is not a setting (did you mean 'share'?)"),
        ({"perhaps": {"shar": 2}}, "perhaps.shar is not a setting (did you mean 'share'?)"),
        ({"parts": [{}, {"shar": 2}]}, "parts.1.shar is not a setting (did you mean 'share'?)"),
        ({"named": {"a": {"shar": 2}}}, "named.a.shar is not a setting (did you mean 'share'?)"),
        ({"named": {"seed": {"shar": 2}}}, "named.seed.shar is not a setting (did you mean 'share'?)"),
    ],
)
def test_unknown_keys_wherever_they_are(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        validated(Whole, values, "whole")
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("model", "values", "told"),
    [
        (Whole, {"parts": [{"share": math.inf}]}, "parts.0.share: input should be a finite number (given: inf)"),
        (DpoSettings, {"epochs": math.inf}, "epochs: input should be a finite number (given: inf)"),
        (DpoSettings, {"beta": math.inf}, "beta: input should be a finite number (given: inf)"),
        (DpoSettings, {"weight_decay": math.nan}, "weight_decay: input should be a finite number (given: nan)"),
        (DpoSettings, {"lora": {"alpha": math.inf}}, "lora.alpha: input should be a finite number (given: inf)"),
        (DpoSettings, {"data": ["a:inf"]}, "data.0.share: input should be a finite number (given: inf)"),
        (
            DpoSettings,
            {"validation": math.inf},
            "validation: a share below 1, a whole number of rows, or auto (given: inf)",
        ),
    ],
)
def test_numbers_are_finite(model: type[Settings], values: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        validated(model, values, "whole")
    assert str(caught.value) == told


def test_a_gradient_need_not_be_clipped() -> None:
    assert DpoSettings.model_validate({"clip": math.inf}).clip == math.inf
    with pytest.raises(ValueError, match="greater than 0"):
        DpoSettings.model_validate({"clip": math.nan})


@pytest.mark.parametrize("value", ["[" * 100_000, "{a=" * 100_000])
def test_values_nested_too_deep(value: str) -> None:
    with pytest.raises(UserError, match="nested too deep"):
        apply({}, f"seed={value}")


def test_what_changes_no_result_does_not_decide() -> None:
    settings = Whole(batch=4, part=Part(often=9), perhaps=Part(share=0.5))
    told = deciding(settings)
    assert told == {
        "seed": 1,
        "part": {"share": 1.0},
        "perhaps": {"share": 0.5},
        "parts": [],
        "named": {},
    }
    assert deciding(Whole(part=Part(share=0.5))) != deciding(Whole())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[before, sft]", ["before", "sft"]),
        ("[my/rows.jsonl:0.7,other.jsonl]", ["my/rows.jsonl:0.7", "other.jsonl"]),
        ('["a, b"]', ["a, b"]),
        ("[1, 2]", [1, 2]),
        ("[]", []),
        ("[{a=1}, b]", "[{a=1}, b]"),
        ("before, sft", "before, sft"),
    ],
)
def test_a_list_of_words_needs_no_quotes(text: str, value: Any) -> None:
    assert key_and_value(f"evaluate.checkpoints={text}") == ("evaluate.checkpoints", value)


class Named(Settings):
    name: str | None = None
    place: Path = Path()
    parts: tuple[Part, ...] = ()
    text: str = ""


@pytest.mark.parametrize("spelled", ["2024", "007", "2024.10", "1e3", "1_000", "2024-01-01", "-3"])
def test_a_number_is_text_where_the_setting_is(spelled: str) -> None:
    found = parsed(Named, [f"name={spelled}", f"place={spelled}"], "named")
    assert (found.name, found.place) == (spelled, Path(spelled))


def test_a_number_stays_one_elsewhere() -> None:
    found = parsed(Whole, ["seed=1_000", "part.share=1e3", "batch=7"], "whole")
    assert (found.seed, found.part.share, found.batch) == (1_000, 1e3, 7)
    assert type(found.seed) is int and type(found.part.share) is float and type(found.batch) is int
    with pytest.raises(UserError, match=r"^name: input should be a valid string \(given: 5\)$"):
        validated(Named, {"name": 5}, "named")
    with pytest.raises(UserError, match=r"^seed: input should be a valid integer.*\(given: 1.5\)$"):
        parsed(Whole, ["seed=1.5"], "whole")
