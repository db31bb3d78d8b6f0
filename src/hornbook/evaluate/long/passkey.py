"""Passkey retrieval (arXiv:2305.16300): a number is named once in a long text and asked for at its end."""

from __future__ import annotations

from pydantic import Field

from hornbook.evaluate.long.haystack import Haystack, Unit, hide
from hornbook.evaluate.long.prompt import Prompter, Question, Vocabulary, fit
from hornbook.evaluate.long.synthetic import distinct, noise, number
from hornbook.seeds import stream
from hornbook.settings import Settings


class PasskeyForm(Settings):
    """The words around the number. `{key}` stands for the number, `{name}` for a name that is drawn for each prompt."""

    intro: str = "A pass key is hidden in the text below. Read it and remember the pass key.\n\n"
    needle: str = "The pass key is {key}. Remember it."
    question: str = "\n\nWhat is the pass key?"
    begins: str = Field("The pass key is", description="the first words of the answer")
    names: tuple[str, ...] = Field(("it",), min_length=1, description="what `{name}` is drawn from")
    unit: Unit = Field("sentence", description="the needle lies between sentences, or on a line of its own")
    digits: int = Field(5, ge=1, le=18)
    room: int = Field(16, ge=1, description="tokens of the longest answer")


CODE = PasskeyForm(
    intro="",
    needle="{name} = {key}",
    question="\n",
    begins="assert {name} ==",
    names=("pass_key", "secret_number", "answer_code", "door_number", "lucky_number"),
    unit="line",
)


def passkey(
    tokenizer: Vocabulary | Prompter,
    length: int,
    depth: float,
    seed: int,
    *,
    form: PasskeyForm | None = None,
    haystack: Haystack | None = None,
) -> Question:
    """A prompt that with room for its answer is as near below `length` tokens as whole words allow.

    depth: percent of the haystack that lies before the needle. Neither the number nor, unless the haystack is full of
    it, the name occurs in the haystack. Raises TooShortError when not even the frame fits into `length`.
    """
    form, haystack = form or PasskeyForm(), haystack or noise()
    prompter = tokenizer if isinstance(tokenizer, Prompter) else Prompter(tokenizer)
    source = stream(seed, "passkey", length, f"{depth:g}")
    filler = haystack.draw(source, length)
    key = distinct(lambda: number(source, form.digits), 1, absent=filler.lowered)[0]
    name = source.choice([one for one in form.names if one.lower() not in filler.lowered] or list(form.names))

    def spelled(text: str) -> str:
        return text.replace("{key}", key).replace("{name}", name)

    def build(count: int) -> Question:
        hay, depths = hide(filler, count, [(depth, spelled(form.needle))], form.unit)
        text, begins = spelled(form.intro) + hay + spelled(form.question), spelled(form.begins)
        shown = f"{text}\n{begins}"
        return Question(prompter.ids(text, begins), shown, (key,), form.room, depths[0])

    return fit(build, length, len(filler.words))


def passkey_prompt(
    tokenizer: Vocabulary | Prompter,
    length: int,
    depth: float,
    seed: int,
    *,
    form: PasskeyForm | None = None,
    haystack: Haystack | None = None,
) -> tuple[list[int], str]:
    """`passkey` as the prompt's ids and the number that the answer must hold."""
    question = passkey(tokenizer, length, depth, seed, form=form, haystack=haystack)
    return question.prompt, question.expected[0]
