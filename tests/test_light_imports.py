"""What the command line imports to know of the stages costs no heavy library."""

from __future__ import annotations

import subprocess
import sys

import typer

from hornbook import cli

HEAVY = ("torch", "numpy", "pyarrow", "tokenizers", "daft", "jinja2", "sklearn", "matplotlib")
STAGES = (
    "teacher.texts",
    "teacher.write",
    "tokens.tokenize",
    "train.pretrain",
    "train.sft",
    "train.dpo",
    "longrope.search",
    "longrope.extend",
    "longrope.measure",
    "quantize.quantize",
)


def test_a_stages_module_is_imported_without_what_it_computes_with() -> None:
    code = (
        f"import importlib, sys\nfor stage in {STAGES}:\n    importlib.import_module('hornbook.' + stage)\n"
        f"    print(stage, [name for name in {HEAVY} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [f"{stage} []" for stage in STAGES]


def test_a_command_imports_no_other() -> None:
    code = (
        "import sys\nfrom hornbook import cli\n"
        "of = lambda: sorted(name.split('.')[2] for name in sys.modules if name.startswith('hornbook.commands.'))\n"
        "print(of())\ncli.declared('generate')\nprint(of(), 'hornbook.recipe' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["[]", "['options', 'places', 'talk'] False"]


def test_every_command_is_there() -> None:
    for name, where in cli.COMMANDS.items():
        command = cli.declared(name)
        assert callable(command) or command.registered_commands, (name, where)
        assert typer.main.get_command(cli.app).commands[name].name == name
