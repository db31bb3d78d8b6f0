"""Which programs may share a process."""

from __future__ import annotations

import pytest

from hornbook.sandbox.program import Program, may_share


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x + 1\n",
        "def f(opened, important):\n    '''Compile a list, then evaluate it; globally.'''\n    return opened + important\n",
        "class Box:\n    size = 3\n\ndef f():\n    return Box.size\n",
        "def f(items):\n    print(items)\n    return sorted(items, key=lambda item: -item)\n",
    ],
)
def test_plain_functions_may(source: str) -> None:
    assert may_share(Program(source, "f", (), ours=True))
    assert not may_share(Program(source, "f", ())), "whose text it is decides, not what stands in it"


@pytest.mark.parametrize(
    "source",
    [
        "import math",
        "from os import _exit",
        "x = __builtins__",
        "().__class__",
        "open('x', 'w')",
        "getattr(x, 'y')",
        "setattr(int, 'x', 1)",
        "globals()['len'] = None",
        "eval('1')",
        "exec('1')",
        "g.gi_frame.f_back",
        "e.tb_frame",
        "ｅval('1')",
        "breakpoint()",
        "input()",
    ],
)
def test_whatever_reaches_out_may_not(source: str) -> None:
    assert not may_share(Program(source, "f", (), ours=True))
