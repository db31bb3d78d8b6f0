from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hornbook.errors import UserError
from hornbook.teacher.settings import (
    CONVERSATIONS,
    ConversationShares,
    Division,
    PreferenceShares,
    TeacherSettings,
    WriteSettings,
    asked_of,
    default_cache,
    divide,
    ordered,
)


def test_defaults_are_whole() -> None:
    settings = WriteSettings()
    assert sum(settings.conversation_shares.model_dump().values()) == pytest.approx(1)
    assert sum(settings.preference_shares.model_dump().values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", [ConversationShares, PreferenceShares])
def test_shares_must_sum_to_one(kind: type) -> None:
    with pytest.raises(ValidationError, match=r"sum to 1\.\d+, not to 1"):
        kind(harmless=0.9)


def test_no_exercises_are_too_few() -> None:
    with pytest.raises(ValidationError):
        WriteSettings(exercises=0)


def test_orders() -> None:
    assert ordered("teacher:stories#14_000") == ("stories", 14_000)
    assert ordered("teacher:my/own.toml") == ("my/own.toml", 10_000)
    for wrong in ("stories", "teacher:", "teacher:stories#", "teacher:stories#many", "teacher:stories#0", "teacher:#5"):
        with pytest.raises(UserError, match="is no order for a teacher"):
            ordered(wrong)


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/hornbook/answers")
    settings = TeacherSettings(endpoints=("http://localhost:1/v1#a", "http://localhost:2/v1#a"), budget={"requests": 5})
    assert settings.client().model == "a"
    assert settings.client().budget.requests == 5
    assert settings.client().cache == default_cache()
    with pytest.raises(ValidationError, match="names no model"):
        TeacherSettings(endpoints=("http://localhost:1/v1",))
    with pytest.raises(ValidationError, match="share the load of one model"):
        TeacherSettings(endpoints=("http://localhost:1/v1#a", "http://localhost:2/v1#b"))


def test_without_an_llm_nothing_is_divided() -> None:
    shares = WriteSettings().conversation_shares.model_dump()
    found = divide(4_000, shares, CONVERSATIONS, dict.fromkeys(CONVERSATIONS, 0.0))
    assert found == Division({}, 4_000, shares)


def test_what_an_llm_writes_and_what_is_left() -> None:
    shares = WriteSettings().conversation_shares.model_dump()
    found = divide(1_000, shares, CONVERSATIONS, {"chats": 1.0, "refusals": 0.5})
    assert found.asked == {"chats": 860, "refusals": 55}
    assert found.composed == 85
    assert found.shares["task"] == found.shares["chatter"] == 0
    assert found.shares["refusal"] / found.shares["compliance"] == pytest.approx(0.025 / 0.03)
    settings = TeacherSettings(endpoints=("http://localhost:1/v1#a",), preferences=1, refusals=True)
    assert asked_of(settings, WriteSettings(conversations=100, preferences=50)) == {
        "refusals": 11,
        "preferences": 36,
        "refusal-pairs": 14,
    }


@given(
    st.integers(0, 5_000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.lists(st.integers(0, 9), min_size=8, max_size=8).filter(any),
)
def test_every_row_is_somebodys(count: int, chats: float, refusals: float, weights: list[int]) -> None:
    names = list(WriteSettings().conversation_shares.model_dump())
    shares = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    found = divide(count, shares, CONVERSATIONS, {"chats": chats, "refusals": refusals})
    assert abs(found.composed + sum(found.asked.values()) - count) <= 1
    assert sum(found.shares.values()) == pytest.approx(1)
