"""A tokenizer in four lines, an answerer that reads the prompt, and one that does not."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from hornbook.evaluate.long.prompt import Prompter, Question
from hornbook.evaluate.long.settings import LongSettings
from hornbook.evaluate.long.suite import gather
from hornbook.evaluate.long.tasks import Materials


class Pieces:
    """Tokens are up to four word characters, a run of blanks, or one other character."""

    template: str | None = None
    _pattern = re.compile(r"\w{1,4}|[ \n]+|.", flags=re.DOTALL)

    def encode(self, text: str) -> list[int]:
        return [int.from_bytes(piece.encode(), "big") for piece in self._pattern.findall(text)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(one.to_bytes((one.bit_length() + 7) // 8, "big").decode() for one in ids)

    def chat_with_mask(
        self, messages: Sequence[Mapping[str, str]], *, answer: bool = False
    ) -> tuple[list[int], list[bool]]:
        ids: list[int] = []
        mask: list[bool] = []
        for message in messages:
            frame, words = self.encode(f"<{message['role']}>"), self.encode(message["content"] + "$")
            ids += frame + words
            mask += [False] * len(frame) + [message["role"] == "assistant"] * len(words)
        if answer:
            ids += self.encode("<assistant>")
            mask += [False] * (len(ids) - len(mask))
        return ids, mask


@pytest.fixture(scope="session")
def pieces() -> Pieces:
    return Pieces()


@pytest.fixture(scope="session")
def question_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Houses and their colours: 400 questions, each with a paragraph of its own."""
    path = tmp_path_factory.mktemp("questions") / "houses.jsonl"
    rows = [
        {
            "question": f"What is the colour of house {index}?",
            "answers": [f"col{index:03}x", "never this"],
            "paragraph": f"House {index} stands on a hill. It is painted col{index:03}x. " + "So it is. " * (index % 9),
        }
        for index in range(400)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def materials(pieces: Pieces, question_file: Path) -> Materials:
    return gather(LongSettings(questions=question_file), Prompter(pieces))


def _needles(text: str) -> str:
    asked = re.findall(r"[\w-]+-[\w-]+", re.findall(r"magic \w+ for (.*) in the text above\?", text)[-1])
    found = re.findall(r"The magic \w+ for ([\w-]+) is ([\w-]+)\.", text)
    return " ".join(value for key, value in found if key in asked)


def _variables(text: str) -> str:
    text = text[text.rindex("Variables are given") :]
    value = re.findall(r"hold the value (\d+), directly", text)[-1]
    holds = {value}
    for name, what in re.findall(r"VAR (\w+) = (?:VAR )?(\w+)\.", text):
        if what in holds:
            holds.add(name)
    return " ".join(sorted(holds - {value}))


def _common(text: str) -> str:
    entries = re.findall(r"\d+\. ([\w-]+)", text[text.rindex("Here is a numbered list") :])
    return " ".join(word for word, _ in Counter(entries).most_common(10))


def _frequent(text: str) -> str:
    words = text.split("\n\n")[1].split()
    return " ".join([word for word, _ in Counter(words).most_common(4) if word != "..."][:3])


def _reading(text: str) -> str:
    house = re.findall(r"Question: What is the colour of house (\d+)\?", text)[-1]
    return re.findall(rf"House {house} stands on a hill\. It is painted (\w+)\.", text)[0].upper()


@pytest.fixture(scope="session")
def oracle() -> Callable[[Sequence[Question]], list[str]]:
    """Answers from the text of the prompt, and from nothing else."""

    def answer(question: Question) -> str:
        text = question.text
        for mark, read in (
            ("Variables are given", _variables),
            ("numbered list", _common),
            ("text in code", _frequent),
            ("Paragraph 1:", _reading),
            (" magic ", _needles),
        ):
            if mark in text:
                return read(text)
        return re.findall(r"The pass key is (\d+)\.", text)[0]

    return lambda asked: [f" {answer(question)}, I think." for question in asked]


@pytest.fixture(scope="session")
def parrot() -> Callable[[Sequence[Question]], list[str]]:
    """Says what it was asked, and the beginning of the prompt: whatever the frame of a prompt gives away."""

    def answer(question: Question) -> str:
        return question.text[:60] + question.text[question.text.rindex("\n\n") :]

    return lambda asked: [answer(question) for question in asked]
