from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.inflate import Gap
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.warc import Damage, Oversize, Record, parse, records

MAXIMUM = 100_000


def record(number: int, body: bytes, length: int | None = None, line: bytes = b"\r\n") -> bytes:
    head = [b"WARC/1.0", b"WARC-Type: conversion", b"WARC-Target-URI: http://a.example/%d" % number]
    head.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return line.join(head) + 2 * line + body + 2 * line


BODIES = [b"text number %d. " % number * (number * 40 + 1) for number in range(9)]
MEMBERS = [gzip.compress(record(number, body)) for number, body in enumerate(BODIES)]
STARTS = [sum(map(len, MEMBERS[:number])) for number in range(9)]
PLAIN = b"".join(record(number, body) for number, body in enumerate(BODIES))


def read(tmp_path: Path, content: bytes, name: str = "a.warc.gz") -> tuple[list[bytes], list[str]]:
    """The bodies of an archive's records, and what was said of damage."""
    (tmp_path / name).write_bytes(content)
    found = list(records(Found(tmp_path / name, name), MAXIMUM))
    bodies = [item.body for item in found if isinstance(item, Record)]
    return bodies, [item.detail for item in found if isinstance(item, Damage)]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz", "a.warc.zst"])
@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        gzip.compress(PLAIN),
        b"".join(MEMBERS),
        b"".join(MEMBERS) + bytes(1_000),
        pa.Codec("zstd").compress(PLAIN, asbytes=True),
        b"".join(record(number, body, line=b"\n") for number, body in enumerate(BODIES)),
        b"\r\n\r\n" + PLAIN,
    ],
    ids=["plain", "one member", "a member a record", "zeros behind", "zstd", "line ends of Unix", "empty lines before"],
)
def test_packed_or_plain_whatever_the_name_says(tmp_path: Path, name: str, content: bytes) -> None:
    assert read(tmp_path, content, name) == (BODIES, [])


@pytest.mark.parametrize("packed", [False, True], ids=["dictionary as it is", "dictionary packed"])
def test_a_dictionary_of_zstd(tmp_path: Path, packed: bool) -> None:
    samples = [record(number, b"said the %dth sparrow to a cat. " % (number * 31)) for number in range(2_000)]
    dictionary = zstd.train_dict(samples, 4_096)
    held = zstd.compress(dictionary.dict_content) if packed else dictionary.dict_content
    head = b"\x5d\x2a\x4d\x18" + len(held).to_bytes(4, "little")
    frames = b"".join(zstd.compress(record(n, body), zstd_dict=dictionary) for n, body in enumerate(BODIES))
    assert read(tmp_path, head + held + frames, "a.warc.zst") == (BODIES, [])
    _, [why] = read(tmp_path, frames, "a.warc.zst")
    assert "ictionary" in why
    for broken in (
        head + held[:100],
        head + bytes(len(held)) + frames,
        head + b"\x28\xb5\x2f\xfd" + bytes(len(held) - 4) + frames,
    ):
        bodies, [why] = read(tmp_path, broken, "a.warc.zst")
        assert not bodies and why.startswith("its dictionary can't be read: ")


def hole(content: bytes, start: int, size: int) -> bytes:
    return content[:start] + bytes(size) + content[start + size :]


WHOLE = b"".join(MEMBERS)
MIDDLE, NEXT = STARTS[5], STARTS[6]


@pytest.mark.parametrize(
    ("damaged", "lost"),
    [
        (WHOLE[: MIDDLE + 30], [5, 6, 7, 8]),
        (hole(WHOLE, MIDDLE + 30, 20), [5]),
        (hole(WHOLE, MIDDLE, 12), [5]),
        (hole(WHOLE, NEXT - 8, 4), [5]),
        (hole(WHOLE, NEXT - 10, 40), [5, 6]),
        (WHOLE[: MIDDLE + 20] + WHOLE[MIDDLE + 40 :], [5]),
        (WHOLE[:MIDDLE] + b"\x1f\x8b\x08 not a member" + WHOLE[MIDDLE:], []),
        (b"xx" + WHOLE[2:], [0]),
    ],
    ids=["cut off", "hole", "no magic", "wrong sum", "two members", "bytes gone", "rubbish between", "first bytes"],
)
def test_damage_to_a_packed_archive_costs_the_records_it_hits(tmp_path: Path, damaged: bytes, lost: list[int]) -> None:
    bodies, said = read(tmp_path, damaged)
    assert bodies == [body for number, body in enumerate(BODIES) if number not in lost]
    assert said


def test_records_that_lie_about_their_length(tmp_path: Path) -> None:
    for lie in (0, 3, 5_000, 10**9, 10**14):
        content = b"".join(record(number, body, lie if number == 4 else None) for number, body in enumerate(BODIES))
        bodies, said = read(tmp_path, content, "a.warc")
        if lie <= MAXIMUM:
            assert bodies == BODIES
            assert said == ["record 5 is not as long as it says"]
        else:
            assert bodies == BODIES[:4] + BODIES[5:]


def test_a_length_that_is_missing_or_no_number(tmp_path: Path) -> None:
    for wrong in (b"X-Length: 1", b"Content-Length: many", "Content-Length: ²".encode()):
        content = PLAIN.replace(b"Content-Length: %d" % len(BODIES[4]), wrong)
        assert read(tmp_path, content, "a.warc")[0] == BODIES


def test_bytes_gone_from_a_plain_archive(tmp_path: Path) -> None:
    start = PLAIN.index(BODIES[5]) + 100
    bodies, said = read(tmp_path, PLAIN[:start] + PLAIN[start + 200 :], "a.warc")
    assert bodies[:5] + bodies[6:] == BODIES[:5] + BODIES[6:]
    assert len(said) == 1
    head = PLAIN.index(BODIES[5]) - 30
    assert read(tmp_path, hole(PLAIN, head, 40), "a.warc")[0][-3:] == BODIES[6:]


def test_a_body_may_speak_of_other_records(tmp_path: Path) -> None:
    bodies = [PLAIN, b"after"]
    content = b"".join(record(number, body) for number, body in enumerate(bodies))
    assert read(tmp_path, content, "a.warc") == (bodies, [])


def test_a_long_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(record(0, b"a") + record(1, b"x" * (MAXIMUM + 1)) + record(2, b"b"))
    first, second, third = records(Found(tmp_path / "a.warc", "a.warc"), MAXIMUM)
    assert isinstance(first, Record)
    assert isinstance(second, Oversize)
    assert second.number == 2
    assert isinstance(third, Record)
    assert (third.number, third.body) == (3, b"b")


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(1, 50))
def test_where_blocks_end_does_not_matter(bodies: list[bytes], size: int) -> None:
    content = b"".join(record(number, body) for number, body in enumerate(bodies))
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    assert [item.body for item in parse(blocks, MAXIMUM) if isinstance(item, Record)] == bodies


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 400), st.booleans())
def test_any_bytes_anywhere_end_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, start: int, gone: int, packed: bool
) -> None:
    content = WHOLE if packed else PLAIN[:6_000]
    bodies, _ = read(tmp_path_factory.mktemp("noise"), content[:start] + noise + content[start + gone :])
    assert not packed or BODIES[8] in bodies  # what lies far behind the damage is read


def test_a_gap_parts_records() -> None:
    first, second = record(0, b"one"), record(1, b"two")
    found = list(parse([first, second[:60], Gap("here"), second], MAXIMUM))
    assert [type(item) for item in found] == [Record, Damage, Damage, Record]
    assert found[2] == Damage("here")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clipped.warc.gz", 0),
        ("clueweb-quirk.warc.gz", 30),
        ("sample-0000.warc.gz", 48),
        ("warcfile.warc.gz", 50),
        ("whirlwind.warc.wet.gz", 2),
    ],
)
def test_archives_of_the_web(name: str, expected: int, real_data: Callable[[str], Path]) -> None:
    found = list(records(Found(real_data(f"web/warc/{name}"), name), 8_000_000))
    assert sum(isinstance(item, Record) for item in found) == expected
    assert (name == "clipped.warc.gz") == any(isinstance(item, Damage) for item in found)


def test_memory_is_that_of_one_record(tmp_path: Path, peak: Callable[..., int]) -> None:
    with (tmp_path / "a.warc").open("wb") as stream:
        for number in range(60):
            stream.write(record(number, b"words and more words " * 50_000))
    code = "from hornbook.corpus.read.warc import records\nassert len(list(r.number for r in records(found, 8_000_000))) == 60"
    assert peak(code, tmp_path / "a.warc") < 30_000_000
