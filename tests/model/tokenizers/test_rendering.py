"""A template can't take more time or memory than its limits, nor reach anything but its conversation."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from hornbook.errors import UserError
from hornbook.model.tokenizers import rendering
from hornbook.model.tokenizers.rendering import rendered

TALK = [{"role": "user", "content": "<b>Hi</b> 漢 \ud800"}]


def text(template: str) -> str:
    return rendered(template, TALK, {"eos_token": "</s>"}, "the template")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Far sides that get one second."""
    monkeypatch.setattr(rendering, "SECONDS", 1)
    monkeypatch.setattr(rendering, "_started", {})
    yield
    for far_side in rendering._started.values():
        far_side.kill()
        far_side.wait()


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ messages | tojson }}", json.dumps(TALK, ensure_ascii=False)),
        ("{{ {'b': '<', 'a': 1} | tojson(sort_keys=true, indent=1) }}", '{\n "a": 1,\n "b": "<"\n}'),
        ("{{ tools is none }} {{ documents is none }} {{ tools is defined }}", "True True True"),
        ("{{ bos_token }}{{ eos_token }}", "</s>"),
        ("{{ namespace(a=1).a }}{{ dict(b=2).b }}{{ dict.fromkeys('c') }}", "12{'c': None}"),
        ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"),
        ("{% for i in range(9) %}{% if i == 2 %}{% continue %}{% elif i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "013"),
        ("{% for i in range(2) %}{%- generation -%} {{ i }} {%- endgeneration -%}{% endfor %}", "01"),
    ],
)  # fmt: skip
def test_templates_have_what_transformers_gives_them(template: str, made: str) -> None:
    assert text(template) == made


def test_the_date_is_todays() -> None:
    before, made, after = datetime.now(), text("{{ strftime_now('%d %B %Y') }}"), datetime.now()
    assert made in {before.strftime("%d %B %Y"), after.strftime("%d %B %Y")}


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 'a' * 5000000000 }}", "of memory"),
        ("{{ 'a' | center(5000000000) }}", "of memory"),
        ("{{ '%5000000000d' % 1 }}", "of memory"),
        ("{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}", "of (memory|processor time)"),
        ("{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "more than 16,777,216 characters"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "1 s of processor time"),
        ("{{ (9 ** 9) ** (9 ** 7) }}", "1 s of processor time"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ " + "(" * 9999 + "1" + ")" * 9999 + " }}", "RecursionError"),
    ],
)  # fmt: skip
def test_bombs_end_in_one_line(hurried: None, template: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"^the template (was stopped|fails) on this conversation: .*{reason}") as told:
        text(template)
    assert "\n" not in str(told.value)
    assert text("{{ messages[0].role }}") == "user"


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ messages.append(1) }}",
        "{{ namespace(__class__=1) }}",
        "{% set n = namespace() %}{% set n.__init__ = 1 %}",
        "{{ dict.__call__.__func__ }}",
        "{% include '/etc/hostname' %}",
    ],
)
def test_nothing_is_in_reach(template: str) -> None:
    with pytest.raises(UserError, match=r"^the template (does not accept|fails on) this conversation"):
        text(template)


def test_a_reason_of_many_lines_is_told_in_one() -> None:
    with pytest.raises(UserError, match=r"^the template does not accept this conversation: no system role$"):
        text("{{ raise_exception('no\n system\nrole') }}")


def test_generation_blocks_can_be_marked() -> None:
    made = rendered("a{% generation %}b{% endgeneration %}c", [], {}, "x", ("(", ")"))
    assert made == "a(b)c"


def test_an_interrupted_exchange_gives_its_answer_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a template is rendered; the next one must not get the answer to the first."""
    assert text("{{ 0 }}") == "0"
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        text("{% for a in range(3000) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    assert text("{{ 1 }}") == "1"


def test_threads_and_forks_share_no_answer() -> None:
    assert text("{{ 0 }}") == "0"
    wrong: list[int] = []

    def ask(number: int) -> None:
        wrong.extend(n for n in range(20) if text(f"{{{{ {100 * number + n} }}}}") != str(100 * number + n))

    others = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    assert wrong == []
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(text, [f"{{{{ {n} }}}}" for n in range(40)]) == [str(n) for n in range(40)]
    assert text("{{ 'still' }}") == "still"


def test_a_far_side_that_was_killed_is_started_again() -> None:
    text("{{ 0 }}")
    far_side = rendering._started[os.getpid()]
    assert isinstance(far_side, subprocess.Popen)
    far_side.kill()
    far_side.wait()
    assert text("{{ 2 }}") == "2"


def test_nothing_is_left_open() -> None:
    code = (
        "from hornbook.model.tokenizers.rendering import rendered\n"
        "rendered('{{ 1 }}', [], {}, 'x')\n"
        "try:\n    rendered(\"{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}\", [], {}, 'x')\n"
        "except Exception as error:\n    print(error)"
    )
    told = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    assert "more than" in told.stdout
    assert told.stderr == ""
