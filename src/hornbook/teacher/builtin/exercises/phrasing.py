"""Sentences around a phrase: docstrings, and questions in a chat."""

from __future__ import annotations

# How a docstring says that the function returns {x}.
FRAMES: dict[str, tuple[str, ...]] = {
    "value": (
        "Return {x}.",
        "Return {x}.",
        "Return {x}.",
        "Compute {x}.",
        "Find {x}.",
        "Give {x}.",
        "Calculate {x}.",
        "Work out {x}.",
    ),
    "truth": (
        "Return whether {x}.",
        "Return whether {x}.",
        "Tell whether {x}.",
        "Check whether {x}.",
        "Say whether {x}.",
    ),
    "loop": (
        "Using a loop, return {x}.",
        "Using a loop, compute {x}.",
        "With a for loop, return {x}.",
        "With a for loop, find {x}.",
        "Loop to get {x}.",
    ),
    "everyday": ("{x}.",),  # a sentence already
    "while": ("Using a while loop, return {x}.", "With a while loop, compute {x}.", "Loop with while to get {x}."),
}

# How a chat asks for the same; {f} is the signature.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "value": (
        "Write a Python function {f} that returns {x}.",
        "Write a function {f} that returns {x}.",
        "Please write {f}, which returns {x}.",
        "I need a function {f} that returns {x}.",
        "Define {f} to return {x}.",
        "Can you write {f}, a function that returns {x}?",
    ),
    "truth": (
        "Write a Python function {f} that tells whether {x}.",
        "Please write {f}, which returns whether {x}.",
        "I need a function {f} that checks whether {x}.",
        "Can you write {f}, a function that says whether {x}?",
    ),
    "loop": (
        "Using a loop, write a Python function {f} that returns {x}.",
        "With a for loop, write {f}, which returns {x}.",
        "Please write {f} with a loop. It returns {x}.",
    ),
    "everyday": (
        "Write a Python function {f}. {x}.",
        "Write a function {f}. {x}.",
        "Please write {f}. {x}.",
        "Define {f}. {x}.",
        "{x}. Call it {f}.",
    ),
    "while": (
        "Using a while loop, write a Python function {f} that returns {x}.",
        "With a while loop, write {f}, which returns {x}.",
    ),
}
