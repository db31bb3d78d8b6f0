"""Hornbook's classifier beside fastText's on real web documents that an LLM graded, on the same split.

    python benchmarks/quality.py --data FOLDER [--fasttext PYTHON] [--embeddings]

FOLDER holds parquet files with `id`, `text` and an integer `score` (0-5), such as a graded sample of FineWeb. A fifth
of the documents, drawn by a seed, is held out. fastText runs in the Python interpreter that is given (it wants
`pip install fasttext-wheel "numpy<2"`, which does not fit beside newer numpy); without one, only ours is measured. Its
best setting of three is chosen on a fifth of the training part. Times are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hornbook.corpus.grade.agreement import agreement, calibration
from hornbook.corpus.grade.classifier import Features, learn
from hornbook.corpus.grade.settings import GradeSettings
from hornbook.seeds import stream

SEED = 1
THRESHOLD = 3
GRID = (
    {"epoch": 25, "lr": 0.5},
    {"epoch": 25, "lr": 0.5, "wordNgrams": 2, "bucket": 200_000},
    {"epoch": 50, "lr": 0.5, "wordNgrams": 2, "bucket": 200_000, "dim": 50},
)

# What runs in fastText's own interpreter: lessons and questions in as JSON, probabilities of the grades out.
PEER = r"""
import json, sys, tempfile, time
import fasttext
job = json.load(sys.stdin)
with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    for text, grade in zip(job["texts"], job["grades"]):
        file.write(f"__label__{grade} {text}\n")
    file.flush()
    began = time.process_time()
    model = fasttext.train_supervised(file.name, thread=1, seed=1, verbose=0, **job["settings"])
    learned = time.process_time() - began
began = time.process_time()
answers = [model.f.predict(text + "\n", 6, 0.0, "strict") for text in job["questions"]]
asked = time.process_time() - began
answers = [{label[-1]: p for p, label in one} for one in answers]
print(json.dumps({"answers": answers, "learn": learned, "score": asked}))
"""


def documents(folder: Path) -> list[dict[str, Any]]:
    """The graded documents by id, each text once."""
    import pyarrow.parquet as pq

    rows = [
        row
        for file in sorted(folder.rglob("*.parquet"))
        for row in pq.read_table(file).to_pylist()
        if row["text"].strip()
    ]
    once = {row["text"]: row for row in sorted(rows, key=lambda row: str(row["id"]), reverse=True)}
    return sorted(once.values(), key=lambda row: str(row["id"]))


def measures(true: list[int], grades: list[int], certain: list[float]) -> dict[str, Any]:
    """Agreement with intervals, and the calibration error of "worth three or more"."""
    found = agreement(true, grades, THRESHOLD, seed=SEED)
    honest = calibration(certain, [grade >= THRESHOLD for grade in true])
    return {**{name: found[name] for name in ("precision", "recall", "f1", "macro_f1")}, "calibration": honest}


def ours(lesson: list[dict[str, Any]], test: list[dict[str, Any]], embeddings: bool = False) -> dict[str, Any]:
    """Hornbook's classifier with its default settings, or with vectors of an encoder too."""
    settings = GradeSettings()
    texts = [row["text"] for row in test]
    began = time.process_time()
    classifier = learn(
        [row["text"] for row in lesson],
        [row["score"] for row in lesson],
        Features(settings.characters, settings.features, embeddings),
        settings.regularisation,
    )
    learned = time.process_time() - began
    classifier.score(texts)  # loads what is loaded once
    began = time.process_time()
    scores = classifier.score(texts)
    seconds = time.process_time() - began
    read = sum(len(text[: settings.characters].encode()) for text in texts)
    certain = classifier.at_least(texts)[:, THRESHOLD - 1].tolist()
    ranked = sorted(zip(scores.tolist(), test, strict=True), key=lambda item: (-item[0], item[1]["id"]))
    return {
        **measures([row["score"] for row in test], classifier.grades(texts, THRESHOLD).tolist(), certain),
        "learn": learned,
        "rate": sum(len(text.encode()) for text in texts) / seconds / 1e6,
        "read": read / seconds / 1e6,
        "best": [_example(*item) for item in ranked[:3]],
        "worst": [_example(*item) for item in ranked[-3:]],
    }


def _example(score: float, row: dict[str, Any]) -> str:
    return f"{score:.2f} (graded {row['score']}): {' '.join(row['text'][:110].split())}"


def theirs(python: str, lesson: list[dict[str, Any]], test: list[dict[str, Any]]) -> dict[str, Any]:
    """fastText with the best of three settings; it decides for the likeliest grade, as it always does."""
    kept = len(lesson) // 5
    trials = []
    for settings in GRID:
        answers, _ = _ask(python, lesson[kept:], lesson[:kept], settings)
        grades = [int(max(one, key=lambda grade: one[grade])) for one in answers]
        found = agreement([row["score"] for row in lesson[:kept]], grades, THRESHOLD, seed=SEED)
        trials.append((found["f1"]["value"] + found["macro_f1"]["value"], settings))
    _, settings = max(trials, key=lambda trial: trial[0])
    answers, seconds = _ask(python, lesson, test, settings)
    grades = [int(max(one, key=lambda grade: one[grade])) for one in answers]
    certain = [sum(p for grade, p in one.items() if int(grade) >= THRESHOLD) for one in answers]
    size = sum(len(row["text"].encode()) for row in test)
    return {
        **measures([row["score"] for row in test], grades, [min(1.0, p) for p in certain]),
        "learn": seconds["learn"],
        "rate": size / seconds["score"] / 1e6,
        "settings": settings,
    }


def _ask(
    python: str, lesson: list[dict[str, Any]], test: list[dict[str, Any]], settings: dict[str, Any]
) -> tuple[list[dict[str, float]], dict[str, float]]:
    job = {
        "texts": [_plain(row["text"]) for row in lesson],
        "grades": [row["score"] for row in lesson],
        "questions": [_plain(row["text"]) for row in test],
        "settings": settings,
    }
    done = subprocess.run([python, "-c", PEER], input=json.dumps(job), capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    return result["answers"], {"learn": result["learn"], "score": result["score"]}


def _plain(text: str) -> str:
    """fastText's usual preparation: lower case, marks apart from words, one line."""
    return " ".join(re.sub(r"([^\w\s])", r" \1 ", text).lower().split())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fasttext", metavar="PYTHON", help="an interpreter that has fastText")
    parser.add_argument("--embeddings", action="store_true", help="ours with an encoder's vectors too, beside")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = documents(arguments.data)
    stream(SEED, "quality", "split").shuffle(rows)
    held_out = len(rows) // 5
    test, lesson = rows[:held_out], rows[held_out:]
    results = {"hornbook": ours(lesson, test)}
    if arguments.embeddings:
        results["with vectors"] = ours(lesson, test, embeddings=True)
    if arguments.fasttext:
        results["fastText"] = theirs(arguments.fasttext, lesson, test)
    if arguments.json:
        json.dump(results, sys.stdout, indent=2)
        return
    print(f"{len(lesson)} documents to learn from, {len(test)} held out; 95% bootstrap intervals\n")
    print("| | " + " | ".join(results) + " |\n|---|" + "---|" * len(results))
    for name in ("precision", "recall", "f1", "macro_f1"):
        cells = [
            f"{one[name]['value']:.3f} ({one[name]['low']:.3f} to {one[name]['high']:.3f})" for one in results.values()
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    print(
        "| calibration error | " + " | ".join(f"{one['calibration']['error']:.3f}" for one in results.values()) + " |"
    )
    print("| learning, CPU s | " + " | ".join(f"{one['learn']:.1f}" for one in results.values()) + " |")
    print("| scoring, MB/s of documents | " + " | ".join(f"{one['rate']:.1f}" for one in results.values()) + " |")
    print(f"\nHornbook reads {results['hornbook']['read']:.1f} MB/s of text: the beginning of each document.")
    if "fastText" in results:
        print(f"fastText's settings: {results['fastText']['settings']}")
    print("\nReliability of 'worth three or more': claimed, true, documents")
    for row in results["hornbook"]["calibration"]["table"]:
        if row["documents"]:
            print(f"  {row['claimed']:.2f} {row['true']:.2f} {row['documents']}")
    for name in ("best", "worst"):
        print(f"\nThe {name} of the held-out documents:")
        print("\n".join(f"  {line}" for line in results["hornbook"][name]))


if __name__ == "__main__":
    main()
