from __future__ import annotations

from hornbook.teacher.client.figures import Figures
from hornbook.teacher.client.messages import Answer, Request
from hornbook.teacher.interface import Message


def test_figures_in_a_manifest_and_in_a_line() -> None:
    request = Request((Message("user", "x"),))
    figures = Figures(sent=5, replies=4, tokens_in=1000, tokens_out=234, money=0.25, seconds=2.0)
    figures.retried["http 429"] += 2
    for failure in (None, None, "refused", "invalid", "refused"):
        figures.count(Answer(request, failure=failure))
    assert figures.as_dict()["failed"] == {"invalid": 1, "refused": 2}
    assert figures.as_dict()["requests_per_second"] == 2.0
    assert figures.line() == (
        "2 of 5 answered, 0 from the cache, 1 failed (invalid), 2 failed (refused), 5 sent, 2 of them again, "
        "1,234 tokens, 2.0 a second, cost 0.2500"
    )


def test_a_run_that_asked_nobody_says_so() -> None:
    figures = Figures(addresses=("http://one/v1", "http://two/v1"), cached=2)
    request = Request((Message("user", "x"),))
    for failure in (None, "refused"):
        figures.count(Answer(request, failure=failure))
    assert figures.line() == (
        "1 of 2 answered, 1 failed (refused), all from the cache; http://one/v1 and http://two/v1 were not asked"
    )
    figures.sent = 1
    assert "not asked" not in figures.line()
    assert "not asked" not in Figures(addresses=("http://one/v1",)).line()
