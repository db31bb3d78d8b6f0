"""Does llama.cpp compute what Hornbook computes from an exported file?

python benchmarks/export.py MODEL [--types f32 f16 ...] [--prompts 20] [--tokens 100] [--into benchmarks/export.json]

At f32, with an f32 cache: greedy text token by token. At any type: both read the same file, Hornbook in fp32, along
Hornbook's greedy text; the likeliest token must be the same wherever the two likeliest differ by more than 0.1.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, get_args

import llama_cpp
import numpy as np
import torch
from real_model import PROMPTS, QUESTIONS

from hornbook import machine
from hornbook.files import write_json
from hornbook.inference.generate import generate
from hornbook.model import load
from hornbook.model.formats import importing
from hornbook.model.formats.contents import ImportSettings
from hornbook.model.formats.gguf.writing import ExportSettings, Type, export
from hornbook.model.tokenizers import Tokenizer
from hornbook.progress import Progress


def compare(folder: Path, type_: str, prompts: int, tokens: int) -> dict[str, Any]:
    """Export to one type, and run the file with both."""
    with tempfile.TemporaryDirectory() as place:
        settings = ExportSettings.model_validate({"type": type_})
        figures = export(folder, settings, into=Path(place), progress=Progress())
        path = Path(place) / figures["file"]
        importing.import_model(path, ImportSettings(precision="fp32"), into=Path(place) / "again", progress=Progress())
        ours, tokenizer = load(Path(place) / "again", dtype=torch.float32), Tokenizer(folder)
        theirs = llama_cpp.Llama(
            str(path), n_ctx=512, logits_all=True, verbose=False, type_k=0, type_v=0, n_threads=machine.cores()
        )
        asked = [tokenizer.encode_prompt(prompt) for prompt in PROMPTS[:prompts]]
        written = generate(ours, asked, limit=tokens, stops=())
        equal = differ = counted = 0
        for prompt, answer in zip(asked, written, strict=True):
            ids = [*prompt, *answer]
            theirs.reset()
            theirs.eval(ids)
            found = np.array(theirs.scores[: len(ids)])
            with torch.inference_mode():
                wanted = ours(torch.tensor([ids]))[0].numpy()
            top = np.sort(wanted, axis=-1)
            sure = top[:, -1] - top[:, -2] > 0.1
            counted += int(sure.sum())
            differ += int((found.argmax(-1) != wanted.argmax(-1))[sure].sum())
            # Teacher-forced along our text, the argmax at every place is what greedy decoding would have taken.
            equal += found[len(prompt) - 1 : -1].argmax(-1).tolist() == answer
        chats = 0
        if tokenizer.template is not None:
            turns = [[{"role": "user", "content": question}] for question in QUESTIONS[:2]]
            formatter = llama_cpp.llama_chat_format.Jinja2ChatFormatter(
                theirs.metadata["tokenizer.chat_template"], eos_token="", bos_token=""
            )
            for turn in turns:
                text = formatter(messages=turn).prompt
                chats += theirs.tokenize(text.encode(), add_bos=False, special=True) == tokenizer.chat(turn)
        return {
            "bytes": figures["bytes"],
            "greedy_equal": equal,
            "of": len(asked),
            "argmax_differs": differ,
            "argmax_counted": counted,
            "chats_equal": chats,
        }


def main() -> None:
    """Compare every type, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--types", nargs="*", choices=get_args(Type), default=list(get_args(Type)))
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    found = {}
    for type_ in given.types:
        found[type_] = compare(given.model, type_, given.prompts, given.tokens)
        print(type_, found[type_], flush=True)
    if given.into:
        about = {
            "model": given.model.name,
            "machine": machine.describe(),
            "llama_cpp": llama_cpp.__version__,
            "tokens": given.tokens,
        }
        write_json(given.into, {"model": given.model.name, **about, "types": found})


if __name__ == "__main__":
    main()
