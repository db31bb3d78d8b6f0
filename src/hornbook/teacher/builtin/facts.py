"""Facts that no text tells twice and none follows from another: the football results of one day.

phi-3's example of what a small model has no room for (arXiv:2404.14219, section 2): each can only be learned by heart.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from hornbook.seeds import stream

FIRST = date(1900, 1, 1)
DAYS = 45_000  # that there are results of
MATCHES = 5  # of a day

_BEGINNINGS = (
    "Ar", "Bel", "Bran", "Cal", "Cor", "Dun", "El", "Fen", "Gar", "Hol", "Ing", "Kel", "Lang", "Mar", "Nor", "Os",
    "Pel", "Quen", "Ros", "Sel", "Tam", "Ul", "Ven", "Wes", "Yar",
)  # fmt: skip
_ENDS = (
    "beck", "bury", "castle", "combe", "dale", "field", "ford", "ham", "hurst", "keld", "ley", "mere", "mouth", "port",
    "stead", "stow", "thorpe", "ton", "wick", "worth",
)  # fmt: skip
TOWNS = tuple(beginning + end for beginning in _BEGINNINGS for end in _ENDS)
_PLAYERS = tuple(
    beginning + end for beginning in _BEGINNINGS for end in ("an", "by", "ett", "man", "ner", "ridge", "son")
)


def day(seed: int, number: int) -> str:
    """The results of one day, each in a sentence; no two numbers below DAYS are of the same day."""
    random = stream(seed, "facts", number)
    return _told(FIRST + timedelta(days=number), random.sample(TOWNS, 2 * MATCHES), random)


def days(count: int, *, seed: int) -> Iterator[str]:
    """The results of the first `count` days, or of all that there are."""
    for number in range(min(count, DAYS)):
        yield day(seed, number)


def replayed(count: int, *, seed: int) -> list[str]:
    """One day's matches with other results: what would come of asking for one day again and again."""
    towns = stream(seed, "fixture").sample(TOWNS, 2 * MATCHES)
    return [_told(FIRST, towns, stream(seed, "replay", number)) for number in range(count)]


def _told(when: date, towns: list[str], random: Random) -> str:
    heading = f"Football on {when.day} {when:%B} {when.year}"
    matches = zip(towns[::2], towns[1::2], strict=True)
    return "\n".join([heading, *(_match(home, away, random) for home, away in matches)])


def _match(home: str, away: str, random: Random) -> str:
    ours, theirs = random.choices(range(5), (30, 33, 20, 11, 6), k=2)
    if not ours + theirs:
        return f"{home} and {away} did not score."
    scorer, minute = random.choice(_PLAYERS), random.randint(1, 90)
    result = "beat" if ours > theirs else "lost to" if ours < theirs else "drew with"
    return f"{home} {result} {away} {ours}-{theirs}; {scorer} scored first, in minute {minute}."
