from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.filter.privacy import luhn, mask
from hornbook.corpus.filter.settings import Private

ALL: tuple[Private, ...] = ("secret", "email", "ip", "card", "phone")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to joe.doe+list@mail.company.co.uk.", "write to [EMAIL]."),
        ("<Jane@uni-kl.de>, x_y@sub.host.org!", "<[EMAIL]>, [EMAIL]!"),
        ("mailto:joe@company.com?subject=x", "mailto:[EMAIL]?subject=x"),
        ("from 93.184.216.34 port 22", "from [IP] port 22"),
        ("http://93.184.216.34:8080/x", "http://[IP]:8080/x"),
        ("at 2606:2800:220:1:248:1893:25c8:1946.", "at [IP]."),
        ("dns 2001:4860:4860::8888", "dns [IP]"),
        ("4111 1111 1111 1111", "[CARD]"),
        ("4111-1111-1111-1111, 4111111111111111", "[CARD], [CARD]"),
        ("3782 822463 10005", "[CARD]"),
        ("call +49 170 1234567 now", "call [PHONE] now"),
        ("+44 (0)20 7946 0958", "[PHONE]"),
        ("+14155552671", "[PHONE]"),
        ("(212) 555-0123 or 212.555.0123 or 1-212-555-0123", "[PHONE] or [PHONE] or [PHONE]"),
        ("key AKIAIOSFODNN7EXAMPLE here", "key [SECRET] here"),
        ("ghp_" + "a1B2" * 9, "[SECRET]"),
        ("sk-proj-" + "aB3d" * 8, "[SECRET]"),
        ("xoxb-123456789012-abcdefGHIJ", "[SECRET]"),
        ("api_key = 'A8s9dk3LmZp0Qw2xYb7T'", "api_key = '[SECRET]'"),
        ('"client_secret": "A8s9dk3LmZp0Qw2xYb7T"', '"client_secret": "[SECRET]"'),
        ("postgres://bob:hunter22@db.host/x", "postgres://bob:[SECRET]@db.host/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\n-----END RSA PRIVATE KEY-----\nend", "[SECRET]\nend"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEcut", "[SECRET]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN", "[SECRET]"),
    ],
)
def test_what_is_private_is_masked(text: str, masked: str) -> None:
    assert mask(text, ALL)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "user@example.com, me@my.test and a@b.example.org",
        "git@github.com:owner/repository.git",
        "y = W@x.data + self.A@v.real",
        "@decorator.name and @property",
        "localhost 127.0.0.1, 0.0.0.0, 10.20.30.40, 192.168.100.200, 172.16.200.1, 224.100.0.251, 203.0.113.77",
        "version 100.64.32.21, v93.184.216.34, numpy==93.184.216.34, section 21.8.42.44",
        "1.2.3.4 and 3.12.0.1",
        "1.3.6.1.4.1.311.21.20 is an object identifier",
        "std::dec, abc::def, 12:30:45, 2001::, x[::2], 2001:db8::1",
        "4111111111111112 and 1234567890123456 and 9007199254740993 and 4611686018427387904",
        "3.14159265358979323846 and 0x4111111111111111",
        "2001-2010, 1990-01-31, 555-1234, 978-0-306-40615-7, 10000-20000, 1e+1234567890",
        "+1 + 2, a+12, +100000, UTC+0200, 1 234 567 890",
        "password: 'correct-horse-battery-staple'",
        "token = 'aaaaaaaaaaaaaaaaaaaa1' and key = 'A8s9dk3LmZp0Qw2xYb7T'",
        "sk-learn-contrib-extension-package, task-12345678901234567890",
        "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
        "https://host.com:8080/a@b and http://user@host.com/",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    kept = text.replace("user@host.com", "")  # a name before a host is an address of its own
    assert mask(kept, ALL) == (kept, {})


def test_kinds_are_chosen_and_counted() -> None:
    text = "a@company.com b@company.com 93.184.216.34"
    assert mask(text, ("email",)) == ("[EMAIL] [EMAIL] 93.184.216.34", {"email": 2})
    assert mask(text, ALL)[1] == {"email": 2, "ip": 1}
    assert mask(text, ()) == (text, {})


BITS = st.sampled_from(
    [
        *("a@b.com", "@", "93.184.216.34", "2606:2800:220:1::1", "4111111111111111", "+49 170 1234567"),
        *("(212) 555-0123", "://u:pass@", "AKIAIOSFODNN7EXAMPLE", "secret='A8s9dk3LmZp0Qw2xYb7T'"),
        *("-----BEGIN PRIVATE KEY-----", "1", ".", " ", "-", "+", ":", "[EMAIL]", "[IP]", "x", "\n", "'", "7.7"),
        *("sk-", "eyJ"),
    ]
)


@given(st.lists(BITS, max_size=14).map("".join) | st.text(max_size=80))
def test_masking_again_changes_nothing(text: str) -> None:
    masked, counts = mask(text, ALL)
    assert mask(masked, ALL) == (masked, {})
    assert (masked == text) == (not counts)


@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?@[a-z]{2,10}\.(com|org|de|co\.uk)", fullmatch=True))
def test_every_plain_address_is_found(address: str) -> None:
    assert mask(f"Write to {address} please", ALL)[0] == "Write to [EMAIL] please" or "example" in address


@given(st.ip_addresses())
def test_addresses_of_the_internet_go_and_others_stay(address: object) -> None:
    text = f"host {address} up"
    octets = [int(part) for part in str(address).split(".")] if "." in str(address) and ":" not in str(address) else []
    gone = "[IP]" in mask(text, ("ip",))[0]
    if octets:
        wanted = address.is_global and not address.is_multicast and max(octets) >= 20  # type: ignore[attr-defined]
        assert gone == wanted
    elif gone:
        assert address.is_global  # type: ignore[attr-defined]


@given(st.integers(0, 10**14 - 1))
def test_one_digit_in_ten_checks(number: int) -> None:
    assert sum(luhn(f"{number}{digit}") for digit in range(10)) == 1


def test_known_check_digits() -> None:
    assert luhn("79927398713")
    assert not luhn("79927398710")
