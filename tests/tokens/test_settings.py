from __future__ import annotations

import pytest
from pydantic import ValidationError

from hornbook.tokens.settings import Phase


def test_shares_must_add_up_to_one() -> None:
    parts = [{"sources": ["a"], "share": 0.7}, {"sources": ["b"], "share": 0.2}]
    with pytest.raises(ValidationError, match=r"add up to 1, these add up to 0\.9"):
        Phase(tokens=1, mixture=parts)  # type: ignore[arg-type]
    parts[1]["share"] = 0.3
    assert len(Phase(tokens=1, mixture=parts).mixture) == 2  # type: ignore[arg-type]
