"""Hornbook: small language models the phi way, textbook-quality data in, a model that fits in a pocket out.

What Python programs need is here, and imported when it is asked for; `examples/` shows it at work.

- Folders: `run_stage` with a stage (`READ`, `FILTER`, `GRADE`), `run_recipe`, `train_on_texts`; `read_rows`.
- Whether what a recipe's arms differ in is more than chance: `run_study`.
- Models: `open_model`, then `complete` or a `Conversation`, with a `Sampling`.
- Where it comes from: `chain`, `packed_documents`, `trace`.

The other stages stand in their rooms, such as `hornbook.train.sft.SFT`; docs/architecture.md tells where.
"""

from __future__ import annotations

import os
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.corpus.filter import FILTER
    from hornbook.corpus.grade import GRADE
    from hornbook.corpus.read import READ
    from hornbook.corpus.trace import trace
    from hornbook.documents import read_rows
    from hornbook.errors import UserError
    from hornbook.inference.conversation import Conversation
    from hornbook.inference.generate import complete
    from hornbook.inference.sampling import Sampling
    from hornbook.library import run_recipe, train_on_texts
    from hornbook.model import open_model
    from hornbook.model.config import ModelConfig
    from hornbook.progress import ConsoleProgress
    from hornbook.runs.chain import chain
    from hornbook.runs.single import run_stage
    from hornbook.study.run import run_study
    from hornbook.tokens.shards import packed_documents

# Before torch is loaded, since its OpenMP reads this once. By itself it lets a thread that waits for the others spin
# for milliseconds; beside another busy process it mostly waits for one that is not running, and takes its core. This
# many turns are microseconds, enough for what lies between two operations (docs/inference.md has the figures).
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "3000"


def _intel() -> bool:
    """Whether Intel made the processor, as far as Linux tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as told:  # noqa: PTH123 - what pathlib loads counts
            return any("GenuineIntel" in line for line in islice(told, 4))
    except OSError:
        return False


# MKL, too, reads its word once. On Intel's processors it adds in another order where a product has few rows, or where
# several threads share it; told to be strict, it gives a row the same sums whatever stands beside it, in the same time
# (docs/inference.md). On others MKL may fall back to old instructions, and tests pass without.
if "MKL_CBWR" not in os.environ and _intel():
    os.environ["MKL_CBWR"] = "AUTO,STRICT"

__version__ = "0.1.0"

__all__ = [
    "FILTER",
    "GRADE",
    "READ",
    "ConsoleProgress",
    "Conversation",
    "ModelConfig",
    "Sampling",
    "UserError",
    "chain",
    "complete",
    "open_model",
    "packed_documents",
    "read_rows",
    "run_recipe",
    "run_stage",
    "run_study",
    "trace",
    "train_on_texts",
]

# Where each of them stands; the imports above are the same for type checkers.
_MODULES = {
    "FILTER": "corpus.filter",
    "GRADE": "corpus.grade",
    "READ": "corpus.read",
    "ConsoleProgress": "progress",
    "Conversation": "inference.conversation",
    "ModelConfig": "model.config",
    "Sampling": "inference.sampling",
    "UserError": "errors",
    "chain": "runs.chain",
    "complete": "inference.generate",
    "open_model": "model",
    "packed_documents": "tokens.shards",
    "read_rows": "documents",
    "run_recipe": "library",
    "run_stage": "runs.single",
    "run_study": "study.run",
    "trace": "corpus.trace",
    "train_on_texts": "library",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
