"""A model folder as a GGUF file: reading it gives the same model, and llama.cpp computes what Hornbook computes."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
import torch

from hornbook.errors import UserError
from hornbook.model import load
from hornbook.model.formats import checkpoint, importing
from hornbook.model.formats.contents import ImportSettings
from hornbook.model.formats.gguf.writing import ExportSettings, export
from hornbook.model.formats.quantization import Quantization
from hornbook.model.formats.quantized import QuantizedLayer, matrices
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress
from hornbook.quantize.quantize import quantize_matrix

MADE = runpy.run_path(str(Path(__file__).with_name("vocabularies.py")))
VOCABULARIES: dict[str, dict[str, Any]] = MADE["vocabularies"]()
TEMPLATE = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}{{ 'assistant: ' }}"
NO_LLAMA_CPP = "llama-cpp-python is not at hand: it is compiled where it is installed, which takes ten minutes"
FACTORS = {"short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7], "long_factor": [2.0, 2.5, 3, 3.5, 4, 5, 6, 8.0]}
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, **FACTORS, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
# Names of vocabularies and of transformers' models, with what differs from the smallest.
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "phi-1.5": ("phi-2", "phi", {}),
    "phi-3": ("phi-3", "phi3", {}),
    "phi-3 tied, window": (
        "phi-3",
        "phi3",
        {"tie_word_embeddings": True, "sliding_window": 40, "intermediate_size": 128},
    ),
    "phi-3 long": (
        "phi-3",
        "phi3",
        {"rope_parameters": LONGROPE, "original_max_position_embeddings": 64},
    ),
    "llama": ("smollm", "llama", {"num_key_value_heads": 2, "intermediate_size": 128}),
    "llama tied": ("smollm", "llama", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "llama-3": (
        "llama-bpe",
        "llama",
        {"attention_bias": True, "rope_parameters": LLAMA3 | {"original_max_position_embeddings": 64}},
    ),
}


@pytest.fixture
def made(request: pytest.FixtureRequest, random_model: Any, convert: Any, tmp_path: Path) -> Path:
    """A model folder with one of the tiny vocabularies."""
    words, kind, changes = CASES[request.param]
    values = VOCABULARIES[words]
    theirs = random_model(kind, vocab_size=len(values["tokenizer.ggml.tokens"]), **changes)
    theirs.save_pretrained(tmp_path / "theirs")
    model = checkpoint.load(tmp_path / "theirs")
    checkpoint.save(model, tmp_path / "model")
    path = MADE["write"](tmp_path / "v.gguf", values | {"tokenizer.chat_template": TEMPLATE})
    from hornbook.model.formats.contents import ModelFile
    from hornbook.model.formats.gguf import header, tokenizer, vocabulary

    found = header.read(ModelFile(path, str(path), 0, path.stat().st_size))
    read = vocabulary.read(found, len(found.strings("tokenizer.ggml.tokens")))
    for name, text in tokenizer.files(read, tokenizer.build(read, found), 128).items():
        (tmp_path / "model" / name).write_text(text, encoding="utf-8")
    return tmp_path / "model"


def written(folder: Path, into: Path, type_: str = "f32") -> Path:
    figures = export(folder, ExportSettings.model_validate({"type": type_}), into=into, progress=Progress())
    assert figures["bytes"] == (into / figures["file"]).stat().st_size
    return into / figures["file"]


@pytest.mark.parametrize("made", CASES, indirect=True)
def test_it_is_read_back_exactly(made: Path, tmp_path: Path) -> None:
    path = written(made, tmp_path / "gguf")
    importing.import_model(path, ImportSettings(precision="fp32"), into=tmp_path / "again", progress=Progress())
    ours, again = load(made), load(tmp_path / "again")
    for (name, one), (_, other) in zip(ours.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    ids = torch.randint(0, ours.config.vocabulary, (2, 100), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(again(ids), ours(ids), rtol=0, atol=1e-5)
    before, after = Tokenizer(made), Tokenizer(tmp_path / "again")
    for text in ("the thesis, 漢字 123 🙂!", "  two\n\n\tlines ", "<|end|> <s> in a text"):
        assert before.encode(text) == after.encode(text)
    turns = [{"role": "user", "content": "the thesis"}]
    assert (before.template, before.begins) == (after.template, after.begins)
    assert before.chat(turns) == after.chat(turns)


@pytest.mark.llama_cpp
@pytest.mark.parametrize("type_", ["f32", "f16", "bf16", "q8_0", "q4_0"])
@pytest.mark.parametrize("made", ["phi-1.5", "phi-3", "phi-3 long", "llama tied", "llama-3"], indirect=True)
def test_llama_cpp_computes_the_same(made: Path, type_: str, tmp_path: Path) -> None:
    """Against Hornbook's own reading of the same file; beside f32, llama.cpp rounds activations, too.

    The sequence is longer than LongRoPE's original context: llama.cpp takes the long factors for any in this context.
    """
    llama_cpp = pytest.importorskip("llama_cpp", reason=NO_LLAMA_CPP)
    path = written(made, tmp_path / "gguf", type_)
    importing.import_model(path, ImportSettings(precision="fp32"), into=tmp_path / "again", progress=Progress())
    ours = load(tmp_path / "again", dtype=torch.float32)
    ids = torch.randint(10, ours.config.vocabulary, (100,), generator=torch.Generator().manual_seed(1))
    theirs = llama_cpp.Llama(str(path), n_ctx=128, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0)
    theirs.eval(ids.tolist())
    found = np.array(theirs.scores[: len(ids)])
    with torch.inference_mode():
        wanted = ours(ids[None])[0].numpy()
    off = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    assert off < {"f32": 1e-3, "f16": 0.01, "bf16": 0.03}.get(type_, 0.05)
    top = np.sort(wanted, axis=-1)
    sure = top[:, -1] - top[:, -2] > 6 * off * wanted.std()
    assert sure.sum() > 15
    assert (found.argmax(-1) == wanted.argmax(-1))[sure].all()


@pytest.mark.llama_cpp
def test_llama_cpp_cuts_text_as_hornbooks_own_tokenizer(make_checkpoint: Any, tmp_path: Path) -> None:
    """One that was trained here: code, chats, and whatever else may be typed."""
    pytest.importorskip("llama_cpp", reason=NO_LLAMA_CPP)
    _, folder = make_checkpoint(seed=1)
    ours, theirs = Tokenizer(folder), MADE["LlamaCpp"](written(folder, tmp_path / "gguf"))
    tokens = [ours.decode([token]) for token in range(ours.size)]
    for text in [Path(__file__).read_text(encoding="utf-8"), *MADE["texts"](3, 2000, tokens, list(ours.controls))]:
        assert theirs.ids(text, special=False) == ours.encode(text), text
    turns = [{"role": "user", "content": "def f(x):\n    "}, {"role": "assistant", "content": "1\n"}]
    turns.append({"role": "user", "content": "  and 12 of _them_?"})
    shown = jinja2.Template(ours.template or "").render(messages=turns, add_generation_prompt=True)
    assert theirs.ids(shown, special=True) == ours.chat(turns)


def quantized(folder: Path, form: Quantization, outer: Quantization | None = None) -> Path:
    """The model of a folder in whole numbers, embedding and head as `outer` says, beside the same tokenizer."""
    model = load(folder, dtype=torch.float32)
    for name in matrices(model):
        kept = outer if name in ("embed", "lm_head") else form
        if kept is not None and not (name == "lm_head" and model.config.tied_embeddings):
            quantize_matrix(model, name, kept)
    into = folder.with_name("quantized")
    shutil.copytree(folder, into, dirs_exist_ok=True)
    checkpoint.save(model, into)
    return into


def dense(model: Any, name: str) -> torch.Tensor:
    module = model.get_submodule(name)
    return module.dense(torch.float32) if isinstance(module, QuantizedLayer) else module.weight


@pytest.mark.parametrize(
    ("form", "outer", "type_"),
    [
        (Quantization(4), None, "q4_0"),
        (Quantization(4, 64), Quantization(4, 64), "q4_0"),
        (Quantization(8), Quantization(8), "q8_0"),
        (Quantization(4, symmetric=False), None, "f32"),
    ],
    ids=["4 bits", "4 bits, all", "8 bits", "zero points"],
)
@pytest.mark.parametrize("made", ["llama", "phi-3 tied, window"], indirect=True)
def test_quantized_matrices_keep_their_numbers(
    made: Path, form: Quantization, outer: Quantization | None, type_: str, tmp_path: Path
) -> None:
    folder = quantized(made, form, outer)
    path = written(folder, tmp_path / "gguf", type_)
    importing.import_model(path, ImportSettings(precision="fp32"), into=tmp_path / "again", progress=Progress())
    ours, again = load(folder, dtype=torch.float32), load(tmp_path / "again", dtype=torch.float32)
    compared = [name for name in matrices(again) if isinstance(ours.get_submodule(name), QuantizedLayer)]
    assert len(compared) >= 4 * ours.config.layers + (outer is not None)
    for name in compared:
        assert torch.equal(dense(ours, name), dense(again, name)), name


@pytest.mark.parametrize("made", ["phi-3"], indirect=True)
def test_what_was_rounded_is_not_rounded_again(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="quantized to 4 bits; --type q4_0 keeps its numbers"):
        written(quantized(made, Quantization(4)), tmp_path / "gguf", "q8_0")
    with pytest.raises(UserError, match="with zero points, which q4_0 lacks; export it with --type f16"):
        written(quantized(made, Quantization(4, symmetric=False)), tmp_path / "gguf", "q4_0")


@pytest.mark.parametrize("made", ["phi-3"], indirect=True)
def test_what_is_not_exported_is_one_line(made: Path, tmp_path: Path) -> None:
    state = json.loads((made / "tokenizer.json").read_text())
    state["model"] |= {"byte_fallback": False}
    state["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "x"}, "behavior": "Isolated", "invert": False}
    (made / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(UserError, match=r"cuts text in a way that llama\.cpp does not know"):
        written(made, tmp_path / "gguf")
