"""Uses what CONTRIBUTING.md adds; `test_contributing.py` runs this where it was added."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from hornbook import cli
from hornbook.documents import CorpusWriter, document_id, document_schema
from hornbook.progress import Progress
from hornbook.recipe import ORDER, Recipe
from hornbook.runs.single import run_stage

Make = Callable[..., Any]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    texts = ["A quiet text about a quiet garden, a tea pot and a cat.\n", "HELLO! THIS TEXT SHOUTS AT EVERYBODY.\n"]
    with CorpusWriter(tmp_path / "corpus", document_schema()) as writer:
        for number, text in enumerate(texts):
            writer.keep({"id": document_id(text), "text": text, "source": "texts", "path": str(number)})
    return tmp_path / "corpus"


def command(*words: object) -> str:
    result = CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def recipe(**tables: Any) -> Recipe:
    phase = {"tokens": 1_000, "mixture": [{"sources": ["texts"], "share": 1.0}]}
    values = {"sources": [{"name": "texts", "path": "texts"}], "pretrain": {"phase1": phase, "phase2": phase}}
    return Recipe.model_validate(values | tables)


def test_a_filter_rule(corpus: Path, tmp_path: Path) -> None:
    told = command("filter", corpus, "--rules", "house", "--into", tmp_path / "filtered")
    assert "1 document kept, 1 removed" in told
    assert "1 house.shouting" in told


def test_an_architecture(tmp_path: Path) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from hornbook.model import load
    from hornbook.model.formats import checkpoint
    from hornbook.model.formats.architectures import architecture_for

    torch.manual_seed(1)
    theirs = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=64, max_position_embeddings=64, initializer_range=0.3,
        )
    ).eval()  # fmt: skip
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3)
    theirs.save_pretrained(tmp_path / "theirs")
    ours, ids = load(tmp_path / "theirs"), torch.arange(40)[None]
    with torch.inference_mode():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-4, rtol=0)
    # Written in its own format, it is read by both as it was.
    assert architecture_for(ours.config).ARCHITECTURE == "Qwen2ForCausalLM"
    checkpoint.save(ours, tmp_path / "ours")
    again, report = Qwen2ForCausalLM.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.inference_mode():
        assert torch.equal(again(ids).logits, theirs(ids).logits)
        assert torch.equal(load(tmp_path / "ours")(ids), ours(ids))


PREFERENCES = [
    {"prompt": f"value = {number}\n", "chosen": f"return {number}\n", "rejected": f"raise {number}\n"}
    for number in range(12)
]


def test_a_file_format(tmp_path: Path) -> None:
    from hornbook.model import build, load
    from hornbook.model.config import ModelConfig
    from hornbook.model.formats import checkpoint, weights

    model = build(ModelConfig(layers=1, width=16, heads=2, mlp_width=24, vocabulary=40), seed=3)
    checkpoint.save(model, tmp_path / "saved")
    values = json.loads((tmp_path / "saved" / "config.json").read_text())
    tensors = {name: stored.open().tensor.tolist() for name, stored in weights.find(tmp_path / "saved").items()}
    (tmp_path / "model.json").write_text(json.dumps({"config": values, "tensors": tensors}))
    told = command("model", "import", tmp_path / "model.json", "--into", tmp_path / "imported", "precision=fp32")
    assert "phi3, " in told
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        assert torch.equal(load(tmp_path / "imported")(ids), model(ids))


def test_an_objective(make_checkpoint: Make, tmp_path: Path) -> None:
    from hornbook.train.simpo import SIMPO, MeanLikelihoods, SimpoSettings

    from hornbook.files import write_jsonl
    from hornbook.model.tokenizers import Tokenizer
    from hornbook.train.dpo import encode_pairs
    from hornbook.train.figures import columns
    from hornbook.train.objective import split

    model, folder = make_checkpoint(seed=1)
    pairs = encode_pairs(PREFERENCES, Tokenizer(folder), model.config.context + 1).fitting
    objective = MeanLikelihoods(pairs, torch.arange(12).numpy(), SimpoSettings(batch=6), model.config.context, 5)
    whole, figures = objective.loss(model, objective.batch(1))
    parts = [objective.loss(model, part) for part in split(objective.batch(1), 2)]
    assert sum(loss.item() for loss, _ in parts) == pytest.approx(whole.item(), rel=1e-5)
    assert sum(one["accuracy"] for _, one in parts) == pytest.approx(figures["accuracy"])

    write_jsonl(tmp_path / "rows" / "preferences.jsonl", PREFERENCES)
    settings = {"batch": 4, "epochs": 4, "learning_rate": 3e-3, "compile": False}
    made = run_stage(SIMPO, tmp_path / "made", settings, model=folder, preferences=tmp_path / "rows")
    losses = columns(made.folder)["loss"]
    assert losses[-1] < losses[0]
    assert made.manifest.checkpoints[0]["title"] == "SimPO"
    told = command("simpo", folder, tmp_path / "rows", "batch=6", "compile=false", "--into", tmp_path / "by-command")
    assert "right choice" in told

    names = {step.name: step.inputs for step in recipe(simpo={}).steps(tmp_path)}
    assert names["simpo"] == ("sft", "clean")
    assert "simpo" in names["evaluate"]
    assert "simpo" in names["quantize"]
    assert "simpo" not in [step.name for step in recipe().steps(tmp_path)]


def test_a_benchmark(make_checkpoint: Make, tmp_path: Path) -> None:
    from rich.console import Console

    from hornbook.evaluate.benchmark import EvaluateSettings, HeldOut
    from hornbook.evaluate.evaluate import BENCHMARKS, evaluate
    from hornbook.files import write_jsonl
    from hornbook.report.terminal import score_table

    row = {"id": "a", "family": "b", "name": "f", "prompt": "def f(x):\n", "question": "?", "solution": "", "cases": []}
    write_jsonl(tmp_path / "problems.jsonl", [{**row, "cases": ["((1,), 1)"]}])
    (_, folder), settings = make_checkpoint(seed=1), EvaluateSettings(new_tokens=4)
    found = evaluate(
        {"phase1": folder}, HeldOut(problems=tmp_path / "problems.jsonl"), settings, into=tmp_path, progress=Progress(),
        allow_unisolated=True,
    )  # fmt: skip
    scores = found["models"]["phase1"]
    assert scores["endings"]["of"] == 1
    assert BENCHMARKS[-1].in_words({"ended": 0.25, "of": 4}) == "ends 25% of its answers"
    console = Console(width=80, record=True, file=(tmp_path / "console").open("w"))
    console.print(score_table({"scores": {"phase1": scores}}, {"phase1": "phase 1"}))
    table = console.export_text()
    assert " ends" in table
    assert "ends: answers that come to an end by themselves" in table.replace("\n", " ")


def test_a_published_benchmark(make_checkpoint: Make, tmp_path: Path) -> None:
    from hornbook.evaluate.exam.examination import examine_model
    from hornbook.evaluate.exam.settings import ExamSettings

    _, folder = make_checkpoint(seed=1)
    rows = [{"word": "hot", "offered": ["cold", "warm"], "opposite": "cold"}]
    (tmp_path / "opposites.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ExamSettings(benchmarks=("opposites",), data=tmp_path)
    figures = examine_model(folder, settings, Progress(), tmp_path / "result")
    assert figures["benchmarks"]["opposites"]["n"] == 1


class Parrot:
    """An LLM that always says the same."""

    name = "parrot"

    def ask(self, requests: Iterable[Any], **how: Any) -> Generator[Any, None, None]:
        from hornbook.teacher.client.messages import Answer

        for request in requests:
            word = request.messages[-1].content.split('"')[1]
            riddle = f"I am in every house, and you need me often.\nWho am I? Number {request.seed}."
            yield Answer(request, value={"riddle": riddle, "why": f"A {word} is all of that."})


def test_a_kind_of_text_for_the_teacher(tmp_path: Path) -> None:
    from hornbook.documents import read_rows
    from hornbook.teacher.kinds.source import Order
    from hornbook.teacher.kinds.template import available, load
    from hornbook.teacher.texts import write_kind

    assert "riddles" in available()
    figures = write_kind(Order(load("riddles"), 5, 1, "riddles"), Parrot(), into=tmp_path / "riddles")
    assert figures["documents"] == 5, figures
    texts = [row["text"] for row in read_rows(tmp_path / "riddles")]
    assert all(text.startswith("I am in every house") and "\n\nAnswer: " in text for text in texts)


def test_a_method_of_rounding(make_checkpoint: Make, tmp_path: Path) -> None:
    from hornbook.model import load
    from hornbook.quantize.quantize import QuantizeSettings
    from hornbook.quantize.stage import QUANTIZE

    model, folder = make_checkpoint(seed=1)
    ids = torch.arange(40)[None]
    errors = {}
    for method in ("absmax", "rtn"):
        made = run_stage(QUANTIZE, tmp_path / method, QuantizeSettings(method=method, embeddings=4), model=folder)
        with torch.inference_mode():
            errors[method] = (load(made.folder / "model", compute=torch.float32)(ids) - model(ids)).square().mean()
        [checkpoint] = made.manifest.checkpoints
        assert (checkpoint["name"], checkpoint["title"]) == ("4bit", "4 bits")
    assert 0 < errors["rtn"] < errors["absmax"]
    assert recipe(quantize={"method": "absmax"}).quantize.method == "absmax"


def test_a_report_section(tmp_path: Path) -> None:
    from hornbook.report.report import report
    from hornbook.runs.manifest import Manifest

    folders = {}
    for number, (stage, version) in enumerate((("read", "1.0"), ("clean", "2.0")), start=1):
        folders[stage] = tmp_path / f"{number:02d}-{stage}"
        Manifest(stage, "", {}, {}, "", {}, 1.0, 1, {}, versions={"numpy": version}).write(folders[stage])
    report("name", "", folders, into=tmp_path / "page")
    page = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    assert "Made with 1 library. Other versions in read." in page
    assert "<dt>numpy</dt><dd>2.0</dd>" in page


def test_a_stage(corpus: Path, tmp_path: Path) -> None:
    from hornbook.corpus.count import COUNT

    made = run_stage(COUNT, tmp_path / "counted", {"most": 1}, corpus=corpus)
    assert json.loads((made.folder / "words.json").read_text()) == {"a": 3}
    told = command("count", corpus, "--most", "2", "--into", tmp_path / "by-command")
    assert "19 words, 16 different ones" in told
    assert [stage.name for stage in ORDER].index("count") == [stage.name for stage in ORDER].index("tokens") - 1
    assert [step.name for step in recipe(count={"most": 5}).steps(tmp_path)].count("count") == 1
    assert "count" not in [step.name for step in recipe().steps(tmp_path)]
