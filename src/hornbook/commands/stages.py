"""Every stage as a command on folders, made from its declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from rich.text import Text

from hornbook.commands.consent import UNSAFE, consent
from hornbook.commands.folders import CHANGED_CODE, FORCE, RUNNER, WORKERS, choose_runner, run_stage, tell
from hornbook.commands.report import card
from hornbook.commands.settings import flag_values, is_override, settings_of
from hornbook.commands.stopping import stoppable
from hornbook.documents import holds
from hornbook.errors import UserError
from hornbook.model import model_folder
from hornbook.progress import ConsoleProgress
from hornbook.runs.effort import in_range, measure_rates
from hornbook.runs.stage import Flag, Input, Look, Stage, Work
from hornbook.terminal import console, in_markup, printable
from hornbook.train.prompts import MOST

Parameter = inspect.Parameter

RECIPE = Annotated[
    str | None, typer.Option("--recipe", metavar="NAME|FILE", help="Start from the settings that this recipe has.")
]


DRY_RUN = Annotated[
    bool,
    typer.Option("--dry-run", help="Show what the model would see, what is learnt of it, memory and time; no more."),
]

ASKED = 4
SAMPLES = Annotated[
    int,
    typer.Option(
        min=0, max=MOST, help="Prompts that the report card has answered, before and after, of rows held out; 0: none."
    ),
]


def command_of(stage: Stage[Any], into: str, what: str, help: str) -> Callable[..., None]:  # noqa: A002 (typer's word)
    """The command of a stage: an argument for each folder that it must have, an option for each that it may have,
    words for rows to learn from, KEY=VALUE for settings, and the flags that its declaration names.

    into: where the result goes unless told. what: what the result is called. help: what `--help` says.
    """
    required = [one for one in stage.inputs if not one.optional and not one.every and not one.rows]
    many = [one for one in stage.inputs if one.every]
    rows = next((one for one in stage.inputs if one.rows), None)
    may = [one for one in stage.inputs if one.optional]

    def command(**options: Any) -> None:
        words: Sequence[str] = options["settings"] or []
        folders = [word for word in words if not is_override(word)]
        if folders and not many and rows is None:
            raise UserError(
                f"{folders[0]!r} is one folder more than `hornbook {stage.name}` reads; settings: KEY=VALUE"
            )
        given_folders = {one.name: _folder(one, options[one.name]) for one in (*required, *may) if options[one.name]}
        if many and not folders:
            before = " and ".join(one.name for one in required)
            raise UserError(
                f"`hornbook {stage.name}` needs {many[0].name}{f' behind {before}' if before else ''}: {many[0].help}"
            )
        choose_runner(options.get("runner"), options.get("workers"))
        given = flag_values(stage.flags, {flag.name: options[_name(flag)] for flag in stage.flags})
        read = _rows(rows, folders) if rows is not None else {}
        if rows is not None and folders and not read:
            given[f"{stage.name}.data"] = folders
        settings = settings_of(
            stage, [word for word in words if is_override(word)], recipe=options["recipe"], given=given
        )
        if rows is not None and not read and rows.when(settings, Path()):
            raise UserError(f"`hornbook {stage.name}` needs {rows.name}: {rows.help}")
        if not stage.wanted(settings):
            wishes = " or ".join(flag.name for flag in stage.flags) or "settings, KEY=VALUE"
            raise UserError(f"nothing to {stage.name} by: name {wishes}")
        inputs = read | given_folders
        if stage.look is not None and options["dry_run"]:
            with stoppable(console):
                show(stage.look(Work(settings, inputs, options["into"], ConsoleProgress(console))))
            return
        several = {one.name: [_folder(one, word) for word in folders] for one in many}
        runs_code = stage.runs_generated_code and stage.runs_code_of(inputs)
        unsafe = consent(options["without_isolation"]) if runs_code else False
        made = run_stage(
            stage,
            settings,
            options["into"],
            force=options["force"],
            changed_code=options["changed_code"],
            allow_unisolated=unsafe,
            **inputs,
            **several,
        )
        tell(made, options["into"], what)
        if stage.card:
            card(made, options.get("model"), options["samples"])

    words = "MODEL" if many else "DATA" if rows is not None else ""
    _describe(command, stage, [*(_argument(one) for one in required), *_options(stage, into, may, words)], help)
    return command


def _describe(command: Callable[..., None], stage: Stage[Any], parameters: Sequence[Parameter], help: str) -> None:  # noqa: A002
    """Give a command the signature that the command line is made from."""
    command.__name__, command.__doc__ = stage.name, help
    command.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}


def _argument(one: Input) -> Parameter:
    kind = str if one.checkpoint else Path
    return Parameter(
        one.name,
        Parameter.POSITIONAL_OR_KEYWORD,
        annotation=Annotated[kind, typer.Argument(metavar=one.name.upper(), help=one.help)],
    )


def _rows(one: Input, words: Sequence[str]) -> dict[str, Path]:
    """The input that words mean, where they are a folder that a stage left; none where they are the user's own rows."""
    return {one.name: Path(words[0])} if len(words) == 1 and holds(Path(words[0]), one.rows) else {}


def show(seen: Look) -> None:
    """Print examples, what is learnt of them in green and underlined, and what the work would be."""
    names = seen.names or range(1, len(seen.examples) + 1)
    for name, example in zip(names, seen.examples, strict=True):
        console.print(
            f"[bold]── {in_markup(str(name))}[/bold]  [green underline]learnt[/]  [dim]read[/]", highlight=False
        )
        shown = Text()
        for text, learnt in example:
            shown.append(printable(text, lines=True), "green underline" if learnt else "dim")
        console.print(shown, soft_wrap=True)
    for line in seen.told:
        console.plain(line)
    least, most = measure_rates().seconds(seen.effort)
    console.plain(f"{in_range(least, most)} on this machine, as busy as it is at this moment. Nothing was trained.")


_WORDS = {
    "": ("KEY=VALUE", "Settings, as in a recipe."),
    "MODEL": ("MODEL|KEY=VALUE", "Models, and settings as in a recipe."),
    "DATA": (
        "DATA[:SHARE]|KEY=VALUE",
        "Rows to learn from: files, folders, a corpus, hf:NAME, each with its share or none; settings as in a recipe.",
    ),
}


def _options(stage: Stage[Any], into: str, may: Sequence[Input], kind_of_words: str) -> list[Parameter]:
    """All parameters but the required folders."""
    metavar, words = _WORDS[kind_of_words]
    found: list[tuple[str, Any, Any]] = [
        ("settings", Annotated[list[str] | None, typer.Argument(metavar=metavar, help=words)], None),
        ("into", Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to write.")], Path(into)),
    ]
    for one in may:
        kind = str | None if one.checkpoint else Path | None
        found.append((one.name, Annotated[kind, typer.Option(f"--{one.name}", metavar="FOLDER", help=one.help)], None))
    for flag in stage.flags:
        found.append((_name(flag), Annotated[_type(stage, flag), typer.Option(flag.name, help=flag.help)], None))
    found += [("recipe", RECIPE, None), ("force", FORCE, False), ("changed_code", CHANGED_CODE, None)]
    if stage.look is not None:
        found.append(("dry_run", DRY_RUN, False))
    if stage.card:
        found.append(("samples", SAMPLES, ASKED))
    if stage.on_workers:
        found += [("runner", RUNNER, None), ("workers", WORKERS, None)]
    if stage.runs_generated_code:
        found.append(("without_isolation", UNSAFE, False))
    return [
        Parameter(name, Parameter.KEYWORD_ONLY if name != "settings" else Parameter.POSITIONAL_OR_KEYWORD,
                  annotation=annotation, default=default)
        for name, annotation, default in found
    ]  # fmt: skip


def _name(flag: Flag) -> str:
    return flag.name.removeprefix("--").replace("-", "_")


def _type(stage: Stage[Any], flag: Flag) -> Any:
    """What a flag takes: several words for a tuple, else what its setting takes."""
    model: Any = stage.settings
    *path, last = [stage.name, *flag.key.split(".")]
    for step in path:
        model = _plain(model.model_fields[step].annotation)
    annotation = model.model_fields[last].annotation
    if get_origin(annotation) is tuple:
        return list[str] | None
    kind = _plain(annotation)
    return kind | None if kind in (int, float, bool, str, Path) else str | None


def _plain(annotation: Any) -> Any:
    """The type that is not None, of `X | None`."""
    kinds = [one for one in get_args(annotation) if one is not type(None)]
    return kinds[0] if kinds and not isinstance(annotation, type) else annotation


def _folder(one: Input, given: Any) -> Path:
    """The folder that a user means by an argument."""
    if one.checkpoint:
        return model_folder(str(given))
    folder = Path(given)
    if one.holds and folder.is_dir() and not (folder / one.holds).exists():
        raise UserError(f"{folder} holds no {one.holds}; give {one.help[0].lower()}{one.help[1:].rstrip('.')}")
    return folder / one.inside if one.inside and (folder / one.inside).is_dir() else folder
