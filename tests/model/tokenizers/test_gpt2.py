"""GPT-2's two files and codegen's white space, against transformers' own tokenizers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import ByteLevelBPETokenizer

from hornbook.errors import UserError
from hornbook.model.tokenizers import Tokenizer
from hornbook.model.tokenizers.gpt2 import CODEGEN

ANY_TEXT = st.lists(
    st.integers(1, 70).map(lambda n: " " * n)
    | st.integers(1, 25).map(lambda n: "\t" * n)
    | st.sampled_from(["\n", "\r\n", "def f(x):", "return", "'s", "<|endoftext|>", "é", "漢", "🙂", "x"])
    | st.text(max_size=5),
    max_size=12,
).map("".join)


def files(folder: Path, size: int = 400) -> Path:
    """A small GPT-2 vocabulary with <|endoftext|> last, as GPT-2's own has it."""
    trained = ByteLevelBPETokenizer()
    text = "def add(a, b):\n    return a + b  # it's naïve\n\n\tprint('the sum of the words')\n" * 4
    trained.train_from_iterator([text, Path(json.__file__).read_text()], vocab_size=size - 1, show_progress=False)
    trained.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    vocabulary["<|endoftext|>"] = len(vocabulary)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    return folder


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, real_data: Callable[[str], Path]) -> Path:
    folder = tmp_path_factory.mktemp("codegen")
    shutil.copy(real_data("tokenizers/gpt2_vocab.json"), folder / "vocab.json")
    shutil.copy(real_data("tokenizers/gpt2_merges.txt"), folder / "merges.txt")
    return folder


def test_codegens_table() -> None:
    """The ids that phi-2's published added_tokens.json gives."""
    assert CODEGEN[50257] == " " * 31
    assert CODEGEN[50286] == "  "
    assert CODEGEN[50287] == "\t" * 9
    assert CODEGEN[50294] == "\t\t"
    assert sorted(CODEGEN) == list(range(50257, 50295))


@given(text=ANY_TEXT)
def test_gpt2_equals_transformers(gpt2: Path, text: str) -> None:
    from transformers import GPT2Tokenizer

    ours, theirs = Tokenizer(gpt2), GPT2Tokenizer.from_pretrained(gpt2)
    plain = text.replace("<|endoftext|>", "")
    assert ours.encode(plain) == theirs(plain)["input_ids"]
    assert ours.decode(ours.encode(text)) == text
    assert ours.end_of_text not in ours.encode(text)


def test_real_files_equal_transformers(real: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CodeGenTokenizer

    (real / "added_tokens.json").write_text(json.dumps({text: at for at, text in CODEGEN.items()}))
    (real / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CodeGenTokenizer"}))
    ours = Tokenizer(real)
    theirs = CodeGenTokenizer.from_pretrained(real)
    ours.save(tmp_path / "saved")
    saved = AutoTokenizer.from_pretrained(tmp_path / "saved")

    @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
    @given(text=ANY_TEXT)
    @example(text=" " * 200 + "x" + "\t" * 40)
    def same(text: str) -> None:
        plain = text.replace("<|endoftext|>", "")
        assert ours.encode(plain) == theirs(plain)["input_ids"]
        assert ours.encode(plain) == saved(plain)["input_ids"]
        assert ours.decode(ours.encode(text)) == text
        assert "".join(ours.stream(ours.encode(text))) == text

    same()
    assert ours.size == 50295
    assert ours.stops == {50256}
    assert ours.encode("        return") == [50280, 7783]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"model_type": "phi", "hidden_size": 2048}),
        ("tokenizer_config.json", {"tokenizer_class": "CodeGenTokenizer"}),
        ("added_tokens.json", {text: at for at, text in CODEGEN.items()}),
        ("tokenizer_config.json", {"added_tokens_decoder": {str(i): {"content": text} for i, text in CODEGEN.items()}}),
    ],
)
def test_a_phi_folder_has_codegens_white_space(real: Path, tmp_path: Path, name: str, content: object) -> None:
    for file in ("vocab.json", "merges.txt"):
        shutil.copy(real / file, tmp_path)
    assert Tokenizer(tmp_path).size == 50257  # GPT-2's own, and TinyStories'
    (tmp_path / name).write_text(json.dumps(content))
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.size == 50295
    assert tokenizer.encode("    x")[0] == 50284
    assert tokenizer.template is None


def test_gaps_between_added_tokens_are_filled(gpt2: Path, tmp_path: Path) -> None:
    shutil.copytree(gpt2, tmp_path, dirs_exist_ok=True)
    size = Tokenizer(gpt2).size
    (tmp_path / "added_tokens.json").write_text(json.dumps({"  ": size + 3, "<pad>": size + 1}))
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.size == size + 4
    assert tokenizer.control("<pad>") == size + 1
    assert tokenizer.encode("  ") == [size + 3]
    assert size + 1 not in tokenizer.encode("<pad>")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.json", "{", "is not valid JSON"),
        ("vocab.json", "[1]", "is not a vocabulary"),
        ("vocab.json", '{"a": 0}', "does not fit vocab.json"),
        ("merges.txt", "a b\nc", "line 2 is not two tokens"),
        ("merges.txt", "a b c", "line 1 is not two tokens"),
        ("merges.txt", "漢 字", "does not fit vocab.json"),
        ("merges.txt", None, "merges.txt is missing"),
        ("added_tokens.json", '{"<pad>": 3}', "that id already"),
        ("added_tokens.json", '{"a": 900}', "has it as"),
        ("added_tokens.json", '{"<pad>": "x"}', "without its id"),
        ("added_tokens.json", "[]", "is not a JSON object"),
    ],
)
def test_damage_is_told_in_one_line(gpt2: Path, tmp_path: Path, name: str, content: str | None, message: str) -> None:
    shutil.copytree(gpt2, tmp_path, dirs_exist_ok=True)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as told:
        Tokenizer(tmp_path)
    assert "\n" not in str(told.value)
