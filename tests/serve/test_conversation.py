"""Somebody who talks to the chat page in a real browser: types, stops, tries again, edits, comes back the next day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

# A server whose answer begins and never ends; letting go of the request fails as it does with a real one.
ENDLESS = """
fetch = async (url, { signal }) => new Response(new ReadableStream({
  start(answer) {
    answer.enqueue(new TextEncoder().encode('data: {"choices": [{"delta": {"content": "begun"}}]}\\n\\n'));
    signal.onabort = () => answer.error(signal.reason);
  }
})); 0
"""


def say(page: Any, text: str, *, tokens: int = 12) -> None:
    """As typed, and sent with Enter."""
    page.run(f"options.max_tokens = {tokens}; options.seed = 1; $('say').value = {text!r}; 0")
    page.run("$('say').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', cancelable: true}))")


def answered(page: Any) -> list[str]:
    """What was said, when the answer is there."""
    page.wait("!stop && chat.turns.length && chat.turns.at(-1).role === 'assistant'")
    said: list[str] = page.run("[...document.querySelectorAll('.turn .text')].map(one => one.textContent)")
    return said


def press(page: Any, name: str, place: str = "#log") -> None:
    """The last button of that name."""
    page.run(
        f"[...document.querySelectorAll('{place} button')].filter(one => one.textContent === {name!r}).at(-1).click()"
    )


def test_a_conversation(server: Any, browse: Callable[..., Any]) -> None:
    page = browse(f"{server.url}/")
    page.wait("$('name').textContent === 'tiny'")
    say(page, "one")
    first = answered(page)
    assert first[0] == "one" and len(first) == 2 and first[1] not in ("", "…")
    assert page.run("chat.turns[1].error === undefined && /tokens of context used/.test($('status').textContent)")

    press(page, "Retry")
    assert answered(page) == first, "the same seed, the same answer"

    say(page, "two")
    assert answered(page)[:3] == [*first, "two"]
    press(page, "Edit")
    assert page.run("$('say').value") == "two" and answered(page) == first

    page.run(ENDLESS)
    say(page, "three")
    page.wait("chat.turns.at(-1).content === 'begun'")
    assert page.run("$('send').textContent") == "Stop"
    page.run("$('send').click()")
    answered(page)
    assert page.run("[chat.turns.at(-1).told, $('send').textContent]") == ["stopped", "Send"]

    press(page, "New conversation", "nav")
    assert page.run("document.querySelectorAll('.turn').length") == 0
    page.open(f"{server.url}/")
    assert page.run("[...document.querySelectorAll('nav li button:first-child')].map(one => one.textContent)") == [
        "one"
    ]
    press(page, "one", "nav")
    assert page.run("document.querySelectorAll('.turn').length") == 4
    press(page, "×", "nav")
    assert page.run("JSON.parse(localStorage.getItem('hornbook.chats')).length") == 0


def test_settings_are_sent_and_kept(server: Any, browse: Callable[..., Any]) -> None:
    page = browse(f"{server.url}/")
    page.wait("$('name').textContent === 'tiny'")
    page.run(
        "window.asked = []; const real = fetch; fetch = (url, more) => { asked.push(more.body); return real(url, more); }; 0"
    )
    press(page, "Settings", "header")
    page.run("$('system').value = 'Be brief.'; $('set-temperature').value = '0.5'; $('set-max_tokens').value = '3'; 0")
    press(page, "Done", "dialog")
    page.wait("options.temperature === '0.5'")  # a dialog's close is an event that comes later
    page.run("$('say').value = 'hi'; $('ask').requestSubmit()")
    answered(page)
    sent = page.run("JSON.parse(asked.at(-1))")
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 3)
    page.open(f"{server.url}/")
    assert page.run("[options.system, options.temperature]") == ["Be brief.", "0.5"]
    press(page, "Settings", "header")
    press(page, "As the model's files say", "dialog")
    press(page, "Done", "dialog")
    page.wait("options.temperature === undefined")


def test_a_server_that_wants_a_key_is_told_one(start: Callable[..., Any], browse: Callable[..., Any]) -> None:
    server = start("--api-key-env", "SECRET", SECRET="open sesame")
    page = browse(f"{server.url}/")
    page.wait("/wants an API key/.test($('name').textContent)")
    press(page, "Settings", "header")
    page.run("$('key').value = 'open sesame'; 0")
    press(page, "Done", "dialog")
    page.wait("$('name').textContent === 'tiny'")
    say(page, "hi", tokens=2)
    assert len(answered(page)) == 2 and page.run("chat.turns[1].error === undefined")


@pytest.mark.parametrize("size", [(360, 700), (1100, 800)])
def test_it_fits(size: tuple[int, int], server: Any, browse: Callable[..., Any]) -> None:
    page = browse(f"{server.url}/", size=size, dark=size[0] < 600)
    page.wait("$('name').textContent === 'tiny'")
    page.run(
        "chat.turns.push({role: 'user', content: 'x'.repeat(300)}, {role: 'assistant', content: '```\\n' + 'y'.repeat(300) + '\\n```'}); draw()"
    )
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("getComputedStyle($('nav')).display") == ("none" if size[0] < 600 else "flex")
    assert page.run("$('send').getBoundingClientRect().bottom <= innerHeight")
    if size[0] < 600:
        page.run("$('menu').click()")
        assert page.run("[getComputedStyle($('nav')).display, $('menu').getAttribute('aria-expanded')]") == [
            "flex",
            "true",
        ]
