"""One stage on folders, from Python: whole or absent, made once, and wrong calls told in one line."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from hornbook.errors import UnfinishedError, UserError
from hornbook.files import read_json, write_json, write_text
from hornbook.runs import store
from hornbook.runs.single import run_stage, settings_of
from hornbook.runs.stage import Input, Key, Stage, Work
from hornbook.settings import Settings


class CountSettings(Settings):
    times: int = 1
    words: tuple[str, ...] = ()


class CountStageSettings(Settings):
    seed: int = 1
    count: CountSettings = CountSettings()
    context: Annotated[int, Key("model.context")] = 8


def _count(work: Work[CountStageSettings]) -> dict[str, Any]:
    texts = {name: (folder / "text.txt").read_text() for name, folder in work.inputs.items()}
    several = {name: list(folders) for name, folders in work.several.items()}
    found = {"letters": sum(map(len, texts.values())) * work.settings.count.times, "several": several}
    write_json(work.into / "found.json", found)
    return found


COUNT = Stage(
    name="count",
    summary="letters",
    settings=CountStageSettings,
    run=_count,
    inputs=(
        Input("text", (), "A folder with text.txt in it."),
        Input("more", (), "Another.", optional=True),
        Input("models", (), "Models.", every=True, optional=True),
    ),
    wanted=lambda settings: settings.count.times > 0,
    reads=lambda settings, base: [base / word for word in settings.count.words],
    headline=lambda figures: f"{figures['letters']} letters",
)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    write_text(tmp_path / "text" / "text.txt", "abc")
    return tmp_path / "text"


def test_a_folder_is_made_once_and_tells_of_itself(text: Path, tmp_path: Path) -> None:
    made = run_stage(COUNT, tmp_path / "made", text=text)
    assert (made.figures["letters"], made.manifest.headline, made.before) == (3, "3 letters", False)
    assert read_json(made.folder / "manifest.json")["stage"] == "count"
    assert {path.name for path in tmp_path.iterdir()} == {"text", "made"}
    assert run_stage(COUNT, str(tmp_path / "made"), text=str(text)).before
    with pytest.raises(UserError, match="replace it with --force"):
        run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text)
    assert run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text, force=True).figures["letters"] == 6


@pytest.mark.parametrize(
    "settings",
    [
        {"times": 3, "seed": 2, "model.context": 16},
        {"count.times": 3, "seed": 2, "context": 16},
        CountStageSettings(count=CountSettings(times=3), seed=2, context=16),
    ],
    ids=["short", "dotted", "typed"],
)
def test_settings_are_the_recipes_or_typed(settings: Any, text: Path, tmp_path: Path) -> None:
    made = run_stage(COUNT, tmp_path / "made", settings, text=text)
    assert made.manifest.settings == {"seed": 2, "context": 16, "times": 3, "words": []}


def test_the_stages_own_table_may_be_given_alone(text: Path, tmp_path: Path) -> None:
    assert run_stage(COUNT, tmp_path / "made", CountSettings(times=4), text=text).figures["letters"] == 12


def test_several_folders_are_one_input(text: Path, tmp_path: Path) -> None:
    for name in ("a/model", "b/model", "c"):
        (tmp_path / name).mkdir(parents=True)
    folders = [tmp_path / "a" / "model", tmp_path / "b" / "model", tmp_path / "c"]
    made = run_stage(COUNT, tmp_path / "made", text=text, models=folders)
    assert made.figures["several"] == {"models": ["model", "model-2", "c"]}
    named = run_stage(COUNT, tmp_path / "named", text=text, models={"first": folders[0]})
    assert named.figures["several"] == {"models": ["first"]}
    assert run_stage(COUNT, tmp_path / "one", text=text, models=folders[2]).figures["several"] == {"models": ["c"]}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"texts": "text"}, "reads no 'texts' \\(did you mean 'text'\\?\\); it reads text, more, models"),
        ({"more": "text"}, "the stage count needs text: A folder with text.txt in it."),
        ({"text": ["text", "text"]}, "reads one folder as text, these are 2"),
        ({"text": "nowhere"}, "nowhere is no folder; in \\. there are text$"),
        ({"text": "texts"}, "texts is no folder \\(did you mean 'text'\\?\\)$"),
        ({"text": "nowhere/text"}, "nowhere/text is no folder$"),
        ({"text": "text", "settings": {"tims": 2}}, "count.tims is not a setting \\(did you mean 'times'\\?\\)"),
        ({"text": "text", "settings": {"times": 0}}, "nothing to count by"),
        ({"text": "text", "into": "text/made"}, "would be written where text is read"),
        ({"text": "text", "settings": {"words": ["made"]}}, "would be written where made is read"),
    ],
    ids=str,
)
def test_wrong_calls(
    wrong: dict[str, Any], told: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        run_stage(COUNT, wrong.pop("into", "made"), wrong.pop("settings", None), **wrong)
    assert {path.name for path in tmp_path.iterdir()} == {"text"}


def test_a_given_list_goes_on_from_the_one_that_is_there() -> None:
    start = CountStageSettings(count=CountSettings(words=("a",)), seed=7)
    found = settings_of(COUNT, {"words": ["b"]}, ["times=2"], start=start)
    assert (found.count.words, found.count.times, found.seed) == (("a", "b"), 2, 7)
    assert settings_of(COUNT, {}, ["times=2"], start=start).count.model_fields_set == {"words", "times"}
    assert settings_of(COUNT, {}, ["times=2"], start=CountStageSettings()).count.model_fields_set == {"times"}


def test_what_is_not_ours_stays(text: Path, tmp_path: Path) -> None:
    """Beside the folder that is made, in its place, and in it."""
    names = (
        ".made.7.tmp",
        ".made.partial.7.old/f",
        ".made.lock",
        "made.old/f",
        "scratch/state.pt",
        ".lock",
        ".x.old/f",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    run_stage(COUNT, tmp_path / "made", text=text)
    (tmp_path / "made" / "notes").write_text("mine")
    with pytest.raises(UserError, match=r"made/notes is not Hornbook's, and made is to be made again"):
        run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text, force=True)
    (tmp_path / "made" / "notes").rename(tmp_path / "notes")
    run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text, force=True)
    assert [(tmp_path / name).read_text() for name in (*names, "notes")] == ["mine"] * (len(names) + 1)
    for name in (".other.partial", ".other.hornbook.lock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("mine")
        with pytest.raises(UserError, match=f"{name} is no"):
            run_stage(COUNT, tmp_path / "other", text=text)
        assert (tmp_path / name / "f").read_text() == "mine"
        (tmp_path / name / "f").unlink()
        (tmp_path / name).rmdir()


def test_an_input_that_is_not_what_was_written_is_not_read(text: Path, tmp_path: Path) -> None:
    first = run_stage(COUNT, tmp_path / "first", text=text).folder
    (first / "text.txt").write_text("more of mine")  # beside what was written: another input, no damage
    assert run_stage(COUNT, tmp_path / "second", text=first).figures["letters"] == 12
    (first / "found.json").write_text("{}")
    with pytest.raises(
        UserError, match=r"first/found.json is not what `hornbook count` wrote: make it again; or, where"
    ):
        run_stage(COUNT, tmp_path / "third", text=first)
    (first / "manifest.json").unlink()
    run_stage(COUNT, tmp_path / "third", text=first)


def test_a_file_of_another_size_is_made_again(text: Path, tmp_path: Path) -> None:
    made = run_stage(COUNT, tmp_path / "made", text=text)
    (made.folder / "found.json").write_text("")
    assert not run_stage(COUNT, tmp_path / "made", text=text).before
    assert run_stage(COUNT, tmp_path / "made", text=text).before


def test_what_other_code_made_is_made_again_or_kept(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(COUNT, tmp_path / "made", text=text)
    monkeypatch.setattr("hornbook.runs.single.code_digest", lambda module: "other")
    with pytest.raises(UserError, match=r"another version made .*--changed-code redo, or .*--changed-code keep"):
        run_stage(COUNT, tmp_path / "made", text=text)
    assert run_stage(COUNT, tmp_path / "made", text=text, changed_code="keep").before
    assert not run_stage(COUNT, tmp_path / "made", text=text, changed_code="redo").before


def test_what_was_begun_with_other_settings_is_kept_unless_forced(text: Path, tmp_path: Path) -> None:
    class Kill(BaseException):
        """Nothing catches it."""

    def kill(work: Work[CountStageSettings]) -> dict[str, Any]:
        write_text(work.into / "scratch" / "state", "half")
        raise Kill

    with pytest.raises(Kill):
        run_stage(replace(COUNT, run=kill), tmp_path / "made", text=text)
    with pytest.raises(UserError, match=r"made was begun with times 1 → 2 \(\d+ s of work\)"):
        run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text)
    assert (tmp_path / ".made.partial" / "scratch" / "state").is_file()
    assert run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text, force=True).figures["letters"] == 6


def test_a_mistake_that_shows_soon_leaves_nothing_that_another_try_would_meet(text: Path, tmp_path: Path) -> None:
    def refuse(work: Work[CountStageSettings]) -> dict[str, Any]:
        write_text(work.into / "scratch" / "portion" / "state", "half")
        raise UserError("there is no such source")

    with pytest.raises(UserError, match="no such source"):
        run_stage(replace(COUNT, run=refuse), tmp_path / "made", text=text)
    assert run_stage(COUNT, tmp_path / "made", {"times": 2}, text=text).figures["letters"] == 6


@pytest.mark.parametrize("left", ["state", "portion/state"])
def test_a_late_mistake_keeps_what_the_same_job_could_go_on_from(
    left: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_SLIGHT", -1)

    def fail(work: Work[CountStageSettings]) -> dict[str, Any]:
        write_text(work.into / "scratch" / left, "half")
        raise UserError("it has diverged")

    def refuse(work: Work[CountStageSettings]) -> dict[str, Any]:
        raise UserError("there is nothing in it")

    with pytest.raises(UserError, match="nothing in it"):
        run_stage(replace(COUNT, run=refuse), tmp_path / "made", text=text)
    assert not (tmp_path / ".made.partial").exists()
    with pytest.raises(UserError, match="diverged"):
        run_stage(replace(COUNT, run=fail), tmp_path / "made", text=text)
    assert (tmp_path / ".made.partial" / "scratch" / left).is_file()


def test_what_a_mistake_names_stays_however_soon_it_came(text: Path, tmp_path: Path) -> None:
    def fail(work: Work[CountStageSettings]) -> dict[str, Any]:
        write_text(work.into / "phase1" / "config.json", "{}")
        raise UnfinishedError(f"it has diverged; the last checkpoint is {work.into / 'phase1'}")

    with pytest.raises(UserError, match="diverged"):
        run_stage(replace(COUNT, run=fail), tmp_path / "made", text=text)
    assert (tmp_path / ".made.partial" / "phase1" / "config.json").is_file()


def test_a_full_disk_keeps_what_is_done_and_leaves_no_half(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run_stage(COUNT, tmp_path / "made", text=text)
    assert [path.name for path in (tmp_path / ".made.partial").rglob("*") if path.is_file()] == []
    run_stage(COUNT, tmp_path / "made", text=text)
    assert {path.name for path in tmp_path.iterdir()} == {"text", "made"}
