"""The chat page as a picture: a model is served, asked in a real browser, and what is seen is kept.

python benchmarks/chat_picture.py runs/pocket [--into docs/images/chat.png] [--dark] [--ask PROMPT ...]

Nothing is made up: the answers are the model's, greedily. Unless told otherwise it is asked what it can't know, and
then what the page itself suggests first. The picture needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser

ROOT = Path(__file__).parents[1]
BEYOND = "What is the capital of France?"
SIZE = (1000, 620)


def main() -> None:
    """Serve, ask, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images" / "chat.png")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--ask", nargs="+", metavar="PROMPT")
    given = parser.parse_args()
    words = [sys.executable, "-m", "hornbook", "serve", str(given.model), "--port", "0"]
    variables = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=variables) as server:
        try:
            assert server.stdout is not None
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://[^ /]+:\d+", line)))
            with (
                tempfile.TemporaryDirectory() as profile,
                Browser(Path(profile), size=SIZE, dark=given.dark) as browser,
            ):
                browser.open(address)
                browser.wait("model")
                browser.run("options.temperature = 0; 0")
                for prompt in given.ask or (BEYOND, browser.run("model.hornbook.suggestions[0]")):
                    browser.run(f"$('say').value = {json.dumps(prompt)}; $('ask').requestSubmit()")
                    browser.wait("!stop && chat.turns.at(-1).role === 'assistant'")
                    print(f"{prompt}\n{browser.run('chat.turns.at(-1).content')}\n")
                browser.picture(given.into)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
