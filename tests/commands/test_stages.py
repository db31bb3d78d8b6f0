"""Every stage is a command on folders: from texts to a model in 4 bits without a run."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hornbook import cli
from hornbook.errors import UserError
from hornbook.machine import choose
from hornbook.model.formats import checkpoint
from hornbook.recipe import STAGES
from hornbook.runs import manifest

RECIPE = """
sources = [{ name = "texts", path = "texts" }]
tokens = { training_characters = 20_000, validation_tokens = 1_000 }
model = { vocabulary = 320, layers = 1, width = 32, heads = 2, mlp_width = 32, context = 96 }

[pretrain]
batch = 2
compile = false
phase1 = { tokens = 1_000, mixture = [{ sources = ["texts"], share = 1.0 }] }
phase2 = { tokens = 1_500, weight_decay = 0.2, mixture = [{ sources = ["texts"], share = 1.0 }] }
"""
WORDS = ["the", "sum", "of", "tea", "count", "total", "and", "shop", "price", "naïve"]
QUICK = ("batch=2", "compile=false", "--samples", "0")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


def told(*arguments: str) -> str:
    done = invoke(*arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with texts, a recipe, rows to tune with, and what each stage's command made of the one before."""
    folder, source = tmp_path_factory.mktemp("stages"), random.Random(1)
    (folder / "texts").mkdir()
    for number in range(12):
        text = "\n".join(" ".join(source.choices(WORDS, k=12)) for _ in range(30))
        (folder / "texts" / f"{number}.txt").write_text(text)
    (folder / "tiny.toml").write_text(RECIPE)
    (folder / "rows").mkdir()
    chats = [[{"role": "user", "content": "the sum?"}, {"role": "assistant", "content": " ".join(source.choices(WORDS, k=9))}]
             for _ in range(12)]  # fmt: skip
    pairs = [{"messages": one[:1], "chosen": one[1]["content"], "rejected": "tea"} for one in chats]
    (folder / "rows" / "conversations.jsonl").write_text("\n".join(json.dumps({"messages": one}) for one in chats))
    (folder / "rows" / "preferences.jsonl").write_text("\n".join(json.dumps(one) for one in pairs))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        told("read", "texts", "--into", "corpus")
        told("clean", "corpus", "--into", "cleaned")
        told("tokens", "cleaned", "--recipe", "tiny.toml")
        told("pretrain", "tokens", "--recipe", "tiny.toml", "learning_rate=1e-3", "seed=3")
        told("sft", "pretrained", "rows", *QUICK)
        told("dpo", "tuned", "rows", *QUICK)
        told("quantize", "preferring", "--tokens", "tokens", "quantize.calibration_rows=4")
        told("samples", "tokens", "tuned", "preferring", "prompts=['the sum']", "each=1", "new_tokens=4")
        yield folder


@pytest.fixture(autouse=True)
def there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


def test_a_model_reads_on_in_texts_and_keeps_what_it_is() -> None:
    """A corpus is an input to go back to; several data have their shares. Nothing of the base's files changes."""
    told("pretrain", "tuned", "corpus", *QUICK, "--into", "further")
    found = manifest.read(Path("further"))
    corpus = manifest.read(Path("corpus"))
    assert found is not None and corpus is not None
    assert found.inputs["corpus"] == corpus.content
    for name in ("tokenizer.json", "chat_template.jinja", "config.json", "generation_config.json"):
        assert (Path("further/model") / name).read_bytes() == (Path("tuned/model") / name).read_bytes()
    Path("mine.jsonl").write_text('{"text": "tea"}\n{"text": "sum of tea"}\nbroken\n{"other": 1}\n')
    shown = told("pretrain", "tuned", "mine.jsonl:0.5", "texts:0.5", *QUICK, "--into", "mixed")
    assert "mine.jsonl: 2 rows as texts; left out 2" in shown
    assert "1 row, at mine.jsonl:3 first: broken JSON" in shown
    assert "texts: 12 rows as texts" in shown
    mixed = manifest.read(Path("mixed"))
    assert mixed is not None
    assert mixed.figures["left_out"] == {"broken JSON": 1, "neither a conversation nor a text: it has other": 1}


def test_every_training_stores_what_it_computed_on() -> None:
    found = [manifest.read(Path(folder)) for folder in ("pretrained", "tuned", "preferring")]
    assert {one.figures["computing"] for one in found if one is not None} == {choose("auto", False).why}


def test_a_model_reads_on_as_a_recipe_trains() -> None:
    """By what its last phase has, and in epochs."""
    told("pretrain", "tuned", "texts", "--recipe", "tiny.toml", "pretrain.batch=1", "--samples", "0", "--into", "as_it")
    found = manifest.read(Path("as_it"))
    assert found is not None
    there = {name: found.settings[name] for name in ("optimizer", "learning_rate", "weight_decay", "batch", "epochs")}
    assert there == {"optimizer": "muon", "learning_rate": 0.003, "weight_decay": 0.2, "batch": 1, "epochs": 1.0}


def test_a_folder_called_documents_is_no_corpus() -> None:
    Path("my/documents").mkdir(parents=True)
    Path("my/documents/a.txt").write_text("The sum of tea and tea is more tea.")
    assert "my: 1 row as texts" in told("pretrain", "tuned", "my", *QUICK, "--dry-run")
    assert "my is not a run" in str(invoke("report", "my").exception)


def test_a_flag_of_zero_counts() -> None:
    done = invoke("sft", "pretrained", "rows", *QUICK, "--lora", "0", "--into", "none")
    assert "sft.lora.rank: input should be greater than or equal to 1 (given: 0)" in str(done.exception)


def test_an_adapter_is_trained_and_merged() -> None:
    told("sft", "pretrained", "rows", *QUICK, "--lora", "2", "--into", "adapted")
    assert (Path("adapted/model") / "adapter_model.safetensors").is_file()
    assert not (Path("adapted/model") / "model.safetensors").exists()
    assert "adapters merged into weights in fp32" in told("merge", "adapted", "--into", "alone")
    assert checkpoint.load(Path("alone")).config.layers == 1


def test_a_training_ends_with_its_report_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what the manifest tells of: it can be drawn again, and what fails in it costs no model."""
    asked = [{"prompt": f"count {word} {number}", "completion": " tea"} for number, word in enumerate(WORDS)]
    Path("asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    command = ("sft", "pretrained", "asked.jsonl", "batch=2", "compile=false", "validation=2", "--into", "carded")
    shown = told(*command, "--samples", "1")
    assert shown.endswith("The model: carded\nReport card: carded/card.html\n")
    card, found = Path("carded/card.html"), manifest.read(Path("carded"))
    assert found is not None
    assert "of pretrained" in card.read_text()
    assert not {"card.html", "training/samples.json"} & found.outputs.keys()
    before = card.read_bytes()
    shown = told(*command, "--samples", "1")
    assert "there already, whole" in shown
    assert card.read_bytes() == before
    card.unlink()
    assert told("report", "carded") == "Report card: carded/card.html\n"
    assert card.read_bytes() == before
    assert len(json.loads(told("report", "carded", "--json"))["samples"]) == 1
    told(*command, "--samples", "2")
    assert card.read_bytes() != before, "another prompt is answered, and nothing trained"
    assert manifest.read(Path("carded")) == found
    card.write_text("mine")
    Path("carded/training/samples.json").unlink()
    assert "warning: there is no report card: carded/card.html is there already" in told(*command)
    assert card.read_text() == "mine"
    monkeypatch.setattr("hornbook.report.before_after._answers", lambda model, asked: asked[9])
    shown = told(*command[:-1], "failed")
    assert "warning: the report card has no samples: list index out of range" in shown
    assert "What it read" in Path("failed/card.html").read_text()
    weights = [(Path(name) / "model" / "model.safetensors").read_bytes() for name in ("carded", "failed")]
    assert weights[0] == weights[1]


def test_a_dry_run_shows_what_is_learnt() -> None:
    shown = told("sft", "pretrained", "rows", *QUICK, "--dry-run", "--into", "never")
    assert shown.count("── ") == 3
    assert "<|user|>\nthe sum?<|end|>\n<|assistant|>\n" in shown
    assert "12 examples of " in shown
    assert "Nothing was trained." in shown
    assert "of which" in told("pretrain", "tuned", "corpus", *QUICK, "--dry-run", "--into", "never")
    assert not Path("never").exists()


def test_a_plain_prompt_for_a_model_that_chats_is_told() -> None:
    """The way out holds, and who reads on has no use for a template."""
    pairs = [{"prompt": f"the {word}", "chosen": " tea", "rejected": " of"} for word in WORDS]
    files = {
        "pairs": pairs,
        "talks": [{"question": one["prompt"], "chosen": "tea", "rejected": "of"} for one in pairs]
        + [{"prompt": [{"role": "user", "content": "the"}], "chosen": "tea", "rejected": "of"}],
        "texts": [{"prompt": one["prompt"], "completion": one["chosen"]} for one in pairs[:1]] + [{"text": "the tea"}],
    }
    for name, rows in files.items():
        Path(f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    plain, look = "learnt without the model's chat template; a chat is told by", ("--dry-run", "--into", "never")
    assert f"warning: pairs.jsonl: 10 prompts of plain text, {plain} a prompt of messages" in told("dpo", "tuned", "pairs.jsonl", *look)  # fmt: skip
    assert "warning" not in told("dpo", "tuned", "talks.jsonl", *look)
    assert f"warning: texts.jsonl: 1 prompt of plain text, {plain} rows of" in told(
        "sft", "tuned", "texts.jsonl", *look
    )
    assert "warning" not in told("pretrain", "tuned", "texts.jsonl", *look)


def test_a_dry_run_of_preferences_shows_both_answers() -> None:
    shown = told("dpo", "tuned", "rows", *QUICK, "--dry-run", "--into", "never")
    assert [line.split()[1:3] for line in shown.splitlines() if line.startswith("── ")] == [
        [str(number), name] for number in (1, 2, 3) for name in ("chosen", "rejected")
    ]
    assert shown.count("<|assistant|>\ntea<|end|>") == 3  # all that is rejected
    assert "12 pairs, each answer with its prompt" in shown
    assert "6 steps of 2 pairs" in shown
    assert "Nothing was trained." in shown
    assert not Path("never").exists()


def test_other_contents_of_a_file_are_other_rows() -> None:
    Path("more.jsonl").write_text('{"prompt": "the sum", "completion": " of tea"}\n' * 3)
    assert "3 rows as prompts with completions" in told("sft", "pretrained", "more.jsonl", *QUICK, "--into", "more")
    assert "there already, whole" in told("sft", "pretrained", "more.jsonl", *QUICK, "--into", "more")
    Path("more.jsonl").write_text('{"prompt": "the sum", "completion": " of shop"}\n' * 3)
    assert isinstance(invoke("sft", "pretrained", "more.jsonl", *QUICK, "--into", "more").exception, UserError)


@pytest.mark.parametrize("folder", ["pretrained/phase2", "tuned/model", "preferring/model", "quantized/model"])
def test_each_leaves_a_model(folder: str) -> None:
    assert checkpoint.load(Path(folder)).config.layers == 1


def test_settings_come_from_the_recipe_and_then_from_the_command() -> None:
    found = manifest.read(Path("pretrained"))
    assert found is not None
    assert (found.settings["batch"], found.settings["learning_rate"], found.settings["seed"]) == (2, 1e-3, 3)
    assert found.settings["model"]["width"] == 32
    assert [left["name"] for left in found.checkpoints] == ["phase1", "phase2"]
    assert found.headline.endswith(
        f"loss {found.figures['loss']['phase1']:.2f} → {found.figures['loss']['phase2']:.2f}"
    )


def test_a_manifest_leads_back_to_what_was_read() -> None:
    chain = [manifest.read(Path(name)) for name in ("cleaned", "tokens", "pretrained")]
    contents = [found.content for found in chain if found is not None]
    assert chain[1] is not None and chain[2] is not None
    assert list(chain[1].inputs.values()) == contents[:1]
    assert list(chain[2].inputs.values()) == contents[1:2]


def test_several_models_are_told_apart() -> None:
    found = manifest.read(Path("samples"))
    assert found is not None
    assert len(found.figures["validation_loss"]) == 2


def test_the_same_again_is_there_already_and_another_is_refused() -> None:
    assert "there already, whole" in told("sft", "pretrained", "rows", *QUICK)
    done = invoke("sft", "pretrained", "rows", *QUICK, "epochs=2")
    assert isinstance(done.exception, UserError)
    assert "tuned holds what other settings" in str(done.exception)
    assert "--force" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tokens", "cleaned"], "`hornbook tokens` needs model.vocabulary, model.context, pretrain.phase2"),
        (["pretrain", "tokens", "--recipe", "tiny.toml", "learning_rat=1"], "(did you mean 'learning_rate'?)"),
        (["pretrain", "tokens", "--recipe", "tiny.toml", "model.widht=1"], "(did you mean 'width'?)"),
        (["pretrain", "tokens", "--recipe", "nowhere.toml"], "no recipe file nowhere.toml"),
        (["pretrain", "nowhere", "--recipe", "tiny.toml"], "nowhere is no folder"),
        (["pretrain", "batch=3"], "needs what `hornbook tokens` made, or a model and texts"),
        (["pretrain", "tuned", "nothing.jsonl"], "nothing.jsonl does not exist"),
        (["sft", "rows", "rows"], "rows holds no model"),
        (["sft", "pretrained", "rows", "nowhere"], "nowhere does not exist"),
        (["sft", "pretrained"], "`hornbook sft` needs conversations: rows to learn from"),
        (["tokens", "cleaned", "more"], "'more' is one folder more"),
        (["sft", "pretrained", "a.jsonl:0.5", "b.jsonl"], "give each of several data its share"),
        (["samples", "tokens", "prompts=['x']"], "needs models behind tokens"),
        (["samples", "tuned", "prompts=['x']"], "tuned holds no shards; give what `hornbook tokens` made"),
        (["pretrain", "cleaned", "--recipe", "tiny.toml"], "cleaned holds no shards; give what `hornbook tokens` made"),
        (["samples", "tokens", "tuned", "--recipe", "tiny.toml"], "the recipe tiny.toml has no stage samples"),
        (["sft", "pretrained", "rows", "--into", "rows"], "would be written where rows is read"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str) -> None:
    done = invoke(*arguments)
    assert isinstance(done.exception, UserError), done.output
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)


def test_every_stage_has_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """`write` is that of stage texts too, and the longer context's stages stand together."""
    monkeypatch.setenv("COLUMNS", "200")
    commands, longrope = told("--help"), told("longrope", "--help")
    for name in STAGES:
        assert f" {'write' if name == 'texts' else name} " in (commands + longrope), name


TALK = {"messages": [{"role": "user", "content": "the sum?"}, {"role": "assistant", "content": "tea"}]}


@pytest.mark.parametrize(
    ("rows", "base", "settings", "told"),
    [
        (TALK, "silent", [], "silent has no tokenizer.json"),
        ({"messages": [{"role": "tool", "content": "x"}, *TALK["messages"]]}, "tuned", [], "none of the conversations can be learnt from; of 4 of them: .*no token for the role 'tool'"),
        ({"x": 1}, "tuned", [], "bad.jsonl holds nothing to learn from: neither a conversation nor a text: it has x"),
        ({"messages": [{"role": "user", "content": "tea " * 99}, TALK["messages"][1]]}, "tuned", [], "all 4 conversations are longer than 96 tokens; the model's context holds no more"),
        (TALK, "tuned", ["max_length=4"], "all 4 conversations are longer than 4 tokens; raise sft.max_length"),
        (TALK, "tuned", ["lora.rank=33"], "lora.rank is 33, .* is a matrix of .*: its rank is 32 at most"),
        (TALK, "tuned", ["learning_rate=1e25", "optimizer=adamw", "warmup=0", "epochs=4"], "of step 2 is nan: training has diverged; lower the learning rate; no checkpoint was stored before it"),
        (TALK, "astray", [], "astray is an adapter of another base: the weights in .* are not those that it was trained on"),
        (TALK, "bad.jsonl", [], "bad.jsonl is a file"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_told(rows: dict[str, Any], base: str, settings: list[str], told: str) -> None:
    """By one line each, before anything lies at --into."""
    Path("bad.jsonl").write_text(f"{json.dumps(rows)}\n" * 4)
    if base == "silent":
        shutil.copytree("tuned/model", base, ignore=shutil.ignore_patterns("tokenizer*"), dirs_exist_ok=True)
    if base == "astray":
        invoke("sft", "pretrained", "rows", *QUICK, "--lora", "2", "--into", "adapted")
        shutil.copytree("adapted/model", base, dirs_exist_ok=True)
        config = json.loads((Path(base) / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(Path("tuned/model").absolute())
        (Path(base) / "adapter_config.json").write_text(json.dumps(config))
    done = invoke("sft", base, "bad.jsonl", *QUICK, *settings, "--into", "bad")
    assert isinstance(done.exception, UserError)
    assert re.search(told, str(done.exception)), done.exception
    assert "\n" not in str(done.exception)
    assert not Path("bad").exists()
