from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest

from hornbook.corpus import frames

TEXTS = [" ".join(f"w{(number * 7 + word) % 50}" for word in range(30)) for number in range(40)]

WATCHED = """
import os, socket, urllib.request
called = []
def note(*arguments, **_):
    called.append(str(arguments))
    raise OSError("no network here")
urllib.request.urlopen = socket.socket.connect = socket.create_connection = socket.getaddrinfo = note
from hornbook.corpus import frames
import numpy as np
frames.minhash(["a b c d e f"], hashes=8, shingle=5)
frames.smallest(["a", "a"], [2, 1])
list(frames.groups(np.array([1, 1], dtype=np.uint64), np.array([0, 1])))
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
    one, two, three = frames.minhash(texts, hashes=512, shingle=5)
    assert (one == two).mean() == pytest.approx(296 / 396, abs=0.08)
    assert (one == three).mean() < 0.02


def test_signatures_do_not_depend_on_the_order_of_texts() -> None:
    signatures = frames.minhash(TEXTS, hashes=16, shingle=5)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    assert (frames.minhash([TEXTS[number] for number in order], hashes=16, shingle=5) == signatures[order]).all()
    assert signatures.shape == (len(TEXTS), 16)


def test_short_and_empty_texts_have_signatures() -> None:
    signatures = frames.minhash(["a b", "a c", "", "a b"], hashes=8, shingle=5)
    assert (signatures[0] == signatures[3]).all()
    assert (signatures[0] != signatures[1]).any()
    assert frames.minhash([], hashes=8, shingle=5).shape == (0, 8)


def test_keys_above_two_to_the_63_stay_whole() -> None:
    top = 2**64 - 1
    keys = np.array([top, top - 1, top, top - 2, 2**63, 2**63 + 1], dtype=np.uint64)
    assert list(frames.groups(keys, np.arange(6))) == [[0, 2]]


def test_groups_come_in_order() -> None:
    chance = random.Random(0)
    keys = [chance.randrange(500) for _ in range(2_000)]
    expected = sorted([row for row in range(2_000) if keys[row] == key] for key in set(keys) if keys.count(key) > 1)
    order = chance.sample(range(2_000), 2_000)
    shuffled = np.array([keys[row] for row in order], dtype=np.uint64)
    assert list(frames.groups(shuffled, np.array(order))) == expected


def test_the_smallest_rank_of_each_key_whatever_the_order() -> None:
    chance = random.Random(0)
    rows = [(f"key {chance.randrange(300)}", rank) for rank in range(2_000)]
    expected: dict[str, int] = {}
    for key, rank in rows:
        expected.setdefault(key, rank)
    for _ in range(3):
        chance.shuffle(rows)
        assert frames.smallest([key for key, _ in rows], [rank for _, rank in rows]) == expected
