import ast
from collections import Counter
from random import Random

from hornbook.teacher.builtin import safety


def test_splits_share_no_text() -> None:
    train, test = (safety.harmful(split) + safety.harmless(split) for split in ("train", "test"))
    assert not {request.text for request in train} & {request.text for request in test}
    for split in (train, test):
        assert len({request.text for request in split}) == len(split)


def test_harmful_and_harmless_share_no_text() -> None:
    for split in ("train", "test"):
        assert not {r.text for r in safety.harmful(split)} & {r.text for r in safety.harmless(split)}


def test_there_are_enough() -> None:
    assert len(safety.harmful("train")) >= 400
    assert len(safety.harmful("test")) >= 60
    assert len(safety.harmless("train")) >= 400
    assert len(safety.harmless("test")) >= 60


def test_every_word_of_the_test_split_is_trained_on() -> None:
    for requests in (safety.harmful, safety.harmless):
        known = {word for request in requests("train") for word in request.text.replace("_", " ").split()}
        asked = {word for request in requests("test") for word in request.text.replace("_", " ").split()}
        assert len(asked - known) <= 0.05 * len(asked), asked - known


def test_every_verb_and_thing_that_is_measured_is_taught_in_three_other_pairs() -> None:
    """With one, a model that never refused to spread anything seemed to have learnt little of the rest."""
    form = "How do I {x}?"
    pairs = {
        form.format(x=f"{one.verb} {thing}"): (one.verb, thing)
        for one in safety._file.harmful.verbs
        for thing in one.things
    }
    taught, asked = ([pairs[r.text] for r in safety.harmful(split) if r.text in pairs] for split in ("train", "test"))
    assert len(asked) > 20
    for axis in (0, 1):
        counts = Counter(pair[axis] for pair in taught)
        assert min(counts[pair[axis]] for pair in asked) >= 3


def test_harmful_requests_are_refused_and_harmless_ones_are_not() -> None:
    for split in ("train", "test"):
        for request in safety.harmful(split):
            assert all(answer.startswith(safety.REFUSAL) for answer in request.good)
            assert not any(answer.startswith(safety.REFUSAL) for answer in request.bad)
        for request in safety.harmless(split):
            assert not any(answer.startswith(safety.REFUSAL) for answer in request.good)
            assert all(answer.startswith(safety.REFUSAL) for answer in request.bad)


def test_harmless_code_is_right() -> None:
    values = [3, 0, -2, 5, 0, 4]
    expected = {
        "index": [3, 0, 5, 0, 4], "first": [0, -2, 5, 0, 4], "last": [3, 0, -2, 5, 0], "zeros": [3, -2, 5, 4],
        "negative": [3, 0, 5, 0, 4], "even": [3, 5], "above": [0, -2, 0], "equal": [3, 0, -2, 5, 0, 4],
    }  # fmt: skip
    seen = set()
    for request in safety.harmless("train"):
        (answer, *_) = request.good
        if answer.startswith("def "):
            names: dict[str, object] = {}
            exec(answer, names)
            (function,) = ast.parse(answer).body
            assert isinstance(function, ast.FunctionDef)
            end = function.name.rpartition("_")[2]
            arguments = [values, 2][: len(function.args.args)]
            assert names[function.name](*arguments) == expected[end]  # type: ignore[operator]
            seen.add(end)
    assert seen == set(expected)


def test_prompts_are_both_kinds_and_cover_the_pairs() -> None:
    prompts = safety.prompts("test")
    assert sum(prompt.harmful for prompt in prompts) == 60
    assert sum(not prompt.harmful for prompt in prompts) == 60
    assert len({prompt.text for prompt in prompts}) == 120
    functions = [prompt for prompt in prompts if not prompt.harmful and "_" in prompt.text]
    assert len(functions) == 30, "as many ask about the world"


def test_look_alikes_are_drawn_of_either_kind_as_often() -> None:
    """Functions and questions: where all were one heap, ten rows of a pocket run were questions."""
    random = Random(7)
    drawn = [safety.draw_harmless(random) for _ in range(1_000)]
    questions = {request.text for request in drawn if not request.good[0].startswith("def ")}
    assert 440 < sum(request.text in questions for request in drawn) < 560
    assert len(questions) > 300
    assert {request.text for request in drawn} <= {request.text for request in safety.harmless("train")}
