"""What people's rows are, by their columns, and why some are nothing to learn from."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.train.shapes import Completion, Reply, UnusableError, to_learn, to_prefer

ASK, SAY = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}
OTHER = {"role": "assistant", "content": "No."}
SYSTEM = {"role": "system", "content": "Be kind."}
LED = Reply([SYSTEM, ASK], "Yes.")


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize(
    ("row", "name", "learnt"),
    [
        ({"messages": [ASK, SAY]}, "conversations (messages)", [ASK, SAY]),
        (
            {"messages": [ASK, SAY], "prompt": "Hi?", "system": "Be kind."},
            "conversations (messages)",
            [SYSTEM, ASK, SAY],
        ),
        ({"messages": json.dumps([ASK, SAY])}, "conversations (messages)", [ASK, SAY]),
        (
            {"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."}]},
            "ShareGPT conversations",
            [ASK, SAY],
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi?"}]}, SAY]},
            "conversations (messages)",
            [ASK, SAY],
        ),
        ({"instruction": "Hi?", "input": "", "output": "Yes."}, "instructions with answers", [ASK, SAY]),
        (
            {"instruction": "Add.", "input": "1, 2", "output": "3"},
            "instructions with answers",
            [{"role": "user", "content": "Add.\n\n1, 2"}, {"role": "assistant", "content": "3"}],
        ),
        ({"question": "Hi?", "answer": "Yes.", "system": "Be kind."}, "instructions with answers", [SYSTEM, ASK, SAY]),
        ({"prompt": "1 + 1 =", "completion": " 2"}, "prompts with completions", Completion("1 + 1 =", " 2")),
        ({"prompt": [ASK], "completion": [SAY]}, "prompts with completions", Reply([ASK], "Yes.")),
        ({"prompt": [ASK], "completion": [SAY, ASK, SAY]}, "prompts with completions", [ASK, SAY, ASK, SAY]),
        ({"prompt": [ASK], "completion": [SAY], "system": "Be kind."}, "prompts with completions", LED),
        ({"prompt": [SYSTEM, ASK], "completion": [SAY], "system": "Be rude."}, "prompts with completions", LED),
        (
            {"prompt": "Hi?", "completion": "Yes.", "system": "Be kind."},
            "instructions with answers",
            [SYSTEM, ASK, SAY],
        ),
        ({"question": "1 - 1?", "answer": 0}, "instructions with answers", talk("1 - 1?", "0")),
        (
            {"question": "1 / 2?", "answer": 0.5, "context": math.nan},
            "instructions with answers",
            talk("1 / 2?", "0.5"),
        ),
        ({"question": "9?", "answer": 10**400}, "instructions with answers", talk("9?", str(10**400))),
        ({"prompt": "1 + 1 =", "completion": 2}, "prompts with completions", Completion("1 + 1 =", "2")),
        (
            {"messages": [ASK, {"role": "assistant", "content": 2}]},
            "conversations (messages)",
            [ASK, {"role": "assistant", "content": "2"}],
        ),
        ({"text": "Once upon a time.", "id": 3}, "texts", "Once upon a time."),
    ],
)
def test_a_row_is_known_by_its_columns(row: dict[str, Any], name: str, learnt: Any) -> None:
    assert to_learn(row) == (name, learnt)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"a": 1, "b": 2}, "neither a conversation nor a text: it has a, b"),
        ({}, "it has no columns"),
        ({"text": "  "}, "an empty text"),
        ({"messages": []}, "a conversation without messages"),
        ({"messages": ["Hi?"]}, "a turn that is no message"),
        ({"messages": [{"content": "Hi?"}]}, "a message of nobody"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": []}]}, "a message without text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "a message that is more than text"),
        ({"chosen": "a", "rejected": "b"}, "`hornbook dpo` learns from those"),
        ({"question": "1 + 1?", "answer": math.nan}, "a question without a text for an answer"),
        ({"question": "1 + 1?", "answer": {"is": 2}}, "a question without a text for an answer"),
    ],
)
def test_what_cannot_be_learnt_has_a_reason(row: dict[str, Any], why: str) -> None:
    with pytest.raises(UnusableError, match=why):
        to_learn(row)


PAIR = {"messages": [ASK], "chosen": "Yes.", "rejected": "No."}
LED_PAIR = PAIR | {"messages": [SYSTEM, ASK]}


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        (PAIR | {"prompt": None}, PAIR),
        ({"prompt": [ASK], "chosen": [SAY], "rejected": [OTHER]}, PAIR),
        ({"prompt": "Hi?", "chosen": [ASK, SAY], "rejected": [ASK, OTHER]}, PAIR),
        ({"chosen": [ASK, SAY], "rejected": [ASK, OTHER]}, PAIR),
        ({"question": "Hi?", "chosen": "Yes.", "rejected": "No."}, PAIR),
        ({"prompt": [ASK], "chosen": [ASK, SAY], "rejected": [ASK, OTHER], "system": "Be kind."}, LED_PAIR),
        ({"prompt": [SYSTEM, ASK], "chosen": [ASK, SAY], "rejected": [ASK, OTHER]}, LED_PAIR),
        ({"prompt": [ASK], "chosen": [SYSTEM, ASK, SAY], "rejected": [SYSTEM, ASK, OTHER]}, LED_PAIR),
        ({"prompt": [SYSTEM, ASK], "chosen": [SYSTEM, ASK, SAY], "rejected": [SYSTEM, ASK, OTHER]}, LED_PAIR),
        ({"prompt": [ASK], "chosen": [SAY], "rejected": [OTHER], "system": "Be kind."}, LED_PAIR),
        ({"chosen": [ASK, SAY], "rejected": [ASK, OTHER], "system": "Be kind."}, LED_PAIR),
        ({"prompt": "Hi?", "chosen": [ASK, SAY], "rejected": [ASK, OTHER], "system": "Be kind."}, LED_PAIR),
        ({"prompt": "Hi?", "chosen": "Yes.", "rejected": "No.", "system": "Be kind."}, LED_PAIR),
        ({"messages": [ASK, SAY], "chosen": [ASK, SAY], "rejected": [ASK, OTHER]}, PAIR),
        ({"prompt": "1 + 1 =", "chosen": 2, "rejected": 3}, {"prompt": "1 + 1 =", "chosen": "2", "rejected": "3"}),
        (
            {"prompt": "1 + 1 =", "messages": None, "chosen": " 2", "rejected": " 3"},
            {"prompt": "1 + 1 =", "chosen": " 2", "rejected": " 3"},
        ),
    ],
)
def test_pairs_have_an_explicit_or_an_implicit_prompt(row: dict[str, Any], pair: dict[str, Any]) -> None:
    assert to_prefer(row)[1] == pair


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"prompt": "Hi?", "completion": "Yes.", "label": True}, "an answer with a label is no pair"),
        ({"prompt": "Hi?", "chosen": "Yes."}, "no two answers: it has prompt, chosen"),
        ({"prompt": "Hi?", "chosen": "Yes.", "rejected": "Yes."}, "both answers are the same"),
        ({"chosen": "Yes.", "rejected": "No."}, "two answers and no prompt"),
        ({"chosen": [SAY], "rejected": "No."}, "neither both texts nor both messages"),
        ({"chosen": [SAY], "rejected": [OTHER]}, "share no prompt"),
        ({"chosen": [ASK, SAY, ASK, SAY], "rejected": [ASK, OTHER, ASK, SAY]}, "differ in more than their last answer"),
        ({"chosen": [ASK, SAY, ASK], "rejected": [ASK, SAY]}, "the beginning of the other"),
    ],
)
def test_what_is_no_pair_has_a_reason(row: dict[str, Any], why: str) -> None:
    with pytest.raises(UnusableError, match=why):
        to_prefer(row)


KEYS = [
    "messages",
    "conversations",
    "prompt",
    "completion",
    "chosen",
    "rejected",
    "text",
    "output",
    "instruction",
    "label",
    "system",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["[", "[1]", "[{}]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "type", "text"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_whatever_a_row_holds_it_is_learnt_or_refused(row: dict[str, Any]) -> None:
    for shape in (to_learn, to_prefer):
        try:
            shape(row)
        except UnusableError as error:
            assert "\n" not in str(error)
