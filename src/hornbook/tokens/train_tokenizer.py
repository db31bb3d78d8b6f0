"""Train a byte-level BPE tokenizer and save it the way a Hugging Face folder wants it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from hornbook.files import write_json, write_text
from hornbook.model.formats.gguf.tokenizer import CUTS
from hornbook.model.tokenizers import ASSISTANT, END, END_OF_TEXT, PAD, SYSTEM, USER

CONTROL_TOKENS = (END_OF_TEXT, ASSISTANT, SYSTEM, END, USER, PAD)

# phi-3's conversation format: <|user|>\nQ<|end|>\n<|assistant|>\nA<|end|>\n
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)

# Where tokens may never reach across: as Seed-Coder's tokenizer cuts, which llama.cpp knows by name, so that a model
# can be exported. A newline joins nothing but other newlines: a prompt that ends with one then has the same ids,
# whether or not the indentation that follows has been written yet. Without this, "\n    " becomes one token, a prompt
# that stops after "\n" was never seen in training, and the model cannot be asked anything. Digits stand alone, as in
# Llama's tokenizer; an identifier's words keep their underscore.
CUT = CUTS["seed-coder"]


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE of `vocabulary` ids: control tokens first, then the 256 bytes, then merges by frequency."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(CUT.steps())
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, *, context: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and the chat template; `AutoTokenizer` loads the folder."""
    write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True))
    write_text(folder / "chat_template.jinja", CHAT_TEMPLATE)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "pad_token": PAD,
            "additional_special_tokens": [ASSISTANT, SYSTEM, END, USER],
            "clean_up_tokenization_spaces": False,
            "add_prefix_space": False,
            "padding_side": "left",
            "model_max_length": context,
            "chat_template": CHAT_TEMPLATE,
        },
    )
