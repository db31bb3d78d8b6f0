"""The command line without a run: help, listings, and mistakes that end in one line and exit code 2."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from typer.models import ArgumentInfo

import hornbook
from hornbook import cli

Captured = pytest.CaptureFixture[str]
COMMANDS = ("run", "recipes", "report", "generate", "chat", "evaluate")


def call(*arguments: str) -> int:
    """Call the command in this process; returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hornbook", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call(command, "--help") == 0
    out = capsys.readouterr().out
    assert f"hornbook {command}" in out
    assert len(out.splitlines()) > 8 or command == "recipes"


def commands(app: typer.Typer, path: str) -> Iterator[tuple[str, Any]]:
    """The commands of a group, each with its name and its function."""
    for command in app.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name or command.callback.__name__}", command.callback


def parameters() -> Iterator[tuple[str, Any, Any]]:
    """Those of every command: its name and theirs, the type, and what declares it."""
    found: list[tuple[str, Any]] = []
    for name in cli.COMMANDS:
        one = cli.declared(name)
        found += commands(one, f"hornbook {name}") if isinstance(one, typer.Typer) else [(f"hornbook {name}", one)]
    for command, callback in found:
        for name, hint in get_type_hints(callback, include_extras=True).items():
            if get_origin(hint) is Annotated:
                kind, declared = get_args(hint)
                yield f"{command}, {name}", kind, declared


def test_help_has_one_notation() -> None:
    """Names of arguments are capitals, what is a path says of which kind, alternatives have a | and no spaces."""
    found = list(parameters())
    assert len(found) > 200
    for where, kind, declared in found:
        shown = declared.metavar or ""
        if isinstance(declared, ArgumentInfo):
            assert re.match(r"\[?[A-Z]", shown), f"{where} is shown by its name in the code"
            assert " |" not in shown and "| " not in shown, f"{where}: {shown}"
        elif Path in (kind, *get_args(kind)) or list[Path] in get_args(kind):
            assert set(shown.split("|")) <= {"FOLDER", "FILE", "CORPUS", "COLUMN", "hf:"}, f"{where}: {shown}"


def test_what_is_replaced_when_forced_is_so_when_the_code_changed() -> None:
    """Messages of what lies at --into name both options, whatever the command."""
    found = {tuple(where.rsplit(", ", 1)): declared for where, _, declared in parameters()}
    forced = [command for (command, name), declared in found.items() if name == "force" and "--into" in declared.help]
    assert len(forced) > 15
    assert [command for command in forced if (command, "changed_code") not in found] == []


def test_help_of_everything(capsys: Captured) -> None:
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert all(command in out for command in COMMANDS)
    assert call("--version") == 0
    assert capsys.readouterr().out == f"hornbook {hornbook.__version__}\n"


def test_recipes(capsys: Captured) -> None:
    assert call("recipes") == 0
    assert "pocket" in capsys.readouterr().out


def test_dry_run(tmp_path: Path, capsys: Captured) -> None:
    assert call("run", "pocket", "--dry-run", "--into", str(tmp_path / "run")) == 0
    out = capsys.readouterr().out
    assert all(f"{number:02d}-" in out for number in range(1, 12))
    assert "Nothing was run." in out
    assert not (tmp_path / "run").exists()
    assert call("run", "pocket", "--dry-run", "--until", "write", "--into", str(tmp_path)) == 0
    assert "04-clean" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "pokcet"], "did you mean 'pocket'"),
        (["run", "nowhere.toml"], "no recipe file nowhere.toml"),
        (["run", "pocket", "pretrian.batch=1"], "pretrian is not a setting (did you mean 'pretrain'?)"),
        (["run", "pocket", "pretrain.batch=x"], "pretrain.batch: "),
        (["run", "pocket", "--until", "raed"], "no stage 'raed' (did you mean 'read'?)"),
        (["run", "pocket", "--dry-run", "--until", "raed"], "no stage 'raed' (did you mean 'read'?)"),
        (["run", "pocket", "--force", "raed", "--without-isolation"], "no stage 'raed' (did you mean 'read'?)"),
        (["run", "pocket", "sources.0.path=nowhere", "--dry-run"], "does not exist"),
        (["report", "nowhere"], "nowhere is not a run"),
        (["generate", "nowhere", "x"], "nor a folder is called 'nowhere'"),
        (["chat", "nowhere"], "nor a folder is called 'nowhere'"),
        (["evaluate", "nowhere"], "nor a folder is called 'nowhere'"),
        (["report", "."], ". is not a run"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert told in error
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert not (tmp_path / "runs").exists()


def test_a_damaged_model(tmp_path: Path, make_checkpoint, capsys: Captured) -> None:  # type: ignore[no-untyped-def]
    folder = make_checkpoint()[1]
    (folder / "model.safetensors").write_bytes(b"half")
    assert call("generate", str(folder), "x") == 2
    assert "damaged or cut short" in capsys.readouterr().err
    (folder / "tokenizer.json").unlink()
    assert call("generate", str(folder), "x") == 2


def test_what_a_user_should_know_is_one_line_beside_the_answer(make_checkpoint, capsys: Captured) -> None:  # type: ignore[no-untyped-def]
    from safetensors.torch import load_file, save_file

    folder = make_checkpoint()[1]
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"lm_head.weight": -tensors["model.embed_tokens.weight"]}, folder / "model.safetensors")
    with warnings.catch_warnings():  # leaves pytest's own way of showing them as it was
        warnings.simplefilter("always")
        assert call("generate", str(folder), "x", "--max-tokens", "1") == 0
    told = capsys.readouterr()
    notes = [line for line in told.err.splitlines() if "native engine" not in line]  # which may not have been built
    assert len(notes) == 1 and notes[0].startswith("note: ") and "lm_head" in notes[0]
    assert "note" not in told.out


def test_a_tokenizer_that_is_larger_than_the_model(make_checkpoint, capsys: Captured) -> None:  # type: ignore[no-untyped-def]
    folder = make_checkpoint(vocabulary=370)[1]
    for command, *more in (["chat"], ["generate", "x"], ["evaluate", "--suite", "long"]):
        assert call(command, str(folder), *more) == 2
        assert "the tokenizer has 380 ids, but vocab_size in config.json is 370" in capsys.readouterr().err


def test_a_model_outside_any_run(make_checkpoint, capsys: Captured) -> None:  # type: ignore[no-untyped-def]
    assert call("evaluate", str(make_checkpoint()[1])) == 2
    assert "belongs to no run; name the problems with --problems FILE" in capsys.readouterr().err


def test_starting_loads_no_heavy_library() -> None:
    script = (
        "import sys, hornbook.cli\n"
        "print([name for name in ('torch', 'daft', 'sklearn', 'pyarrow', 'matplotlib', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hornbook", "run", "pokcet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_a_message_shows_control_characters_of_what_it_names(capsys: Captured) -> None:
    assert call("report", "no\x1b[2J\x07where") == 2
    assert capsys.readouterr().err.startswith("error: no\\x1b[2J\\x07where is not a run")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "run/state.pt"), "run/state.pt: the disk is full; make room"),
        (OSError(errno.EROFS, "Read-only file system", "a[/b]"), "a[/b]: the disk can only be read; name another"),
        (PermissionError(errno.EACCES, "Permission denied", "a\x1b"), "a\\x1b: Permission denied"),
        (OSError("Error writing bytes. Detail: No space left on device"), "the disk is full; make room"),
        (MemoryError(), "there is not enough memory; a smaller batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "there is not enough memory"),
    ],
    ids=lambda one: "" if isinstance(one, str) else type(one).__name__,
)
def test_what_the_system_refuses_is_one_line(
    error: Exception, told: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert call("recipes") == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1


def test_names_with_brackets(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[/b]").mkdir(parents=True)
    (tmp_path / "[/b]" / "a.txt").write_text("One sentence of a few words is here.")
    assert call("read", "texts=[/b]", "--into", "[red]x[/b]") == 0
    assert "The corpus: [red]x[/b]" in capsys.readouterr().out
    assert call("verify", "[red]x[/b]") == 0
    assert "b]: 2 files" in capsys.readouterr().out
    assert call("run", "pocket", "--dry-run", "--into", "[/b]") == 0
    assert "[/b]: what would run" in capsys.readouterr().out


def test_a_folder_in_a_stages_place_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "03-write").mkdir()
    (tmp_path / "03-write" / "novel.md").write_text("mine")
    (tmp_path / ".config.old").mkdir()
    (tmp_path / ".config.old" / "f").write_text("mine")
    assert call("run", "pocket", "--until", "write", "--into", str(tmp_path), "--without-isolation") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{tmp_path / '03-write'} is not Hornbook's" in err
    assert (tmp_path / "03-write" / "novel.md").read_text() == "mine"
    assert (tmp_path / ".config.old" / "f").read_text() == "mine"
