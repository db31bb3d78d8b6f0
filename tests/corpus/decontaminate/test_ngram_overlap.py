from __future__ import annotations

import json
import random
import time
import unicodedata
from pathlib import Path

import pytest

from hornbook.corpus.decontaminate.ngram_overlap import Detector, Leak, Problem, load_problems
from hornbook.errors import UserError

PROBLEM = Problem(
    "evens",
    'def sum_of_even_squares(values):\n    """Return the sum of the squares of the even numbers in values."""\n'
    "    return sum(v * v for v in values if v % 2 == 0)\n",
)
OTHER = Problem(
    "vowels",
    'def count_vowels(text):\n    """Count how many characters of text are vowels, in small or capital letters."""\n'
    '    return sum(c in "aeiou" for c in text.lower())\n',
)


def find(text: str, *problems: Problem, gram: int = 10, match: float = 0.5) -> Leak | None:
    return Detector(problems or (PROBLEM, OTHER), ngram=gram, match=match).find([text])[0]


def test_a_copy_is_found_whatever_its_layout_and_surroundings() -> None:
    assert find(PROBLEM.text) == Leak(PROBLEM, 1.0)
    noise = " ".join(f"word{number}" for number in range(5_000))
    hidden = f"{noise} {PROBLEM.text.upper()} {noise}".replace(" ", "\n\n").replace("*", "-")
    assert find(hidden) == Leak(PROBLEM, 1.0)


def test_a_run_of_ten_words_alone_is_not_enough() -> None:
    document = "Return the sum of the squares of the even numbers in any list you like, said the teacher."
    assert find(document) is None
    assert find(document, match=0.3) == Leak(PROBLEM, pytest.approx(11 / 28, abs=0.03))


def test_more_than_half_is_needed() -> None:
    problem = Problem("p", " ".join(f"w{number}" for number in range(40)))
    for count, leaks in ((20, False), (21, True)):
        text = "before " + " ".join(f"w{number}" for number in range(count)) + " after"
        assert (find(text, problem) is not None) == leaks


def test_without_a_run_of_ten_nothing_is_a_candidate() -> None:
    words = PROBLEM.text.split()
    assert (
        find(" ".join(word if place % 9 else f"x{place} {word}" for place, word in enumerate(words, start=1))) is None
    )
    assert find("nothing alike") is None
    assert find("") is None


def test_single_words_far_apart_do_not_add_up() -> None:
    """A long document holds most of a problem's words somewhere; only what stands near the shared run counts."""
    problem = Problem("p", " ".join([*(f"a{number}" for number in range(10)), *(f"b{number}" for number in range(30))]))
    near = " ".join(f"a{number}" for number in range(10))
    far = " filler" * 500 + "".join(f" b{number} x" for number in range(30))
    assert find(near + far, problem) is None
    assert find(near + "".join(f" b{number} x" for number in range(30)), problem) is not None


def test_a_leak_after_a_harmless_run_is_found() -> None:
    run = "the sum of the squares of the even numbers in values"
    assert find(f"{run} {'filler ' * 200} {run} {'filler ' * 200} {PROBLEM.text}") == Leak(PROBLEM, 1.0)


def test_short_problems_are_one_run() -> None:
    problem = Problem("short", "def nothing(): return None")
    assert find("x = 1\ndef nothing():\n    return None\n", problem) == Leak(problem, 1.0)
    assert find("def nothing(): pass", problem) is None
    assert find("any text", Problem("empty", "...")) is None


def test_the_problem_shared_most_is_named() -> None:
    sibling = Problem("a sibling", PROBLEM.text.replace("squares", "cubes").replace("v * v", "v ** 3"))
    leak = find(PROBLEM.text, sibling, PROBLEM)
    assert leak is not None
    assert leak.problem == PROBLEM


def test_many_texts_at_once_are_as_each_alone() -> None:
    chance = random.Random(0)
    words = (PROBLEM.text + OTHER.text).split()
    texts = [" ".join(words[start : start + chance.randrange(60)]) for start in range(len(words))] + ["", "one"]
    detector = Detector([PROBLEM, OTHER], ngram=10, match=0.5)
    together = detector.find(texts)
    assert together == [detector.find([text])[0] for text in texts]
    assert any(together)
    assert not all(together)


def test_runs_do_not_reach_into_the_next_text() -> None:
    words = PROBLEM.text.split()
    assert Detector([PROBLEM], ngram=10, match=0.1).find([" ".join(words[:6]), " ".join(words[6:9])]) == [None, None]


def test_template_made_texts_are_quick() -> None:
    chance = random.Random(0)

    def made(prefix: str) -> str:
        parts = [chance.choice(["even", "odd", "positive", "small", "large"]) for _ in range(3)]
        return (
            f"def {prefix}{chance.randrange(10**6)}(values): Return the sum of the {parts[0]} numbers in values that are "
            f"also {parts[1]} or else the product of the {parts[2]} ones plus {chance.randrange(100)} times the length"
        )

    detector = Detector([Problem(str(n), made("p")) for n in range(200)], ngram=10, match=0.9)
    started = time.monotonic()
    detector.find([made("d") for _ in range(2_000)])
    assert time.monotonic() - started < 20


def test_load_problems(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    rows = [
        {"id": "b", "prompt": "def f():\n", "solution": "    pass\n", "more": 1},
        {"id": "a", "prompt": "x", "solution": ""},
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert load_problems(file) == [Problem("a", "x"), Problem("b", "def f():\n    pass\n")]


def test_problems_that_share_an_id_are_all_protected(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl"
    file.write_text("".join(json.dumps({"id": "a", "prompt": prompt, "solution": ""}) + "\n" for prompt in "xy"))
    assert load_problems(file) == [Problem("a", "x"), Problem("a#2", "y")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no problems"),
        (b'{"id": "a"}', "line 1: 'prompt'"),
        (b'{"id": "a", "prompt": "p", "solution": "s"}\nbroken', "line 2 is not valid JSON"),
        (b"[1]", "line 1 is not an object"),
        (b"\xff", "not valid UTF-8"),
        (None, "does not exist"),
    ],
)
def test_unusable_problems_are_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "problems.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_problems(tmp_path / "problems.jsonl")


@pytest.mark.parametrize("disguised", ["{}", "&nbsp;{}", "\u200b{}\u00ad"])
def test_the_own_problems_are_found_in_their_normal_form(disguised: str) -> None:
    words = ["gibt", "die", "größte", "Zahl", "der", "Liste", "oder", "nichts", "zurück", "wenn", "sie", "leer", "ist"]
    detector = Detector([Problem("p", " ".join(words))], ngram=10, match=0.5)
    text = unicodedata.normalize("NFD", " ".join(disguised.format(word) for word in words))
    assert detector.find([text]) == [Leak(Problem("p", " ".join(words)), 1.0)]
