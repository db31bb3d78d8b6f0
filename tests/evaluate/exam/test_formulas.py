from __future__ import annotations

from pathlib import Path

import pytest
from tests.evaluate.exam.conftest import Parrot

from hornbook.errors import UserError
from hornbook.evaluate.exam import rules
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.progress import Progress


@pytest.mark.lm_eval
@pytest.mark.parametrize(
    ("answer", "right", "same"),
    [
        (r"so it is $\frac12$.", "$0.5$", True),
        (r"Final Answer: The final answer is $[2,5)$. I hope it is correct.", "$[2,5)$", True),
        (r"\boxed{x+1}", "$1+x$", True),
        ("The final answer is $3$.", "$4$", False),
        ("no idea", "$4$", False),
        ("", "$4$", False),
        (r"\frac{", "$4$", False),
    ],
)
def test_formulas_are_compared_as_formulas(answer: str, right: str, same: bool) -> None:
    pytest.importorskip("math_verify", reason="math-verify is of the extra eval: pip install 'hornbook[eval]'")
    assert rules.equal_formulas(answer, right) is same


def test_what_is_lacking_is_told_before_anything_is_asked(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "find_spec", lambda name: None)
    parrot = Parrot()
    with pytest.raises(UserError, match=r"pip install 'hornbook\[eval\]'"):
        examine(parrot, ExamSettings(benchmarks=("math",), data=own_data), Progress(), tmp_path / "r")
    assert parrot.asked == []
