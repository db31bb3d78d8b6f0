"""Any folder that holds a tokenizer, and one clear line for one that does not."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers, processors

from hornbook.errors import UserError
from hornbook.model.tokenizers import END, END_OF_TEXT, Tokenizer
from hornbook.model.tokenizers.templates import CHAT_FORMATS, recognise

QUESTION = [{"role": "user", "content": "Hi"}]
SHORT = "{% for m in messages %}{{ m['content'] }}<|end|>{% endfor %}"
LONG = "{% for m in messages %}<|user|>{{ m['content'] }}<|end|>{% endfor %}"


@pytest.fixture
def folder(tokenizer_folder: Path, tmp_path: Path) -> Path:
    """A folder with nothing but tokenizer.json."""
    shutil.copy(tokenizer_folder / "tokenizer.json", tmp_path)
    return tmp_path


def write(folder: Path, name: str, value: Any) -> Path:
    (folder / name).write_text(value if isinstance(value, str) else json.dumps(value))
    return folder


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chat_template.jinja", SHORT),
        ("tokenizer_config.json", {"chat_template": SHORT}),
        (
            "tokenizer_config.json",
            {"chat_template": [{"name": "tool_use", "template": "x"}, {"name": "default", "template": SHORT}]},
        ),
    ],
)
def test_where_a_template_may_lie(folder: Path, name: str, value: Any) -> None:
    tokenizer = Tokenizer(write(folder, name, value))
    assert tokenizer.template == SHORT
    assert tokenizer.chat(QUESTION) == [*tokenizer.encode("Hi"), tokenizer.control(END)]


def test_a_file_of_its_own_goes_before_the_configuration(folder: Path) -> None:
    write(folder, "tokenizer_config.json", {"chat_template": SHORT})
    assert Tokenizer(write(folder, "chat_template.jinja", LONG)).template == LONG


def test_without_any_other_file(folder: Path) -> None:
    tokenizer = Tokenizer(folder)
    assert tokenizer.template is None
    assert tokenizer.end_of_text == tokenizer.end_of_turn == tokenizer.control(END_OF_TEXT)
    assert tokenizer.stops == {tokenizer.control(END_OF_TEXT)}
    assert tokenizer.decode(tokenizer.encode("Hi")) == "Hi"


@pytest.mark.parametrize("listed", [7, [7], [7, 9], None])
def test_stops_are_those_listed_and_what_ends_a_turn(folder: Path, listed: Any) -> None:
    """`<|end|>` ends nothing by its name, but where the template puts it behind what the assistant says."""
    end_of_text, end = (Tokenizer(folder).control(name) for name in (END_OF_TEXT, END))
    more = set(listed) if isinstance(listed, list) else {7} if listed else set()
    assert Tokenizer(write(folder, "config.json", {"eos_token_id": listed})).stops == {end_of_text} | more
    write(folder, "config.json", {"eos_token_id": 11})
    tokenizer = Tokenizer(write(folder, "generation_config.json", {"eos_token_id": listed}))
    assert tokenizer.stops == {end_of_text} | more
    tokenizer = Tokenizer(write(folder, "chat_template.jinja", LONG))
    assert tokenizer.end_of_turn == end
    assert tokenizer.stops == {end_of_text, end} | more


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ m['content'] }}\n\n {{ eos_token }}{% endfor %}",
        "{% for m in messages %}{% if loop.index0 == 2 %}{{ raise_exception('short') }}{% endif %}"
        "{{ m['content'] | upper }}{{ eos_token }}{% endfor %}",
    ],
)
def test_a_templates_end_of_turn_is_what_stands_behind_the_answer(folder: Path, template: str) -> None:
    write(folder, "tokenizer_config.json", {"eos_token": END})
    tokenizer = Tokenizer(write(folder, "chat_template.jinja", template))
    assert tokenizer.end_of_turn == tokenizer.control(END)
    assert tokenizer.stops == {tokenizer.control(END)}


@pytest.mark.parametrize(
    ("config", "template", "pad"),
    [
        ({"pad_token": "<|pad|>"}, None, "<|pad|>"),
        ({"pad_token": END_OF_TEXT, "unk_token": "<|system|>"}, None, "<|system|>"),  # the end must be learned
        ({"pad_token": "<|nowhere|>"}, None, "<|assistant|>"),
        ({"pad_token": END}, LONG, "<|assistant|>"),
        ({}, None, "<|assistant|>"),
    ],
)
def test_rows_are_filled_up_with_what_ends_nothing(folder: Path, config: Any, template: str | None, pad: str) -> None:
    write(folder, "tokenizer_config.json", config)
    tokenizer = Tokenizer(write(folder, "chat_template.jinja", template) if template else folder)
    assert tokenizer.pad == tokenizer.control(pad)
    assert tokenizer.pad not in tokenizer.stops


def test_where_there_is_one_control_token_it_is_the_pad(tmp_path: Path) -> None:
    tokenizer = Tokenizer(with_control(tmp_path, {5: END_OF_TEXT}))
    assert tokenizer.pad == tokenizer.end_of_text == 5


def test_names_come_from_either_file(folder: Path) -> None:
    write(folder, "special_tokens_map.json", {"eos_token": {"content": END}, "bos_token": END_OF_TEXT})
    assert Tokenizer(folder).end_of_text == Tokenizer(folder).control(END)
    write(folder, "tokenizer_config.json", {"eos_token": END_OF_TEXT})
    assert Tokenizer(folder).end_of_text == Tokenizer(folder).control(END_OF_TEXT)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tokenizer.json", '{"version": "1.0", "model"', r"tokenizer\.json cannot be read"),
        ("tokenizer.json", "{}", r"tokenizer\.json cannot be read"),
        ("tokenizer.json", "", r"tokenizer\.json cannot be read"),
        ("tokenizer_config.json", "{", "is not valid JSON"),
        ("tokenizer_config.json", [1], r"tokenizer_config\.json is not a JSON object"),
        ("tokenizer_config.json", {"chat_template": [{"name": "rag", "template": "x"}]}, "none is named 'default'"),
        ("tokenizer_config.json", {"chat_template": [1]}, "none is named 'default'"),
        ("tokenizer_config.json", {"chat_template": 1}, "neither text nor a list"),
        ("special_tokens_map.json", "[]", "is not a JSON object"),
        ("generation_config.json", {"eos_token_id": "<|end|>"}, r"generation_config\.json: eos_token_id is no id"),
        ("config.json", {"eos_token_id": ["x"]}, r"config\.json: eos_token_id is no id"),
    ],
)
def test_damage_is_told_in_one_line(folder: Path, name: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        Tokenizer(write(folder, name, value))
    assert str(folder) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_tokenizer_with_ids_that_the_model_beside_it_lacks(folder: Path) -> None:
    size = Tokenizer(folder).size
    assert Tokenizer(write(folder, "config.json", {"vocab_size": size})).size == size
    with pytest.raises(UserError) as told:
        Tokenizer(write(folder, "config.json", {"vocab_size": size - 1}))
    assert str(told.value) == (
        f"{folder}: the tokenizer has {size} ids, but vocab_size in config.json is {size - 1}; give the tokenizer that "
        "the model was trained with"
    )


def test_a_template_that_is_no_text(folder: Path) -> None:
    (folder / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"chat_template\.jinja cannot be read"):
        Tokenizer(folder)


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no tokenizer\.json, no vocab\.json"):
        Tokenizer(tmp_path)
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        Tokenizer(tmp_path / "nowhere")
    (tmp_path / "tokenizer.model").write_bytes(b"\n")
    with pytest.raises(UserError, match=r"only SentencePiece's tokenizer\.model"):
        Tokenizer(tmp_path)


def test_what_may_be_typed_and_what_is_shown(tmp_path: Path) -> None:
    """A token that the file calls text is shown; it can be typed but for the usual spellings of control tokens."""
    fast = FastTokenizer(models.BPE(vocab={letter: at for at, letter in enumerate("<s/>abthink|")}, merges=[]))
    fast.add_tokens(["</s>", "<|ab|>", "<think>", "ab", "  ", "<b>", "<a>"])
    fast.add_special_tokens(["<s>"])
    fast.save(str(tmp_path / "tokenizer.json"))
    write(tmp_path, "tokenizer_config.json", {"pad_token": {"content": "<b>"}, "additional_special_tokens": ["<a>"]})
    tokenizer = Tokenizer(tmp_path)
    assert tokenizer.end_of_text == tokenizer.control("</s>")
    for token in ("</s>", "<|ab|>", "<b>", "<a>", "<s>"):
        assert tokenizer.control(token) not in tokenizer.encode(token)
        assert token in tokenizer.controls
    think = tokenizer.control("<think>")
    assert tokenizer.encode("<think>") == [think]
    assert "<think>" not in tokenizer.controls
    assert tokenizer.encode("ab  a") == [tokenizer.control("ab"), tokenizer.control("  "), 4]
    shown = [tokenizer.control(token) for token in ("<s>", "<think>", "<b>", "</s>", "<a>", "<|ab|>")]
    assert "".join(tokenizer.stream(shown)).replace(" ", "") == "<think></s><|ab|>"
    assert tokenizer.decode(shown).replace(" ", "") == "<think></s><|ab|>"


def with_control(path: Path, control: dict[int, str]) -> Path:
    """A tokenizer that has control tokens at these ids and little else."""
    size = max(control) + 1
    words = {f"w{at}": at for at in range(size) if at not in control} | {text: at for at, text in control.items()}
    fast = FastTokenizer(models.WordLevel(words, unk_token="w0"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.add_special_tokens(list(control.values()))
    fast.save(str(path / "tokenizer.json"))
    return path


@pytest.mark.parametrize(
    ("name", "control", "stops"),
    [
        ("phi-3-mini-4k", {1: "<s>", 32000: "<|endoftext|>", 32007: "<|end|>", 32010: "<|user|>"}, {32000, 32007}),
        ("phi-3-small-8k", {100257: "<|endoftext|>", 100262: "<|user|>", 100266: "<|end|>"}, {100257, 100266}),
        ("phi-4", {100257: "<|endoftext|>", 100265: "<|im_end|>", 100266: "<|im_sep|>"}, {100257, 100265}),
        ("phi-4-mini", {199999: "<|endoftext|>", 200020: "<|end|>", 200021: "<|user|>"}, {199999, 200020}),
    ],
)
def test_a_known_tokenizer_without_a_template_gets_its_models(
    tmp_path: Path, name: str, control: dict[int, str], stops: set[int]
) -> None:
    """generation_config.json names one stop, as phi-4's does; the others are known."""
    write(tmp_path, "generation_config.json", {"eos_token_id": max(stops)})
    tokenizer = Tokenizer(with_control(tmp_path, control))
    assert tokenizer.template == CHAT_FORMATS[name].template
    assert tokenizer.stops == stops


def test_a_known_tokenizer_with_a_template_stops_where_its_files_say(tmp_path: Path) -> None:
    with_control(tmp_path, {0: "<|endoftext|>", 1: "<|im_start|>", 2: "<|im_end|>"})
    assert 0 in Tokenizer(tmp_path).stops
    write(tmp_path, "tokenizer_config.json", {"eos_token": "<|im_end|>", "unk_token": "<|endoftext|>"})
    write(
        tmp_path, "chat_template.jinja", "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    )
    assert Tokenizer(tmp_path).stops == {2}


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("template", [None, "{% for m in messages %}{{ m['content'] }}{% endfor %}"])
def test_an_end_of_any_spelling_that_only_an_id_names(file: str, template: str | None, tmp_path: Path) -> None:
    """Nothing asks for a token of Hornbook's own: the end is the model's, and the pad a token that is none."""
    write(with_control(tmp_path, {5: "<fin>", 6: "<begin>"}), file, {"eos_token_id": [5]})
    tokenizer = Tokenizer(write(tmp_path, "chat_template.jinja", template) if template else tmp_path)
    assert tokenizer.end_of_text == tokenizer.end_of_turn == 5
    assert tokenizer.end_of_text_name == "<fin>"
    assert tokenizer.stops == {5}
    assert tokenizer.pad == 6
    assert tokenizer.encode_prompt("") == [5]


def test_the_id_in_the_models_configuration_goes_before_a_usual_spelling(tmp_path: Path) -> None:
    with_control(tmp_path, {3: "<|endoftext|>", 5: "<fin>"})
    assert Tokenizer(tmp_path).end_of_text == 3
    assert Tokenizer(write(tmp_path, "config.json", {"eos_token_id": 5})).end_of_text == 5
    assert Tokenizer(write(tmp_path, "config.json", {"eos_token_id": 1})).end_of_text == 3  # an id of text


def test_a_token_that_is_text_may_be_all_that_ends(tmp_path: Path) -> None:
    with_control(tmp_path, {3: "<begin>"})
    tokenizer = Tokenizer(write(tmp_path, "generation_config.json", {"eos_token_id": [1 << 40, 1]}))
    assert (tokenizer.end_of_text, tokenizer.stops, tokenizer.pad) == (1, {1 << 40, 1}, 3)


def test_phi2_is_told_by_its_width() -> None:
    nothing = {}.get
    assert recognise(nothing, {"model_type": "phi", "hidden_size": 2560}) == CHAT_FORMATS["phi-2"]
    assert recognise(nothing, {"model_type": "phi", "hidden_size": 2048}).template is None
    assert recognise(nothing, {}).template is None


def test_encoding_costs_little_more_than_the_library(folder: Path) -> None:
    """A generous bound for a busy machine; benchmarks/tokenizer.py measures it."""
    ours, theirs = Tokenizer(folder), FastTokenizer.from_file(str(folder / "tokenizer.json"))
    texts = [f"def f{n}(x):\n    return x + {n}\n" * 30 for n in range(60)]

    def seconds(encode: Any) -> float:
        took = []
        for _ in range(9):
            began = time.process_time()
            encode()
            took.append(time.process_time() - began)
        return min(took)

    ratio = seconds(lambda: [ours.encode(text) for text in texts]) / seconds(
        lambda: [theirs.encode(text, add_special_tokens=False).ids for text in texts]
    )
    assert ratio < 2


@pytest.mark.parametrize(("before", "begins"), [("<s> ", ["<s>"]), ("", []), ("<s> <e> ", ["<s>", "<e>"])])
@pytest.mark.parametrize("config", [{}, {"add_bos_token": False}, {"add_bos_token": True}], ids=str)
def test_what_a_model_expects_in_front_of_every_text(
    before: str, begins: list[str], config: dict[str, bool], tmp_path: Path
) -> None:
    """Llama-2 without its `<s>` writes nonsense; transformers puts there what tokenizer.json says."""
    from transformers import AutoTokenizer

    fast = FastTokenizer(models.BPE(vocab={one: at for at, one in enumerate("abc")}, merges=[]))
    fast.add_special_tokens(["<s>", "<e>"])
    names = [(name, fast.token_to_id(name)) for name in ("<s>", "<e>")]
    fast.post_processor = processors.TemplateProcessing(single=f"{before}$A <e>", pair="$A $B", special_tokens=names)
    fast.save(str(tmp_path / "tokenizer.json"))
    stated = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "<e>", **config}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(stated))
    ours, theirs = Tokenizer(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert ours.begins == tuple(map(fast.token_to_id, begins))
    assert [*ours.encode_prompt("abc"), fast.token_to_id("<e>")] == theirs("abc").input_ids
    assert ours.encode("abc") == [0, 1, 2]
    assert ours.encode_prompt("") == (list(ours.begins) or [ours.end_of_text])
