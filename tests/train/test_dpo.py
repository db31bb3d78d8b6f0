from __future__ import annotations

from hornbook.train.dpo import answer_row


def test_answer_row() -> None:
    assert answer_row([1, 2], [3, 4], 6, 9) == ([1, 2, 3, 4, 9, 9], [False, False, True, True, False, False])
    assert answer_row([1, 2], [3, 4], 4, 9) == ([1, 2, 3, 4], [False, False, True, True])
    assert answer_row([1, 2], [3, 4], 3, 9) is None
