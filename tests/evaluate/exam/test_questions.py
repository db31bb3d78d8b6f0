"""Every benchmark's prompts over three rows of our own, as lm-eval makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.evaluate.exam.data import locate, read
from hornbook.evaluate.exam.declaration import Benchmark, benchmarks, find
from hornbook.evaluate.exam.questions import questions
from hornbook.evaluate.exam.rules import Question
from hornbook.sandbox.judge import Checks, judge
from hornbook.sandbox.program import Limits
from hornbook.sandbox.sandbox import Sandbox

MMLU = (
    "The following are multiple choice questions (with answers) about baking.\n\n"
    "Which of these is warm?\nA. snow\nB. a candle\nC. the moon\nD. ice\nAnswer: B\n\n"
    "What do bees make?\nA. honey\nB. milk\nC. glass\nD. wool\nAnswer: A\n\n"
)
# The first question of each: what stands in front, the prompt, and the answers or right texts.
FIRST: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "mmlu": (
        MMLU,
        "Which of these is warm?\nA. snow\nB. a candle\nC. the moon\nD. ice\nAnswer:",
        (" A", " B", " C", " D"),
    ),
    "mmlu_cloze": (
        "The following are questions about baking.\n",
        "Question: Which of these is warm?\nAnswer:",
        (" snow", " a candle", " the moon", " ice"),
    ),
    "arc_easy": ("", "Question: Which of these is warm?\nAnswer:", (" a candle", " snow", " the moon", " ice")),
    "openbookqa": ("", "Which of these is warm?", (" a candle", " snow", " the moon", " ice")),
    "piqa": ("", "Question: Which of these is warm?\nAnswer:", (" a candle", " snow")),
    "siqa": ("", "Q: Which of these is warm?\nA:", (" a candle", " snow", " the moon")),
    "hellaswag": ("", "Baking: A cook. stirs. She", (" snow", " a candle", " the moon", " ice")),
    "winogrande": ("", "Ann thanked Bo since Ann", (" had help.", " had help.")),
    "boolq": ("", "\nQuestion: is snow cold?\nAnswer:", (" no", " yes")),
    "lambada": ("", "Which of these is", (" it",)),
    "gsm8k": (
        "".join(f"Question: What is {n} + 1?\nAnswer: #### {n + 1}\n\n" for n in range(5)),
        "Question: Which of these is warm?\nAnswer:",
        ("2",),
    ),
    "triviaqa": ("", "Question: Which of these is warm?\nAnswer:", ("a candle", "It")),
    "bbh": (
        "".join(
            f"Q: {q}\nA: (A)\n\n" for q in ("Which of these is warm?", "What do bees make?", "Where do fish live?")
        ),
        "Q: Which of these is warm?\nA:",
        ("(A)",),
    ),
    "bbh_cot": (
        "Tell what is meant.\n\n"
        + "".join(
            f"Q: {q}\nA: Let's think step by step.\nSo the answer is (A).\n\n"
            for q in ("Which of these is warm?", "What do bees make?", "Where do fish live?")
        ),
        "Q: Which of these is warm?\nA: Let's think step by step.\n",
        ("(A)",),
    ),
    "agieval": (
        "",
        "A passage.Q: Which of these is warm? Answer Choices: (A)snow (B)a candle (C)the moon (D)ice\n"
        "A: Among A through D, the answer is",
        (" (A)snow", " (B)a candle", " (C)the moon", " (D)ice"),
    ),
    "mgsm": ("", "Question: Which of these is warm?\nAnswer:", ("1",)),
    "toxigen": ("", "value value bakers", ()),
    "tinystories": ("", "A a sat on a hill and", ()),
    "mt_bench": ("", "Which of these is warm?\n\nWhy math?", ()),
    "math": ("Problem:\n", "Problem:\nWhich of these is warm?\n\nSolution:", (r"$\frac{1}{2}$",)),
}


def made(name: str, data: Path, **options: Any) -> list[Question]:
    benchmark = find(name)
    found = locate(benchmark.files, data)
    assert found is not None
    asked, unknown = questions(benchmark, read(found), data, **options)
    assert not unknown
    return asked


@pytest.mark.parametrize("name", sorted(benchmarks()))
def test_three_rows_of_our_own(name: str, own_data: Path) -> None:
    asked = made(name, own_data)
    assert len(asked) == (6 if name.startswith(("mmlu", "bbh_cot")) else 3)
    assert len({question.id for question in asked}) == len(asked)
    for question in asked:
        assert (
            question.gold or question.targets or question.checks or question.facts or name in ("lambada", "tinystories")
        )
        assert all(0 <= one < len(question.answers) for one in question.gold)
    if name in FIRST:
        shared, prompt, answers = FIRST[name]
        assert asked[0].shared().startswith(shared)
        assert name == "math" or asked[0].shared() == shared
        assert asked[0].prompts[0] == prompt
        assert (asked[0].answers or asked[0].targets) == answers


def test_truth_is_told_from_errors(own_data: Path) -> None:
    one, every = made("truthfulqa_mc1", own_data)[0], made("truthfulqa_mc2", own_data)[0]
    assert (one.choices, one.gold) == (("a candle", "snow", "the moon", "ice"), (0,))
    assert (every.choices, every.gold) == (("a candle", "it is a candle", "snow", "the moon", "ice"), (0, 1))
    assert one.shared().endswith("held in Barcelona, Spain.\n\n") and one.prompts == ("Q: Which of these is warm?\nA:",)


def test_mgsm_asks_in_the_problems_own_language(tmp_path: Path) -> None:
    (tmp_path / "mgsm").mkdir()
    asked = {"de": "Wie viele?", "en": "How many?", "fr": "Combien ?", "zh": "多少？", "xx": "?"}
    for language, text in asked.items():
        (tmp_path / "mgsm" / f"mgsm_{language}.tsv").write_text(f"{text}\t3\n", encoding="utf-8")
    prompts = {one.group: one.prompts[0] for one in made("mgsm", tmp_path)}
    assert prompts == {
        "mgsm_de": "Frage: Wie viele?\nAntwort:",
        "mgsm_en": "Question: How many?\nAnswer:",
        "mgsm_fr": "Question : Combien ?\nRéponse :",
        "mgsm_zh": "问题： 多少？\nAnswer:",
        "mgsm_xx": "Question: ?\nAnswer:",
    }


def test_programs_come_with_tests(own_data: Path) -> None:
    human, basic = made("humaneval", own_data)[1], made("mbpp", own_data)[0]
    assert human.checks is not None and human.checks.entry == "f1"
    assert human.program("    return a + 1\n").startswith("def f1(a):")
    assert basic.checks is not None and basic.checks.entry == "g11"
    assert [shot.partition("Write ")[2][:2] for shot in basic.shots] == ["g2", "g3", "g4"]
    assert basic.shots[0].endswith("[BEGIN]\ndef g2(a):\n    return a + 1\n[DONE]\n\n")


def test_a_word_problem_is_a_function_that_is_run(own_data: Path) -> None:
    asked = made("gsm8k_python", own_data)[0]
    assert asked.checks is not None
    with Sandbox(Limits(seconds=5), allow_unisolated=True) as sandbox:
        for shot in asked.shots:  # the examples are programs themselves
            judged = judge(sandbox, Checks("", "solution", "assert solution() > 0"), shot)
            assert judged == ""
        for body, right in (
            ("    return 1 + 1\n", True),
            ("    return 2.0", True),
            ("    two = 2\n    return two", True),
            ("    return 3", False),
            ('    return "2"', False),
            ("    return True + True + 0j", False),
            ("    pass", False),
        ):
            assert (judge(sandbox, asked.checks, asked.program("\n" + body)) == "") == right, body


def test_examples_that_are_texts(own_data: Path) -> None:
    assert len(made("bbh_cot", own_data, shots=1)[0].shots) == 2, "a description, and one"
    assert made("bbh_cot", own_data, shots=0)[0].shared() == ""
    (own_data / "cot-prompts" / "snarks.txt").unlink()
    with pytest.raises(UserError, match=r"bbh_cot: its examples, cot-prompts/\*\.txt, are not among the data"):
        made("bbh_cot", own_data)


def test_a_limit_takes_of_every_group(own_data: Path) -> None:
    assert [one.group for one in made("mmlu", own_data, limit=4)] == ["baking"] * 2 + ["field_botany"] * 2
    assert len(made("mmlu", own_data, shots=1)[0].shots) == 1
    assert made("mmlu", own_data, shots=0)[0].shared().endswith("about baking.\n\n")
    for name in ("mmlu", "bbh_cot"):
        with pytest.raises(UserError, match=rf"{name} has \d examples? to give: --shots \d at most"):
            made(name, own_data, shots=99)


def test_examples_leave_from_the_left() -> None:
    question = Question("1", ("q",), "d ", ("a ", "b ", "c "))
    assert [question.shared(dropped) for dropped in range(4)] == ["d a b c ", "d b c ", "d c ", "d "]


def page(**changes: Any) -> Benchmark:
    values: dict[str, Any] = {
        "name": "mine",
        "title": "Mine",
        "about": "",
        "source": "",
        "score": "choice",
        "prompt": "{{ q }}",
        "choices": "c",
        "gold": "{{ a }}",
        "files": [{"file": "mine.jsonl"}],
    }
    return Benchmark.model_validate({**values, **changes})


def test_what_cannot_be_asked_is_counted(tmp_path: Path) -> None:
    rows = (
        *('{"q": "1", "c": ["x", "y"], "a": "B"}', '{"q": "2", "c": ["x", "y"], "a": "y"}'),
        *('{"q": "3", "c": ["x", "y"], "a": 1}', '{"q": "4", "c": ["x", "y"], "a": 2}'),
        *('{"q": "5", "c": ["x", "y"], "a": "z"}', '{"c": ["x"], "a": 0}', '{"q": "7", "a": 0}', "{", "[]"),
    )
    (tmp_path / "mine.jsonl").write_text("\n".join(rows))
    benchmark = page()
    found = locate(benchmark.files, tmp_path)
    assert found is not None
    asked, unknown = questions(benchmark, read(found), tmp_path)
    assert [(one.id, one.gold) for one in asked] == [("1", (1,)), ("2", (1,)), ("3", (1,))]
    assert unknown["its right answer is none of its choices"] == 2
    assert unknown["lacks the field c, a list of choices"] == 1
    assert unknown["can't be made a prompt: 'q' is undefined"] == 1
    assert sum(unknown.values()) == 6


def test_a_row_that_a_template_cannot_take_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"q": null, "c": ["x"], "a": 0}\n{"q": ["1", "2"], "c": ["x"], "a": 0}\n')
    benchmark = page(prompt="{{ q|join }}")
    found = locate(benchmark.files, tmp_path)
    assert found is not None
    asked, unknown = questions(benchmark, read(found), tmp_path)
    assert [one.prompts for one in asked] == [("12",)]
    assert unknown == {"can't be made a prompt: 'NoneType' object is not iterable": 1}


def test_sentences_and_dialogues_that_are_none(tmp_path: Path) -> None:
    """What scores would take for numbers and for lists is looked at row by row."""
    told = {"text": "a b", "toxicity_score": 4.5, "label": "hate", "target_groups": ["bakers"]}
    changes: list[dict[str, Any]] = [{"toxicity_score": "4.5"}, {"toxicity_score": 0}, {"target_groups": "bakers"}]
    rows = [told, *(told | change for change in changes)]
    (tmp_path / "toxigen_human.json").write_text(json.dumps(rows))
    turns = [["One?", "Two?"], [], "One?", ["One?", 2]]
    (tmp_path / "mt_bench.jsonl").write_text(
        "".join(json.dumps({"category": "math", "turns": one}) + "\n" for one in turns)
    )
    for name, wrong in (
        (
            "toxigen",
            {"has a toxicity_score that is no number from 1 to 5": 2, "has target_groups that are no list of names": 1},
        ),
        ("mt_bench", {"has no list of turns": 3}),
    ):
        found = locate(find(name).files, tmp_path)
        assert found is not None
        made = read(found)
        assert (len(made.rows), made.faults) == (1, wrong)


def test_missing_examples_are_told(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"q": "1", "c": ["x"], "a": 0}\n')
    benchmark = page(shots={"count": 2, "files": [{"file": "shots.jsonl"}]})
    found = locate(benchmark.files, tmp_path)
    assert found is not None
    with pytest.raises(UserError, match=r"mine: its examples, shots.jsonl, are not among the data; --shots 0"):
        questions(benchmark, read(found), tmp_path)
