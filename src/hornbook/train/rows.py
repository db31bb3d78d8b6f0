"""Examples as rows of ids: what is learnt of each, and which of those that share a row belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hornbook.errors import UserError
from hornbook.progress import Progress
from hornbook.terminal import in_markup
from hornbook.tokens.pack import fill, pack
from hornbook.train.losses import IGNORE

if TYPE_CHECKING:
    from hornbook.model.tokenizers import Message, Tokenizer


class Example(NamedTuple):
    """One conversation or text: its ids, and which of them are learnt."""

    ids: list[int]
    mask: list[bool]


class Rows(NamedTuple):
    """Examples packed into rows of one length; all three are (rows, row).

    mask: True where an id is learnt. document_ids: 1, 2, ... for the examples of a row, 0 where it is padded.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]
    document_ids: NDArray[np.int64]


class Pair(NamedTuple):
    """Two answers to one prompt; of each the answer and its end are learnt."""

    chosen: Example
    rejected: Example


class Encoded(NamedTuple):
    """Rows that fit, in order, and how many do not: longer than a row, or refused, by the reason."""

    fitting: list[Any]
    too_long: int
    refused: dict[str, int]


def encode_all(given: Sequence[Any], encode: Callable[[Any], Example | Pair], row: int) -> Encoded:
    """Encode each row, and leave out what has more than `row` ids, what the template refuses and what teaches nothing.

    What does not fit would teach a model to stop in the middle if it were cut.
    """
    fitting, too_long, refused = [], 0, Counter[str]()
    for one in given:
        try:
            made = encode(one)
        except UserError as error:
            refused[str(error)] += 1
            continue
        examples = made if isinstance(made, Pair) else (made,)
        if max(len(example.ids) for example in examples) > row:
            too_long += 1
        elif not all(any(example.mask[1:]) for example in examples):
            refused["nothing in it is the assistant's"] += 1
        else:
            fitting.append(made)
    return Encoded(fitting, too_long, dict(refused))


def nothing_fits(encoded: Encoded, what: str, stage: str, length: int, context: int) -> UserError:
    """Why there is nothing to learn from: what most of the rows lack."""
    if encoded.too_long >= sum(encoded.refused.values()):
        way = f"raise {stage}.max_length" if length < context else "the model's context holds no more"
        return UserError(f"{stage}: all {encoded.too_long} {what} are longer than {length} tokens; {way}")
    reason, count = max(encoded.refused.items(), key=lambda item: item[1])
    return UserError(f"{stage}: none of the {what} can be learnt from; of {count} of them: {reason}")


def tell_refused(encoded: Encoded, what: str, progress: Progress) -> None:
    """A line for each reason for which rows were left out."""
    for reason, count in encoded.refused.items():
        progress.say(f"  left out {count:,} {in_markup(what)}: {in_markup(reason)}")


def packed(examples: Sequence[Example], row: int, pad: int) -> Rows:
    """Whole examples, none longer than `row`, best fit first: nothing is cut and little is padded."""
    plan = pack([len(example.ids) for example in examples], row)
    place = {sequence: at + 1 for pieces in plan for at, (sequence, _, _) in enumerate(pieces)}
    documents = [[place[number]] * len(example.ids) for number, example in enumerate(examples)]
    return Rows(
        fill(plan, [example.ids for example in examples], row, pad).astype(np.int64),
        fill(plan, [list(map(int, example.mask)) for example in examples], row, 0).astype(np.bool_),
        fill(plan, documents, row, 0).astype(np.int64),
    )


def padded(pairs: Sequence[Pair], most: int, pad: int) -> tuple[Tensor, Tensor]:
    """Pairs side by side, the chosen first: ids and targets (pairs, 2, time), IGNORE where nothing is learnt.

    time: what the longest example needs, rounded up to a power of two, 64 at least, but not above `most`. A compiled
    model is compiled for each length: few lengths, and never more than twice the tokens.
    """
    longest = max(len(example.ids) for pair in pairs for example in pair) - 1
    time = min(most, max(64, 1 << (longest - 1).bit_length()))
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
    asked = tokenizer.chat(messages)
    ids, mask = tokenizer.chat_with_mask([*messages, {"role": "assistant", "content": answer}])
    shared = next((at for at, pair in enumerate(zip(asked, ids, strict=False)) if pair[0] != pair[1]), len(asked))
    mask = [said and at >= shared for at, said in enumerate(mask)]
    end = max((at + 1 for at, said in enumerate(mask) if said), default=0)
    return Example(ids[:end], mask[:end])
