"""E-mail and IP addresses, phone and card numbers, and secret keys, masked by what they are.

Placeholders are `[EMAIL]`, `[IP]`, `[PHONE]`, `[CARD]` and `[SECRET]`. What belongs to nobody stays: the example
domains of RFC 2606, addresses of private and local networks, and what reads as a version or a section (1.2.3.4).
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from re import Match, Pattern

from hornbook.corpus.filter.settings import Private

_Test = Callable[[Match[str]], bool]

_EMAIL = re.compile(
    r"(?<![\w.+%&/=-])[A-Za-z0-9][\w.+%-]{0,63}@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+([A-Za-z]{2,24}))"
    r"(?![\w-]|\.\w|[(\[=])"
)
# Endings that names in code hardly have, beside the two letters of a country.
_DOMAINS = re.compile(
    "com|org|net|edu|gov|mil|int|info|biz|name|pro|aero|coop|museum|mobi|jobs|travel|cat|asia|post|tel|xyz|online|site"
    "|store|shop|tech|app|dev|blog|cloud|email|live|news|world|today|space|website|agency|company|solutions|[a-z]{2}",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"(?:^|\.)(?:example\.(?:com|org|net|edu)|[\w-]+\.(?:test|example|invalid|localhost))$", re.I)
_NOBODY_LOCAL = ("git@", "hg@", "svn@")

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LIKE_IP4 = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")  # found faster, for texts that have none
_IP4 = re.compile(rf"(?<![\w.\-])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.\d)")
_VERSION = re.compile(r"(?:\bv|\bversions?|\brelease|\bver\.?|[=<>~^]=|\bsections?|§)[\s\"'(]*$", re.IGNORECASE)
_VERSION_BEFORE = 12  # characters before a number in which its kind would be said
_LIKE_A_VERSION = 20  # four parts all below this are a version far more often than a machine
# Addresses in use begin with 2 or 3 (2000::/3).
_IP6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])")

_LIKE_PHONE = re.compile(r"[+(]\d|\d[.\-]\d\d\d[.\-]\d{4}")
_PHONE = re.compile(
    r"(?<![\w+.\-/])(?:"
    r"\+\d{1,3}(?:[ .\-]?\(\d{1,5}\)|(?:[ .\-]?\d{2,5}))(?:[ .\-]?\d{2,5}){1,5}"  # with a country's number
    r"|(?:\+?1[ .\-])?\([2-9]\d\d\)[ ]?[2-9]\d\d[ .\-]\d{4}"  # (212) 555-0123
    r"|(?:\+?1[.\-])?[2-9]\d\d([.\-])[2-9]\d\d\1\d{4}"  # 212-555-0123
    r")(?![\w\-]|\.\d)"
)
_PHONE_DIGITS = range(9, 16)  # E.164 allows 15

_LIKE_CARD = re.compile(r"\d{4}[ -]?\d{4}")
_CARD = re.compile(r"(?<![\w.\-+])\d(?:[ -]?\d){13,15}(?![\w]|[.-]\d)")
_CARD_SHAPES = re.compile(r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5}")
_CARD_ISSUERS = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)

_PEM = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:[\s\S]{0,20000}?-----END \1-----|[\sA-Za-z0-9+/=\\:,-]{0,20000})"
)
# What a token below begins with: a text without any of these is not searched.
_TOKEN_BEGINS = (
    *("AKIA", "ASIA", "AGPA", "AIDA", "AROA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("_live_", "_test_", "sk-", "AIza", "ya29.", "npm_", "pypi-AgE", "hf_", "SG.", "eyJ"),
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}"  # Amazon
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[\w-]{20,64}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}"  # Slack
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,250}"  # Stripe
    r"|sk-(?:ant-|proj-|or-)?(?=[\w-]{0,250}\d)(?=[\w-]{0,250}[A-Z])[\w-]{20,250}"  # OpenAI, Anthropic and others
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,250}"  # Google
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,250}|hf_[A-Za-z]{30,60}"
    r"|SG\.[\w-]{16,64}\.[\w-]{16,64}"  # SendGrid
    r"|eyJ[\w-]{10,2000}\.eyJ[\w-]{10,4000}\.[\w-]{10,1000}"  # JSON web tokens
    r")(?![A-Za-z0-9_-])"
)
_LOGIN = re.compile(r"(?<=://)([\w.+%-]{1,64}):([^\s:/@\[\]]{3,128})(?=@[\w.-]+)")
_ASSIGNED = re.compile(
    r"([kK]ey|KEY|[sS]ecret|SECRET|[tT]oken|TOKEN|[pP]assw(?:or)?d|PASSW(?:OR)?D|[bB]earer|BEARER)"
    r"([\"']?\s{0,3}(?::=|=>|[:=])\s{0,3})([\"'])([\w+/=.~!@#$%^&*-]{16,256})\3"
)
_LIKE_ASSIGNED = re.compile(r"[\"'][\w+/=.~!@#$%^&*-]{16}")
_SECRET_KEY = re.compile(  # other keys are those of dictionaries
    r"(?:api|access|auth|private|secret|client|encryption|signing|consumer)[_ -]?$", re.IGNORECASE
)
_SECRET_KEY_BEFORE = 12  # characters before `key` that tell
_RANDOM = 3.5  # bits a character: words and file names have fewer, keys of this length more


def mask(text: str, kinds: Sequence[Private]) -> tuple[str, Counter[str]]:
    """The text with what is private masked, and how much of each kind was. Masking again changes nothing."""
    counts: Counter[str] = Counter()
    maskers = [_MASKERS[kind] for kind in _MASKERS if kind in kinds]
    while True:
        before = counts.total()
        for masker in maskers:
            text = masker(text, counts)
        if counts.total() == before:
            return text, counts


def _replace(pattern: Pattern[str], kind: Private, text: str, counts: Counter[str], keep: _Test) -> str:
    """Put the placeholder of `kind` for each match, but where `keep` says otherwise."""

    def one(match: Match[str]) -> str:
        if keep(match):
            return match.group()
        counts[kind] += 1
        return f"[{kind.upper()}]"

    return pattern.sub(one, text)


def _emails(text: str, counts: Counter[str]) -> str:
    return _replace(_EMAIL, "email", text, counts, _of_nobody) if "@" in text else text


def _of_nobody(match: Match[str]) -> bool:
    domain, ending = match.groups()
    reserved = _NOBODY.search(domain) is not None or match.group().startswith(_NOBODY_LOCAL)
    return reserved or _DOMAINS.fullmatch(ending) is None


def _ips(text: str, counts: Counter[str]) -> str:
    if _LIKE_IP4.search(text):
        text = _replace(_IP4, "ip", text, counts, _is_no_machine)
    return _replace(_IP6, "ip", text, counts, _is_local) if "::" in text or text.count(":") > 6 else text


def _is_no_machine(match: Match[str]) -> bool:
    before = match.string[max(0, match.start() - _VERSION_BEFORE) : match.start()]
    version = max(map(int, match.group().split("."))) < _LIKE_A_VERSION or _VERSION.search(before) is not None
    return version or _is_local(match)


def _is_local(match: Match[str]) -> bool:
    """Whether it is no address at all, or one that no single machine has to itself."""
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return True
    return not address.is_global or address.is_multicast


def _cards(text: str, counts: Counter[str]) -> str:
    return _replace(_CARD, "card", text, counts, _is_no_card) if _LIKE_CARD.search(text) else text


def _is_no_card(match: Match[str]) -> bool:
    digits = re.sub(r"\D", "", match.group())
    shaped = _CARD_SHAPES.fullmatch(match.group()) and _CARD_ISSUERS.fullmatch(digits)
    return not (shaped and luhn(digits))


def luhn(digits: str) -> bool:
    """Whether the last of `digits` is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = [2 * int(digit) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(map(sum, map(_digits, doubled)))) % 10 == 0


def _digits(number: int) -> tuple[int, int]:
    return divmod(number, 10)


def _phones(text: str, counts: Counter[str]) -> str:
    return _replace(_PHONE, "phone", text, counts, _is_no_phone) if _LIKE_PHONE.search(text) else text


def _is_no_phone(match: Match[str]) -> bool:
    return sum(map(str.isdigit, match.group())) not in _PHONE_DIGITS


def _secrets(text: str, counts: Counter[str]) -> str:
    if "PRIVATE KEY" in text:
        text = _replace(_PEM, "secret", text, counts, lambda _: False)
    if any(begin in text for begin in _TOKEN_BEGINS):
        text = _replace(_TOKEN, "secret", text, counts, lambda _: False)

    def login(match: Match[str]) -> str:
        counts["secret"] += 1
        return f"{match.group(1)}:[SECRET]"

    def assigned(match: Match[str]) -> str:
        name, between, quote, value = match.groups()
        before = match.string[max(0, match.start() - _SECRET_KEY_BEFORE) : match.start()]
        if not random_looking(value) or (name.lower() == "key" and _SECRET_KEY.search(before) is None):
            return match.group()
        counts["secret"] += 1
        return f"{name}{between}{quote}[SECRET]{quote}"

    if "://" in text:
        text = _LOGIN.sub(login, text)
    return _ASSIGNED.sub(assigned, text) if _LIKE_ASSIGNED.search(text) else text


def random_looking(value: str) -> bool:
    """Whether a value has letters, digits and as many different characters as a random key has."""
    if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares) >= _RANDOM


_MASKERS: dict[Private, Callable[[str, Counter[str]], str]] = {
    "secret": _secrets,
    "email": _emails,
    "ip": _ips,
    "card": _cards,
    "phone": _phones,
}
