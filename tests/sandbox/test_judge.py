"""A benchmark's tests judge a program from a process where it never was."""

from __future__ import annotations

import pytest

from hornbook.sandbox import judge as module
from hornbook.sandbox.judge import Checks, judge
from hornbook.sandbox.sandbox import Sandbox

CHECK = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(x=3) == 6\n    assert {} == {}\n"
DOUBLE = "def double(x):\n    return 2 * x\n"
TESTS = Checks(DOUBLE, "double", CHECK)


@pytest.mark.parametrize(
    ("checks", "program"),
    [
        (CHECK, DOUBLE),
        ("assert double(2) == 4\nassert [double(n) for n in range(3)] == [0, 2, 4]", DOUBLE),
        ("import math\nassert math.isclose(double(0.1), 0.2)", DOUBLE),
        ("for n in range(20):\n    assert double(double(n)) == 4 * n", DOUBLE),
        ("import random\nn = random.randint(0, 9)\nassert double(n) == 2 * n", DOUBLE),
        ("try:\n    double('')\nexcept ValueError:\n    pass\nelse:\n    assert False", "def double(x):\n    raise ValueError(x)\n"),
        ("try:\n    double('')\nexcept BaseException:\n    pass\nassert double(1) == 2", DOUBLE),
        ("assert double(1) == {1: 2}", "import collections\ndef double(x):\n    return collections.Counter([1, 1])\n"),
        ("assert double(1) == {1, 2}", "def double(x):\n    return frozenset((1, 2))\n"),
        ("assert double(1) is True", "def double(x):\n    return True\n"),
        ("assert double(1) == (1, [2])", "import collections\ndef double(x):\n    return collections.namedtuple('P', 'a b')(1, [2])\n"),
        ("def helper(x):\n    return x + x\nassert double(2) == helper(2)", DOUBLE),
    ],
)  # fmt: skip
def test_passes(sandbox: Sandbox, checks: str, program: str) -> None:
    assert judge(sandbox, Checks(DOUBLE, "double", checks), program) == ""


def test_a_function_that_is_called_check(sandbox: Sandbox) -> None:
    code = "def check(x):\n    return 2 * x\n"
    assert judge(sandbox, Checks(code, "check", "assert check(2) == 4"), code) == ""
    assert "AssertionError" in judge(sandbox, Checks(code, "check", "assert check(2) == 5"), code)


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        ("", "the tests ask nothing"),
        ("def check(candidate):\n    pass\n", "the tests ask nothing"),
        ("assert (", "the tests fail: SyntaxError"),
        ("assert double(2) == 5", "the tests fail: AssertionError"),
        ("assert double(1j) == 2j", "the tests fail: TypeError: the result is no plain literal but holds a complex"),
        ("while True:\n    pass", "the tests fail: timeout"),
        (
            "import os\nassert double(os.urandom(9).hex()) and double(1)",
            "the tests fail: RuntimeError: the tests do not ask",
        ),
    ],
)
def test_tests_that_are_at_fault(sandbox: Sandbox, checks: str, reason: str) -> None:
    assert judge(sandbox, Checks(DOUBLE, "double", checks), DOUBLE).startswith(reason)


def test_calls_without_end(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CALLS", 5)
    wrong = judge(sandbox, Checks(DOUBLE, "double", "n = 0\nwhile True:\n    n = double(n) + 1"), DOUBLE)
    assert wrong == "the tests make more than 5 calls"


FORGERIES = {
    "a liar": "class Liar:\n    def __eq__(self, other):\n        return True\ndef double(x):\n    return Liar()\n",
    "a lying number": "class Liar(int):\n    __eq__ = lambda *_: True\n    __hash__ = int.__hash__\ndef double(x):\n    return Liar(0)\n",
    "a lying class": "class Liar(type):\n    __eq__ = lambda *_: True\nclass L(metaclass=Liar): pass\ndef double(x):\n    return L\n",
    "written and gone": """
import os, struct
def double(x):
    for text in (b"None", b"True"):
        os.write(3, struct.pack("<BI", 0, len(text)) + text + struct.pack("<BI", 2, 0))
    os._exit(0)
""",
    "one answer and gone": """
import os, struct
def double(x):
    os.write(3, struct.pack("<BI", 0, 4) + b"None" + struct.pack("<BI", 2, 0))
    os._exit(0)
""",
    "gone while it is loaded": """
import os, struct
os.write(3, struct.pack("<BI", 0, 4) + b"None" + struct.pack("<BI", 2, 0))
os._exit(0)
""",
    "another harness": "def double(x):\n    return 0\ndef hornbook_answer(*_):\n    return 4\ndef hornbook_tests(*_):\n    return None\n",
    "a text that takes the harness in": 'def double(x):\n    return 0\nTEXT = """',
    "builtins": """
import builtins
builtins.isinstance = lambda *_: False
builtins.AssertionError = builtins.Exception = type("E", (BaseException,), {})
def double(x):
    return None
""",
    "an exception of the tests' own": "def double(x):\n    class Asked(BaseException): pass\n    raise Asked\n",
    "the way out": "def double(x):\n    raise SystemExit(0)\n",
    "a deep value": "def double(x):\n    a = []\n    for _ in range(63): a = [a]\n    return a\n",
    "a look for what is expected": """
import gc, sys
def double(x):
    found = [n for thing in gc.get_objects() if type(thing) in (list, tuple, dict) for n in thing if n == 2 * x + 0.5]
    frame = sys._getframe()
    while frame:
        found += [value for value in frame.f_locals.values() if type(value) is float]
        frame = frame.f_back
    return found[0] if found else None
""",
    "a file for the next one": """
import os
def double(x):
    try:
        return int(open("/tmp/kept").read())
    except OSError:
        open("/tmp/kept", "w").write("4")
""",
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_no_program_forges_a_pass(sandbox: Sandbox, kind: str) -> None:
    checks = "assert double(2) == 4.5\nassert double(2) == 4.5" if "expected" in kind else CHECK
    assert judge(sandbox, Checks(DOUBLE, "double", checks), FORGERIES[kind]) != ""
    assert judge(sandbox, TESTS, DOUBLE) == ""
