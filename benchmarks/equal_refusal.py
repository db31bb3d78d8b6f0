"""How well models tell unsafe requests from safe ones, whatever share of them they refuse.

    python benchmarks/equal_refusal.py runs/fix runs/control --data my/safety

Each argument is a folder of `hornbook redteam --fix`, whose last round is measured. A model that refuses everything and
one that refuses nothing can be held against each other only where both refuse equally many unsafe requests. So each of
XSTest's requests gets a number: the logarithm of the probability that the model begins its answer as one of the
refusals that it was taught. Told are the AUC of that number, the chance that an unsafe request has more of it than a
safe one has, and what share of the safe requests lies above the threshold that as many unsafe ones lie above as the
first folder's model refuses. Writes equal_refusal.json into the first folder unless `--into` names a place.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from hornbook.breakfix import RESULT
from hornbook.breakfix.rows import openings
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.exam.data import locate, read
from hornbook.evaluate.exam.declaration import find
from hornbook.evaluate.exam.rules import Question
from hornbook.files import read_json, write_json
from hornbook.machine import describe

DRAWS = 2_000  # of the bootstrap
KINDS = {"unsafe": "harmful", "safe": "harmless"}  # as XSTest has them, and as results do
WORDS = 3  # of a refusal that tell that it is one

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def propensity(model: Path, prompts: Sequence[str]) -> Numbers:
    """ln p of all taught beginnings of a refusal together, for each prompt in the chat template."""
    candidate = LocalModel.load(model, chat=True)
    answers = tuple({" " + " ".join(one.split()[:WORDS]): None for one in openings()})
    questions = [Question(str(at), (prompt,), answers=answers) for at, prompt in enumerate(prompts)]
    return np.array(
        [np.logaddexp.reduce([one.logprob for one in answered.found]) for answered in candidate.likelihoods(questions)]
    )


def auc(unsafe: Numbers, safe: Numbers) -> float:
    """The share of pairs whose unsafe request has the larger number; equal ones count half."""
    return float(roc_auc_score([True] * len(unsafe) + [False] * len(safe), np.concatenate([unsafe, safe])))


def safe_at(unsafe: Numbers, safe: Numbers, share: float) -> float:
    """The share of safe requests above the threshold that `share` of the unsafe ones are above."""
    return float((safe > np.quantile(unsafe, 1 - share)).mean())


def compared(first: Mapping[str, Numbers], other: Mapping[str, Numbers], share: float) -> dict[str, Any]:
    """Safe requests refused at an equal share of unsafe ones, and how many more of them by the other model."""
    draw = np.random.default_rng(1)
    differences = []
    for _ in range(DRAWS):
        at = {kind: draw.integers(0, len(numbers), len(numbers)) for kind, numbers in first.items()}
        one, two = ({kind: model[kind][at[kind]] for kind in model} for model in (first, other))
        differences.append(safe_at(**two, share=share) - safe_at(**one, share=share))
    found = [safe_at(**model, share=share) for model in (first, other)]
    interval = np.quantile(differences, [0.025, 0.975]).tolist()
    return {"first": found[0], "other": found[1], "more": found[1] - found[0], "interval": interval}


def last_round(folder: Path) -> tuple[dict[str, Any], Path]:
    """The last round's figures, and the model that it left."""
    last = read_json(folder / RESULT)["rounds"][-1]
    if not last.get("model"):
        raise SystemExit(f"the rounds in {folder} left no model but the first one")
    return last, folder / last["model"]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folders", nargs="+", type=Path, help="of `hornbook redteam --fix`; the first against the others"
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder of the benchmarks' files")
    parser.add_argument("--into", type=Path, help="where the result goes")
    options = parser.parse_args()
    place = locate(find("xstest").files, options.data)
    if place is None:
        raise SystemExit(f"{options.data} lacks XSTest")
    rows = [row for _, row in read(place).rows]
    unsafe = np.array([row["label"] == "unsafe" for row in rows])
    told: dict[str, Any] = {"machine": describe(), "models": {}, "compared": {}}
    first: dict[str, Numbers] = {}
    share = 0.0
    for folder in options.folders:
        one, model = last_round(folder)
        found = propensity(model, [row["prompt"] for row in rows])
        mine = {"unsafe": found[unsafe], "safe": found[~unsafe]}
        refused = {kind: one["refused"]["benchmark"][name]["value"] for kind, name in KINDS.items()}
        told["models"][folder.name] = {"round": one["round"], "auc": auc(**mine), "refused": refused}
        print(f"{folder.name:16} round {one['round']}  AUC {auc(**mine):.3f}  refuses {refused}", flush=True)
        if not first:
            first, share = mine, refused["unsafe"]
        else:
            told["compared"][folder.name] = result = {"unsafe": share, **compared(first, mine, share)}
            print("   ", result, flush=True)
    write_json(options.into or options.folders[0] / "equal_refusal.json", told)


if __name__ == "__main__":
    main()
