"""Every family's body agrees with its meaning on random arguments; texts have their form and length."""

import ast
import copy
import json
from random import Random
from typing import Any

import pytest

from hornbook.sandbox.same import same
from hornbook.seeds import stream
from hornbook.teacher.builtin.exercises import arguments
from hornbook.teacher.builtin.exercises.catalogue import FAMILIES, compositions
from hornbook.teacher.builtin.exercises.draw import LONGEST, Drawn, draw, exercise
from hornbook.teacher.builtin.exercises.family import Family
from hornbook.teacher.builtin.exercises.names import is_free


def _drawings(family: Family, count: int, name: str) -> list[Drawn]:
    random = stream(0, name, family.name)
    every = list(compositions()[family.name].values())
    return [draw(family, random.choice(every), random.randrange(2**40)) for _ in range(count)]


def _function(drawn: Drawn) -> Any:
    names: dict[str, Any] = {}
    exec(drawn.prompt + drawn.body, names)
    return names[drawn.name]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_body_does_what_the_parts_mean(family: Family) -> None:
    random = Random(family.name)
    for drawn in _drawings(family, 60, "meaning"):
        function = _function(drawn)
        tried = arguments.edges(family.kinds)
        tried += [arguments.arguments(family.kinds, random, drawn.hints) for _ in range(6)]
        for values in tried:
            expected = drawn.sketch.meaning(*copy.deepcopy(values))
            given = copy.deepcopy(values)
            assert same(function(*given), expected), (drawn.prompt + drawn.body, values)
            assert given == values, "arguments are left as they were"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_texts_have_their_form(family: Family) -> None:
    for drawn in _drawings(family, 30, "form"):
        made = exercise(drawn)
        (function,) = ast.parse(made.text).body
        assert isinstance(function, ast.FunctionDef)
        assert function.name == made.name
        assert is_free(made.name)
        assert made.name not in made.parameters
        assert tuple(argument.arg for argument in function.args.args) == made.parameters
        assert len(set(made.parameters)) == len(made.parameters)
        assert ast.get_docstring(function, clean=False) == made.docstring
        assert made.text.endswith("\n") and not made.text.endswith("\n\n")
        assert made.text == f'def {made.name}({", ".join(made.parameters)}):\n    """{made.docstring}"""\n{made.body}'
        assert all(
            line == line.rstrip() and (len(line) - len(line.lstrip())) % 4 == 0 for line in made.text.split("\n")
        )
        assert "{" not in made.docstring and "  " not in made.docstring
        assert made.phrase in made.docstring
        assert 3 <= len(made.cases) <= 6
        json.dumps(made.seeds)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_texts_are_short(family: Family) -> None:
    lengths = sorted(len(drawn.prompt + drawn.body) for drawn in _drawings(family, 100, "length"))
    assert lengths[50] <= 310
    assert lengths[97] <= LONGEST, "few draws are too long to be used"


def test_the_record_is_enough_to_draw_again() -> None:
    for family in FAMILIES:
        (drawn,) = _drawings(family, 1, "again")
        seeds = exercise(drawn).seeds
        again = draw(family, compositions()[family.name][seeds["composition"]], seeds["seed"])
        assert exercise(again) == exercise(drawn)


def test_local_names_never_clash_with_arguments() -> None:
    for family in FAMILIES:
        for drawn in _drawings(family, 20, "clash"):
            tree = ast.parse(drawn.prompt + drawn.body)
            stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            clashes = stored & set(drawn.style.names)
            assert not clashes or family.name in ("digits", "until"), "only while loops change their argument"
