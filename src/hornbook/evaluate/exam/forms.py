"""The forms in which files hold a benchmark's rows: how a record becomes the fields that prompts are made of.

Some copies that people have are wrapped as instructions, or rearranged; what can be unwrapped without loss is. A form
raises ValueError for a record that is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

Fields = dict[str, Any]
Form = Callable[[Mapping[str, Any], str], Fields | None]

_LETTERS = "ABCDEFGHIJ"
_OPENINGS = re.compile(r"Please [^:]*?(?:question|sentence|false, question): ", re.DOTALL)
_ENDING = re.compile(r"\.(?:jsonl?|csv|tsv|parquet)(?:\.\w+)?$")


def plain(record: Mapping[str, Any], place: str) -> Fields:
    """The record's own fields."""
    return dict(record)


def task(record: Mapping[str, Any], place: str) -> Fields:
    """The record's own fields, of a benchmark that is a folder of tasks: `group` is the file's."""
    return {**record, "group": _ENDING.sub("", PurePosixPath(place).name)}


def mmlu(record: Mapping[str, Any], place: str) -> Fields:
    """A line of MMLU's tables, whose subject is the file's; or a row of the hub's, which names it."""
    if "subject" in record:
        return {
            **record,
            "subject": record["subject"].replace("_", " "),
            "group": record["subject"],
            "gold": record["answer"],
        }
    subject = re.sub(r"_(dev|val|test)$", "", _ENDING.sub("", PurePosixPath(place).name))
    return {**record, "subject": subject.replace("_", " "), "group": subject}


def arc(record: Mapping[str, Any], place: str) -> Fields:
    """ARC and OpenBookQA as the hub has them: choices beside their labels; or as their authors gave them."""
    if isinstance(record.get("question"), Mapping):
        stem = record["question"]["stem"]
        choices = [(one["label"], one["text"]) for one in record["question"]["choices"]]
    else:
        stem = record.get("question_stem", record.get("question"))
        choices = list(zip(record["choices"]["label"], record["choices"]["text"], strict=True))
    labels = [label for label, _ in choices]
    return {
        "question": stem,
        "choices": [text for _, text in choices],
        "gold": labels.index(record["answerKey"].strip()),
    }


def instruction(record: Mapping[str, Any], place: str) -> Fields:
    """A question with numbered choices that was wrapped as an instruction: "Answer1: .. Answer2: ..", and so on."""
    text = str(record["instruction"])
    opening = _OPENINGS.match(text)
    body, ends, _ = text.rpartition("Answer format:")
    kinds = [kind for kind in ("Answer", "Solution", "Option", "Ending") if f"{kind}1: " in body]
    if opening is None or not ends or not kinds:
        raise ValueError("is no instruction with numbered choices")
    question, _, rest = body[opening.end() :].partition(f"\n\n{kinds[0]}1: ")
    separator = "\n\n" if kinds[0] == "Solution" else " "
    choices = _numbered(rest, kinds[0], separator)
    gold = re.fullmatch(rf"{kinds[0].lower()}(\d+)", str(record["answer"]).strip())
    if gold is None:
        raise ValueError(f"answers {record['answer']!r}, which is none of its choices")
    return {"question": question, "choices": choices, "gold": int(gold[1]) - 1}


def _numbered(text: str, kind: str, separator: str) -> list[str]:
    """The choices in "first Answer2: second Answer3: third"; the last ends where the line of the format begins."""
    found = []
    number = 2
    while True:
        choice, again, rest = text.partition(f"{separator}{kind}{number}: ")
        if not again:
            break
        found.append(choice)
        text, number = rest, number + 1
    last = text.removesuffix("\n\n") if text.endswith("\n\n") else text.removesuffix(" ")
    return [*found, last]


def piqa(record: Mapping[str, Any], place: str) -> Fields:
    """PIQA's own rows."""
    return {"question": record["goal"], "choices": [record["sol1"], record["sol2"]], "gold": int(record["label"])}


def siqa(record: Mapping[str, Any], place: str) -> Fields:
    """SIQA's own rows; answers count from 1."""
    question = f"{record['context']} {record['question']}"
    choices = [record[f"answer{letter}"] for letter in "ABC"]
    return {"question": question, "choices": choices, "gold": int(record["label"]) - 1}


def commonsense(record: Mapping[str, Any], place: str) -> Fields:
    """CommonsenseQA's own rows: a prompt with the choices by letter, and these letters."""
    labels = list(_LETTERS[: len(record["choices"]["text"])])
    told = "".join(f"{label}. {text}\n" for label, text in zip(labels, record["choices"]["text"], strict=True))
    query = f"Question: {record['question'].strip()}\n{told}Answer:"
    return {"query": query, "choices": labels, "gold": labels.index(record["answerKey"])}


def truthful_choices(record: Mapping[str, Any], place: str) -> Fields:
    """TruthfulQA's published choices."""
    every = record["mc2_targets"]
    true = [at for at, label in enumerate(every["labels"]) if label == 1]
    return {
        "question": record["question"],
        "best": record["mc1_targets"]["choices"],
        "all": every["choices"],
        "true": true,
    }


def triviaqa(record: Mapping[str, Any], place: str) -> Fields:
    """TriviaQA's own rows."""
    return {"question": record["question"], "aliases": list(record["answer"]["aliases"])}


def truth(record: Mapping[str, Any], place: str) -> Fields:
    """A line of the instruction "true or false" without its passage."""
    text = str(record["instruction"])
    opening = _OPENINGS.match(text)
    if opening is None or record["answer"] not in ("true", "false"):
        raise ValueError("is no question of true or false")
    question = text[opening.end() :].rpartition("\n\nAnswer format:")[0]
    return {"question": question.rstrip("?"), "passage": "", "gold": int(record["answer"] == "true")}


def hellaswag(record: Mapping[str, Any], place: str) -> Fields:
    """HellaSwag's row without the brackets of WikiHow, as Zellers et al.'s text is read by everybody since."""
    query = f"{record['activity_label']}: {record['ctx_a']} {str(record['ctx_b']).capitalize()}"
    choices = [_without_brackets(ending) for ending in record["endings"]]
    return {"query": _without_brackets(query), "choices": choices, "gold": int(record["label"])}


def _without_brackets(text: str) -> str:
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def winogrande(record: Mapping[str, Any], place: str) -> Fields:
    """A sentence with a gap: what stands before it with each option, and what stands behind it, which is scored."""
    if "context_options" in record:
        return {
            "contexts": list(record["context_options"]),
            "continuation": str(record["continuation"]).strip(),
            "gold": int(record["gold"]),
        }
    before, gap, behind = str(record["sentence"]).partition("_")
    if not gap:
        raise ValueError("has no gap")
    contexts = [before + record["option1"], before + record["option2"]]
    return {"contexts": contexts, "continuation": behind.strip(), "gold": int(record["answer"]) - 1}


def truthfulqa(record: Mapping[str, Any], place: str) -> Fields:
    """A line of TruthfulQA's table: the best answer before the wrong ones, and all true ones before the wrong ones."""
    right, wrong = (
        list(dict.fromkeys(one.strip() for one in record[f"{kind} Answers"].split(";") if one.strip()))
        for kind in ("Correct", "Incorrect")
    )
    best = record["Best Answer"].strip()
    return {
        "question": record["Question"],
        "best": [best, *wrong],
        "all": [*right, *wrong],
        "true": list(range(len(right))),
    }


def lettered(record: Mapping[str, Any], place: str) -> Fields:
    """A whole prompt that ends in choices by letters, and these letters."""
    return {"query": record["query"], "choices": list(record["choices"]), "gold": int(record["gold"])}


def agieval(record: Mapping[str, Any], place: str) -> Fields | None:
    """AGIEval's first version: questions with options; None for those that have none, which are mathematics."""
    options = record["options"]
    label = record["label"]
    if not options or not label:
        return None
    letters = _LETTERS[: len(options)]
    golds = [letters.index(one) for one in label if one in letters]
    chinese = bool(re.search("[\u4e00-\u9fff]", record["question"]))
    passage = record["passage"] or ""
    told = " ".join(options)
    query = (
        f"{passage}问题：{record['question']} 选项：{told}\n答案：从A到{letters[-1]}, 我们应选择"
        if chinese
        else f"{passage}Q: {record['question']} Answer Choices: {told}\nA: Among A through {letters[-1]}, the answer is"
    )
    group = _ENDING.sub("", PurePosixPath(place).name)
    return {"query": query, "choices": list(options), "gold": golds, "group": group}


# Of MBPP: a complex number, and nodes of a tree.
_NOT_PLAIN = (124, 367)


def mbpp(record: Mapping[str, Any], place: str) -> Fields | None:
    """MBPP's test rows, numbers 11 to 510, None for others: with the function that the asserts are about."""
    number = int(record["task_id"])
    if not 10 < number <= 510:
        return None
    if number in _NOT_PLAIN:
        raise ValueError("is about values that are not plain, which never leave the sandbox")
    called = re.findall(r"([A-Za-z_]\w*)\s*\(", " ".join(record["test_list"]))
    entry = next((name for name in called if re.search(rf"def {name}\b", record["code"])), None)
    if entry is None:
        raise ValueError("tests no function that its solution defines")
    return {**record, "entry": entry}


def sentence(record: Mapping[str, Any], place: str) -> Fields:
    """ToxiGen's rows: a sentence, how toxic people found it, from 1 to 5, and which groups it is about."""
    toxicity, groups = record["toxicity_score"], record["target_groups"]
    if not isinstance(toxicity, int | float) or not 1 <= toxicity <= 5:
        raise ValueError("has a toxicity_score that is no number from 1 to 5")
    if not isinstance(groups, list) or not all(isinstance(one, str) for one in groups):
        raise ValueError("has target_groups that are no list of names")
    return {**record, "text": str(record["text"]), "label": str(record["label"])}


def dialogue(record: Mapping[str, Any], place: str) -> Fields:
    """MT-Bench's rows as its authors have them, or as the hub has: what a user says, turn by turn, what is right."""
    turns = record["turns"] if "turns" in record else record["prompt"]
    if not isinstance(turns, list) or not turns or not all(isinstance(one, str) and one.strip() for one in turns):
        raise ValueError("has no list of turns")
    return {"category": str(record["category"]), "turns": turns, "reference": list(record.get("reference") or ())}


FORMS: dict[str, Form] = {
    "plain": plain,
    "task": task,
    "mmlu": mmlu,
    "arc": arc,
    "instruction": instruction,
    "piqa": piqa,
    "siqa": siqa,
    "commonsense": commonsense,
    "truthful_choices": truthful_choices,
    "triviaqa": triviaqa,
    "truth": truth,
    "hellaswag": hellaswag,
    "winogrande": winogrande,
    "truthfulqa": truthfulqa,
    "lettered": lettered,
    "agieval": agieval,
    "mbpp": mbpp,
    "sentence": sentence,
    "dialogue": dialogue,
}
