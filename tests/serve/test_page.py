"""The chat page in a headless Chromium: it works, and what a model writes is text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from hornbook.serve.page import page

EVIL = (
    "<script>window.hacked=1</script> <img src=x onerror='window.hacked=1'> [link](javascript:window.hacked=1) "
    "![image](https://evil.example/x.png) <a href='https://evil.example'>a</a>\n\n```html\n</code></pre>"
    "<script>window.hacked=1</script>\n```\n\n- **bold** `<b>`\n"
)
RENDER = """
<script>
addEventListener("load", () => setTimeout(() => {
  const made = document.createElement("div");
  made.append(...rendered(TEXT));
  document.body.append(made);
  setTimeout(() => {
    const out = document.createElement("pre");
    out.id = "result";
    out.textContent = JSON.stringify({hacked: window.hacked ?? 0, tags: [...new Set([...made.querySelectorAll("*")].map(n => n.tagName))].sort(), text: made.textContent});
    document.body.replaceChildren(out);
  }, 100);
}, 50));
</script>
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found


def shown(chromium: str, url: str, folder: Path) -> str:
    """The page as Chromium has it after two seconds."""
    words = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
    words += ["--virtual-time-budget=4000", "--dump-dom", url]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout


def test_what_a_model_writes_is_text(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page() + RENDER.replace("TEXT", json.dumps(EVIL).replace("</", "<\\/")))
    dom = shown(chromium, f"file://{tmp_path}/page.html", tmp_path / "profile")
    found = re.search(r'<pre id="result">(.*?)</pre>', dom, re.S)
    assert found is not None, dom[-500:]
    result = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert result["hacked"] == 0
    assert set(result["tags"]) <= {"P", "BR", "DIV", "PRE", "CODE", "SPAN", "BUTTON", "UL", "LI", "STRONG"}
    assert "<script>window.hacked=1</script>" in result["text"]
    assert "![image](https://evil.example/x.png)" in result["text"]


def test_the_page_shows_the_model_and_what_to_try(chromium: str, server: Any, tmp_path: Path) -> None:
    dom = shown(chromium, f"{server.url}/", tmp_path)
    assert '<h2 id="name">tiny</h2>' in dom
    assert "textarea" in dom


def test_nothing_comes_from_elsewhere(server: Any, start: Callable[..., Any]) -> None:
    response = httpx.get(f"{server.url}/")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"(?:src|href)=|url\(|innerHTML|insertAdjacentHTML|document\.write|import\(", response.text)
