"""What a model says already, learnt beside what is new, so that it keeps it: answers to everyday questions, and texts.

Few rows of one kind teach a chat model to answer everything in that kind, and a model that reads one kind of text
forgets the others. Rows of the kind that it knows prevent both, and the model writes them itself (pseudo-rehearsal,
Robins 1995; Huang et al. 2024, arXiv:2403.01244).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.files import read_jsonl, seal, sealed, write_bytes, write_jsonl
from hornbook.progress import Progress
from hornbook.runs import ranks
from hornbook.runs.manifest import SCRATCH
from hornbook.seeds import derive
from hornbook.train.data import Given
from hornbook.train.shapes import Message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hornbook.machine import Choice
    from hornbook.model.tokenizers import Tokenizer

NAME, SHAPE = "what the model says already", "its own answers to everyday questions"
FILE = "rehearsal.jsonl"  # in a stage's folder: rows of messages
EVERYDAY = Path(__file__).with_name("everyday.txt")
MOST = 180  # questions in it
LONGEST = 80  # tokens of an answer; a longer one ends with its last whole sentence
_BATCH = 32
_TEXTS = 128  # written at once
_SENTENCES = re.compile(r".*[.!?](?=[\s\"'”)]|$)", re.DOTALL)


def questions() -> list[str]:
    """Everyday questions and requests, of which none is about programs."""
    return EVERYDAY.read_text(encoding="utf-8").splitlines()


def rehearsed(base: Path, count: int, *, seed: int, into: Path, progress: Progress) -> Given:
    """The answers of the checkpoint `base` to `count` everyday questions, which chance chooses, as rows to learn from.

    `into/rehearsal.jsonl` keeps them. Rank 0 asks, in fp32, and all ranks read the same. Raises UserError for a model
    without a chat template.
    """
    from hornbook.model.tokenizers import Tokenizer

    tokenizer, place = Tokenizer(base), into / FILE
    if not tokenizer.template:
        raise UserError(f"{base} has no chat template: it can't be asked what it knows; leave rehearse out")
    _once(place, lambda: write_jsonl(place, _asked(base, tokenizer, _chosen(count, seed), progress)))
    rows = [row["messages"] for row in read_jsonl(place)]
    given = Given(NAME, rows=rows)
    given.where = [f"everyday question {number}" for number in range(1, len(rows) + 1)]
    given.shapes[SHAPE] += len(rows)
    if len(rows) < count:
        given.left_out["the model says no whole sentence"] += count - len(rows)
    return given


def _chosen(count: int, seed: int) -> list[str]:
    import numpy as np

    every = questions()
    order = np.random.default_rng(derive(seed, "rehearse")).permutation(len(every))
    return [every[number] for number in order[:count]]


def _asked(base: Path, tokenizer: Tokenizer, asked: list[str], progress: Progress) -> list[dict[str, list[Message]]]:
    """A conversation of each question that the model has an answer to, a whole sentence at least."""
    import torch

    from hornbook import machine
    from hornbook.inference.generate import generate
    from hornbook.model import load

    model = load(base, device=machine.choose("fp32").device, compute=torch.float32).eval()
    prompts = [tokenizer.chat([_said("user", question)]) for question in asked]
    with progress.task("asking what it knows", len(asked)) as bar:
        answers = generate(model, prompts, limit=LONGEST, stops=tokenizer.stops, batch=_BATCH, advance=bar.advance)
    rows = []
    for question, ids in zip(asked, answers, strict=True):
        text = whole_sentences(tokenizer.decode(ids), ended=len(ids) < LONGEST)
        if text:
            rows.append({"messages": [_said("user", question), _said("assistant", text)]})
    return rows


def whole_sentences(text: str, *, ended: bool) -> str:
    """A text up to the end of its last sentence, or all of it where it `ended` by itself; empty where none ends."""
    found = None if ended else _SENTENCES.match(text)
    return text.strip() if ended else found[0].strip() if found else ""


def _said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def own_texts(
    base: Path, rows: int, row: int, machine: Choice, *, seed: int, place: Path, progress: Progress
) -> NDArray[np.integer[Any]]:
    """What the checkpoint `base` writes when nothing is asked of it, drawn token by token: ids (rows, row).

    Each row begins with the end of a text, and what comes behind another end is another text, as in packed documents.
    The file `place` keeps them. Rank 0 writes, and all ranks read the same.
    """
    import io

    import numpy as np

    def write() -> None:
        content = io.BytesIO()
        np.save(content, _drawn(base, rows, row, machine, seed, progress))
        write_bytes(place, content.getvalue())

    _once(place, write)
    found: NDArray[np.integer[Any]] = np.load(place, mmap_mode="r")
    return found


def _drawn(base: Path, rows: int, row: int, machine: Choice, seed: int, progress: Progress) -> NDArray[np.integer[Any]]:
    import numpy as np

    from hornbook.inference.generate import generate
    from hornbook.inference.sampling import Sampling
    from hornbook.model import load
    from hornbook.model.tokenizers import Tokenizer

    model, tokenizer = load(base, device=machine.device, compute=machine.compute).eval(), Tokenizer(base)
    beginning = [tokenizer.end_of_text]
    sampling = Sampling(temperature=1.0, seed=derive(seed, "own texts") % 2**31)
    with progress.task("writing what it knows", rows) as bar:
        texts = generate(
            model, [beginning] * rows, limit=row - 1, stops=(), sampling=sampling, batch=_TEXTS, advance=bar.advance
        )
    # A row that is one longer than the context, for targets, has room for one more than it can write.
    return np.array([(beginning + ids + [tokenizer.pad])[:row] for ids in texts], dtype=np.uint32)


def _once(place: Path, write: Callable[[], None]) -> None:
    """Have rank 0 write a file, unless a run that is gone on with has done so; all ranks wait for it."""
    scratch = place.parent / SCRATCH
    if not ranks.rank() and not sealed(place, scratch):
        write()
        seal(place, scratch)
    if ranks.world() > 1:
        from hornbook import machine
        from hornbook.train import parallel

        parallel.meet(machine.choose().device)
        parallel.agreed(True)
