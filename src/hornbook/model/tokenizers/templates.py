"""How each model of the phi line wants a conversation spelled, and what ends its turn.

Used for a folder that brings no template of its own. Written from the models' cards and published configurations; a
template that renders the same text may be spelled differently there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ChatFormat:
    """A Jinja template over `messages` and `add_generation_prompt`, and the control tokens that end a generation."""

    template: str | None
    stops: tuple[str, ...]


# <|user|>\nQ<|end|>\n<|assistant|>\nA<|end|>\n, and <|endoftext|> after a conversation that is over. phi-3-medium was
# first published with a template without a system role; the later ones of the family have it, and so has this one.
_PHI3 = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ '<|endoftext|>' }}{% endif %}"
)

# The same without newlines.
_PHI4_MINI = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ '<|endoftext|>' }}{% endif %}"
)

_PHI4 = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
)

# The question format of phi-2's card. It is plain text: phi-2 was not trained on turns, and may write on after its
# answer. The card says nothing of a system role; its text goes first, on a line of its own.
_PHI2 = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'Instruct: ' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Output: ' + message['content'] + '\n' }}"
    "{% else %}{{ message['content'] + '\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Output:' }}{% endif %}"
)

# ChatML, with words of the model's own for a conversation that begins without a system message.
_SMOLLM2 = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# The roles are plain text, </s> is a control token.
_TINYLLAMA = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '</s>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)

# A tokenizer of no model that we know: its folder's files say what there is to know.
UNKNOWN = ChatFormat(None, ())

_PHI3_FORMAT = ChatFormat(_PHI3, ("<|endoftext|>", "<|end|>"))
_NO_CHAT = ChatFormat(None, ("<|endoftext|>",))

CHAT_FORMATS: dict[str, ChatFormat] = {
    **{f"tinystories-{size}": _NO_CHAT for size in ("1m", "3m", "8m", "28m", "33m")},
    "phi-1-small": _NO_CHAT,
    "phi-1": _NO_CHAT,
    "phi-1.5": _NO_CHAT,
    "phi-2": ChatFormat(_PHI2, ("<|endoftext|>",)),
    "phi-3-mini-4k": _PHI3_FORMAT,
    "phi-3-mini-128k": _PHI3_FORMAT,
    "phi-3.5-mini": _PHI3_FORMAT,
    "phi-3-small-8k": ChatFormat("{{ '<|endoftext|>' }}" + _PHI3, ("<|endoftext|>", "<|end|>")),
    "phi-3-small-128k": ChatFormat("{{ '<|endoftext|>' }}" + _PHI3, ("<|endoftext|>", "<|end|>")),
    "phi-3-medium-4k": _PHI3_FORMAT,
    "phi-3-medium-128k": _PHI3_FORMAT,
    "phi-4": ChatFormat(_PHI4, ("<|endoftext|>", "<|im_end|>")),
    "phi-4-mini": ChatFormat(_PHI4_MINI, ("<|endoftext|>", "<|end|>")),
    "phi-3.5-moe": _PHI3_FORMAT,
    "smollm2-135m": ChatFormat(_SMOLLM2, ("<|endoftext|>", "<|im_end|>")),
    "tinyllama-1.1b": ChatFormat(_TINYLLAMA, ("</s>",)),
    "llama-2-7b": ChatFormat(None, ("</s>",)),
}

# Ids that no two of these tokenizers share: a control token at this place tells the format.
_KNOWN_BY = {
    ("<|user|>", 32010): "phi-3-mini-4k",
    ("<|user|>", 100262): "phi-3-small-8k",
    ("<|im_sep|>", 100266): "phi-4",
    ("<|end|>", 200020): "phi-4-mini",
    ("<|im_start|>", 1): "smollm2-135m",
}


def recognise(control: Callable[[str], int | None], model: dict[str, object]) -> ChatFormat:
    """The format of a folder without a template, told by its control tokens' ids; UNKNOWN for other tokenizers.

    control: the id of a token or None. model: config.json, because phi-2 shares its tokenizer with phi-1.5.
    """
    for (token, at), name in _KNOWN_BY.items():
        if control(token) == at:
            return CHAT_FORMATS[name]
    if model.get("model_type") == "phi" and model.get("hidden_size") == 2560:
        return CHAT_FORMATS["phi-2"]
    return UNKNOWN
