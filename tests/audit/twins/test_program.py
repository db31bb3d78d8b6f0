from __future__ import annotations

import ast
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.audit.twins.program import failing, twin
from hornbook.audit.twins.row import UntwinnableError
from hornbook.evaluate.exam.declaration import find

PAGE = find("humaneval")
ROW = {
    "prompt": 'import math\n\n\ndef area(radius, n=2, s1=""):\n'
    '    """ Given a radius and n, return the área n times.\n    The number of s1 should be small; a radius is not `radius`.\n'
    '    >>> area(1, n=3)\n    9\n    """\n',
    "canonical_solution": "    π, total = 3, 0\n    for i in range(n):\n        total += π * radius\n"
    "    return sum([i for i in (total,)]) * math.floor(1.5)\n",
    "entry_point": "area",
    "test": "def check(candidate):\n    assert candidate(1, n=3) == 9\n    assert candidate(2) == 12\n",
}


def made(seed: int = 1, **changes: Any) -> dict[str, Any]:
    return twin(PAGE, {**ROW, **changes}, random.Random(seed))


def test_names_and_words_change() -> None:
    one = made(2)
    head = one["prompt"].split("\n")[3]
    prefix = head.removeprefix("def area(").partition("_")[0]
    assert head == f'def area({prefix}_radius, {prefix}_n=2, {prefix}_s1=""):'
    lines = one["prompt"].split("\n")[4:]
    assert lines[0] == f'    """ Taking a radius and {prefix}_n, give back the área {prefix}_n times.'
    assert lines[1] == f"    The number of {prefix}_s1 must be small; a radius is not `{prefix}_radius`."
    assert lines[2] == f"    >>> area(1, {prefix}_n=3)"
    names = {
        node.id for node in ast.walk(ast.parse(one["prompt"] + one["canonical_solution"])) if isinstance(node, ast.Name)
    }
    assert not names & {"radius", "n", "s1", "π", "total", "i"}
    assert {"range", "sum", "math"} <= names
    assert f"candidate(1, {prefix}_n=3)" in one["test"]
    assert len({made(seed)["prompt"] for seed in range(20)}) == 4


def test_a_twin_passes_its_tests_and_a_broken_one_does_not() -> None:
    one = made()
    broken = {**one, "canonical_solution": "    return 1\n"}
    assert failing(PAGE, {"right": one, "wrong": broken}, allow_unisolated=True) == {"wrong"}


def test_a_docstring_without_known_words_begins_with_others() -> None:
    prompt = 'def f(x):\n    r"""x squared."""\n'
    one = made(prompt=prompt, canonical_solution="    return x * x\n", entry_point="f")
    assert 'r"""What is to be done: ' in one["prompt"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"entry_point": "other"}, "no function with a docstring"),
        ({"prompt": "def area(x):\n"}, "no function with a docstring"),
        ({"canonical_solution": "    return (\n"}, "does not parse"),
        ({"canonical_solution": "    global total\n    return 1\n"}, "no names that can be changed"),
    ],
)
def test_what_has_no_twin(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UntwinnableError, match=why):
        made(**changes)


NAMES = st.sampled_from(["a", "n", "lst", "value", "größe", "x_1", "arr", "items"])


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.text(max_size=60), st.integers(0, 2**32))
def test_the_shape_of_every_program_stays(names: list[str], words: str, seed: int) -> None:
    """Whatever a docstring says, the twin parses to the same tree but for names and the docstring, and computes alike."""
    doc = repr(words) if not words.isprintable() or "\\" in words or '"' in words else f'"""{words}"""'
    prompt = f"def f({', '.join(names)}):\n    {doc}\n"
    body = f"    größe_2 = [{', '.join(names)}]\n    return [t + 1 for t in größe_2]\n"
    one = made(seed, prompt=prompt, canonical_solution=body, entry_point="f", test="")
    spaces: list[dict[str, Any]] = [{}, {}]
    for source, space in zip((prompt + body, one["prompt"] + one["canonical_solution"]), spaces, strict=True):
        exec(source, space)
    given = list(range(len(names)))
    assert spaces[0]["f"](*given) == spaces[1]["f"](*given)
    assert spaces[1]["f"].__code__.co_varnames[: len(names)] != tuple(names)
    assert ast.dump(ast.parse(one["prompt"] + "    pass")) != ast.dump(ast.parse(prompt + "    pass"))
