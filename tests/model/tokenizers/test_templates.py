"""Each model's conversation format, spelled out."""

from __future__ import annotations

import pytest
from jinja2 import Environment

from hornbook.model.tokenizers.templates import CHAT_FORMATS

TALK = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "R"},
]
PHI3 = "<|system|>\nS<|end|>\n<|user|>\nQ<|end|>\n<|assistant|>\nA<|end|>\n<|user|>\nR<|end|>\n"
PHI3_NAMES = ["phi-3-mini-4k", "phi-3-mini-128k", "phi-3.5-mini", "phi-3-medium-4k", "phi-3-medium-128k", "phi-3.5-moe"]
SMALL_NAMES = ["phi-3-small-8k", "phi-3-small-128k"]


def spelled(name: str, answer: bool) -> str:
    return (
        Environment().from_string(CHAT_FORMATS[name].template or "").render(messages=TALK, add_generation_prompt=answer)
    )


@pytest.mark.parametrize("name", PHI3_NAMES)
def test_phi3(name: str) -> None:
    assert spelled(name, True) == PHI3 + "<|assistant|>\n"
    assert spelled(name, False) == PHI3 + "<|endoftext|>"
    assert CHAT_FORMATS[name].stops == ("<|endoftext|>", "<|end|>")


@pytest.mark.parametrize("name", SMALL_NAMES)
def test_phi3_small_begins_with_end_of_text(name: str) -> None:
    assert spelled(name, True) == "<|endoftext|>" + PHI3 + "<|assistant|>\n"
    assert spelled(name, False) == "<|endoftext|>" + PHI3 + "<|endoftext|>"


def test_phi4() -> None:
    expected = "".join(f"<|im_start|>{m['role']}<|im_sep|>{m['content']}<|im_end|>" for m in TALK)
    assert spelled("phi-4", True) == expected + "<|im_start|>assistant<|im_sep|>"
    assert spelled("phi-4", False) == expected
    assert CHAT_FORMATS["phi-4"].stops == ("<|endoftext|>", "<|im_end|>")


def test_phi4_mini() -> None:
    assert spelled("phi-4-mini", True) == PHI3.replace("\n", "") + "<|assistant|>"
    assert spelled("phi-4-mini", False) == PHI3.replace("\n", "") + "<|endoftext|>"


def test_smollm2() -> None:
    expected = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in TALK)
    assert spelled("smollm2-135m", True) == expected + "<|im_start|>assistant\n"
    assert spelled("smollm2-135m", False) == expected
    alone = Environment().from_string(CHAT_FORMATS["smollm2-135m"].template or "").render(messages=TALK[1:2])
    told = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert alone == f"<|im_start|>system\n{told}<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"


def test_tinyllama() -> None:
    expected = "".join(f"<|{m['role']}|>\n{m['content']}</s>\n" for m in TALK)
    assert spelled("tinyllama-1.1b", True) == expected + "<|assistant|>\n"
    assert spelled("tinyllama-1.1b", False) == expected


def test_phi2_is_plain_text() -> None:
    assert spelled("phi-2", True) == "S\nInstruct: Q\nOutput: A\nInstruct: R\nOutput:"


@pytest.mark.parametrize("name", ["tinystories-1m", "tinystories-33m", "phi-1-small", "phi-1", "phi-1.5"])
def test_models_that_know_no_turns(name: str) -> None:
    assert CHAT_FORMATS[name].template is None
    assert CHAT_FORMATS[name].stops == ("<|endoftext|>",)


def test_llama_2s_base_model_knows_no_turns() -> None:
    assert CHAT_FORMATS["llama-2-7b"].template is None
    assert CHAT_FORMATS["llama-2-7b"].stops == ("</s>",)


def test_every_model_that_has_a_name_has_a_format() -> None:
    from hornbook.model import registry

    assert set(CHAT_FORMATS) == set(registry.names())
