from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from hornbook.corpus.clean.minhash import minhash

TEXTS = [" ".join(f"w{(number * 7 + word) % 50}" for word in range(30)) for number in range(40)]

WATCHED = """
import os, socket, urllib.request
called = []
def note(*arguments, **_):
    called.append(str(arguments))
    raise OSError("no network here")
urllib.request.urlopen = socket.socket.connect = socket.create_connection = socket.getaddrinfo = note
from hornbook.corpus.clean.minhash import minhash
minhash(["a b c d e f"], hashes=8, shingle=5)
import threading, time
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join(0.5)
print(called, os.environ["DO_NOT_TRACK"])
"""


def test_nothing_is_reported_and_no_bars_are_drawn() -> None:
    ours = {"DO_NOT_TRACK", "DAFT_PROGRESS_BAR", "SCARF_NO_ANALYTICS", "DAFT_ANALYTICS_ENABLED"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "[] true\n"
    assert done.stderr == ""


def test_signatures_estimate_similarity() -> None:
    shared, other = [f"s{n}" for n in range(300)], [f"o{n}" for n in range(100)]
    texts = [" ".join(shared), " ".join(shared + other), " ".join(other)]
    one, two, three = minhash(texts, hashes=512, shingle=5)
    assert (one == two).mean() == pytest.approx(296 / 396, abs=0.08)
    assert (one == three).mean() < 0.02


def test_signatures_do_not_depend_on_the_order_of_texts() -> None:
    signatures = minhash(TEXTS, hashes=16, shingle=5)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    assert (minhash([TEXTS[number] for number in order], hashes=16, shingle=5) == signatures[order]).all()
    assert signatures.shape == (len(TEXTS), 16)


def test_short_and_empty_texts_have_signatures() -> None:
    signatures = minhash(["a b", "a c", "", "a b"], hashes=8, shingle=5)
    assert (signatures[0] == signatures[3]).all()
    assert (signatures[0] != signatures[1]).any()
    assert minhash([], hashes=8, shingle=5).shape == (0, 8)
