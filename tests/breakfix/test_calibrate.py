"""How far a round goes: the furthest that keeps to the bound, found again without asking anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hornbook.breakfix import calibrate as calibrating
from hornbook.breakfix.calibrate import calibrate


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, dict[str, Any], list[float]]]:
    """Calibrates where a share of the way declines what `of` says; beside what was found, which shares were asked."""

    def interpolate(start: Path, end: Path, share: float, into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        (into / "share").write_text(str(share))

    def load(folder: Path) -> Any:
        return SimpleNamespace(identity=str(folder), share=float((folder / "share").read_text()))

    def go(into: Path, most: float, of: Callable[[float], float]) -> tuple[Path, dict[str, Any], list[float]]:
        heard: list[float] = []

        def asked(candidate: Any, _: Path) -> dict[str, Any]:
            heard.append(candidate.share)
            return {"value": of(candidate.share)}

        for name, share in (("start", 0.0), ("end", 1.0)):
            interpolate(Path(), Path(), share, into / name)
        found, told = calibrate(into / "start", into / "end", load, asked, most, into / "calibrated")
        return found, told, heard

    monkeypatch.setattr(calibrating, "interpolate", interpolate)
    return go


def test_a_round_that_keeps_to_the_bound_is_taken_whole(way: Any, tmp_path: Path) -> None:
    found, told, heard = way(tmp_path, 0.4, lambda share: 0.4 * share)
    assert (found, told["taken"], heard) == (tmp_path / "end", 1.0, [1.0])


@pytest.mark.parametrize(("allowed", "taken"), [(0.99, 0.875), (0.3, 0.25), (0.5, 0.5), (0.76, 0.75)])
def test_it_goes_as_far_as_it_may(way: Any, tmp_path: Path, allowed: float, taken: float) -> None:
    found, told, heard = way(tmp_path, 0.4, lambda share: 0.4 if share <= allowed else 0.6)
    assert told["taken"] == taken and len(heard) == 4
    assert found == tmp_path / "calibrated" / f"at-{taken:g}" / "model"
    assert [one.parent.name for one in (tmp_path / "calibrated").glob("at-*/model")] == [f"at-{taken:g}"]
    assert [one["share"] for one in told["tried"]] == sorted(heard)


def test_where_nothing_keeps_to_it_the_start_stays(way: Any, tmp_path: Path) -> None:
    found, told, _ = way(tmp_path, 0.0, lambda share: 0.5)
    assert (found, told["taken"]) == (tmp_path / "start", 0.0)
    assert not [*(tmp_path / "calibrated").glob("at-*/model")]


def test_what_was_found_is_not_asked_again_unless_the_bound_is_another(way: Any, tmp_path: Path) -> None:
    first = way(tmp_path, 0.4, lambda share: share)
    again = way(tmp_path, 0.4, lambda share: share)
    assert again[:2] == first[:2] and again[2] == []
    assert way(tmp_path, 0.7, lambda share: share)[1]["taken"] == 0.625
