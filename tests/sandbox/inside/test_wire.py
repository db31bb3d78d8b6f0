"""Frames and packed values come back as they were."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.sandbox.inside import wire


@given(bodies=st.lists(st.binary(max_size=100), max_size=5))
def test_frames(bodies: list[bytes]) -> None:
    source, target = os.pipe()
    try:
        wire.write_all(target, b"".join(map(wire.frame, bodies)))
        os.close(target)
        assert [wire.read_frame(source) for _ in bodies] == bodies
        with pytest.raises(EOFError):
            wire.read_frame(source)
    finally:
        os.close(source)


def test_nothing_is_shared_between_unpacked_parts() -> None:
    part = [1]
    one, other = wire.unpack(wire.pack((part, part)))
    assert one == other == [1]
    assert one is not other


def test_text_that_utf8_cannot_carry() -> None:
    assert wire.record(wire.VALUE, "\ud800") == wire.RECORD.pack(wire.VALUE, 6) + b"\\ud800"
