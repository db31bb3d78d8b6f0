"""`hornbook model list|show`: what they print, and that they build nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import hornbook
from hornbook.commands import model as command
from hornbook.errors import UserError
from hornbook.model import build, save
from hornbook.model.config import ModelConfig
from hornbook.model.registry import names

program = typer.Typer()
program.add_typer(command.app, name="model")


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setattr(command.console, "width", 80)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(program, ["model", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def failure(*arguments: str) -> str:
    result = CliRunner().invoke(program, ["model", *arguments])
    assert isinstance(result.exception, UserError)
    return str(result.exception)


def test_the_list_shows_every_model_on_a_line_of_its_own_in_80_columns():
    lines = run("list").splitlines()
    assert [line.split()[0] for line in lines if line.startswith(tuple(f"{name} " for name in names()))] == names()
    assert all(len(line) <= 80 for line in lines)
    assert not any("…" in line for line in lines)
    assert line_of(lines, "phi-3-mini-4k").split() == [
        *("phi-3-mini-4k", "32", "×", "3072", "3.82", "B", "4K", "7.6", "GB", "2.2", "GB", "window", "2,047"),
    ]


def line_of(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"{name} "))


def test_show_tells_the_figures_in_words():
    shown = run("show", "phi-3.5-moe")
    for words in ("41,873,153,344", "6,640,999,744", "16 experts, 2 for each token", "131 kB a token", "84 GB"):
        assert words in shown
    assert "not found" in " ".join(run("show", "phi-3-medium-128k").split())


def test_show_as_json():
    values = json.loads(run("show", "phi-3-mini-4k", "--json", "--length", "1000"))
    assert json.loads(run("show", "phi-3-mini-4k", "--json", "--length", "2K"))["length"] == 2048
    assert values["parameters"] == 3_821_079_552
    assert values["published"] == "microsoft/Phi-3-mini-4k-instruct"
    assert values["bytes"]["bf16"] == 7_642_159_104
    assert values["cache_bytes"] == {"per_token": 393_216, "at_context": 393_216 * 2047}
    # Two for each weight but those of the input matrix and the norms, and two products of 3,072 x 1,000 a layer.
    assert values["flops_per_token"] == 2 * (3_821_079_552 - (32_064 + 65) * 3072) + 32 * 4 * 3072 * 1000
    assert values["length"] == 1000
    assert ModelConfig.model_validate(values["config"]).parameters() == 3_821_079_552


def test_show_reads_a_model_folder_without_its_weights(tmp_path):
    config = {
        "model_type": "phi3",
        "vocab_size": 64,
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 32,
        "rms_norm_eps": 1e-5,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    parameters = 2 * 64 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64 + 2 * 32) + 32
    values = json.loads(run("show", str(tmp_path), "--json"))
    assert values["family"] is None
    assert values["parameters"] == parameters
    assert f"{parameters:,}" in run("show", str(tmp_path))


def test_mistakes_get_one_line(tmp_path):
    assert "phi-3-mini-4k" in failure("show", "phi3-mini")
    assert "config.json" in failure("show", str(tmp_path))
    assert "context of 4096" in failure("show", "phi-3-mini-4k", "--length", "5000")
    assert failure("show", "phi-3-mini-4k", "--length", "0").strip() == "--length: 0 is too few; 1 at least"


def test_neither_command_imports_torch():
    program = (
        "import sys; from typer.testing import CliRunner; from hornbook.commands.model import app\n"
        "for arguments in (['list'], ['show', 'phi-3-medium-128k'], ['show', 'phi-3.5-moe', '--json']):\n"
        "    assert CliRunner().invoke(app, arguments).exit_code == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    source = str(Path(hornbook.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": source, "PATH": ""}, check=False)
    assert done.returncode == 0


def test_show_finds_a_model_wherever_other_commands_do(tmp_path, monkeypatch):
    """Its own config.json wins over what is known of the published one."""
    save(build(ModelConfig(vocabulary=320, layers=1, width=32, heads=2, mlp_width=64)), tmp_path / "some" / "model")
    save(build(ModelConfig(vocabulary=320, layers=3, width=32, heads=2, mlp_width=64)), tmp_path / "phi-3-mini-4k")
    monkeypatch.setenv("HORNBOOK_MODELS", str(tmp_path))
    for name, layers in (("some/model", 1), ("phi-3-mini-4k", 3)):
        assert json.loads(run("show", name, "--json"))["config"]["layers"] == layers
