"""E-mail and IP addresses, numbers of phones, cards, accounts and persons, and secret keys, masked by what they are.

Placeholders are `[EMAIL]`, `[IP]`, `[PHONE]`, `[CARD]`, `[IBAN]`, `[IDENTITY]` and `[SECRET]`. All patterns end where
letters of the Latin script do: writing that puts no spaces between words may stand right beside them. What belongs to
nobody stays: the example domains of RFC 2606, addresses of private and local networks, and what reads as a version or a
section (1.2.3.4).
"""

from __future__ import annotations

import importlib
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from re import ASCII, Match, Pattern
from typing import Any

import regex

from hornbook.corpus.filter.settings import Private

_Test = Callable[[Match[str]], bool]

_LATIN = r"A-Za-z0-9_\u00c0-\u024f"
_EMAIL = re.compile(
    rf"(?<![{_LATIN}])(?<!://)[A-Za-z0-9\u00c0-\u024f][{_LATIN}.+%-]{{0,63}}(?:@|%40)"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,20}([A-Za-z]{2,24}))"
    rf"(?![{_LATIN}-]|\.[{_LATIN}]|[(\[=])"
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
_IP4 = re.compile(rf"(?<![\w.\-])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.\d)", ASCII)
_VERSION = re.compile(
    r"(?:\b(?:v|versions?|release|ver\.?|build|firmware|driver|sections?|chapter)(?: number)?(?: is)?|[=<>~^]=|§"
    r"|版本|版|バージョン|버전|верси[яию])[\s\"'(:]*$"
    r"|(?<![A-Za-z:/.])[A-Za-z]+/$",  # as browsers name themselves
    re.IGNORECASE,
)
_HEADING = re.compile(r"\.?[ \t]{1,8}[^\W\d_]")  # what follows the number of a section
_HEADING_NUMBERS = 100  # all of a section's numbers are below
_VERSION_BEFORE = 24  # characters before a number in which its kind would be said
_LIKE_A_VERSION = 20  # four parts all below this are a version far more often than a machine
# Addresses in use begin with 2 or 3 (2000::/3).
_IP6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![\w:])", ASCII)

_LIKE_PHONE = re.compile(r"[+(]\d|\d[.\-]\d\d\d[.\-]\d{4}", ASCII)
_PHONE_ITSELF = (
    r"(?:"
    r"\+\d{1,3}(?:[ .\-]?\(\d{1,5}\)|(?:[ .\-]?\d{2,5}))(?:[ .\-]?\d{2,5}){1,5}"  # with a country's number
    r"|(?:\+?1[ .\-])?\([2-9]\d\d\)[ ]?[2-9]\d\d[ .\-]\d{4}"  # (212) 555-0123
    r"|(?:\+?1[.\-])?[2-9]\d\d([.\-])[2-9]\d\d\1\d{4}"  # 212-555-0123
    r")(?![\w\-]|\.\d)"
)
_PHONE = re.compile(r"(?<![\w+.\-/])" + _PHONE_ITSELF, ASCII)
_PHONES_IN_A_ROW = re.compile(r"\d\+\d")
_PHONE_IN_A_ROW = regex.compile(
    r"(?:(?<![\w+.\-/])|\G(?<=\d)(?=\+))" + _PHONE_ITSELF, regex.ASCII
)  # \G: behind another
_BOOK = re.compile(r"\bIS[BS]N(?:-1[03])?[\s:#]*$", re.IGNORECASE)
_PHONE_DIGITS = range(9, 16)  # E.164 allows 15

_LIKE_CARD = re.compile(r"\d{4}[ -]?\d{4}", ASCII)
_CARD = re.compile(r"(?<![\w.\-+])\d(?:[ -]?\d){13,15}(?![\w]|[.-]\d)", ASCII)
_CARD_SHAPES = re.compile(r"\d+|\d{4}([ -])\d{4}\1\d{4}\1\d{4}|\d{4}([ -])\d{6}\2\d{4,5}")
_CARD_ISSUERS = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)

_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])", ASCII)
_LIKE_IBAN = re.compile(r"[A-Z]{2}\d\d ?[A-Z0-9]{4}", ASCII)
# Numbers of persons with check digits, in the ways people write them.
_IDENTITY = re.compile(
    r"(?<![\w.-])(?:(?P<cn>[1-9]\d{5}(?:19|20)\d{9}[\dXx])|(?P<br>\d{3}\.\d{3}\.\d{3}-\d\d)|(?P<kr>\d{6}-[1-8]\d{6})"
    r"|(?P<fr>[12] ?\d\d ?[0-9]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d)|(?P<it>[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z])"
    r"|(?P<es>[XYZ0-9]\d{7}-?[A-HJ-NP-TV-Z]))(?![\w-]|\.\d)",
    ASCII,
)
_IDENTITIES = {
    "cn": "cn.ric",
    "br": "br.cpf",
    "kr": "kr.rrn",
    "fr": "fr.nir",
    "it": "it.codicefiscale",
    "es": "es.nif",
}

_PEM = re.compile(
    r"-----BEGIN ((?:[A-Z0-9]{1,20} ){0,5}PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:(?:[^-]|-(?!----)){0,20000}+-----END \1-----|[\sA-Za-z0-9+/=\\:,-]{0,20000}+)"
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
    r")(?![A-Za-z0-9_-])",
    ASCII,
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


def _replace(
    pattern: Pattern[str] | regex.Pattern[str], kind: Private, text: str, counts: Counter[str], keep: _Test
) -> str:
    """Put the placeholder of `kind` for each match, but where `keep` says otherwise."""

    def one(match: Match[str]) -> str:
        if keep(match):
            return match.group()
        counts[kind] += 1
        return f"[{kind.upper()}]"

    return pattern.sub(one, text)


def _emails(text: str, counts: Counter[str]) -> str:
    return _replace(_EMAIL, "email", text, counts, _of_nobody) if "@" in text or "%40" in text else text


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
    largest = max(map(int, match.group().split(".")))
    version = largest < _LIKE_A_VERSION or _VERSION.search(before) is not None
    return version or (largest < _HEADING_NUMBERS and _begins_heading(match)) or _is_local(match)


def _begins_heading(match: Match[str]) -> bool:
    """Whether it stands where a list numbers its lines: `21.4.30.2 Scope`. Names of hosts are in lower case."""
    line = match.string[max(0, match.start() - _VERSION_BEFORE) : match.start()].rpartition("\n")
    begins = not line[2].strip(" \t#*") and (line[1] or match.start() < _VERSION_BEFORE)
    following = _HEADING.match(match.string, match.end())
    return bool(begins and following and not following.group()[-1].islower())


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
    return not (shaped and _checked("luhn", digits))


def _ibans(text: str, counts: Counter[str]) -> str:
    if not _LIKE_IBAN.search(text):
        return text

    def one(match: Match[str]) -> str:
        """What follows an account's number may look like more of it."""
        parts = match.group().split(" ")
        for length in range(len(parts), 0, -1):
            number = " ".join(parts[:length])
            if _checked("iban", number):
                counts["iban"] += 1
                return f"[IBAN]{match.group()[len(number) :]}"
        return match.group()

    return _IBAN.sub(one, text)


def _identities(text: str, counts: Counter[str]) -> str:
    return _replace(_IDENTITY, "identity", text, counts, _is_no_identity)


def _is_no_identity(match: Match[str]) -> bool:
    return not _checked(_IDENTITIES[match.lastgroup or ""], match.group())


def _checked(kind: str, number: str) -> bool:
    """Whether a number of a kind that python-stdnum knows has the right check digits."""
    return bool(_checker(kind).is_valid(number))


@cache
def _checker(kind: str) -> Any:
    return importlib.import_module(f"stdnum.{kind}")


def _phones(text: str, counts: Counter[str]) -> str:
    if not _LIKE_PHONE.search(text):
        return text
    pattern = _PHONE_IN_A_ROW if _PHONES_IN_A_ROW.search(text) else _PHONE
    return _replace(pattern, "phone", text, counts, _is_no_phone)


def _is_no_phone(match: Match[str]) -> bool:
    number = match.group()
    if sum(map(str.isdigit, number)) not in _PHONE_DIGITS:
        return True
    return (
        "+" not in number
        and _BOOK.search(match.string[max(0, match.start() - _VERSION_BEFORE) : match.start()]) is not None
    )


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
    "iban": _ibans,
    "identity": _identities,
    "card": _cards,
    "phone": _phones,
}
