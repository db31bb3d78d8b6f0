"""Files become model folders: whole or not at all, in little memory, out of wheels too; faults are one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from typer.testing import CliRunner

from hornbook import cli
from hornbook.errors import UserError
from hornbook.model import open_model
from hornbook.model.formats import gguf as gguf_files
from hornbook.model.formats import importing
from hornbook.model.formats.contents import ImportSettings, ModelFile
from hornbook.progress import Progress
from hornbook.runs import manifest

WIDTH, FFN, HEADS = 64, 96, 4


def tiny(path: Path, *, layers: int = 1, width: int = WIDTH, rows: int = 300, ones: bool = False) -> Path:
    """A llama of random weights in Q8_0, or of ones in F16, with a byte-level tokenizer that has a turn's end."""
    draw = np.random.default_rng(5)
    alphabet = [chr(b if 33 <= b < 127 or 161 <= b < 173 or b > 173 else 0) for b in range(256)]
    others = iter(range(256, 512))
    alphabet = [one if one != "\0" else chr(next(others)) for one in alphabet]
    tokens = ["<|endoftext|>", "<|im_end|>", *alphabet, "th", *(f"[PAD{at}]" for at in range(rows - 259))]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    for key, value in {
        "context_length": 128,
        "embedding_length": width,
        "feed_forward_length": FFN,
        "block_count": layers,
        "attention.head_count": HEADS,
    }.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, *[1] * 257, *[5] * (rows - 259)])
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endfor %}")
    shapes = {"token_embd": (rows, width), "output_norm": (width,)}
    for at in range(layers):
        shapes |= {f"blk.{at}.{norm}_norm": (width,) for norm in ("attn", "ffn")}
        shapes |= {f"blk.{at}.attn_{part}": (width, width) for part in ("q", "k", "v", "output")}
        shapes |= {f"blk.{at}.ffn_{part}": (FFN, width) for part in ("gate", "up")}
        shapes |= {f"blk.{at}.ffn_down": (width, FFN)}
    for tensor, shape in shapes.items():
        if ones:
            writer.add_tensor(f"{tensor}.weight", np.ones(shape, dtype=np.float16))
            continue
        data = draw.standard_normal(shape, dtype=np.float32) * 0.2
        kind = gguf.GGMLQuantizationType.Q8_0 if len(shape) > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(f"{tensor}.weight", gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny(tmp_path / "tiny.gguf")


def bring_in(*words: object) -> Any:
    return CliRunner().invoke(cli.app, ["model", "import", *map(str, words)])


def failure(*words: object) -> str:
    result = bring_in(*words)
    assert isinstance(result.exception, UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def dtypes(folder: Path) -> set[torch.dtype]:
    with safe_open(folder / "model.safetensors", "pt") as weights:
        return {weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118 (no mapping)


@pytest.mark.parametrize(
    ("setting", "dtype"),
    [((), torch.bfloat16), (("precision=fp32",), torch.float32), (("precision=fp16",), torch.float16)],
)
def test_the_folder_has_the_precision_that_was_asked_for(
    setting: tuple[str, ...], dtype: torch.dtype, file: Path, tmp_path: Path
) -> None:
    result = bring_in(file, "--into", tmp_path / "out", *setting)
    assert result.exit_code == 0, result.output
    assert "tiny: llama, 54,208 parameters, F32, Q8_0 as" in " ".join(result.output.split())
    assert dtypes(tmp_path / "out") == {dtype}
    model, tokenizer = open_model(tmp_path / "out", device="cpu")
    assert {tensor.dtype for tensor in model.state_dict().values()} == {dtype}
    assert tokenizer.stops == {0, 1}
    assert tokenizer.decode(tokenizer.encode("the thesis")) == "the thesis"
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == str(dtype)[6:]


def test_the_same_file_is_not_imported_twice_and_another_needs_force(file: Path, tmp_path: Path) -> None:
    into = tmp_path / "out"
    assert bring_in(file, "--into", into).exit_code == 0
    made = (into / "model.safetensors").stat().st_mtime_ns
    assert "It is there already" in bring_in(file, "--into", into).output
    assert (into / "model.safetensors").stat().st_mtime_ns == made
    assert "or replace it with --force" in failure(file, "--into", into, "precision=fp32")
    assert bring_in(file, "--into", into, "precision=fp32", "--force").exit_code == 0
    assert dtypes(into) == {torch.float32}
    assert manifest.read(into).figures["precision"] == "fp32"


@pytest.mark.parametrize("damaged", [False, True])
def test_a_folder_of_the_users_is_left_as_it_is(damaged: bool, file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.md").write_text("Once")
    if damaged:
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="mine is there already"):
        importing.import_model(file, ImportSettings(), into=tmp_path / "mine", progress=Progress())
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["novel.md"]


def test_stopped_it_says_that_it_starts_over(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(importing.weights, "save", stopped)
        result = bring_in(file, "--into", tmp_path / "out")
    assert result.exit_code == 130
    assert "Stopped. The same command starts over." in result.output
    assert bring_in(file, "--into", tmp_path / "out").exit_code == 0


def test_weights_beyond_a_shard_are_cut(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = importing.weights.save
    monkeypatch.setattr(importing.weights, "save", lambda tensors, folder: save(tensors, folder, 50_000))
    importing.import_model(file, ImportSettings(), into=tmp_path / "out", progress=Progress())
    assert (tmp_path / "out" / "model.safetensors.index.json").is_file()
    assert open_model(tmp_path / "out", device="cpu")[0].config.layers == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
def test_a_wheel_is_as_good_as_the_file_in_it(method: int, file: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", method) as made:
        made.writestr("package/__init__.py", "x = 1\n" * 99)
        made.write(file, "package/tiny.gguf")
    for source, into in ((file, "plain"), (wheel, "wheel")):
        importing.import_model(source, ImportSettings(), into=tmp_path / into, progress=Progress())
    plain, inside = ({p.name: p.read_bytes() for p in (tmp_path / at).rglob("*")} for at in ("plain", "wheel"))
    assert plain == inside


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_damaged_wheel_is_one_line(method: int, file: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w", method) as made:
        made.write(file, "tiny.gguf")
    data = bytearray(wheel.read_bytes())
    data[:4] = b"PK\0\0"  # the member's own header
    (tmp_path / "b.whl").write_bytes(data)
    assert "is damaged or cut short" in failure(tmp_path / "b.whl", "--into", tmp_path / "out")
    (tmp_path / "c.whl").write_bytes(wheel.read_bytes()[:-40])
    assert "is damaged or cut short: it is no wheel" in failure(tmp_path / "c.whl", "--into", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_model_are_one_line(file: Path, tmp_path: Path) -> None:
    into = ("--into", tmp_path / "out")
    assert "no.gguf cannot be read: No such file" in failure(tmp_path / "no.gguf", *into)
    assert "cannot be read: Is a directory" in failure(tmp_path, *into)
    (tmp_path / "notes.txt").write_text("a text")
    assert "notes.txt is no model file; supported are .gguf, and wheels" in failure(tmp_path / "notes.txt", *into)
    (tmp_path / "page.gguf").write_text("<html>")
    assert "page.gguf is no GGUF file" in failure(tmp_path / "page.gguf", *into)
    with zipfile.ZipFile(tmp_path / "none.whl", "w") as made:
        made.writestr("a.py", "")
    assert "holds no model file (.gguf)" in failure(tmp_path / "none.whl", *into)
    with zipfile.ZipFile(tmp_path / "two.whl", "w") as made:
        made.write(file, "a.gguf")
        made.write(file, "b.gguf")
    assert "holds 2 model files (a.gguf, b.gguf)" in failure(tmp_path / "two.whl", *into)
    split = file.rename(tmp_path / "tiny-00001-of-00003.gguf")
    assert "one of 3 files of a split model; join them with `llama-gguf-split --merge`" in failure(split, *into)
    assert "precison is not a setting (did you mean 'precision'?)" in failure(split, *into, "precison=fp32")
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_suffix_is_known_by_what_it_begins_with(file: Path, tmp_path: Path) -> None:
    blob = file.rename(tmp_path / "sha256-0123")
    assert bring_in(blob, "--into", tmp_path / "out").exit_code == 0


def test_a_file_that_is_cut_short_leaves_nothing(file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3000])
    before = set(tmp_path.iterdir())
    assert "is damaged or cut short: it ends within the tensor" in failure(file, "--into", tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 5700), st.integers(0, 7)), min_size=1, max_size=3))
def test_flipped_bits_in_a_whole_files_header_are_read_or_refused(
    flips: list[tuple[int, int]], file: Path, tmp_path: Path
) -> None:
    """Sizes, factors, tokens, merges, types: whatever they become, it is a model or one line."""
    data = bytearray(file.read_bytes())
    for at, bit in flips:
        data[at] ^= 1 << bit
    flipped = tmp_path / "flipped.gguf"
    flipped.write_bytes(data)
    try:
        contents = gguf_files.read(ModelFile(flipped, str(flipped), 0, len(data)), ImportSettings())
        contents.tensors["model.norm.weight"].make()
    except UserError as error:
        assert "\n" not in str(error)


SLOW = """
import sys, time
from hornbook import cli
from hornbook.model.formats import weights
pieces = weights._pieces
def slowly(tensor):
    print("writing", flush=True)
    time.sleep(30)
    yield from pieces(tensor)
weights._pieces = slowly
cli.main()
"""


def test_ctrl_c_leaves_no_folder_and_the_same_command_does_it_again(file: Path, tmp_path: Path) -> None:
    words = ["model", "import", str(file), "--into", str(tmp_path / "out")]
    process = subprocess.Popen([sys.executable, "-c", SLOW, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("writing"):
            break
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "Stopped." in told
    left = [path.name for path in tmp_path.iterdir() if path.is_dir()]
    assert left == []
    assert bring_in(file, "--into", tmp_path / "out").exit_code == 0


MEASURE = """
import sys
from pathlib import Path
from hornbook import machine
from hornbook.model.formats import importing
from hornbook.model.formats.contents import ImportSettings
from hornbook.progress import Progress
import_small = lambda file, into: importing.import_model(
    Path(file), ImportSettings(), into=Path(into), progress=Progress())
import_small(sys.argv[1], sys.argv[2])
machine.release_memory()
machine.reset_peak_memory()
before = machine.peak_memory()
figures = import_small(sys.argv[3], sys.argv[4])
print(before, machine.peak_memory(), figures["bytes"])
"""


def test_memory_is_one_tensors_whatever_the_file_holds(file: Path, tmp_path: Path) -> None:
    """Tensors come one after the other: beside what the program needs, the peak is the largest one's size and pieces."""
    large = tiny(tmp_path / "large.gguf", layers=24, width=1024, rows=8192, ones=True)
    words = [file, tmp_path / "small", large, tmp_path / "large"]
    told = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, words)], capture_output=True, text=True, check=True,
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
    )  # fmt: skip
    before, peak, written = map(int, told.stdout.split())
    largest = 8192 * 1024 * 2
    assert written > 12 * largest
    assert peak - before < largest + 40 * 2**20, (peak - before, largest)


def test_a_program_can_import_too(file: Path, tmp_path: Path) -> None:
    figures = importing.import_model(file, ImportSettings(), into=tmp_path / "out", progress=Progress())
    assert figures["parameters"] == 54_208
    assert figures["types"] == ["F32", "Q8_0"]
    began = time.monotonic()
    assert open_model(tmp_path / "out", device="cpu")[0].config.format == "llama"
    assert time.monotonic() - began < 30
