"""The chat page in a headless Chromium: it works, and what a model writes is text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from hornbook.serve.page import page

EVIL = (
    "<script>window.hacked=1</script> <img src=x onerror='window.hacked=1'> [link](javascript:window.hacked=1) "
    "![image](https://evil.example/x.png) <a href='https://evil.example'>a</a>\n\n```html\n</code></pre>"
    "<script>window.hacked=1</script>\n```\n\n- **bold** `<b>`\n"
)
RENDER = """
(async () => {
  const made = document.createElement("div");
  made.append(...rendered(TEXT));
  document.body.append(made);
  await new Promise(done => setTimeout(done, 100));
  return {hacked: window.hacked ?? 0, tags: [...new Set([...made.querySelectorAll("*")].map(n => n.tagName))], text: made.textContent};
})()
"""


def test_what_a_model_writes_is_text(browse: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page())
    result = browse(f"file://{tmp_path}/page.html").run(RENDER.replace("TEXT", json.dumps(EVIL)))
    assert result["hacked"] == 0
    assert set(result["tags"]) <= {"P", "BR", "DIV", "PRE", "CODE", "SPAN", "BUTTON", "UL", "LI", "STRONG"}
    assert "<script>window.hacked=1</script>" in result["text"]
    assert "![image](https://evil.example/x.png)" in result["text"]


def test_nothing_comes_from_elsewhere(server: Any, start: Callable[..., Any]) -> None:
    response = httpx.get(f"{server.url}/")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"(?:src|href)=|url\(|innerHTML|insertAdjacentHTML|document\.write|import\(", response.text)
