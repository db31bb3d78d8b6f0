from __future__ import annotations

from hornbook.evaluate.long.tasks import TASKS, string_match_all, string_match_part


def test_share_of_what_is_expected() -> None:
    four = ("1111", "Blue-Whale", "3333", "4444")
    assert string_match_all(four, "4444, blue-whale and 9999") == 0.5
    assert string_match_all(four, "") == 0
    assert string_match_all(four, "1111 BLUE-WHALE 3333 4444 and more") == 1


def test_any_of_several() -> None:
    cities = ("Rome", "the Eternal City")
    assert string_match_part(cities, "in the eternal city") == 1
    assert string_match_part(cities, "in Paris") == 0
    assert [name for name, task in TASKS.items() if task.score is string_match_part] == ["reading"]
