import hashlib
import itertools
import os
import subprocess
import sys
from collections import Counter

import pytest

from hornbook.teacher.builtin.exercises import draw
from hornbook.teacher.builtin.exercises.catalogue import BY_NAME, FAMILIES, compositions, held_out, is_held_out
from hornbook.teacher.builtin.exercises.draw import LONGEST, drawings, some_families
from hornbook.teacher.builtin.exercises.names import ARGUMENTS, PLAIN
from hornbook.teacher.builtin.exercises.problems import problems
from hornbook.teacher.held_out import Guard, shape
from hornbook.teacher.interface import Exercise


def test_each_composing_family_holds_out_about_an_eighth() -> None:
    for seed in (0, 1, 2):
        for family, keys in held_out(seed).items():
            if len(BY_NAME[family].axes) == 1:
                continue
            assert 0.10 <= len(keys) / len(compositions()[family]) <= 0.15, family


def test_every_part_is_taught_in_several_training_compositions() -> None:
    for family, keyed in compositions().items():
        training = [parts for key, parts in keyed.items() if not is_held_out(key, 1)]
        for axis, place in enumerate(zip(*training, strict=True)):
            counts = Counter(part.key for part in place)
            assert set(counts) == {part.key for part in BY_NAME[family].axes[axis]}
            assert min(counts.values()) >= (3 if len(BY_NAME[family].axes) > 1 else 1)


def test_families_of_one_group_hold_out_the_same_parts() -> None:
    held = held_out(1)
    parts = {family: {key.partition("/")[2] for key in held[family]} for family in ("build", "build_loop")}
    assert parts["build"] == parts["build_loop"]


def test_a_full_set_shares_no_composition_and_no_body_with_the_problems() -> None:
    tests = problems(200, 1)
    guard = Guard(tests)
    shapes = {shape(problem.parameters, problem.solution) for problem in tests}
    compositions_tested = {problem.composition for problem in tests}
    assert len(tests) == len(compositions_tested) == 200
    seen: set[str] = set()
    families: Counter[str] = Counter()
    dropped = 0
    for number, drawn in enumerate(itertools.islice(drawings(1), 40_000)):
        body = drawn.body
        made = Exercise(drawn.name, drawn.style.names, "", "", body, "", drawn.family.name, drawn.composition, (), {})
        assert drawn.composition not in compositions_tested
        assert not is_held_out(drawn.composition, 1)
        collides = bool(guard.complaint(made))
        if number % 5 == 0:
            assert collides == (shape(drawn.style.names, body) in shapes), "the short cut by outlines misses nothing"
        dropped += collides
        assert len(drawn.prompt) + len(body) <= LONGEST
        seen.add(drawn.prompt + body)
        families[drawn.family.name] += 1
    assert len(seen) == 40_000, "no text twice"
    assert dropped < 800
    assert set(families) == {family.name for family in FAMILIES}
    assert max(families.values()) < 2 * min(families.values())


def _digest(hash_seed: str) -> str:
    code = """
import hashlib, itertools
from hornbook.teacher.builtin.teacher import BuiltinTeacher
teacher = BuiltinTeacher()
rows = lambda parts: [list(part.source.more(part.count)) for part in parts]
exercises = list(teacher.exercises(seed=3).more(200))
offered = teacher.problems(12, seed=3)
made = [exercises, list(offered.source.more(12)), offered.held_out, teacher.safety_prompts("test")]
made.append(rows(teacher.conversations(exercises, {"task": 0.5, "refusal": 0.2, "chatter": 0.3}, 60, seed=3)))
made.append(rows(teacher.preferences(exercises, {"completion": 0.5, "harmless": 0.5}, 40, seed=3)))
print(hashlib.sha256(repr(made).encode()).hexdigest())
"""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_the_hash_seed_changes_nothing() -> None:
    assert _digest("1") == _digest("2") != hashlib.sha256(b"").hexdigest()


def test_seeds_differ() -> None:
    one, two = ([drawn.prompt for drawn in itertools.islice(drawings(seed), 100)] for seed in (1, 2))
    assert one != two


@pytest.mark.parametrize("count", [1, 5, 47])
def test_of_some_families_others_are_not_drawn(count: int) -> None:
    drawn = list(itertools.islice(drawings(1, families=count), 2_000))
    names = {one.family.name for one in drawn}
    assert len(drawn) == 2_000 and len(names) == count == len(some_families(1, count))
    assert all(held_out(1)[name] for name in names)
    assert not any(is_held_out(one.composition, 1) for one in drawn)
    fewer, others = some_families(1, max(1, count // 2)), some_families(2, count)
    assert {family.name for family in fewer} <= names
    assert count == 47 or {family.name for family in others} != names


def test_few_names_are_plain_ones() -> None:
    few = list(itertools.islice(drawings(1, names=3), 2_000))
    assert {one.name for one in few} == {*PLAIN[:3]}
    for one in few:
        allowed = max(3, len(one.family.kinds))
        for kind, name in zip(one.family.kinds, one.style.names, strict=True):
            assert name in ARGUMENTS[kind][:allowed]
    assert len({one.name for one in itertools.islice(drawings(1), 2_000)}) > 500


def test_where_there_is_no_other_draw_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    few = list(itertools.islice(drawings(1), 7))
    monkeypatch.setattr(draw, "_of_family", lambda family, seed, names: itertools.cycle([*few, None]))
    assert list(drawings(1, families=2)) == few
