"""README's table and picture, from runs that are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.scripts import ROOT, script

from hornbook.errors import UserError
from hornbook.files import write_text
from hornbook.runs.manifest import Manifest

figures = script("readme_figures")
MACHINE = {"processor": "a chip", "cores": 2, "system": "Linux x86_64"}
VERSIONS = {"python": "3.11.7", "hornbook": "0.1.0", "torch": "2.13.0"}
README = f"# A\n\n{figures.BEGIN}\nold\n{figures.END}\n\nB\n"


def scores(passed: int, refused: float) -> dict[str, Any]:
    style = {"pass_at_1": passed / 200, "passed": passed, "of": 200, "interval": [0.1, 0.9], "families": {}}
    refusals = {"harmful_refused": refused, "harmless_refused": 0.08}
    return {"completion": style, "chat": style, "refusals": refusals, "pass_at_1": passed / 200}


def made(folder: Path, passed: int, seconds: float, **changed: Any) -> None:
    """A finished run of two checkpoints and a shrunk one, each with as many problems `passed`."""

    def checkpoint(name: str, title: str, shrunk: bool = False) -> dict[str, Any]:
        return {"name": name, "folder": "model", "title": title, "shrunk": shrunk}

    stages: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "pretrain": (
            {"parameters": 984192, "computing": "cpu, fp32, compiled"},
            [checkpoint("phase2", "phase 2"), checkpoint("sft", "SFT")],
        ),
        "evaluate": (
            {
                "problems": 200,
                "precision": "fp32",
                "models": {"phase2": scores(passed, 0.0), "sft": scores(passed, 0.9)},
            },
            [],
        ),
        "quantize": (
            {"bytes_after": 746_000, "models": {"4bit": scores(passed - 20, 1.0)}},
            [checkpoint("4bit", "4 bits", shrunk=True)],
        ),
        "report": ({"bytes": 9}, []),
    }
    for number, (stage, (told, left)) in enumerate(stages.items(), start=1):
        place = folder / f"{number:02d}-{stage}"
        place.mkdir(parents=True)
        facts: dict[str, Any] = {
            "stage": stage,
            "key": "k",
            "settings": {},
            "inputs": {},
            "code": "c",
            "figures": told,
            "seconds": seconds,
            "peak_memory": 1_900_000_000,
            "outputs": {},
            "machine": MACHINE,
            "versions": VERSIONS,
            "checkpoints": left,
        }
        Manifest(**facts | changed).write(place)
    write_text(folder / "04-report" / "report.html", "<h1>report</h1>")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed, passed in ((1, 168), (2, 136), (3, 137)):
        made(tmp_path / f"seed-{seed}", passed, 100 + seed)
    write_text(tmp_path / "README.md", README)
    return tmp_path


@pytest.fixture
def arguments(runs: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(figures, "describe", lambda: MACHINE)
    places = {"runs": runs, "readme": runs / "README.md", "figures": runs / "f.json", "picture": runs / "report.png"}
    return ["--read", "--date", "2026-11-27", *(word for name, at in places.items() for word in (f"--{name}", str(at)))]


def test_the_section_tells_mean_and_range_and_the_machine(runs: Path, arguments: list[str]) -> None:
    figures.main([*arguments, "--without-picture"])
    text = (runs / "README.md").read_text()
    assert text.startswith("# A\n") and text.endswith("B\n") and "old" not in text
    words = " ".join(text.split())
    assert "| phase 2 | 73.5% (68.0–84.0) | 73.5% (68.0–84.0) | 0% / 8% |" in text
    assert "| SFT | 73.5% (68.0–84.0) | 73.5% (68.0–84.0) | 90% / 8% |" in text
    assert "| 4 bits, 746 kB | 63.5% (58.0–74.0) |" in text
    assert "after SFT 84.0% with seed 1, 68.0% with seed 2, 68.5% with seed 3" in words
    assert "of seed 3, the median" in words
    assert "trained on cpu, fp32, compiled; measured in fp32" in words
    assert "2 cores of a chip" in words and "6 min 44 s to 6 min 52 s a run, 1.9 GB of memory" in words
    stored = json.loads((runs / "f.json").read_text())
    assert stored["median"] == 3
    assert figures.section(stored) in text


def test_seeds_that_nothing_was_chosen_by_stand_below(runs: Path, arguments: list[str]) -> None:
    figures.main([*arguments, "--without-picture"])
    stored = json.loads((runs / "f.json").read_text())
    told = figures.unseen(stored)
    assert told.startswith("Seeds 1, 2 and 3, by which nothing was chosen, with 200 problems held out")
    assert "73.5% (68.0–84.0) after phase 2, 73.5% (68.0–84.0) after SFT and 73.5% (68.0–84.0) in chat" in told
    assert "63.5% (58.0–74.0) and 63.5% (58.0–74.0) in 4 bits; declined are 90% of harmful and 8% of harmless" in told
    assert " ".join(figures.unseen(json.loads(figures.UNSEEN.read_text())).split()) in " ".join(
        (runs / "README.md").read_text().split()
    )


def test_the_readme_says_what_the_figures_say() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert figures.written(text, figures.section(json.loads(figures.FIGURES.read_text(encoding="utf-8")))) == text


def test_figures_alone_leave_the_page_as_it_is(runs: Path, arguments: list[str]) -> None:
    figures.main([*arguments, "--figures-only"])
    assert (runs / "README.md").read_text() == README and not (runs / "report.png").exists()
    assert [one["seed"] for one in json.loads((runs / "f.json").read_text())["runs"]] == [1, 2, 3]


def test_once_more_is_the_same(runs: Path, arguments: list[str]) -> None:
    figures.main([*arguments, "--without-picture"])
    before = (runs / "README.md").read_text()
    figures.main([*arguments, "--without-picture"])
    assert (runs / "README.md").read_text() == before
    write_text(runs / "README.md", README)
    figures.main(["--rewrite", "--readme", str(runs / "README.md"), "--figures", str(runs / "f.json")])
    assert (runs / "README.md").read_text() == before


def test_the_picture_is_of_the_median(runs: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Path] = []
    monkeypatch.setattr(figures, "picture", lambda page, image: taken.append(page))
    figures.main(arguments)
    assert taken == [runs / "seed-3" / "04-report" / "report.html"]


def test_without_a_browser_that_is_said(runs: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "chromium", lambda: None)
    with pytest.raises(UserError, match="for the picture: install one, or add --without-picture"):
        figures.main(arguments)
    assert (runs / "README.md").read_text() == README


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"machine": {**MACHINE, "cores": 4}}, "on another machine"),
        ({"versions": {**VERSIONS, "torch": "2.12.0"}}, "with other libraries"),
        ({"code": "d"}, "by other code"),
    ],
)
def test_runs_that_are_not_alike_are_refused(
    runs: Path, arguments: list[str], changed: dict[str, Any], told: str
) -> None:
    made(runs / "seed-4", 150, 99.0, **changed)
    with pytest.raises(UserError, match=f"seed 4 was made {told} than seed 1"):
        figures.main([*arguments, "--without-picture", "--seeds", "1", "4"])


def test_runs_of_another_machine_are_refused(runs: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "describe", lambda: {**MACHINE, "processor": "another chip"})
    with pytest.raises(UserError, match="the runs were made on a chip; read them there"):
        figures.main([*arguments, "--without-picture"])


def test_an_unfinished_run_is_refused(runs: Path, arguments: list[str]) -> None:
    (runs / "seed-2" / "04-report" / "manifest.json").unlink()
    with pytest.raises(UserError, match="seed-2 holds no finished run"):
        figures.main([*arguments, "--without-picture"])


def test_instructions_of_a_processor() -> None:
    assert figures.instructions({**MACHINE, "instructions": "avx2, avx512f"}) == ["avx2", "avx512f"]
    assert figures.instructions(MACHINE) == []


def test_readme_shows_what_was_measured() -> None:
    """The section in README is what the script makes of the committed figures."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert figures.BEGIN in readme and figures.END in readme
    if figures.FIGURES.is_file():
        assert figures.section(json.loads(figures.FIGURES.read_text(encoding="utf-8"))) in readme
