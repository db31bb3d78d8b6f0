from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import hornbook
from hornbook.errors import UserError
from hornbook.files import digest_value
from hornbook.teacher.client.cache import FILE, Cache
from hornbook.teacher.client.messages import Reply, Usage


def reply(text: str) -> Reply:
    return Reply(text, "stop", "", Usage(3, 4))


def test_replies_come_back_in_the_order_of_attempts(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), digest_value("a")
    assert cache.get(key) == []
    cache.put([(key, 1, reply("second")), (digest_value("b"), 0, reply("other"))])
    assert cache.get(key) == []  # what came first is not known, so it counts as not asked
    cache.put([(key, 0, reply("naïve 漢字 🙂\x00"))])
    cache.close()
    again = Cache(tmp_path)
    assert again.get(key) == [reply("naïve 漢字 🙂\x00"), reply("second")] and len(again) == 3
    again.close()
    again.close()


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def work(name: int) -> None:
        for number in range(30):
            key = digest_value([name, number])
            cache.put([(key, 0, reply(f"{name} {number}"))])
            assert cache.get(key) == [reply(f"{name} {number}")]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) == 120


def _write(folder: Path, name: int) -> None:
    cache = Cache(folder)
    for number in range(40):
        cache.put([(digest_value([name, number]), 0, reply(f"{name} {number}"))])
    cache.close()


def test_processes_that_open_it_at_one_moment_share_a_cache(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_write, args=(tmp_path / "cache", name)) for name in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert len(Cache(tmp_path / "cache")) == 120


WRITER = """
import sys
from pathlib import Path
from hornbook.files import digest_value
from hornbook.teacher.client.cache import Cache
from hornbook.teacher.client.messages import Reply
from hornbook.teacher.client.messages import Usage
cache = Cache(Path(sys.argv[1]))
for number in range(10**6):
    cache.put([(digest_value(number), 0, Reply("x" * 5000 + str(number), "stop", "", Usage(1, 1)))])
    print(number, flush=True)
"""


def test_what_was_put_survives_a_kill(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1])}
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(50)]
            child.send_signal(signal.SIGKILL)
            lines += [line for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        cache = Cache(tmp_path)
        assert [cache.get(digest_value(n))[0].text[-5:] for n in range(len(lines))] == [
            ("x" * 5 + str(n))[-5:] for n in range(len(lines))
        ]
        cache.close()


def test_a_damaged_reply_counts_as_absent_and_is_replaced(tmp_path: Path) -> None:
    cache, key = Cache(tmp_path), digest_value("a")
    cache.put([(key, 0, reply("one")), (key, 1, reply("two"))])
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("UPDATE answers SET reply = substr(reply, 1, 20) WHERE attempt = 0")
    file.close()
    assert cache.get(key) == [] and cache.damaged == 1
    cache.put([(key, 0, reply("three"))])
    assert cache.get(key) == [reply("three"), reply("two")] and cache.damaged == 1


def test_a_cache_whose_table_is_gone_is_named(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("DROP TABLE answers")
    file.close()
    for use in (lambda: cache.get(digest_value("a")), lambda: len(cache), lambda: cache.put([("00", 0, reply("a"))])):
        with pytest.raises(UserError, match=r"answers\.sqlite3 cannot be read or written: no such table"):
            use()


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(UserError, match=r"answers\.sqlite3 cannot be used"):
        Cache(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        Cache(tmp_path / "file")


def test_a_cache_of_another_version_is_named(tmp_path: Path) -> None:
    Cache(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(UserError, match="another version"):
        Cache(tmp_path)
