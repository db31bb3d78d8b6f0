"""`hornbook generate` and `hornbook chat` at a terminal: what is in force, what is answered, what is shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hornbook.commands import talk
from hornbook.inference import conversation, generate
from hornbook.inference.sampling import Sampling

program = typer.Typer()
program.command()(talk.generate)
program.command()(talk.chat)

PICKY = (
    "{% for m in messages %}{% if 'never' in m['content'] %}{{ raise_exception('not\\nthis') }}{% endif %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
EVIL = ("a\x1b[2J", "\x1b]0;owned\x07", "b\r\n", "tab \x9b31m\u202e")
SHOWN = "a\\x1b[2J\\x1b]0;owned\\x07b\\r\ntab \\x9b31m\\u202e"


@pytest.fixture
def folder(make_checkpoint: Callable[..., tuple[Any, Path]]) -> Path:
    return make_checkpoint()[1]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the model is asked; it answers 'ok' with ids of its tokenizer."""
    calls: list[dict[str, Any]] = []

    def stand_in(model: Any, prompt: list[int], **settings: Any) -> Iterator[int]:
        calls.append({"prompt": list(prompt), **settings})
        return iter(())

    monkeypatch.setattr(conversation, "stream", stand_in)
    monkeypatch.setattr(generate, "stream", stand_in)
    return calls


def call(command: str, folder: Path, *options: str, said: str = "") -> Any:
    arguments = [command, str(folder), *(["x"] if command == "generate" else []), *options]
    result = CliRunner().invoke(program, arguments, input=said, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result


def test_commands_of_the_chat_are_answered_by_the_chat(folder: Path, asked: list[dict[str, Any]]) -> None:
    out = call("chat", folder, said="/help\n/?\n/hlep\n/new\n/usr/bin is a folder\n/quit\nnot reached\n").stdout
    assert len(asked) == 1
    assert out.count(talk.HINT) == 2
    assert out.count("/save FILE") == 2
    assert "There is no command /hlep" in out
    assert "A new conversation." in out


def test_the_comforts_of_the_chat(folder: Path, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    saved = tmp_path / "a chat.jsonl"
    said = [
        "/retry",
        "/system Be brief.",
        "one",
        "/retry",
        f"/save {saved}",
        f"/save {saved}",
        "/system",
        "two",
        "/quit",
    ]
    out = call("chat", folder, "--temperature", "1", said="\n".join(said) + "\n").stdout
    assert "There is nothing to answer again." in out
    assert "the model is told: Be brief." in out
    first, again, other = asked
    assert again["prompt"] == first["prompt"]
    assert again["sampling"].seed == first["sampling"].seed + 1
    assert len(other["prompt"]) < len(first["prompt"])
    messages = json.loads(saved.read_text())["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert f"{saved} has 3 messages." in out
    assert f"{saved} is there already" in out


def test_a_model_without_a_template_is_completed_by_generate(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    result = CliRunner().invoke(program, ["chat", str(folder)])
    assert "has no chat template; use `hornbook generate` instead" in str(result.exception)


def test_half_a_surrogate_pair_is_saved(folder: Path, asked: list[dict[str, Any]], tmp_path: Path) -> None:
    saved = tmp_path / "chat.jsonl"
    call("chat", folder, "--system", "caf\udce9", said=f"one\n/save {saved}\n/quit\n")
    assert json.loads(saved.read_text())["messages"][0]["content"] == "caf\udce9"
    assert len(asked) == 1


def test_a_refused_message_leaves_the_conversation_as_it_was(folder: Path, asked: list[dict[str, Any]]) -> None:
    (folder / "chat_template.jinja").write_text(PICKY)
    result = call("chat", folder, said="one\nnever\ntwo\n/quit\n")
    told = [line for line in result.stdout.splitlines() if "does not accept this conversation: not this" in line]
    assert len(told) == 1
    first, second = (len(one["prompt"]) for one in asked)
    assert second > first
    call("chat", folder, said="one\ntwo\n/quit\n")
    assert asked[3]["prompt"] == asked[1]["prompt"]


@pytest.mark.parametrize("command", ["generate", "chat"])
def test_what_the_models_files_ask_for_is_in_force(folder: Path, asked: list[dict[str, Any]], command: str) -> None:
    said = "Hi\n/quit\n" if command == "chat" else ""
    plain = call(command, folder, said=said)
    assert (asked[0]["sampling"], asked[0]["limit"]) == (Sampling(), 256)
    assert plain.stderr == ""
    file = {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "max_new_tokens": 7,
        "min_p": 0.2,
        "num_beams": 3,
    }
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | file))
    result = call(command, folder, said=said)
    assert asked[1]["sampling"] == Sampling(temperature=0.6, top_k=50, top_p=0.9, min_p=0.2, repetition_penalty=1.1)
    assert asked[1]["limit"] == 7
    told = result.stderr if command == "generate" else result.stdout
    assert (
        "The next token, as generation_config.json says: temperature 0.6, top-k 50, top-p 0.9, min-p 0.2, "
        "repetition penalty 1.1; at most 7 tokens. Not supported and ignored: num_beams."
    ) in told
    if command == "generate":
        assert result.stdout == "\n"
    said_by_user = (
        "--temperature",
        "0",
        "--top-k",
        "0",
        "--repetition-penalty",
        "1",
        "--max-tokens",
        "9",
        "--seed",
        "3",
    )
    result = call(command, folder, *said_by_user, said=said)
    assert asked[2]["sampling"] == Sampling(top_p=0.9, min_p=0.2, seed=3)
    assert asked[2]["limit"] == 9
    told = result.stderr if command == "generate" else result.stdout
    assert "as generation_config.json says and you: the most likely token; at most 9 tokens." in told


def test_control_characters_of_an_answer_are_shown_in_a_chat(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation.Conversation, "answer", lambda self, said: iter(EVIL))
    out = call("chat", folder, said="Hi\n/quit\n").stdout
    assert SHOWN in out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_shown_control_characters_and_a_file_gets_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    monkeypatch.setattr(generate, "complete", lambda *given, **named: iter(EVIL))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    talk.generate(str(folder), "x")
    assert capsys.readouterr().out == (SHOWN if terminal else "".join(EVIL)) + "\n"
