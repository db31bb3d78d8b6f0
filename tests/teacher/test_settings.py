import pytest
from pydantic import ValidationError

from hornbook.teacher.settings import ConversationShares, PreferenceShares, WriteSettings


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
