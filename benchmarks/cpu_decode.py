"""Tokens a second of the native engine beside llama.cpp, on the same random weights of a published shape in 4 bits.

python benchmarks/cpu_decode.py [--shapes SHAPE ...] [--threads 1 2] [--repeats 5] [--llama FOLDER]
    [--busy] [--kept FOLDER] [--into benchmarks/cpu_decode.json] [--roofline docs/images/cpu_roofline.svg]

Every matrix, the embedding and the head too, holds the same numbers for both: whole numbers of 4 bits, groups of 32
with an fp16 scale, as compressed-tensors packs them and as llama.cpp's Q4_0 does. Both run in one process, in turns, so
that what else the machine does meets both alike; a ratio is the median of those of the turns. A second of one thread is
one of the processor, so that its waiting for others does not count. FOLDER of --llama: where a llama-cpp-python that
was built for this processor is installed, unless it can be imported as it is. What --into holds of other shapes and
numbers of threads stays.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shared_machine import busy

from hornbook import machine
from hornbook.files import read_json, write_json
from hornbook.inference.executor import Part
from hornbook.inference.native import library
from hornbook.inference.native.executor import BLOCK, NativeExecutor
from hornbook.inference.native.packed import PACKED
from hornbook.model.config import ModelConfig
from hornbook.model.formats.architectures import architecture_for, to_huggingface
from hornbook.model.registry import find

SHAPES = ("pocket", "smollm2-135m", "phi-1.5", "phi-3-mini-4k")
# Prompt, tokens that are decoded behind it.
LENGTHS = {"pocket": (64, 60), "smollm2-135m": (512, 64), "phi-1.5": (512, 32), "phi-3-mini-4k": (512, 24)}
BAND = 4 << 30  # bytes that are read to measure the memory, far more than any cache holds
READ = r"""
#include <stddef.h>
#include <stdint.h>
typedef uint64_t V __attribute__((vector_size(64)));
uint64_t read_all(const V* p, size_t n) {
  V a = {0}, b = a, c = a, d = a;
  for (size_t i = 0; i + 4 <= n; i += 4) {
    for (int k = 0; k < 4; k++) __builtin_prefetch((const char*)(p + i + k) + 4096);
    a ^= p[i]; b ^= p[i + 1]; c ^= p[i + 2]; d ^= p[i + 3];
  }
  a ^= b ^ c ^ d;
  return a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}
"""


def config_of(name: str) -> ModelConfig:
    """A shape, as llama.cpp's `llama` or `phi2` computes it: phi-3's matrices in their parts, without its window."""
    if name == "pocket":
        shape = ModelConfig(vocabulary=1024, layers=4, width=128, heads=4, mlp_width=384, context=128)
    else:
        shape = find(name).config
    if shape.norm == "layer":
        return shape
    return ModelConfig.model_validate(
        {**shape.model_dump(), "format": "llama", "sliding_window": None, "attention": None}
    )


class Pair:
    """A model with random weights, written for both engines at once."""

    def __init__(self, config: ModelConfig, folder: Path) -> None:
        import gguf

        folder.mkdir(parents=True, exist_ok=True)
        self._chance, self._types = np.random.default_rng(0), gguf.GGMLQuantizationType
        self._ours: dict[str, NDArray[np.generic]] = {}
        self._theirs = gguf.GGUFWriter(folder / "model.gguf", "phi2" if config.norm == "layer" else "llama")
        describe(self._theirs, config)
        form = architecture_for(config)
        for ways in form.layout(config).values():
            for part in ways[0]:
                self._add(part.theirs, config)
        for write in ("header", "kv_data", "tensors"):
            getattr(self._theirs, f"write_{write}_to_file")()
        self._theirs.close()
        values = to_huggingface(config, form)
        values["quantization_config"] = {"quant_method": "compressed-tensors", "format": "pack-quantized"}
        (folder / "config.json").write_text(json.dumps(values))
        from safetensors.numpy import save_file

        save_file(self._ours, folder / "model.safetensors")

    def _add(self, name: str, c: ModelConfig) -> None:
        """A tensor of a published name."""
        from hornbook.model.formats.gguf.architectures import LAYERS, MODULES  # which loads PyTorch

        module, _, leaf = name.rpartition(".")
        if module.startswith("model.layers."):
            _, _, layer, inner = module.split(".", 3)
            theirs = f"blk.{layer}.{LAYERS[inner]}.{leaf}"
        else:
            inner, theirs = module, f"{MODULES[module]}.{leaf}"
        rows, columns = _shape(inner.rpartition(".")[2], c)
        if leaf == "bias" or "norm" in module:
            values = np.full(c.width if "norm" in module else rows, float(leaf == "weight"), np.float32)
            self._ours[name] = values
            self._theirs.add_tensor(theirs, values)
            return
        packed = self._chance.integers(0, 256, (rows, columns // 2), dtype=np.uint8)
        scale = np.full((rows, columns // 32), 0.03 / np.sqrt(columns), np.float16)
        self._ours[f"{name}_packed"], self._ours[f"{name}_scale"] = packed.view(np.int32), scale
        self._theirs.add_tensor(theirs, q4_0(packed, scale), raw_dtype=self._types.Q4_0)


def describe(file: Any, c: ModelConfig) -> None:
    """Give a gguf.GGUFWriter a shape's keys, without a tokenizer."""
    file.add_block_count(c.layers)
    file.add_context_length(c.context)
    file.add_embedding_length(c.width)
    file.add_feed_forward_length(c.mlp_width)
    file.add_head_count(c.heads)
    file.add_head_count_kv(c.key_value_heads)
    file.add_rope_dimension_count(c.rotary_size)
    file.add_rope_freq_base(c.rope_theta)
    file.add_vocab_size(c.vocabulary)
    file.add_tokenizer_model("no_vocab")
    (file.add_layer_norm_eps if c.norm == "layer" else file.add_layer_norm_rms_eps)(c.norm_epsilon)


def q4_0(packed: NDArray[np.uint8], scale: NDArray[np.float16]) -> NDArray[np.uint8]:
    """Rows of Q4_0: of each 32 numbers a scale, then the first 16 as low nibbles and the last as high ones.

    packed: (rows, columns / 2), neighbours in a byte; scale: (rows, columns / 32).
    """
    rows = len(packed)
    levels = np.stack([packed & 15, packed >> 4], -1).reshape(rows, -1, 32)
    halves = levels[..., :16] | levels[..., 16:] << 4
    return np.concatenate([scale.view(np.uint8).reshape(rows, -1, 2), halves], -1).reshape(rows, -1)


def _shape(module: str, c: ModelConfig) -> tuple[int, int]:
    """Rows and columns of a matrix, by the last word of its published name."""
    heads, shared = c.heads * c.head_size, c.key_value_heads * c.head_size
    return {
        "embed_tokens": (c.vocabulary, c.width),
        "lm_head": (c.vocabulary, c.width),
        "q_proj": (heads, c.width),
        "k_proj": (shared, c.width),
        "v_proj": (shared, c.width),
        "o_proj": (c.width, heads),
        "dense": (c.width, heads),
        "gate_proj": (c.mlp_width, c.width),
        "up_proj": (c.mlp_width, c.width),
        "fc1": (c.mlp_width, c.width),
        "down_proj": (c.width, c.mlp_width),
        "fc2": (c.width, c.mlp_width),
    }.get(module, (c.width, 0))


@dataclass(frozen=True)
class Speed:
    """Tokens a second of reading a prompt and of decoding behind it."""

    prefill: float
    decode: float


class Native:
    """Our engine."""

    def __init__(self, folder: Path, threads: int, context: int, kernels: str | None) -> None:
        self._executor = NativeExecutor(folder, tokens=context, threads=threads, kernels=kernels)
        self._blocks = range(-(-context // BLOCK))
        self.kernels = self._executor.kernels

    def read(self, ids: Sequence[int], start: int) -> int:
        """Read ids behind what was read; the likeliest that follows."""
        return int(self._executor.step([Part(ids, start, self._blocks)])[0][0].argmax())


class LlamaCpp:
    """llama.cpp, by the functions that llama-cpp-python wraps: no time is lost in its Python."""

    def __init__(self, folder: Path, threads: int, context: int) -> None:
        import llama_cpp

        self._library = llama_cpp
        self._model = llama_cpp.Llama(
            str(folder / "model.gguf"),
            n_ctx=context,
            n_batch=context,
            n_ubatch=512,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
        self._context, self._vocabulary = self._model._ctx.ctx, self._model.n_vocab()
        self._batch = llama_cpp.llama_batch_init(context, 0, 1)

    def read(self, ids: Sequence[int], start: int) -> int:
        """See `Native.read`."""
        self._decode(ids, start, every=False)
        logits = self._library.llama_get_logits_ith(self._context, -1)
        return int(np.ctypeslib.as_array(logits, shape=(self._vocabulary,)).argmax())

    def every(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """The logits after every one of ids: (time, vocabulary)."""
        self._decode(ids, 0, every=True)
        logits = self._library.llama_get_logits(self._context)
        return np.array(np.ctypeslib.as_array(logits, shape=(len(ids), self._vocabulary)))

    def _decode(self, ids: Sequence[int], start: int, *, every: bool) -> None:
        if start == 0:
            self._library.llama_memory_clear(self._library.llama_get_memory(self._context), True)
        batch = self._batch
        batch.n_tokens = len(ids)
        for at, token in enumerate(ids):
            batch.token[at], batch.pos[at], batch.n_seq_id[at] = token, start + at, 1
            batch.seq_id[at][0], batch.logits[at] = 0, every or at + 1 == len(ids)
        if self._library.llama_decode(self._context, batch):
            raise RuntimeError("llama.cpp did not decode")


def clock(threads: int) -> float:
    """Seconds: of one thread those of the processor, in which its waiting for others does not count."""
    return time.process_time() if threads == 1 else time.perf_counter()


def measure(engine: Native | LlamaCpp, prompt: Sequence[int], tokens: int, threads: int) -> Speed:
    """Read the prompt, then decode."""
    begun = clock(threads)
    token = engine.read(prompt, 0)
    read = clock(threads)
    for at in range(tokens):
        token = engine.read([token], len(prompt) + at)
    return Speed(len(prompt) / (read - begun), tokens / (clock(threads) - read))


def memory_speed(threads: int, repeats: int = 5) -> float:
    """Bytes a second that threads read from memory together, the median."""
    with tempfile.TemporaryDirectory() as place:
        source, built = Path(place) / "read.c", Path(place) / "read.so"
        source.write_text(READ)
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([os.environ.get("CC", "cc"), *flags, str(source), "-o", str(built)], check=True)
        read = ctypes.CDLL(str(built)).read_all
    read.argtypes, read.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_uint64
    held = np.ones(BAND + 64, np.uint8)
    begin, each = held.ctypes.data + -held.ctypes.data % 64, BAND // threads
    found = []
    for _ in range(repeats):
        workers = [threading.Thread(target=read, args=(begin + index * each, each // 64)) for index in range(threads)]
        begun = clock(threads)
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        found.append(BAND / (clock(threads) - begun))
    return statistics.median(found)


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median, the least and the most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def compare(name: str, folder: Path, threads: int, repeats: int, llama: bool) -> dict[str, Any]:
    """Both engines in turns, and ours with AVX2 alone where the processor has it."""
    config, (prompt, tokens) = config_of(name), LENGTHS[name]
    context = prompt + tokens
    usable = [kernels.name for kernels in library.all_kernels() if kernels.here]
    engines: dict[str, Native | LlamaCpp] = {}
    for kernels in (usable[0], "avx2"):
        if kernels in usable and kernels not in engines:
            engines[kernels] = Native(folder, threads, context, kernels)
    if llama:
        engines["llama.cpp"] = LlamaCpp(folder, threads, context)
    ids = np.random.default_rng(1).integers(5, config.vocabulary - 5, prompt).tolist()
    found: dict[str, list[Speed]] = {engine: [] for engine in engines}
    for warmed in engines.values():
        measure(warmed, ids[:16], 2, threads)
    for _ in range(repeats):
        for one, runs in found.items():
            runs.append(measure(engines[one], ids, tokens, threads))
    result: dict[str, Any] = {"shape": name, "threads": threads, "prompt": prompt, "decoded": tokens}
    for which, runs in found.items():
        result[which] = {what: spread([getattr(run, what) for run in runs]) for what in ("prefill", "decode")}
        if llama and which != "llama.cpp":
            pairs = list(zip(runs, found["llama.cpp"], strict=True))
            result[which]["beside llama.cpp"] = {
                what: spread([getattr(a, what) / getattr(b, what) for a, b in pairs]) for what in ("prefill", "decode")
            }
    return result


def in_turns(given: argparse.Namespace, name: str, folder: Path, threads: int, llama: bool) -> dict[str, Any]:
    """`compare`, what a decoded token reads, and with --busy the speeds beside a busy process."""
    found = compare(name, folder, threads, given.repeats, llama)
    if given.busy and threads > 1:
        with busy(True):
            crowded = compare(name, folder, threads, given.repeats, llama)
        found["beside a busy process"] = {one: told for one, told in crowded.items() if isinstance(told, dict)}
    read = {"bytes_a_token": bytes_of(name), "cache_bytes_a_token": cache_bytes_of(name)}
    return found | {"repeats": given.repeats, "note": given.note} | read


def alone(name: str, folder: Path, engine: str) -> dict[str, float]:
    """In a process of its own: seconds until the first token, and peak memory."""
    context, begun = sum(LENGTHS[name]), time.perf_counter()
    opened = Native(folder, 1, context, None) if engine == "ours" else LlamaCpp(folder, 1, context)
    loaded = time.perf_counter() - begun
    measure(opened, list(range(5, 37)), 4, 1)
    return {"load_seconds": loaded, "peak_bytes": machine.peak_memory()}


def in_a_process(name: str, folder: Path, engine: str, llama: str | None, **changed: str) -> dict[str, float]:
    """`alone`, from outside, with variables of the environment changed."""
    command = [sys.executable, __file__, "--alone", name, str(folder), engine]
    command += ["--llama", llama] if llama else []
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **changed})
    return dict(json.loads(told.stdout))


def again(name: str, folder: Path) -> dict[str, float]:
    """`alone` of the native engine, from outside, where an earlier start has kept the packed weights."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        changed = {"XDG_CACHE_HOME": cache, PACKED: ""}
        in_a_process(name, folder, "ours", None, **changed)
        return in_a_process(name, folder, "ours", None, **changed)


def bytes_of(name: str) -> int:
    """Bytes of weights that a decoded token reads: all matrices, the embedding as a head only."""
    c = config_of(name)
    parts = [part.theirs for ways in architecture_for(c).layout(c).values() for part in ways[0]]
    inner = [name.rpartition(".")[0] for name in parts if name.endswith(".weight") and "norm" not in name]
    read = sum(rows * columns for rows, columns in (_shape(name.rpartition(".")[2], c) for name in inner))
    return (read - (not c.tied_embeddings) * c.vocabulary * c.width) * 18 // 32


def cache_bytes_of(name: str) -> float:
    """Bytes of keys and values that a decoded token reads, on the mean over those of a turn."""
    c, (prompt, tokens) = config_of(name), LENGTHS[name]
    return 2 * 2 * c.layers * c.key_value_heads * c.head_size * (prompt + tokens / 2)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """What the memory allows beside what is reached, a bar each; nothing where all shapes fit the cache."""
    from matplotlib import pyplot

    rows = [row for row in results if row["bytes_a_token"] > 32e6]  # smaller ones stay in the processor's cache
    if not rows:
        return
    figure, axes = pyplot.subplots(figsize=(7, 0.5 + 0.55 * len(rows)))
    labels = [f"{row['shape']}, {row['threads']} thread{'s' * (row['threads'] > 1)}" for row in rows]
    for offset, engine, colour in ((-0.2, _first(rows[0]), "#2f6f4f"), (0.2, "llama.cpp", "#b0772f")):
        if engine in rows[0]:
            reached = [row[engine]["decode"]["median"] * row["bytes_a_token"] / 1e9 for row in rows]
            axes.barh([at + offset for at in range(len(rows))], reached, 0.36, label=engine, color=colour)
    for at, row in enumerate(rows):
        limit = row["memory_bytes_a_second"] / 1e9
        axes.plot([limit, limit], [at - 0.45, at + 0.45], color="#333", label="memory reads" if at == 0 else None)
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("GB/s of weights while decoding")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _first(row: dict[str, Any]) -> str:
    """The best kernels that were measured."""
    return next(kernels.name for kernels in library.all_kernels() if kernels.name in row)


def main() -> None:
    """Measure every shape with every number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--llama", help="the folder where llama_cpp is, as for PYTHONPATH")
    parser.add_argument("--busy", action="store_true", help="also beside a busy process")
    parser.add_argument("--kept", type=Path, help="where the random models are, or are written to and stay")
    parser.add_argument("--note", default="", help="what else the machine did")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--roofline", type=Path)
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.llama:
        sys.path.insert(0, given.llama)
    os.environ.setdefault(PACKED, "0")  # packed at each start, unless told otherwise
    if given.alone:
        print(json.dumps(alone(given.alone[0], Path(given.alone[1]), given.alone[2])))
        return
    try:
        import llama_cpp

        version = llama_cpp.__version__
    except ImportError as error:
        if given.llama:
            raise SystemExit(f"--llama {given.llama}: {error}") from None
        version = None
    with tempfile.TemporaryDirectory() as room:
        place: Callable[[str], Path] = lambda name: (given.kept or Path(room)) / name  # noqa: E731
        held = read_json(given.into)["results"] if given.into and given.into.exists() else []
        results: dict[tuple[str, int], dict[str, Any]] = {(row["shape"], row["threads"]): row for row in held}
        bandwidth = {threads: memory_speed(threads) for threads in given.threads if given.repeats}
        for name in given.shapes:
            if not (place(name) / "model.safetensors").exists():
                Pair(config_of(name), place(name))
            engines = ["ours", *["llama.cpp"] * (version is not None and given.repeats > 0)]
            own = {engine: in_a_process(name, place(name), engine, given.llama) for engine in engines}
            own["ours, again"] = again(name, place(name))
            for threads in given.threads:
                if given.repeats:
                    found = in_turns(given, name, place(name), threads, version is not None)
                    found["memory_bytes_a_second"] = bandwidth[threads]
                else:
                    found = results[name, threads]
                found["processes"] = found.get("processes", {}) | own
                print(json.dumps(found, indent=1), flush=True)
                results[name, threads] = found
                if given.into:
                    about = {"llama_cpp_python": version, "machine": machine.describe()}
                    write_json(given.into, {**about, "results": list(results.values())})
    if given.roofline:
        draw(list(results.values()), given.roofline)


if __name__ == "__main__":
    main()
