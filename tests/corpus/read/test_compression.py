from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.read.compression import CompressionError, Unpacked, opened
from hornbook.corpus.read.kinds import Found

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
}
NEW = {
    ".gz": lambda: zlib.decompressobj(wbits=31),
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lzma.LZMADecompressor,
    ".zst": zstd.ZstdDecompressor,
}
TEXT = b"".join(b"line %d of some text %d\n" % (number, number**7) for number in range(20_000))


def unpack(data: bytes, ending: str, size: int = 1 << 20) -> tuple[bytes, str]:
    stream = Unpacked(io.BytesIO(data), ending)
    whole = b"".join(iter(lambda: stream.read(size) or b"", b""))
    return whole, stream.damage.reason if stream.damage else ""


@pytest.mark.parametrize("ending", PACK)
def test_members_one_after_another_and_padding(ending: str) -> None:
    pack = PACK[ending]
    assert unpack(pack(TEXT) + pack(b"") + pack(b"more"), ending) == (TEXT + b"more", "")
    assert unpack(pack(b"some") + b"\0" * 300_000 + pack(b" more") + b"\0" * 10, ending) == (b"some more", "")
    assert unpack(pack(TEXT), ending, size=7 if ending == ".gz" else 5_000) == (TEXT, "")


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_what_breaks_off_gives_all_that_can_be_unpacked(ending: str, share: float) -> None:
    cut = (packed := PACK[ending](TEXT))[: int(len(packed) * share)]
    whole, reason = unpack(cut, ending)
    assert whole == NEW[ending]().decompress(cut)  # type: ignore[operator]
    assert reason.startswith("corrupt ")
    whole, reason = unpack(packed[:-1], ending)
    assert (whole, bool(reason)) == (TEXT, True)


@pytest.mark.parametrize("ending", PACK)
def test_trailing_garbage_is_told_and_costs_nothing(ending: str) -> None:
    whole, reason = unpack(PACK[ending](TEXT) + b"garbage", ending)
    assert whole == TEXT
    assert reason.startswith("corrupt ")


def test_what_is_before_damage_comes_out_to_the_byte() -> None:
    """Blocks of zstd are checked as a whole: all before the damaged one, nothing of it."""
    packed = bytearray(zstd.compress(TEXT * 3, options={zstd.CompressionParameter.checksum_flag: 1}))
    packed[len(packed) // 2] ^= 0xFF
    packed[len(packed) // 2 + 1 : len(packed) // 2 + 400] = b"\xff" * 399
    decoder, best = zstd.ZstdDecompressor(), b""
    with pytest.raises(zstd.ZstdError):
        for at in range(len(packed)):
            best += decoder.decompress(bytes(packed[at : at + 1]))
    whole, reason = unpack(bytes(packed), ".zst")
    assert reason == "corrupt zstd"
    assert len(best) > 100_000
    assert whole == best


@given(st.binary(max_size=200), st.sampled_from(list(PACK)), st.integers(0, 400), st.integers(0, 255))
def test_any_damage_ends_in_a_reason(data: bytes, ending: str, at: int, value: int) -> None:
    packed = bytearray(PACK[ending](data) + PACK[ending](b"two"))
    packed[at % len(packed)] = value
    unpack(bytes(packed), ending)


def test_a_window_beyond_the_memory_limit_is_told_as_that(tmp_path: Path) -> None:
    frame = bytearray(zstd.compress(b"", options={zstd.CompressionParameter.content_size_flag: 0}))
    frame[5] = (31 - 10) << 3  # the window's descriptor: 2 to the power of 31, see RFC 8878, 3.1.1.1.2
    (tmp_path / "a.txt.zst").write_bytes(frame)
    with pytest.raises(CompressionError) as caught, opened(Found(tmp_path / "a.txt.zst", "a.txt.zst")) as stream:
        assert stream.read() == b""
    assert caught.value.reason == "zstd window too large"
    assert "128 MB" in caught.value.detail
    assert unpack(lzma.compress(b"x" * 10, preset=9), ".xz") == (b"x" * 10, "")


def test_a_full_read_is_as_large_as_was_asked_for() -> None:
    with io.BufferedReader(Unpacked(io.BytesIO(gzip.compress(TEXT)), ".gz")) as stream:
        assert stream.read(200_000) == TEXT[:200_000]
        assert stream.read() == TEXT[200_000:]
