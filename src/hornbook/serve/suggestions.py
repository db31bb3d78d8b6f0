"""Prompts to try: what a model was made for, and answers."""

from __future__ import annotations

from hornbook.model.tokenizers import END_OF_TEXT, PAD, Tokenizer

# Hornbook's own models know short Python functions; these are kinds that the pocket recipe teaches.
_POCKET = (
    "Write a Python function that returns the sum of the even numbers in values.",
    "Write a Python function that returns the largest number in values.",
    "Write a Python function that returns how many vowels are in text.",
    "Write a Python function that returns text in reverse.",
)
_OTHERS = (
    "Explain in two sentences why the sky is blue.",
    "Give me three ideas for a rainy afternoon.",
    "Write a short poem about a lighthouse.",
    "What is a prime number? Give an example.",
)


def suggestions(tokenizer: Tokenizer) -> tuple[str, ...]:
    """Prompts for a chat with the model of this tokenizer."""
    ours = {END_OF_TEXT, PAD} <= tokenizer.controls.keys()
    return _POCKET if ours else _OTHERS
