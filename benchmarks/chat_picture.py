"""The chat page as a picture: a model is served, asked in a real browser, and what is seen is kept.

python benchmarks/chat_picture.py runs/pocket [--into docs/images/chat.png] [--dark] [--ask PROMPT ...]

Nothing is made up: the answers are the model's, greedily. Unless told otherwise it is asked what it can't know, and
then what the page itself suggests first. The picture needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from browser import Browser
from served import server

from hornbook.errors import UserError

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
    with (
        server(str(given.model)) as (address, _),
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


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
