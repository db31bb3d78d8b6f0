from __future__ import annotations

import pytest

from hornbook.errors import UserError
from hornbook.evaluate.long.settings import LongSettings, from_options


def test_lengths_follow_the_context() -> None:
    assert LongSettings().lengths_for(131_072) == [2**power for power in range(9, 18)]
    assert LongSettings().lengths_for(3000) == [512, 1024, 2048]
    assert LongSettings().lengths_for(128) == [128]
    assert LongSettings(lengths=(900, 600, 900)).lengths_for(1024) == [600, 900]
    with pytest.raises(UserError, match="length 2048 is beyond the model's context of 1024"):
        LongSettings(lengths=(2048,)).lengths_for(1024)


def test_options_as_they_are_typed() -> None:
    made = from_options(
        {"lengths": "512, 4K,128k,1M", "depths": "0,12.5", "tasks": "passkey,variables", "samples": None}
    )
    assert made.lengths == (512, 4096, 131_072, 1_048_576)
    assert made.depths == (0, 12.5)
    assert made.tasks == ("passkey", "variables")
    assert made.samples == LongSettings().samples


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "passky"}, "no task 'passky' .did you mean 'passkey'"),
        ({"lengths": "many"}, "--lengths: 'many' is no amount; write 4096, 4K or 1M"),
        ({"lengths": "0"}, "lengths are numbers of tokens"),
        ({"depths": "120"}, "percentages from 0 to 100"),
        ({"depths": "deep"}, "--depths: .*valid number"),
        ({"samples": 0}, "--samples: "),
    ],
)
def test_mistakes_are_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        from_options(options)
    assert "\n" not in str(caught.value)
