from __future__ import annotations

from hornbook.seeds import derive, stream


def test_pinned_values() -> None:
    """The same on every machine: results made elsewhere depend on it."""
    assert derive(1, "weights") == int.from_bytes(bytes.fromhex("".join(_sha("1/weights"))), "big") >> 1
    assert stream(1, "a").random() == stream(1, "a").random()


def _sha(text: str) -> list[str]:
    import hashlib

    return [hashlib.sha256(text.encode()).hexdigest()[:16]]


def test_streams_are_independent() -> None:
    values = [derive(seed, name, number) for seed in range(5) for name in "abc" for number in range(5)]
    assert len(set(values)) == len(values)
    assert all(0 <= value < 1 << 63 for value in values)
    assert derive(1, "a", "b") != derive(1, "b", "a")
