"""Sandboxes for the tests of the sandbox; those that need isolation skip, with the reason, where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hornbook.sandbox.program import Limits, Outcome, Program
from hornbook.sandbox.sandbox import Sandbox, isolation

LIMITS = Limits(seconds=1.0, patience=2.0, memory_bytes=256 << 20)

Run = Callable[..., Outcome]


def _runner(sandbox: Sandbox) -> Run:
    def run(source: str, *arguments: Any) -> Outcome:
        """Call `f(*arguments)` of `source` once."""
        return next(sandbox.run([Program(source, "f", (arguments,))]))

    return run


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    if not isolation().isolated:
        pytest.skip(isolation().how)
    with Sandbox(LIMITS) as sandbox:
        yield sandbox


@pytest.fixture
def run(sandbox: Sandbox) -> Iterator[Run]:
    """Run one program in the sandbox; afterwards the sandbox must still work, and be the same process."""
    before = sandbox._supervisor
    yield _runner(sandbox)
    assert _runner(sandbox)("def f(x):\n    return x + 1\n", 41).results[0].value == 42
    assert sandbox._supervisor is before


@pytest.fixture
def run_in_the_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run one program without isolation: shows that an attempt would succeed if nothing stopped it."""
    with unisolated(monkeypatch) as sandbox:
        yield _runner(sandbox)


def unisolated(monkeypatch: pytest.MonkeyPatch, limits: Limits = LIMITS) -> Sandbox:
    """A sandbox as on a platform that cannot isolate."""
    from hornbook.sandbox import sandbox as module

    monkeypatch.setattr(module, "isolation", lambda: module.Isolation(False, "the test says so"))
    return Sandbox(limits, allow_unisolated=True)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with unisolated(monkeypatch) as sandbox:
        yield sandbox
