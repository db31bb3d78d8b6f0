"""Examples as rows of ids: what is learnt of each, and which of those that share a row belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hornbook.display import plural
from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.terminal import in_markup
from hornbook.tokens.pack import fill, pack
from hornbook.train.losses import IGNORE
from hornbook.train.shapes import Completion, Reply, Row

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Message, Tokenizer


class Example(NamedTuple):
    """One conversation or text: its ids, and which of them are learnt."""

    ids: list[int]
    mask: list[bool]


class Rows(NamedTuple):
    """Examples packed into rows of one length; all three are (rows, row).

    mask: True where an id is learnt: never an example's first, which nothing of its own comes before. document_ids: 1,
    2, ... for the examples of a row, 0 where it is padded.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]
    document_ids: NDArray[np.int64]


class Pair(NamedTuple):
    """Two answers to one prompt; of each the answer and its end are learnt."""

    chosen: Example
    rejected: Example


class Encoded(NamedTuple):
    """What can be learnt from, in order, and how many rows can't: longer than a row of ids, or refused, by the reason.

    cut: of how many only the beginning is learnt.
    """

    fitting: list[Any]
    too_long: int
    refused: dict[str, int]
    cut: int = 0


def encode_all(given: Sequence[Any], encode: Callable[[Any], list[Example] | Pair], row: int) -> Encoded:
    """Encode each row, and leave out what has more than `row` ids, what the template refuses and what teaches nothing.

    What does not fit would teach a model to stop in the middle if it were cut.
    """
    fitting: list[Any] = []
    too_long, refused = 0, Counter[str]()
    for one in given:
        try:
            made = encode(one)
        except UserError as error:
            refused[str(error)] += 1
            continue
        if max((len(example.ids) for example in made), default=0) > row:
            too_long += 1
        elif not made or not all(any(example.mask[1:]) for example in made):
            refused["nothing in it is the assistant's"] += 1
        else:
            fitting += [made] if isinstance(made, Pair) else made
    return Encoded(fitting, too_long, dict(refused))


def encode_rows(given: Sequence[Row], tokenizer: Tokenizer, row: int, *, whole: bool = False) -> Encoded:
    """Encode what people give to learn from into examples of at most `row` ids.

    Of a conversation only the assistant's words are learnt, of a reply the last turn, of a completion what follows the
    prompt, of a text all. A longer conversation is cut behind the last answer that fits: cut elsewhere it would teach a
    model to stop in the middle, or nothing. A longer text becomes several examples. `whole`: conversations and
    completions are texts too, as the template spells them. The rest is as in `encode_all`.
    """
    cut = 0

    def encode(one: Row) -> list[Example]:
        nonlocal cut
        if isinstance(one, str):
            return _pieces([*tokenizer.begins, *tokenizer.encode(one), tokenizer.end_of_text], row)
        if isinstance(one, Completion):
            example = completion(tokenizer, one.prompt, one.answer)
            return _pieces(example.ids, row) if whole else [example]
        _chats(tokenizer, "texts, or prompts with completions")
        if isinstance(one, Reply):
            if not whole:
                return [last_answer(tokenizer, one.messages, one.answer)]
            one = [*one.messages, {"role": "assistant", "content": one.answer}]
        if whole:
            return _pieces(tokenizer.chat(one, answer=False), row)
        example = Example(*tokenizer.chat_with_mask(one))
        if len(example.ids) <= row:
            return [example]
        beginning = _beginning(one, tokenizer, row)
        cut += beginning is not None
        return [beginning or example]

    found = encode_all(given, encode, row)
    return found._replace(cut=cut)


def _chats(tokenizer: Tokenizer, others: str) -> None:
    """Raise UserError for a model that has no conversations. others: what it can learn from."""
    if tokenizer.template is None:
        raise UserError(f"the model has no chat template; give {others}")


def _pieces(ids: list[int], row: int) -> list[Example]:
    """A text's ids in examples of `row` ids; a rest of one id predicts nothing."""
    parts = [ids[start : start + row] for start in range(0, len(ids), row)]
    return [Example(part, [True] * len(part)) for part in parts if len(part) > 1]


def _beginning(messages: Sequence[Message], tokenizer: Tokenizer, row: int) -> Example | None:
    """The longest beginning of a conversation that ends with an answer and has at most `row` ids; None without one."""
    answers = [at + 1 for at, message in enumerate(messages) if message["role"] == "assistant"]
    found = None
    low, high = 0, len(answers)
    while low < high:
        middle = (low + high) // 2
        example = Example(*tokenizer.chat_with_mask(messages[: answers[middle]]))
        if len(example.ids) > row:
            high = middle
        else:
            found, low = example, middle + 1
    return found


def fitting_length(longest: int, most: int, least: int = 64) -> int:
    """How many ids rows have that hold examples of up to `longest`: a power of two, `least` at least, `most` at most.

    A compiled model is compiled for each length: few lengths, and never more than twice the tokens.
    """
    return min(most, max(least, 1 << (longest - 1).bit_length()))


def nothing_fits(encoded: Encoded, one: str, stage: str, length: int, context: int) -> UserError:
    """Why there is nothing to learn from: what most of the rows lack. one: what a row is called."""
    if encoded.too_long >= sum(encoded.refused.values()):
        way = f"raise {stage}.max_length" if length < context else "the model's context holds no more"
        what = f"the only {one} is" if encoded.too_long == 1 else f"all {encoded.too_long} {one}s are"
        return UserError(f"{stage}: {what} longer than {length} tokens; {way}")
    reason, count = max(encoded.refused.items(), key=lambda item: item[1])
    return UserError(f"{stage}: none of the {one}s can be learnt from; of {count} of them: {reason}")


def nothing_held(stage: str) -> UserError:
    """What is held out can't be measured."""
    return UserError(f"{stage}: none of the rows that are held out can be learnt from; hold out more, or validation=0")


def tell_left_out(encoded: Encoded, one: str, length: int, progress: Progress) -> None:
    """A line for each reason for which rows were left out, or cut. one: what a row is called, of `length` tokens."""
    lost = encoded.refused | ({f"longer than {plural(length, 'token')}": encoded.too_long} if encoded.too_long else {})
    for reason, count in lost.items():
        progress.say(f"  left out {in_markup(plural(count, one))}: {in_markup(reason)}")
    if encoded.cut:
        progress.say(f"  cut behind the last answer that fits: {in_markup(plural(encoded.cut, one))}")


def laid_out(examples: Sequence[Example], row: int, pad: int, *, packing: bool = True) -> Rows:
    """Whole examples, none longer than `row`, in rows: several share one, best fit first, unless `packing` is off."""
    lengths = [len(example.ids) for example in examples]
    plan = pack(lengths, row) if packing else [[(at, 0, length)] for at, length in enumerate(lengths)]
    place = {sequence: at + 1 for pieces in plan for at, (sequence, _, _) in enumerate(pieces)}
    documents = [[place[number]] * len(example.ids) for number, example in enumerate(examples)]
    return Rows(
        fill(plan, [example.ids for example in examples], row, pad).astype(np.int64),
        fill(plan, [[0, *map(int, example.mask[1:])] for example in examples], row, 0).astype(np.bool_),
        fill(plan, documents, row, 0).astype(np.int64),
    )


def padded_length(pairs: Sequence[Pair], most: int, *, few_lengths: bool) -> int:
    """How many ids the rows of a batch of pairs have: the longest example's, in eights; with `few_lengths`, for a model
    that is compiled, its `fitting_length`.
    """
    longest = max(len(example.ids) for pair in pairs for example in pair) - 1
    return fitting_length(longest, most) if few_lengths else min(most, -(-longest // 8) * 8)


def padded(pairs: Sequence[Pair], most: int, pad: int, *, few_lengths: bool = True) -> tuple[Tensor, Tensor]:
    """Pairs side by side, the chosen first: ids and targets (pairs, 2, time), IGNORE where nothing is learnt.

    time: see `padded_length`.
    """
    time = padded_length(pairs, most, few_lengths=few_lengths)
    ids = torch.full((len(pairs), 2, time + 1), pad)
    targets = torch.full((len(pairs), 2, time + 1), IGNORE)
    for at, pair in enumerate(pairs):
        for which, example in enumerate(pair):
            row, learnt = torch.tensor(example.ids), torch.tensor(example.mask)
            ids[at, which, : len(row)] = row
            targets[at, which, : len(row)] = row.masked_fill(~learnt, IGNORE)
    return ids[..., :-1], targets[..., 1:]


def completion(tokenizer: Tokenizer, prompt: str, answer: str) -> Example:
    """A prompt and what it is completed with, ended as a text ends, in one encoding; the answer and its end are learnt.

    A token that begins in the prompt and ends in the answer is learnt: it is what healing asks the model for.
    """
    ids, mask = tokenizer.encode_with_mask(prompt, answer)
    begins = list(tokenizer.begins)
    return Example([*begins, *ids, tokenizer.end_of_text], [*[False] * len(begins), *mask, True])


def last_answer(tokenizer: Tokenizer, messages: Sequence[Message], answer: str) -> Example:
    """A conversation and the assistant's answer to it, in one encoding; that answer and the end of its turn are learnt.

    What the template puts behind the turn's end is left off.
    """
    _chats(tokenizer, "prompts that are plain texts")
    asked = tokenizer.chat(messages)
    ids, mask = tokenizer.chat_with_mask([*messages, {"role": "assistant", "content": answer}])
    shared = next((at for at, pair in enumerate(zip(asked, ids, strict=False)) if pair[0] != pair[1]), len(asked))
    mask = [said and at >= shared for at, said in enumerate(mask)]
    end = max((at + 1 for at, said in enumerate(mask) if said), default=0)
    return Example(ids[:end], mask[:end])
