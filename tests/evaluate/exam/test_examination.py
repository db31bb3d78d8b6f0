from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluate.exam.conftest import Parrot

from hornbook.errors import UserError
from hornbook.evaluate.exam import examination
from hornbook.evaluate.exam.compare import bootstrap, compare
from hornbook.evaluate.exam.declaration import PAGES
from hornbook.evaluate.exam.display import notes
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.files import read_jsonl
from hornbook.inference.likelihood import Likelihood
from hornbook.progress import Progress


def go(candidate: Parrot, data: Path, into: Path, *names: str, **settings: Any) -> dict[str, Any]:
    return examine(candidate, ExamSettings(benchmarks=names, data=data, **settings), Progress(), into)


def test_scores_rows_and_hashes(own_data: Path, tmp_path: Path) -> None:
    figures = go(Parrot(wrong=("2",)), own_data, tmp_path / "r", "arc_easy", "lambada", "mmlu")
    one = figures["benchmarks"]["arc_easy"]
    assert (one["n"], one["state"], one["metric"], one["unknown"]) == (3, "unwrapped", "acc_norm", {})
    assert one["metrics"]["acc"]["value"] == pytest.approx(2 / 3)
    low, high = one["metrics"]["acc"]["interval"]
    assert low < 2 / 3 < high
    assert one["chance"] == pytest.approx(0.25)
    rows = list(read_jsonl(tmp_path / "r" / "rows" / "arc_easy.jsonl"))
    right = [max(row["logprobs"][at] for at in row["gold"]) for row in rows]
    assert one["right_nats"] == pytest.approx(-sum(right) / 3)
    assert one["right_nats"] == pytest.approx(4.0)  # 10 nats for the one that it thinks wrong, 1 for each of the others
    assert len(one["sha256"]) == len(one["prompts"]) == 64
    assert figures["benchmarks"]["lambada"]["metrics"]["perplexity"]["value"] > 1
    assert set(figures["benchmarks"]["mmlu"]["groups"]) == {"baking", "field_botany"}
    assert figures["versions"]["torch"] and figures["candidate"]["model"] == "parrot"
    assert json.loads((tmp_path / "r" / "exam.json").read_text()) == figures
    rows = list(read_jsonl(tmp_path / "r" / "rows" / "mmlu.jsonl"))
    examples = json.loads((tmp_path / "r" / "rows" / "mmlu.examples.json").read_text())
    assert examples[rows[0]["examples"]].startswith("The following are multiple choice questions")
    assert rows[0]["choices"] == ["A", "B", "C", "D"] and rows[0]["tokens"] == 7


def test_answers_are_written_and_scored(own_data: Path, tmp_path: Path) -> None:
    parrot = Parrot(wrong=("3",), says=" So.\n#### 2")
    figures = go(parrot, own_data, tmp_path / "r", "gsm8k")
    assert figures["benchmarks"]["gsm8k"]["metrics"]["exact"]["value"] == pytest.approx(1 / 3)
    rows = list(read_jsonl(tmp_path / "r" / "rows" / "gsm8k.jsonl"))
    assert [(row["answer"], row["taken"]) for row in rows[1:]] == [(" So.\n#### 2", "2"), ("", None)]


def test_programs_are_run(own_data: Path, tmp_path: Path) -> None:
    figures = go(Parrot(says="    return a + 1\n"), own_data, tmp_path / "r", "humaneval")
    one = figures["benchmarks"]["humaneval"]
    assert (one["metrics"]["pass@1"]["value"], one["ended"]) == (pytest.approx(1 / 3), {"right": 1, "wrong": 2})


def test_what_was_answered_is_not_asked_again(own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_PART", 2)
    wanted = go(Parrot(), own_data, tmp_path / "whole", "arc_easy", "piqa")

    class Stopped(Parrot):
        def likelihoods(self, questions: Any) -> Any:
            if len(self.asked) >= 2:
                raise KeyboardInterrupt
            return super().likelihoods(questions)

    first, second = Stopped(), Parrot()
    with pytest.raises(KeyboardInterrupt):
        go(first, own_data, tmp_path / "r", "arc_easy", "piqa")
    made = go(second, own_data, tmp_path / "r", "arc_easy", "piqa")
    assert (first.asked, second.asked) == (["1", "2"], ["3", "1", "2", "3"])
    assert made == wanted
    third = Parrot()
    go(third, own_data, tmp_path / "r", "arc_easy", "piqa")
    assert third.asked == []
    other = Parrot(identity="another")
    go(other, own_data, tmp_path / "r", "arc_easy")
    assert other.asked == ["1", "2", "3"]


def test_a_changed_file_is_asked_again(own_data: Path, tmp_path: Path) -> None:
    go(Parrot(), own_data, tmp_path / "r", "piqa")
    path = own_data / "piqa_test.json"
    path.write_text(path.read_text().replace("bees", "wasps"))
    again = Parrot()
    go(again, own_data, tmp_path / "r", "piqa")
    assert again.asked == ["1", "2", "3"]


def test_missing_data_is_told_and_the_rest_asked(own_data: Path, tmp_path: Path) -> None:
    (own_data / "piqa_test.json").unlink()
    figures = go(Parrot(), own_data, tmp_path / "r", "piqa", "boolq")
    assert list(figures["benchmarks"]) == ["boolq"]
    assert "piqa_test.json is not in" in figures["missing"]["piqa"] and "hf:baber/piqa" in figures["missing"]["piqa"]
    told = "\n".join(notes(figures))
    assert "BoolQ: the passages are missing; not compared with published scores" in told
    with pytest.raises(UserError, match=r"piqa_test\.json is not in"):
        go(Parrot(), own_data, tmp_path / "q", "piqa")


def test_pages_of_one_name_are_told_apart(own_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "piqa.toml"
    page.write_text((PAGES / "piqa.toml").read_text())
    with pytest.raises(UserError, match="two of the benchmarks are called piqa"):
        go(Parrot(), own_data, tmp_path / "r", "piqa", str(page))


def test_bad_files_are_told(own_data: Path, tmp_path: Path) -> None:
    (own_data / "piqa_test.json").write_text("[]")
    with pytest.raises(UserError, match="holds no rows of the form instruction: holds no records"):
        go(Parrot(), own_data, tmp_path / "r", "piqa")
    (own_data / "lambada_openai.jsonl").write_text('{"wrong": 1}\n')
    figures = go(Parrot(), own_data, tmp_path / "r", "lambada")
    assert figures["benchmarks"]["lambada"]["unknown"] == {"can't be made a prompt: 'text' is undefined": 1}
    assert figures["benchmarks"]["lambada"]["n"] == 0
    with pytest.raises(UserError, match="is no folder"):
        go(Parrot(), tmp_path / "nowhere", tmp_path / "r", "lambada")


def test_one_that_cannot_be_asked_ends_no_other(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_data / "piqa_test.json").write_text("[]")
    (own_data / "gsm8k_train.jsonl").unlink()
    monkeypatch.setattr("hornbook.evaluate.exam.rules.find_spec", lambda name: None)
    figures = go(Parrot(), own_data, tmp_path / "r", "piqa", "gsm8k", "math", "boolq")
    assert list(figures["benchmarks"]) == ["boolq"]
    told = figures["missing"]
    assert "holds no rows of the form instruction: holds no records" in told["piqa"]
    assert told["gsm8k"].startswith("gsm8k: its examples, gsm8k_train.jsonl, are not among the data; --shots 0")
    assert told["math"].startswith("math: MATH compares formulas with math-verify; install it")


def test_an_empty_prompt_has_a_row(own_data: Path, tmp_path: Path) -> None:
    (own_data / "lambada_openai.jsonl").write_text('{"context": "", "continuation": "it"}\n')
    figures = go(Parrot(), own_data, tmp_path / "r", "lambada")
    assert figures["benchmarks"]["lambada"]["n"] == 1
    assert next(read_jsonl(tmp_path / "r" / "rows" / "lambada.jsonl"))["prompt"] == ""


def test_probabilities_that_are_no_numbers_choose_nothing(own_data: Path, tmp_path: Path) -> None:
    class Broken(Parrot):
        def likelihoods(self, questions: Any) -> Any:
            for one in super().likelihoods(questions):
                yield replace(one, found=[*one.found[:-1], Likelihood(math.nan, False)])

        def perplexities(self, questions: Any) -> Any:
            yield from (replace(one, found=math.nan) for one in super().perplexities(questions))

    figures = go(Broken(), own_data, tmp_path / "r", "piqa", "lambada", "toxigen")
    for one in figures["benchmarks"].values():
        assert (one["n"], one["unknown"]) == (0, {"the model's probabilities are no numbers": 3})


def test_an_earlier_result_never_stands_beside_other_rows(own_data: Path, tmp_path: Path) -> None:
    class Stopped(Parrot):
        def likelihoods(self, questions: Any) -> Any:
            if self.asked:
                raise KeyboardInterrupt
            return super().likelihoods(questions)

    go(Parrot(), own_data, tmp_path, "piqa", "boolq", limit=2)
    with pytest.raises(KeyboardInterrupt):
        go(Stopped(), own_data, tmp_path, "piqa", "boolq")
    assert len(list(read_jsonl(tmp_path / "rows" / "piqa.jsonl"))) == 3
    with pytest.raises(UserError, match="holds no examination"):
        compare(tmp_path, tmp_path)
    assert go(Parrot(), own_data, tmp_path, "piqa", "boolq")["benchmarks"]["piqa"]["n"] == 3


def test_results_of_something_else_are_not_replaced(own_data: Path, tmp_path: Path) -> None:
    (tmp_path / "exam.json").write_text("{}")
    with pytest.raises(UserError, match="holds something else"):
        go(Parrot(), own_data, tmp_path, "piqa")


def test_two_results_row_by_row(own_data: Path, tmp_path: Path) -> None:
    go(Parrot(wrong=("1", "2")), own_data, tmp_path / "a", "piqa", "boolq")
    go(Parrot(wrong=("3",)), own_data, tmp_path / "b", "piqa")
    (one,) = compare(tmp_path / "a", tmp_path / "b")
    assert (one.name, one.rows, one.gained, one.lost) == ("piqa", 3, 2, 1)
    assert one.difference == pytest.approx(1 / 3)
    assert [before["id"] for before, _ in one.flipped] == ["1", "2", "3"]
    assert one.p == 1.0
    assert one.interval[0] < one.difference < one.interval[1]
    with pytest.raises(UserError, match="holds no examination"):
        compare(tmp_path / "a", tmp_path)
    go(Parrot(), own_data, tmp_path / "c", "lambada")
    with pytest.raises(UserError, match="share no benchmark"):
        compare(tmp_path / "a", tmp_path / "c")


def test_the_bootstraps_interval_is_the_normal_one_for_many_rows() -> None:
    differences = [1.0] * 300 + [-1.0] * 200 + [0.0] * 500
    low, high = bootstrap(differences, 1)
    spread = 1.96 * ((500 - 1000 * 0.1**2) / 1000 / 1000) ** 0.5
    assert (low, high) == (pytest.approx(0.1 - spread, abs=0.005), pytest.approx(0.1 + spread, abs=0.005))
    assert bootstrap([0.5, 0.25], 1) == bootstrap([0.5, 0.25], 1)
