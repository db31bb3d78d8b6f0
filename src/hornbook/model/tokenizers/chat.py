"""Conversations to ids: a Jinja template places the control tokens, and nobody else can.

Between two control tokens that the template spells, template text and message text are encoded as one run, just as if
the whole text were encoded at once; inside a run nothing is taken for a control token, so `<|end|>` typed by a user
stays seven characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hornbook.model.tokenizers.pieces import Piece, Rendered, spelled


def encode(
    conversation: Rendered, control: Mapping[str, int], encode_run: Callable[[str, bool], Any]
) -> tuple[list[int], list[bool]]:
    """Ids of a rendered conversation, and which of them the assistant writes.

    control: spelling and id of every control token. encode_run(text, first) gives the Encoding of plain text; `first`
    tells that no control token is in front of it. A token is the assistant's if any of its characters is, and so is
    what ends its turn: the control token behind its words, with the white space that the template puts between them,
    or, where plain text follows, the next token.
    """
    control_token = spelled(control)
    ids: list[int] = []
    mask: list[bool] = []
    run: list[Piece] = []

    def close_run() -> bool:
        made, written, pending = _encode_run(run, encode_run, not ids, conversation.turns)
        ids.extend(made)
        mask.extend(written)
        run.clear()
        return pending

    for piece in conversation.pieces:
        at = 0
        for match in () if piece.said else control_token.finditer(piece.text):
            run.append(Piece(piece.text[at : match.start()], False, piece.written))
            ends_turn = close_run()
            ids.append(control[match[0]])
            mask.append(ends_turn or bool(piece.written))
            at = match.end()
        run.append(Piece(piece.text[at:], piece.said, piece.written))
    close_run()
    return ids, mask


def _encode_run(
    run: Sequence[Piece], encode_run: Callable[[str, bool], Any], first: bool, turns: bool
) -> tuple[list[int], list[bool], bool]:
    """Ids of the pieces of one run, which of them the assistant writes, and whether its turn's end is still to come."""
    text = "".join(piece.text for piece in run)
    encoding = encode_run(text, first) if text else None
    offsets: list[tuple[int, int]] = [] if encoding is None else encoding.offsets
    written = [False] * len(offsets)
    pending = False
    start = 0
    for piece in run:
        end = start + len(piece.text)
        if piece.written:
            after = next((index for index, (begin, _) in enumerate(offsets) if begin >= end), len(offsets))
            pending = turns and not text[end:].strip()
            for index, (begin, stop) in enumerate(offsets):
                ends_turn = turns and (index == after or (pending and index > after))
                written[index] |= (begin < end and stop > start) or ends_turn
        start = end
    return ([] if encoding is None else encoding.ids), written, pending
