"""Stages run once, again when anything they depend on changed, and end right after a kill between any two operations."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hornbook import files, machine
from hornbook.errors import UserError
from hornbook.files import write_text
from hornbook.progress import Progress
from hornbook.runs import code, manifest
from hornbook.runs.chain import chain
from hornbook.runs.changes import state
from hornbook.runs.run import LOCK, Result, run
from hornbook.runs.steps import Step
from hornbook.runs.verify import verify


class Kill(BaseException):
    """Nothing catches it: what is on disk is what a kill leaves."""


@dataclass(frozen=True)
class Work:
    """What a stage of these tests gets."""

    inputs: Mapping[str, Path]
    into: Path
    progress: Progress


def make_step(
    name: str,
    inputs: tuple[str, ...],
    settings: dict[str, Any],
    modules: tuple[str, ...],
    work: Callable[[Work], dict[str, Any]],
    outside: Callable[[], Any] = lambda: None,
) -> Step:
    return Step(name, "", inputs, settings, modules, lambda *given: work(Work(*given)), outside)


class World:
    """Three stages in a row, `a` -> `b` -> `c`, that count how often they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.setting, self.outside = 1, "x"
        self.code: tuple[str, ...] = ("hornbook.seeds",)

    def steps(self) -> list[Step]:
        def work(name: str) -> Callable[[Work], dict[str, Any]]:
            def do(work: Work) -> dict[str, Any]:
                self.ran.append(name)
                said = "".join((folder / "out" / "text").read_text() for folder in work.inputs.values())
                write_text(work.into / "scratch" / "state", "half")
                write_text(work.into / "out" / "text", f"{said}{name}{self.setting if name == 'b' else ''}")
                write_text(work.into / "out" / "more", name)
                return {"length": len(said)}

            return do

        return [
            make_step("a", (), {}, self.code, work("a"), outside=lambda: self.outside),
            make_step("b", ("a",), {"setting": self.setting}, ("hornbook.seeds",), work("b")),
            make_step("c", ("a", "b"), {}, ("hornbook.seeds",), work("c")),
        ]

    def run(self, root: Path, **options: Any) -> list[str]:
        """Run, and return which stages worked."""
        self.ran = []
        run(self.steps(), root, progress=Progress(), **options)
        return self.ran


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs: what each says about the machine is looked up once, and nothing waits for the disk."""
    versions, described = manifest.versions(), machine.describe()
    monkeypatch.setattr(manifest, "versions", lambda: versions)
    monkeypatch.setattr(machine, "describe", lambda: described)
    monkeypatch.setattr(machine, "release_memory", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def world() -> World:
    return World()


def tree(root: Path) -> dict[str, str]:
    """Every file but the manifests (they tell times) and the lock."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in sorted(found.items()) if path.name not in ("manifest.json", LOCK)}


WHOLE = {
    "01-a/out/more": "a",
    "01-a/out/text": "a",
    "02-b/out/more": "b",
    "02-b/out/text": "ab1",
    "03-c/out/more": "c",
    "03-c/out/text": "aab1c",
}


def test_what_is_done_is_skipped(world: World, tmp_path: Path) -> None:
    heard: list[tuple[str, bool]] = []
    announce: Callable[[Any], None] = lambda result: heard.append((result.step.name, result.skipped))  # noqa: E731
    assert world.run(tmp_path, announce=announce) == ["a", "b", "c"]
    assert tree(tmp_path) == WHOLE
    assert world.run(tmp_path, announce=announce) == []
    assert heard == [(name, skipped) for skipped in (False, True) for name in "abc"]


def test_settings_code_and_outside_decide(world: World, tmp_path: Path) -> None:
    world.run(tmp_path)
    world.setting = 2
    assert world.run(tmp_path) == ["b", "c"]
    assert tree(tmp_path)["03-c/out/text"] == "aab2c"
    world.outside = "y"
    assert world.run(tmp_path) == ["a"], "a wrote the same bytes again, so that nothing after it changes"
    world.code = ("hornbook.seeds", "hornbook.errors")
    assert world.run(tmp_path) == ["a"]
    world.setting = 1
    assert world.run(tmp_path) == ["b", "c"]
    assert tree(tmp_path) == WHOLE


def test_a_changed_source_file_counts(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run(tmp_path)
    monkeypatch.setattr(code, "_digest", lambda module, with_data: "other")
    assert world.run(tmp_path) == ["a", "b", "c"]


@pytest.mark.parametrize("lost", ["out/text", "out/more"])
def test_a_file_that_is_gone_is_made_again(lost: str, world: World, tmp_path: Path) -> None:
    world.run(tmp_path)
    (tmp_path / "02-b" / lost).unlink()
    assert world.run(tmp_path) == ["b"]
    assert tree(tmp_path) == WHOLE


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"key": 1}', "\0", '{"stage": "b"', "[" * 100_000])
def test_without_its_manifest_nothing_says_that_a_folder_is_ours(
    text: str | None, world: World, tmp_path: Path
) -> None:
    world.run(tmp_path)
    (tmp_path / "02-b" / "manifest.json").unlink()
    if text is not None:
        (tmp_path / "02-b" / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"02-b is not Hornbook's: no manifest.json of its own lies in it"):
        world.run(tmp_path)
    assert (tmp_path / "02-b" / "out" / "text").read_text() == "ab1"


def test_a_file_of_another_size_is_made_again(world: World, tmp_path: Path) -> None:
    world.run(tmp_path)
    (tmp_path / "02-b" / "out" / "more").write_text("")
    assert world.run(tmp_path) == ["b"]
    assert tree(tmp_path) == WHOLE


def test_a_flipped_bit_is_never_read(world: World, tmp_path: Path) -> None:
    """What is damaged is made again before a stage reads it, and told; what nobody reads stays unnoticed by sizes."""
    said: list[str] = []

    class Listening(Progress):
        def say(self, text: str) -> None:
            said.append(text)

    world.run(tmp_path)
    (tmp_path / "02-b" / "out" / "text").write_text("ab2")
    assert world.run(tmp_path) == []
    world.ran = []
    run(world.steps(), tmp_path, progress=Listening(), force=["c"])
    assert world.ran == ["b", "c"]
    assert "02-b is damaged: out/text has other contents than were written; b is made again" in said[0]
    assert tree(tmp_path) == WHOLE


def test_damage_of_what_the_damaged_was_made_of(world: World, tmp_path: Path) -> None:
    world.run(tmp_path)
    (tmp_path / "01-a" / "out" / "more").write_text("b")
    (tmp_path / "02-b" / "out" / "more").write_text("c")
    assert world.run(tmp_path, force=["c"]) == ["a", "b", "c"]
    assert tree(tmp_path) == WHOLE


FOREIGN = (
    "04-mine/novel.md",
    "notes/x",
    "scratch/state.pt",
    ".config.old/f",
    ".03-c.partial.7.old/f",
    ".01-a.7.0123456789abcdef.old/f",
    ".state.pt.7.tmp",
    ".lock",
    "manifest.json",
    "recipe.toml",
    "02-grade/documents/part-00000.parquet",
    ".02-grade.partial/scratch/key",
)


def test_what_is_not_ours_stays(world: World, tmp_path: Path) -> None:
    """Files that look like ours, in the folder of a run, in those beside it and in the one above it."""
    root = tmp_path / "runs" / "mine"
    places = [folder / name for folder in (root, root.parent, root.parent / "other", tmp_path) for name in FOREIGN]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(str(place))
    for options in ({}, {"force": ["a", "b"]}, {"reuse": True, "recipe": "seed = 1\n"}):
        world.run(root, **options)
    world.setting = 2
    assert world.run(root, reuse=True) == ["b", "c"]
    assert [place for place in places if place.read_text() != str(place)] == []


@pytest.mark.parametrize("name", ["03-c", ".03-c.partial", LOCK])
@pytest.mark.parametrize("kind", ["file", "folder", "link", "pipe"])
def test_what_lies_in_the_place_of_a_stage_is_named_and_stays(
    name: str, kind: str, world: World, tmp_path: Path
) -> None:
    place, root = tmp_path / "run" / name, tmp_path / "run"
    root.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "novel.md").write_text("mine")
    if kind == "file":
        place.write_text("mine")
    elif kind == "folder":
        place.mkdir()
        (place / "novel.md").write_text("mine")
    elif kind == "link":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        os.mkfifo(place)
    with pytest.raises(UserError, match=rf"{name} is no") as caught:
        world.run(root)
    assert "\n" not in str(caught.value)
    assert world.ran == [], "it is seen before any work is done"
    assert (place.read_text() if kind == "file" else "mine") == "mine"
    assert place.is_symlink() == (kind == "link")
    assert (tmp_path / "elsewhere" / "novel.md").read_text() == "mine"
    if kind == "folder":
        assert (place / "novel.md").read_text() == "mine"


def test_what_somebody_put_into_a_stages_folder_stays(world: World, tmp_path: Path) -> None:
    world.run(tmp_path)
    (tmp_path / "02-b" / "out" / "notes.md").write_text("mine")
    assert world.run(tmp_path) == []
    for options in ({"force": ["b"]}, {}):
        world.setting += 1
        with pytest.raises(UserError, match=r"02-b/out/notes.md is not Hornbook's, and 02-b is to be made again"):
            world.run(tmp_path, **options)
    assert (tmp_path / "02-b" / "out" / "notes.md").read_text() == "mine"


def test_what_was_begun_keeps_its_place_where_a_stage_more_renumbers(tmp_path: Path) -> None:
    found: list[bool] = []

    def work(work: Work) -> dict[str, Any]:
        found.append((work.into / "scratch" / "state").exists())
        write_text(work.into / "scratch" / "state", "half")
        if len(found) == 1:
            raise Kill
        return {}

    long = make_step("long", (), {}, (), work)
    with contextlib.suppress(Kill):
        run([long], tmp_path, progress=Progress())
    run([make_step("first", (), {}, (), lambda work: {}), long], tmp_path, progress=Progress())
    assert found == [False, True]


def test_an_equal_stage_of_another_run_is_taken(world: World, tmp_path: Path) -> None:
    world.run(tmp_path / "one")
    assert world.run(tmp_path / "two", reuse=True) == []
    assert tree(tmp_path / "two") == WHOLE
    world.setting = 2
    assert world.run(tmp_path / "three", reuse=True) == ["b", "c"]
    assert world.run(tmp_path / "three", force=["a"], reuse=True) == ["a"], "what is forced is made"
    (tmp_path / "one" / "01-a" / "out" / "text").unlink()  # linked, so it is not changed in place
    (tmp_path / "one" / "01-a" / "out" / "text").write_text("b")
    for name in ("two", "three"):
        (tmp_path / name).rename(tmp_path.with_name(f"{tmp_path.name}-{name}"))
    assert world.run(tmp_path / "four", reuse=True) == ["a", "b", "c"], "what is damaged is not taken"


def test_a_recipe_is_kept_unless_somebodys_lies_there(world: World, tmp_path: Path) -> None:
    for text in ("seed = 1\n", "seed = 2\n"):
        world.run(tmp_path, recipe=text)
        assert (tmp_path / "recipe.toml").read_text().splitlines()[1:] == text.splitlines()
    killed = files.temporary_of(tmp_path / "recipe.toml")
    killed.write_text("half")
    world.run(tmp_path, recipe="seed = 2\n")
    assert not killed.exists()
    (tmp_path / "recipe.toml").write_text("seed = 3\n")
    world.run(tmp_path, recipe="seed = 4\n")
    assert (tmp_path / "recipe.toml").read_text() == "seed = 3\n"


def test_force_and_until(world: World, tmp_path: Path) -> None:
    assert world.run(tmp_path, until="b") == ["a", "b"]
    assert not (tmp_path / "03-c").exists()
    assert world.run(tmp_path, force=["b"]) == ["b", "c"]
    assert world.run(tmp_path, force=["a", "c"]) == ["a", "c"]
    assert tree(tmp_path) == WHOLE


def test_a_stage_more_renumbers_what_is_done(world: World, tmp_path: Path) -> None:
    run(world.steps(), tmp_path, progress=Progress())
    world.ran.clear()
    first = make_step("first", (), {}, (), lambda work: {})
    results = run([first, *world.steps()], tmp_path, progress=Progress())
    assert world.ran == []
    assert [result.folder.name for result in results] == ["01-first", "02-a", "03-b", "04-c"]
    assert sorted(path.name for path in tmp_path.glob("[0-9]*")) == ["01-first", "02-a", "03-b", "04-c"]


def test_unknown_names(world: World, tmp_path: Path) -> None:
    stages = [make_step(name, (), {}, (), lambda work: {}) for name in ("read", "grade")]
    for options in ({"until": "raed"}, {"force": ["raed"]}):
        with pytest.raises(UserError, match=r"no stage 'raed' \(did you mean 'read'\?\); the stages are read, grade"):
            run(stages, tmp_path / "new", progress=Progress(), **options)  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_a_root_that_is_a_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot be made a folder"):
            world.run(root)


def operations(monkeypatch: pytest.MonkeyPatch, stop_before: int) -> list[str]:
    """Count what changes the disk, and raise before operation number `stop_before`."""
    done: list[str] = []

    def watch(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            if len(done) == stop_before:
                raise Kill
            done.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, watched)

    for owner, name in ((Path, "replace"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (os, "fsync")):
        watch(owner, name)
    return done


def killed_everywhere(world: World, prepare: Callable[[Path], None], tmp_path: Path, **options: Any) -> int:
    """Kill a run before its first, second, ... operation, and go on; returns how many moments there were."""
    number = 0
    while True:
        root = tmp_path / f"killed-{number}"
        prepare(root)
        with pytest.MonkeyPatch.context() as patch:
            done = operations(patch, number)
            try:
                world.run(root, **options)
            except Kill:
                pass
            else:
                return len(done)
        world.run(root)
        assert tree(root) == WHOLE, f"killed before operation {number}"
        assert world.run(root) == []
        number += 1


def test_a_kill_between_any_two_operations(world: World, tmp_path: Path) -> None:
    assert killed_everywhere(world, lambda root: None, tmp_path) > 30


def test_a_kill_while_old_results_are_replaced(world: World, tmp_path: Path) -> None:
    old = World()
    old.setting = 7

    def prepare(root: Path) -> None:
        old.run(root)

    assert killed_everywhere(world, prepare, tmp_path) > 20


def test_a_kill_while_forcing(world: World, tmp_path: Path) -> None:
    assert killed_everywhere(world, lambda root: bool(world.run(root)) and None, tmp_path, force=["b"]) > 10


def test_scratch_of_the_same_stage_is_kept_and_of_another_thrown_away(world: World, tmp_path: Path) -> None:
    """An interrupted stage finds what it left, but only while nothing it depends on has changed."""
    found: list[bool] = []

    def stage(setting: int, stop: bool) -> Step:
        def work(work: Work) -> dict[str, Any]:
            found.append((work.into / "scratch" / "state").exists())
            write_text(work.into / "scratch" / "state", "half")
            write_text(work.into / f"made-by-{setting}", "")
            if stop:
                raise Kill
            return {}

        return make_step("a", (), {"setting": setting}, (), work)

    for setting, stop in ((1, True), (1, True), (2, True), (2, False)):
        with contextlib.suppress(Kill):
            run([stage(setting, stop)], tmp_path, progress=Progress())
    assert found == [False, True, False, True]
    assert tree(tmp_path) == {"01-a/made-by-2": ""}


def test_leftovers_of_a_kill_never_become_outputs(tmp_path: Path) -> None:
    """Half-written files and half-deleted folders of earlier tries, wherever they lie."""

    def work(work: Work) -> dict[str, Any]:
        (work.into / "documents").mkdir()
        files.temporary_of(work.into / "documents" / "part.parquet").write_text("half")
        old = files.temporary_of(work.into / "documents", "old")
        old.mkdir()
        (old / "part.parquet").write_text("old")
        write_text(work.into / "documents" / "part.parquet", "whole")
        return {}

    old = files.temporary_of(tmp_path / ".01-a.partial", "old")
    old.mkdir()
    (old / "big").write_text("")
    [result] = run([make_step("a", (), {}, (), work)], tmp_path, progress=Progress())
    assert list(result.manifest.outputs) == ["documents/part.parquet"]
    assert tree(tmp_path) == {"01-a/documents/part.parquet": "whole"}


def test_an_error_leaves_no_finished_folder(world: World, tmp_path: Path) -> None:
    def fail(work: Work) -> dict[str, Any]:
        write_text(work.into / "half", "")
        raise UserError("the file is empty")

    with pytest.raises(UserError, match="the file is empty"):
        run([make_step("a", (), {}, (), fail)], tmp_path, progress=Progress())
    assert not (tmp_path / "01-a").exists()


def hold(root: Path, ready: Any, leave: Any) -> None:
    def work(work: Work) -> dict[str, Any]:
        ready.set()
        leave.wait(30)
        return {}

    run([make_step("a", (), {}, (), work)], root, progress=Progress())


def test_two_runs_in_one_folder(world: World, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, leave))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(UserError, match=rf"another run \(process {other.pid}\) works in") as caught:
            world.run(tmp_path)
        assert "\n" not in str(caught.value)
    finally:
        leave.set()
        other.join(30)
    assert world.run(tmp_path) == ["a", "b", "c"]


def test_the_manifest_tells_the_chain(world: World, tmp_path: Path) -> None:
    results: Sequence[Result] = run(world.steps(), tmp_path, progress=Progress())
    first, second, third = (result.manifest for result in results)
    assert third.inputs == {"a": first.content, "b": second.content}
    assert second.figures == {"length": 1}
    assert first.outputs["out/text"] == files.digest_bytes(b"a")
    assert manifest.read(tmp_path / "03-c") == third
    assert first.peak_memory > 1 << 20
    assert {"python", "torch", "hornbook"} <= first.versions.keys()


def test_what_other_code_made_is_told_apart_and_can_be_kept(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run(tmp_path)
    assert set(state(world.steps(), tmp_path).done) == {"a", "b", "c"}
    with monkeypatch.context() as patch:
        patch.setattr(code, "_digest", lambda module, with_data: "other")
        found = state(world.steps(), tmp_path)
        assert (set(found.done), set(found.outdated), found.begun) == (set(), {"a", "b", "c"}, {})
        assert world.run(tmp_path, keep_outdated=True) == []
        assert tree(tmp_path) == WHOLE
        world.setting = 2
        assert world.run(tmp_path, keep_outdated=True) == ["b", "c"], "other settings are other work"
        assert set(state(world.steps(), tmp_path).outdated) == {"a"}


def test_what_other_code_began_is_told_and_can_be_gone_on_with(tmp_path: Path) -> None:
    found: list[bool] = []

    def step(module: str, stop: bool) -> Step:
        def work(work: Work) -> dict[str, Any]:
            found.append((work.into / "half").exists())
            write_text(work.into / "half", "")
            write_text(work.into / "scratch" / "parts" / "one", "")
            if stop:
                raise Kill
            return {}

        return make_step("a", (), {}, (module,), work)

    with contextlib.suppress(Kill):
        run([step("hornbook.seeds", True)], tmp_path, progress=Progress())
    assert state([step("hornbook.seeds", True)], tmp_path).begun == {}
    assert state([step("hornbook.errors", True)], tmp_path).begun.keys() == {"a"}
    run([step("hornbook.errors", False)], tmp_path, progress=Progress(), keep_outdated=True)
    assert found == [False, True]


def test_a_stage_that_reads_a_part_is_not_done_again_where_that_part_is_the_same(tmp_path: Path) -> None:
    ran: list[str] = []
    reads = {"rows": "rows.jsonl", "tokens": "documents", "whole": ""}

    def steps(rows: str, text: str) -> list[Step]:
        def write(work: Work) -> dict[str, Any]:
            write_text(work.into / "rows.jsonl", rows)
            write_text(work.into / "documents" / "text", text)
            return {}

        def read(name: str) -> Callable[[Work], dict[str, Any]]:
            def do(work: Work) -> dict[str, Any]:
                ran.append(name)
                write_text(work.into / name, "read")
                return {}

            return do

        first = make_step("write", (), {"rows": rows, "text": text}, ("hornbook.seeds",), write)
        more = [make_step(name, ("write",), {}, ("hornbook.seeds",), read(name)) for name in reads]
        return [first, *(replace(one, parts={"write": reads[one.name]}) for one in more)]

    def rerun(rows: str, text: str) -> list[str]:
        ran.clear()
        assert state(steps(rows, text), tmp_path).done.keys() <= {"write", *reads}
        run(steps(rows, text), tmp_path, progress=Progress())
        assert state(steps(rows, text), tmp_path).done.keys() == {"write", *reads}
        [link] = {one.reads["write"] for one in chain(tmp_path / "02-rows")[:1]}
        assert link == tmp_path / "01-write"
        assert not [wrong for found in verify(tmp_path) for wrong in found.wrong]
        return list(ran)

    assert rerun("a", "b") == ["rows", "tokens", "whole"]
    assert rerun("a", "c") == ["tokens", "whole"]
    assert rerun("d", "c") == ["rows", "whole"]
    assert rerun("d", "c") == []
