from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluate.long.tasks import Materials
from hornbook.evaluate.long.variable_tracking import HOPS, variable_tracking


@given(length=st.integers(400, 3000), seed=st.integers(0, 2**40))
def test_one_chain_in_order(materials: Materials, length: int, seed: int) -> None:
    question = variable_tracking(materials.prompter, materials.noise, length, seed)
    asked = question.text[question.text.rindex("Variables are given") :]
    chain = re.findall(r"VAR (\w+) = (\w+ ?\w*)\.", asked)
    names = [name for name, _ in chain]
    assert names == list(question.expected)
    assert len(set(names)) == HOPS + 1
    value = chain[0][1]
    assert value.isdigit()
    assert [right for _, right in chain[1:]] == [f"VAR {name}" for name in names[:-1]]
    assert f"hold the value {value}, directly" in asked
    assert question.text.count("Variables are given") == (2 if length >= 1024 else 1)
    for place, name in enumerate(names):
        assert question.text.count(name) == (1 if place == HOPS else 2)
    assert 0 <= length - len(question.prompt) - question.room <= 6
