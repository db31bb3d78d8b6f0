from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.errors import UserError
from hornbook.teacher.settings import (
    ConversationShares,
    PreferenceShares,
    TeacherSettings,
    WriteSettings,
    default_cache,
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
