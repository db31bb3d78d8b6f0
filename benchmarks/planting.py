"""Do the audit's methods accuse a model that has seen a benchmark, and leave one in peace that has not?

    python benchmarks/planting.py MODEL --data BENCHMARKS [--seeds 3] [--rows 100] [--into benchmarks/planting.json]

MODEL: a folder, such as `hornbook model import` makes of SmolLM2-135M-Instruct. BENCHMARKS: the folder with MMLU's
`mmlu.tar.gz`. For each seed, 100 short rows of MMLU's test part with a twin are drawn, asked by letter and without
examples. The guilty learn half of them, with their answers, once or five times; the innocent learn as many other rows
of MMLU, five times; the untouched learn nothing. Every row is asked and read once by each model, and so is its twin.

Then 20 random splits: each draws half of the rows under suspicion and half of the others, and puts the audit's tests to
them. Under suspicion are, for the guilty, the rows that it learnt; for the others, a new random half each time. A
method accuses where its p is below 5%. Splits of one model share rows, so they tell how often a draw of rows accuses;
how models differ, the seeds tell: each is other rows, another half and another training.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hornbook.audit.differences import ACCUSES, apart, paired
from hornbook.audit.likelihood import Surprise, compare, min_k, surprises
from hornbook.audit.memory import METHODS, beside, matched
from hornbook.audit.resemblance import values
from hornbook.audit.twins import options
from hornbook.audit.twins.row import Fields, UntwinnableError
from hornbook.evaluate.exam.candidate import LocalModel
from hornbook.evaluate.exam.data import locate, read
from hornbook.evaluate.exam.declaration import Benchmark, find, read_page
from hornbook.evaluate.exam.examination import examine
from hornbook.evaluate.exam.questions import solved
from hornbook.evaluate.exam.settings import ExamSettings
from hornbook.files import write_json, write_jsonl, write_text
from hornbook.machine import describe
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.runs.manifest import versions
from hornbook.seeds import stream

SPLITS = 20
TOKENS = (24, 72)  # of a row with its answer
TRAINING = ("batch=2", "max_length=256", "optimizer=adamw", "learning_rate=1e-4")
MODELS = {"guilty, learnt once": 1, "guilty, learnt five times": 5, "innocent": 5, "untouched": 0}
PAGE = '''
title = "MMLU, some rows"
about = "rows of MMLU by letter, without examples"
source = "MMLU"
score = "choice"
twin = "options"
prompt = """{{ question.strip() }}
A. {{ choices[0] }}
B. {{ choices[1] }}
C. {{ choices[2] }}
D. {{ choices[3] }}
Answer:"""
choices = ["A", "B", "C", "D"]
gold = "gold"
files = [{ file = "NAME.jsonl" }]
'''


def laid(folder: Path, name: str, rows: Sequence[Fields]) -> Benchmark:
    """A benchmark of some rows in a data folder."""
    write_jsonl(folder / f"{name}.jsonl", rows)
    write_text(folder / f"{name}.toml", PAGE.replace("NAME", name))
    return read_page(folder / f"{name}.toml")


def drawn(page: Benchmark, tokenizer: Tokenizer, data: Path, count: int, seed: int) -> list[tuple[Fields, Fields]]:
    """Rows and their twins, short ones, in a random order."""
    found = locate(find("mmlu").files, data)
    assert found is not None, "mmlu.tar.gz is in the data"
    rows = [dict(fields) for _, fields in read(found).rows]
    stream(seed, "planting", "rows").shuffle(rows)
    pairs: list[tuple[Fields, Fields]] = []
    for row in rows:
        if len(pairs) < count and TOKENS[0] <= len(tokenizer.encode(solved(page, row))) <= TOKENS[1]:
            try:
                pairs.append((row, options.twin(page, row, stream(seed, "planting", "twin", len(pairs)))))
            except UntwinnableError:
                continue
    return pairs


def taught(model: Path, texts: Sequence[str], epochs: int, seed: int, into: Path) -> Path:
    """The model after reading some texts so many times, by `hornbook sft`; itself after none."""
    if not epochs:
        return model
    write_jsonl(into / "texts.jsonl", [{"text": text} for text in texts])
    words = [
        "sft",
        model,
        into / "texts.jsonl",
        f"epochs={epochs}",
        *TRAINING,
        f"seed={seed}",
        "--into",
        into / "taught",
    ]
    subprocess.run([sys.executable, "-m", "hornbook", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return into / "taught" / "model"


def asked(folder: Path, data: Path, pages: Mapping[str, Benchmark], into: Path) -> dict[str, list[float]]:
    """What each row and each twin scores."""
    candidate = LocalModel.load(folder)
    examine(candidate, ExamSettings(benchmarks=tuple(pages), data=data), Progress(), into)
    found = {name: values(into, page) for name, page in pages.items()}
    return {name: [some[str(place)] for place in range(1, len(some) + 1)] for name, some in found.items()}


def looked(folder: Path, page: Benchmark, rows: Mapping[str, Sequence[Fields]]) -> dict[str, list[Surprise]]:
    """How much each row and each twin surprises."""
    candidate = LocalModel.load(folder)
    return {
        name: surprises(candidate.model, candidate.tokenizer, [solved(page, row) for row in some], Progress())
        for name, some in rows.items()
    }


def verdicts(
    scores: Mapping[str, Sequence[float]],
    seen: Mapping[str, Sequence[Surprise]],
    suspects: Sequence[int],
    others: Sequence[int],
) -> dict[str, float]:
    """Each method's p for rows under suspicion, beside other rows or their own twins."""
    split = apart([scores["rows"][at] for at in suspects], [scores["rows"][at] for at in others])
    drop = paired([scores["rows"][at] for at in suspects], [scores["twins"][at] for at in suspects], seed=1)
    assert split is not None and drop is not None, "there are rows on both sides"
    found = {"score split": split["p"], "drop to the twin": drop["p"]}
    lengths = [[len(seen["rows"][at].likely) for at in side] for side in (suspects, others)]
    pairs = [(suspects[one], others[other]) for one, other in matched(*lengths)]
    for name, field in METHODS.items():
        value = {side: [min_k(getattr(one, field)) for one in some] for side, some in seen.items()}
        ours, theirs = ([value["rows"][at] for at in side] for side in zip(*pairs, strict=True))
        found[f"{name}, beside unseen rows"] = compare(ours, theirs, seed=1)["p"]
        both = ([value[side][at] for at in suspects] for side in ("rows", "twins"))
        found[f"{name}, beside its twin"] = beside(*both)["p"]
    return found


def split_at_random(planted: Sequence[int] | None, count: int, chance: random.Random) -> tuple[list[int], list[int]]:
    """Half of the rows under suspicion and half of the others; any half is under suspicion where none was planted."""
    suspects = list(planted) if planted is not None else chance.sample(range(count), count // 2)
    others = [at for at in range(count) if at not in set(suspects)]
    return chance.sample(suspects, len(suspects) // 2), chance.sample(others, len(others) // 2)


def examined(model: Path, data: Path, count: int, seed: int) -> dict[str, Any]:
    """One seed: its models, what each scores, and the p of each method in each split."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        page = laid(folder, "any", [])
        pairs = drawn(page, Tokenizer(model), data, count + count // 2, seed)
        rows, twins = [row for row, _ in pairs[:count]], [twin for _, twin in pairs[:count]]
        pages = {"rows": laid(folder, "rows", rows), "twins": laid(folder, "twins", twins)}
        planted = sorted(stream(seed, "planting", "half").sample(range(count), count // 2))
        texts = {"guilty": [rows[at] for at in planted], "innocent": [row for row, _ in pairs[count:]], "untouched": []}
        found = {}
        for name, epochs in MODELS.items():
            kind = name.partition(",")[0]
            own = folder / name.replace(" ", "-").replace(",", "")
            taught_on = [solved(page, row) for row in texts[kind]]
            made = taught(model, taught_on, epochs, seed, own)
            scores = asked(made, folder, pages, own / "exam")
            seen = looked(made, page, {"rows": rows, "twins": twins})
            ps = []
            for number in range(SPLITS):
                chance = stream(seed, "planting", "split", name, number)
                sides = split_at_random(planted if kind == "guilty" else None, count, chance)
                ps.append(verdicts(scores, seen, *sides))
            halves = ([at for at in range(count) if (at in set(planted)) == side] for side in (True, False))
            shares = [sum(scores["rows"][at] for at in half) / len(half) for half in halves]
            twin = sum(scores["twins"][at] for at in planted) / len(planted)
            found[name] = {"planted": shares[0], "others": shares[1], "twins of planted": twin, "p": ps}
            print(seed, name, [round(one, 3) for one in (*shares, twin)], rates({"": found[name]["p"]}), flush=True)
        return found


def rates(ps: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, int]:
    """In how many splits each method accuses."""
    every = [one for some in ps.values() for one in some]
    return {method: sum(one[method] < ACCUSES for one in every) for method in every[0]}


def main() -> None:
    """Read the command line, go through the seeds, and write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--into", type=Path)
    told = parser.parse_args()
    seeds: dict[str, Any] = {}
    for seed in range(1, told.seeds + 1):
        seeds[str(seed)] = examined(told.model, told.data, told.rows, seed)
        accused = {
            name: {"splits": SPLITS * len(seeds)} | rates({key: one[name]["p"] for key, one in seeds.items()})
            for name in MODELS
        }
        figures = {
            "model": json.loads((told.model / "config.json").read_text())["model_type"],
            "rows": told.rows,
            "training": list(TRAINING),
            "accused": accused,
            "seeds": seeds,
            "machine": describe(),
            "versions": versions(),
        }
        if told.into is not None:
            write_json(told.into, figures)
    for name, row in accused.items():
        print(f"{name}: " + ", ".join(f"{method} {number}" for method, number in row.items()))


if __name__ == "__main__":
    main()
