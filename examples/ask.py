"""Ask a model: let it go on from a text, then talk with it.

    python examples/ask.py MODEL [QUESTION...]

MODEL is a model's folder, a run's (its last model), or a name that `hornbook model list` knows.
"""

from __future__ import annotations

import sys

from hornbook import Conversation, Sampling, UserError, complete, open_model

PROMPT = 'def double(value):\n    """Return twice the value."""\n'


def main(name: str, questions: list[str]) -> None:
    """Complete PROMPT with the likeliest tokens; then put the questions, each after the answers to those before."""
    model, tokenizer = open_model(name)
    print(PROMPT + "".join(complete(model, tokenizer, PROMPT, limit=60)))

    conversation = Conversation(model, tokenizer, Sampling(temperature=0.7, top_p=0.95, seed=1), limit=120)
    for question in questions:
        print(f"> {question}")
        for piece in conversation.answer(question):
            print(piece, end="", flush=True)
        print()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:] or ["Hello!", "Write a function that returns the largest of three numbers."])
    except UserError as error:  # no such model, a damaged folder, a question that is too long: one line that says so
        sys.exit(f"error: {error}")
