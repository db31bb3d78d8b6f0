from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.workers import runner

# Reads, filters, grades and cleans the same texts wherever it is told to, and prints what it wrote.
PLAN = """
import hashlib, json, os, pathlib, random, sys

def texts():
    chance = random.Random(3)
    words = "the alpha and beta of gamma with delta to epsilon that zeta has eta be theta lesson".split()
    made = [" ".join(chance.choice(words) + str(chance.randrange(40)) * chance.randrange(2) for _ in range(80))
            for _ in range(60)]
    made[0] += " write to someone@hornbook.org"
    menu = "lesson one of the site and where to go from here\\n" * 4
    return made + made[:10] + [text + " and a little more" for text in made[10:25]] + [
        menu + " ".join(chance.choice(words) + str(chance.randrange(90)) for _ in range(80)) for _ in range(20)]

class Counts:
    name = "counts"
    def grade(self, texts):
        from hornbook.teacher.interface import Grade
        return [Grade(min(5, text.count("lesson")), "counted") for text in texts]

def main(root, processes):
    from hornbook.workers import runner
    from hornbook.workers import work as workers
    runner.choose(workers=processes)
    workers._WORTH = 0
    from hornbook.corpus import read as reading
    from hornbook.corpus.clean import clean
    from hornbook.corpus.filter import filter_corpus
    from hornbook.corpus.grade import grade
    from hornbook.corpus.clean.settings import CleanSettings
    from hornbook.corpus.filter.settings import FilterSettings, PrivacySettings
    from hornbook.corpus.grade.settings import GradeSettings
    from hornbook.corpus.read.settings import ReadSettings, Source
    from hornbook.progress import Progress
    quiet = Progress()
    os.chdir(root)  # relative paths must mean the same to every worker
    portions = reading.portions
    reading.portions = lambda found: portions(found, 8_000)
    pathlib.Path("texts").mkdir()
    for number, text in enumerate(texts()):
        pathlib.Path(f"texts/{number:03d}.txt").write_text(text)
    source = Source(name="texts", path="texts")
    here = pathlib.Path()
    read = reading.read([source], ReadSettings(), base=here, into=here / "read", progress=quiet)
    settings = FilterSettings(privacy=PrivacySettings(mask=("email",)))
    filtered = filter_corpus(here / "read", settings, into=here / "filter", progress=quiet)
    graded = grade(here / "filter", Counts(), GradeSettings(sample=40, drop=True, threshold=1, features=4096), seed=1,
                   into=here / "grade", progress=quiet)
    problems = here / "problems.jsonl"
    problems.write_text(json.dumps({"id": "p", "prompt": "never " * 12, "solution": "seen " * 12}) + "\\n")
    few = CleanSettings.model_construct(
        **CleanSettings(boilerplate=9, remove_boilerplate=True).model_dump() | {"memory": 10_000})
    cleaned = clean([here / "grade"], problems, few, into=here / "clean", progress=quiet)
    written = sorted(path for path in here.rglob("*.parquet") if "scratch" not in path.parts)
    digests = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in written}
    print(json.dumps({"runner": runner.chosen(), "digests": digests, "masked": filtered["masked"],
                      "kept": graded["kept"], "removed": cleaned["removed"], "files": read["files"],
                      "without_boilerplate": cleaned["without_boilerplate"]}))

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
"""
CLUSTER = """
import os, subprocess, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={
    "num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False})
cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
done = subprocess.run([sys.executable, *sys.argv[1:]], text=True, capture_output=True,
                      env=os.environ | {"RAY_ADDRESS": cluster.address})
cluster.shutdown()
sys.stderr.write(done.stderr)
print(done.stdout)
sys.exit(done.returncode)
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_chosen", None)
    monkeypatch.delenv(runner.ADDRESS, raising=False)


def test_this_machine_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runner.choose() == "native"
    assert runner.choose("native") == "native"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert runner.choose("ray") == "ray"
    monkeypatch.setenv(runner.ADDRESS, "127.0.0.1:1")
    assert runner.choose() == "ray"
    assert runner.choose("native") == "native", "what is said counts more than the environment"


def test_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"there is no runner 'rey' \(did you mean 'ray'\?\)"):
        runner.choose("rey")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install ray"):
        runner.choose("ray")


def run(*command: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("plan")
    (root / "plan.py").write_text(PLAN)
    for name in ("here", "processes", "cluster"):
        (root / name).mkdir()
    return [str(root / "plan.py"), str(root)]


@pytest.fixture(scope="module")
def here(plan: list[str]) -> dict[str, Any]:
    """What one process writes."""
    script, root = plan
    return run(script, f"{root}/here", "1")


@pytest.mark.slow
def test_two_processes_write_the_identical_rows(plan: list[str], here: dict[str, Any]) -> None:
    script, root = plan
    assert here == run(script, f"{root}/processes", "2")
    assert here["masked"] == {"email": 2}, "one of the texts is there twice"
    assert 0 < here["kept"] <= here["files"] == 105
    assert here["without_boilerplate"] == 20
    assert here["removed"]["exact duplicate"] + here["removed"]["near duplicate"] >= 20
    assert sum(name.startswith("read/documents") for name in here["digests"]) > 3, "in several portions"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_a_cluster_of_two_workers_writes_the_identical_rows(plan: list[str], here: dict[str, Any]) -> None:
    script, root = plan
    there = run("-c", CLUSTER, script, f"{root}/cluster", "1")
    assert (here["runner"], there["runner"]) == ("native", "ray")
    assert here | {"runner": "ray"} == there
