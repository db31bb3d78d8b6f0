from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hornbook.documents import CorpusWriter, document_id, document_schema
from hornbook.errors import UserError
from hornbook.model.experts import route
from hornbook.model.formats import checkpoint
from hornbook.model.formats.quantized import QuantizedLayer
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.transformer import Block
from hornbook.progress import Progress
from hornbook.quantize.calibration import Calibration, rows_of_corpus
from hornbook.quantize.methods import METHODS, Method
from hornbook.quantize.quantize import QuantizeSettings, Rows, quantize
from hornbook.quantize.stage import OWN_TEXTS, QUANTIZE, QuantizeStageSettings, _effort
from hornbook.runs.effort import Volume
from hornbook.runs.stage import Work


def rows(seed: int, count: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 380, (count, 65))


def run(source: Path, into: Path, **settings: Any) -> dict[str, Any]:
    held_out = np.where(rows(3, 6) == 5, -1, rows(3, 6))
    chosen = QuantizeSettings(**{"embeddings": 4, **settings})
    return quantize(source, Rows(rows(1), held_out), chosen, into=into, progress=Progress())


@pytest.mark.parametrize("tied", [True, False])
def test_a_checkpoint_of_four_bits(tied: bool, make_checkpoint: Any, tmp_path: Path) -> None:
    model, source = make_checkpoint(seed=2, tied_embeddings=tied, initial_std=0.1)
    figures = run(source, tmp_path / "out")
    small = checkpoint.load(tmp_path / "out" / "model")
    matrices = [name for name, module in small.named_modules() if isinstance(module, QuantizedLayer)]
    assert len(matrices) == 2 + 4 * 2
    assert {p.ndim for p in small.parameters()} == {1}, "only the norms are left as they were"
    ids = torch.from_numpy(rows(9, 4)[:, :64])
    with torch.no_grad():
        exact, rounded = model(ids), small(ids)
    assert 0 < (rounded - exact).norm() < 0.3 * exact.norm()
    assert figures["bytes_before"] == 4 * model.config.parameters()
    held = load_file(tmp_path / "out" / "model" / "model.safetensors").items()
    stored = sum(t.numel() * t.element_size() for name, t in held if not name.endswith("_shape"))
    assert figures["bytes_after"] == stored
    assert figures["quality"]["tokens"] == (rows(3, 6)[:, 1:] != 5).sum()
    assert figures["quality"]["kl"] > 0
    assert 4.5 < figures["bits_per_weight"] < 5
    assert figures["calibration_rows"] == 40


def test_the_same_bytes_again(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=3)[1]
    for name in "ab":
        run(source, tmp_path / name)
    for path in (tmp_path / "a" / "model").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "model" / path.name).read_bytes()


def test_the_embedding_can_be_left(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=4)[1]
    figures = run(source, tmp_path, embeddings=16, calibration_rows=0)
    model = checkpoint.load(tmp_path / "model")
    assert torch.equal(model.embed.weight, checkpoint.load(source).embed.weight.half().float())
    assert model.lm_head.weight is model.embed.weight
    assert figures["calibration_rows"] == 0


def assert_gram(gram: torch.Tensor, inputs: torch.Tensor) -> None:
    """The Gram matrix of inputs (tokens, columns), up to what fp32 leaves out of products of that size."""
    exact = inputs.mT @ inputs
    size = (exact.diagonal()[:, None] * exact.diagonal()).sqrt()
    assert ((gram - exact).abs() <= 1e-5 * size).all()


@pytest.mark.parametrize("name", ["attention.qkv", "attention.out", "mlp.gate_up", "mlp.down"])
def test_calibration_reads_what_the_matrix_sees(name: str, make_model: Any) -> None:
    """The Gram matrix of any matrix is that of what it is given while the whole model reads."""
    model = make_model(seed=5)
    ids = torch.from_numpy(rows(2, 50)[:, :64])
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        calibration = Calibration(model, ids, batch=16)
        for index, block in enumerate(model.blocks):
            matrix = block.get_submodule(name)
            gram = calibration.gram(index, matrix)
            assert not matrix._forward_pre_hooks
            handle = matrix.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(0, 1).double()))
            model.hidden(ids)
            handle.remove()
            assert_gram(gram, seen[-1])
            calibration.advance(index)
    assert len(seen) == len(model.blocks) == 2


def test_each_block_is_read_once_for_each_of_its_matrices(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Not the whole model for each: its time would grow with the square of its depth."""
    reads: list[int] = []
    forward = Block.forward

    def counted(self: Block, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        reads.append(len(x))
        return forward(self, x, *rest)

    monkeypatch.setattr(Block, "forward", counted)
    run(make_checkpoint(seed=2, layers=3)[1], tmp_path, measured_rows=0)
    assert sum(reads) == 3 * 40 * (4 + 1)


def test_a_method_that_needs_no_calibration_reads_no_rows(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=6)[1]
    figures = run(source, tmp_path / "rtn", method="rtn")
    assert figures["calibration_rows"] == 0
    run(source, tmp_path / "gptq", calibration_rows=0)
    for path in (tmp_path / "rtn" / "model").iterdir():
        assert path.read_bytes() == (tmp_path / "gptq" / "model" / path.name).read_bytes()


def test_embedding_and_output_have_bits_of_their_own(make_checkpoint: Any, tmp_path: Path) -> None:
    source = make_checkpoint(seed=4, tied_embeddings=False)[1]
    run(source, tmp_path, embeddings=8, head=4, method="rtn")
    model = checkpoint.load(tmp_path / "model")
    assert (model.embed.form.bits, model.lm_head.form.bits, model.blocks[0].mlp.down.form.bits) == (8, 4, 4)
    run(source, tmp_path / "b", head=16, method="rtn")
    other = checkpoint.load(tmp_path / "b" / "model")
    assert (other.embed.form.bits, other.lm_head.weight.dtype) == (4, torch.float16)


def test_a_group_that_does_not_divide_a_row_is_one_line(make_checkpoint: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the rows of \S+ have \d+ weights, no multiple of group=128"):
        run(make_checkpoint(seed=4)[1], tmp_path, group=128)


def test_what_is_quantized_is_not_quantized_again(make_checkpoint: Any, tmp_path: Path) -> None:
    run(make_checkpoint(seed=4)[1], tmp_path, method="rtn")
    with pytest.raises(UserError, match="is quantized already"):
        run(tmp_path / "model", tmp_path / "again", method="rtn")


def test_an_interrupted_run_goes_on_behind_the_last_block(
    make_checkpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_checkpoint(seed=2, layers=3)[1]
    run(source, tmp_path / "whole", symmetric=False)
    rounds, round_ = [], METHODS["gptq"].round

    def counted(*args: Any) -> Any:
        if len(rounds) == 9:
            raise KeyboardInterrupt
        rounds.append(args)
        return round_(*args)

    monkeypatch.setitem(METHODS, "gptq", Method(counted, calibrated=True))
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "cut", symmetric=False)
    rounds.clear()
    run(source, tmp_path / "cut", symmetric=False)
    assert len(rounds) == 4  # the third block's alone
    for path in (tmp_path / "whole" / "model").iterdir():
        assert path.read_bytes() == (tmp_path / "cut" / "model" / path.name).read_bytes(), path


def test_experts_are_weighed_by_the_tokens_that_come_to_them(make_model: Any) -> None:
    shape = {"norm": "layer", "experts": {"count": 4, "jitter": 0.01}, "tied_embeddings": False}
    model = make_model(seed=5, **shape)
    ids = torch.from_numpy(rows(2, 20)[:, :64])
    mlp = model.blocks[0].mlp
    with torch.no_grad():
        calibration = Calibration(model, ids, batch=8)
        grams = list(calibration.expert_grams(0, mlp, "down"))
        seen: list[torch.Tensor] = []
        handle = mlp.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(0, 1)))
        model.hidden(ids)
        handle.remove()
        tokens = seen[0]
        _, chosen = route(torch.nn.functional.linear(tokens, mlp.router), mlp.jitter)
        for expert, gram in enumerate(grams):
            mine = tokens[(chosen == expert).any(1)]
            gate, up = (mine @ mlp.gate_up[expert].mT).chunk(2, -1)
            inner = (torch.nn.functional.silu(gate) * up).double()
            assert_gram(gram, inner)


def test_a_model_with_experts(make_checkpoint: Any, tmp_path: Path) -> None:
    shape = {"norm": "layer", "experts": {"count": 4, "jitter": 0.01}, "tied_embeddings": False}
    model, source = make_checkpoint(seed=5, initial_std=0.1, **shape)
    ids, errors = torch.from_numpy(rows(9, 4)[:, :64]), []
    for method in ("gptq", "rtn"):
        run(source, tmp_path / method, method=method, embeddings=16)
        small = checkpoint.load(tmp_path / method / "model", compute=torch.float32)
        with torch.no_grad():
            errors.append((small(ids) - model(ids)).norm() / model(ids).norm())
    assert 0 < errors[0] < errors[1] < 0.3


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Forty short texts."""
    with CorpusWriter(tmp_path / "corpus", document_schema()) as writer:
        for number in range(40):
            text = f"Text number {number} is about the number {number}.\n" * 3
            writer.keep({"id": document_id(text), "text": text, "source": "texts", "path": str(number)})
    return tmp_path / "corpus"


def test_rows_of_a_corpus(make_checkpoint: Any, corpus: Path) -> None:
    tokenizer = Tokenizer(make_checkpoint(seed=1)[1])
    calibrating, measuring = rows_of_corpus(corpus, tokenizer, 32, 20, 5)
    assert (calibrating.shape, measuring.shape) == ((20, 32), (5, 32))
    told = [set(tokenizer.decode(part.flatten()).split("\n")[1:-1]) for part in (calibrating, measuring)]
    assert told[0] and told[1] and not told[0] & told[1] - {""}
    with pytest.raises(UserError, match="too little text"):
        rows_of_corpus(corpus, tokenizer, 100_000, 1, 1)


def test_what_it_may_take_follows_the_model_and_what_it_reads():
    def seconds(method="gptq", rows=64, weights=1e8):
        settings = QuantizeStageSettings(quantize=QuantizeSettings(method=method, calibration_rows=rows))
        return _effort(settings, Volume(context=512, flops_per_token=lambda _: 2 * weights)).core_seconds

    assert seconds("rtn") < seconds() < seconds(rows=256)
    assert seconds(weights=1e7) < seconds()


def test_a_corpus_gives_no_rows_where_none_are_asked_for(make_checkpoint: Any, corpus: Path) -> None:
    tokenizer = Tokenizer(make_checkpoint(seed=2)[1])
    for calibrating, measuring in ((3, 0), (0, 2), (0, 0)):
        made = rows_of_corpus(corpus, tokenizer, 16, calibrating, measuring)
        assert [rows.shape for rows in made] == [(calibrating, 16), (measuring, 16)]


def test_rows_that_the_model_writes_itself(make_checkpoint: Any, corpus: Path, tmp_path: Path) -> None:
    model, source = make_checkpoint(seed=3)

    def rows(name: str, inputs: dict[str, Path], **settings: Any) -> tuple[dict[str, Any], tuple[int, ...] | None]:
        chosen = QuantizeSettings(embeddings=4, calibration_rows=8, calibration_tokens=32, **settings)
        work = Work(QuantizeStageSettings(quantize=chosen), {"model": source, **inputs}, tmp_path / name, Progress())
        figures, kept = QUANTIZE.run(work), tmp_path / name / OWN_TEXTS
        return figures, np.load(kept).shape if kept.is_file() else None

    figures, kept = rows("alone", {}, rehearse=1.0)
    assert (figures["calibration_rows"], kept) == (8, (8, 32))
    assert "quality" not in figures, "nothing is held out"
    assert (np.load(tmp_path / "alone" / OWN_TEXTS) < model.config.vocabulary).all()
    figures, kept = rows("beside", {"calibrate": corpus}, rehearse=0.25, measured_rows=2)
    assert (figures["calibration_rows"], kept) == (8, (2, 32))
    assert "quality" in figures
    assert rows("rtn", {}, rehearse=1.0, method="rtn")[1] is None
    figures, kept = rows("rtn, tuned", {}, rehearse=1.0, method="rtn", tune_epochs=2)
    assert (figures["calibration_rows"], figures["tuned_steps"], kept) == (0, 2, (8, 32))
    with pytest.raises(UserError, match=r"method=gptq weighs errors by text: .* or say rehearse=1"):
        rows("nothing", {}, rehearse=0.5)
    with pytest.raises(UserError, match=r"tune_epochs reads text: .* or say rehearse=1"):
        rows("nothing", {}, method="rtn", tune_epochs=1)
