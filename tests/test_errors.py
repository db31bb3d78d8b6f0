from __future__ import annotations

import pytest

from hornbook.errors import nearest


@pytest.mark.parametrize(
    ("word", "hint"),
    [("pokcet", " (did you mean 'pocket'?)"), ("stories", " (did you mean 'stories'?)"), ("zzz", ""), ("", "")],
)
def test_nearest(word: str, hint: str) -> None:
    assert nearest(word, ["pocket", "stories"]) == hint
    assert nearest(word, iter(())) == ""
