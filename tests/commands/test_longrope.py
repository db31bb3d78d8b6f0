from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hornbook.commands.longrope import app
from hornbook.errors import UserError
from hornbook.model.config import ModelConfig
from hornbook.model.formats import checkpoint
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Transformer

QUICK = [
    "longrope.search.population=4",
    "search.iterations=1",
    "mutations=1",
    "crossovers=1",
    "parents=2",
    "documents=2",
]


@pytest.fixture
def base(tokenizer_folder: Path, tmp_path: Path) -> Path:
    import torch

    model = Transformer(ModelConfig(vocabulary=400, layers=1, width=32, heads=2, mlp_width=32, context=16))
    model.initialise(torch.Generator().manual_seed(1))
    checkpoint.save(model, tmp_path / "base", Tokenizer(tokenizer_folder))
    return tmp_path / "base"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    source = random.Random(1)
    lines = (json.dumps({"text": " ".join(source.choices(["tea", "count", "total"], k=200))}) for _ in range(6))
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    return tmp_path / "texts.jsonl"


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_search_then_extend(base: Path, texts: Path, tmp_path: Path) -> None:
    found, longer = tmp_path / "found", tmp_path / "longer"
    told = invoke("search", base, "--text", texts, "--to", 48, "--into", found, "--no-start-tokens", *QUICK)
    assert "Loss at 48 tokens" in told
    assert checkpoint.load(found / "model").config.context == 48
    assert not (found / "scratch").exists()
    more = ["tokens=2000", "compile=false", "batch=1"]
    told = invoke("extend", found, "--text", texts, "--into", longer, *more)
    assert "Read" in told
    config = checkpoint.load(longer / "model").config
    assert config.longrope is not None
    assert (config.context, config.longrope.original) == (48, 16)


def test_the_authors_variant_is_an_option(base: Path, texts: Path, tmp_path: Path) -> None:
    invoke("search", base, "--text", texts, "--to", 48, "--into", tmp_path / "a", "--variant", "released", *QUICK)
    assert json.loads((tmp_path / "a" / "search.json").read_text())["start_tokens"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "48", "iteration=3"], "did you mean 'iterations'"),
        (["--to", "48", "population=none"], "population"),
        (["--to", "16"], "no extension"),
        (["--to", "many"], "^--to: 'many' is no amount; write 4096, 4K or 1M$"),
        (["--to", "4000"], "no document has the 4,001 tokens"),
    ],
)
def test_mistakes_are_one_line(base: Path, texts: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        invoke("search", base, "--text", texts, "--into", tmp_path / "out", *arguments)
    assert "\n" not in str(error.value)


def test_extending_a_model_without_factors_names_the_search(base: Path, texts: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="hornbook longrope search"):
        invoke("extend", base, "--text", texts, "--into", tmp_path / "out")


def test_texts_that_are_not_there(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        invoke("search", base, "--text", tmp_path / "none", "--to", 48, "--into", tmp_path / "out")


def test_several_processes_are_refused_where_each_would_wait_for_the_others(
    base: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = CliRunner().invoke(app, ["extend", str(base), "--text", str(texts), "--into", str(tmp_path / "longer")])
    assert isinstance(done.exception, UserError)
    assert "trains in one process" in str(done.exception)
