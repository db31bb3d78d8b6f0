"""Templates in the style of those that come with downloaded models: text and ids are transformers'."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from tokenizers import AddedToken
from tokenizers import Tokenizer as FastTokenizer

from hornbook.errors import UserError
from hornbook.model.tokenizers import Tokenizer

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a small assistant.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set told = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set told = false %}{% endif %}"
    "{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if loop.index0 == 0 and told != false %}{% set text = '<<SYS>>\\n' + told + '\\n<</SYS>>\\n\\n' + m['content'] %}"
    "{% else %}{% set text = m['content'] %}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text.strip() + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' '  + text.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)

LLAMA3 = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" + tools | tojson(indent=4) }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if message.role not in ['user', 'assistant'] %}
        {{- raise_exception("Only user and assistant, not " ~ {'role': message.role} | tojson) }}
    {%- endif %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

PHI3 = """{% for message in messages %}
    {% if message['content'] %}
        {{- '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}
    {%- endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}
"""

GENERATION = """{% for message in messages -%}
    {% if message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}{% generation %}{{ message.content + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
    {%- if loop.index > 40 %}{% break %}{% endif %}
{% endfor %}
{% if documents %}{{ documents[0].text }}{% endif %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

# What thinking models do: thoughts of earlier turns are taken out of what the assistant said.
THINKING = """{% set ns = namespace(last=-1) %}
{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {%- set content = m.content %}
    {%- if m.role == 'assistant' and '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\\n' + content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"""

WILD = {
    "chatml": CHATML,
    "llama-2": LLAMA2,
    "llama-3": LLAMA3,
    "phi-3": PHI3,
    "generation": GENERATION,
    "thinking": THINKING,
}
ROLES = ("user", "assistant", "system", "end", "im_start", "im_end", "start_header_id", "end_header_id", "eot_id")
SPECIAL = ["<s>", "</s>", "<unk>", *(f"<|{name}|>" for name in ROLES)]


def said(*roles_and_texts: str) -> list[dict[str, str]]:
    pairs = zip(roles_and_texts[::2], roles_and_texts[1::2], strict=True)
    return [{"role": role, "content": text} for role, text in pairs]


CONVERSATIONS = (
    said("user", "Hi"),
    said("system", " Be brief.\n", "user", "What is 2+2?"),
    said("user", "Hi", "assistant", "Hello! naïve 漢字 🙂", "user", "  More, please\n\n"),
    said(
        "system",
        "S",
        "user",
        "def f(x):\n\treturn x",
        "assistant",
        " <think>\nhm\n</think>\n\nIt is f. ",
        "user",
        "Why?",
    ),
    said("user", "a", "assistant", "b", "user", "c", "assistant", "d"),
    said("assistant", "I begin", "user", "and I follow"),
    said("user", "one", "user", "two"),
    said("tool", "42", "user", "So?"),
)


@pytest.fixture(scope="module")
def source(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer with the control tokens of all these templates, and `<think>` as text."""
    fast = FastTokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    fast.add_special_tokens(SPECIAL)
    fast.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    folder = tmp_path_factory.mktemp("wild")
    fast.save(str(folder / "tokenizer.json"))
    return folder


def with_template(source: Path, folder: Path, template: Any, beside: bool = False) -> Path:
    (folder / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **names}
    if beside:
        (folder / "chat_template.jinja").write_text(template)
    else:
        config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def reference(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def by_transformers(theirs: Any, messages: list[dict[str, str]], answer: bool) -> tuple[list[int], list[int]] | None:
    """Ids and the assistant's mask; None where the template refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = theirs.apply_chat_template(
                messages, add_generation_prompt=answer, return_dict=True, return_assistant_tokens_mask=True
            )
    except TemplateError:
        return None
    return made["input_ids"], made["assistant_masks"]


@pytest.mark.parametrize("name", WILD)
@pytest.mark.parametrize("how", ["text", "list", "beside"])
def test_ids_are_those_of_transformers(source: Path, tmp_path: Path, name: str, how: str) -> None:
    template: Any = WILD[name]
    if how == "list":
        template = [{"name": "tool_use", "template": "{{ 1 / 0 }}"}, {"name": "default", "template": template}]
    folder = with_template(source, tmp_path, template, beside=how == "beside")
    ours, theirs = Tokenizer(folder), reference(folder)
    accepted = 0
    for messages in CONVERSATIONS:
        for answer in (True, False):
            expected = by_transformers(theirs, messages, answer)
            if expected is None:
                with pytest.raises(UserError, match=r"does not accept this conversation: (Roles must|Only user)"):
                    ours.chat(messages, answer=answer)
                continue
            accepted += 1
            if name == "phi-3" and any(message["role"] == "tool" for message in messages):
                with pytest.raises(UserError, match="no token for the role 'tool'; use one of system, user, assistant"):
                    ours.chat(messages, answer=answer)  # transformers spells `<|tool|>` as text
                continue
            assert ours.chat(messages, answer=answer) == expected[0], messages
            if name == "generation":
                assert ours.chat_with_mask(messages, answer=answer)[1] == list(map(bool, expected[1]))
    assert accepted >= 10


def test_what_the_assistant_writes_is_what_generation_encloses(source: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(with_template(source, tmp_path, GENERATION))
    ids, mask = tokenizer.chat_with_mask(CONVERSATIONS[4])
    end = tokenizer.control("<|im_end|>")
    written = [token for token, one in zip(ids, mask, strict=True) if one]
    assert written == [*tokenizer.encode("b"), end, *tokenizer.encode("d"), end]


def test_a_template_that_rewrites_messages_places_no_more_control_tokens(source: Path, tmp_path: Path) -> None:
    """Whole tokens, and parts that the template's text would complete."""
    template = (
        "{% for m in messages %}<|im_start|>{{ m.content.replace('x', 'y') }}|>{{ m.content }}<|im_end|>{% endfor %}"
    )
    tokenizer = Tokenizer(with_template(source, tmp_path, template))
    start, end = (tokenizer.control(f"<|im_{name}|>") for name in ("start", "end"))
    controls = {tokenizer.control(name) for name in SPECIAL}
    for text in ("x<|im_end|>", "x <|im_end", "x</s> <|end|>x", "end|> x", "m_end|>x<|i", "x<|im_end", "|>x", "x<"):
        ids = tokenizer.chat(said("user", text))
        assert [token for token in ids if token in controls] == [start, end], text
        with pytest.raises(UserError, match=r"rewrites the text of messages.*generation"):
            tokenizer.chat_with_mask(said("user", text))
    assert tokenizer.decode(tokenizer.chat(said("user", "x<|im_end|>"))) == "y<|im_end|>|>x<|im_end|>"


def test_thoughts_are_one_token_each_and_leave_with_their_turn(source: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(with_template(source, tmp_path, THINKING))
    asked = tokenizer.chat(said("user", "1", "assistant", "<think>\nhm\n</think>\n\nOne.", "user", "2"))
    think, closed = tokenizer.control("<think>"), tokenizer.control("</think>")
    assert asked.count(think) == 1
    assert closed not in asked
    answer = [think, *tokenizer.encode("\nhm\n"), closed, *tokenizer.encode("Two.")]
    assert "".join(tokenizer.stream(answer)) == tokenizer.decode(answer) == "<think>\nhm\n</think>Two."


def test_a_template_that_cuts_a_control_token_is_refused(source: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(with_template(source, tmp_path, "{{ messages[0].content[:4] }}"))
    assert tokenizer.decode(tokenizer.chat(said("user", "Hello"))) == "Hell"
    with pytest.raises(UserError, match="hides who wrote what"):
        tokenizer.chat(said("user", "<|im_end|>"))
