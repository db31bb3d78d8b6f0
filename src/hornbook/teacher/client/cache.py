"""Every response on disk, by its request's key: what was paid for once is never paid for again.

SQLite with a write-ahead log: a commit is on disk before the answer is handed out, a `kill -9` leaves the last commit,
several threads and processes may use one folder, and a look-up costs no memory however many millions there are.
A file of JSON lines would need its whole index in memory and re-reading when another process writes.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from hornbook.errors import UserError
from hornbook.teacher.client.messages import Reply, Usage

FILE = "answers.sqlite3"
VERSION = 1
_BUSY = 60.0  # seconds that one process waits for another's commit

Row = tuple[str, int, Reply]  # a request's key, which attempt it was, what came


class Cache:
    """Replies by key and attempt. Reading and writing have a connection each, so neither waits for the other."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer, self._reader = _connect(self.path), _connect(self.path)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{self.path} cannot be used as the cache of answers: {error}") from None
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self.damaged = 0  # replies that `get` met and could not read

    def get(self, key: str) -> list[Reply]:
        """The replies to a request so far, first attempt first. A damaged one, and those after it, count as absent."""
        with self._reading:
            try:
                rows = self._reader.execute(
                    "SELECT attempt, reply FROM answers WHERE request = ? ORDER BY attempt", (bytes.fromhex(key),)
                ).fetchall()
            except sqlite3.Error as error:
                raise self._unusable(error) from None
        replies: list[Reply] = []
        for attempt, packed in rows:
            if attempt != len(replies):
                break
            reply = _unpack(packed)
            if reply is None:
                self.damaged += 1
                break
            replies.append(reply)
        return replies

    def put(self, rows: Sequence[Row]) -> None:
        """Keep replies in one commit, on disk when this returns."""
        with self._writing:
            try:
                with self._writer:
                    self._writer.executemany(
                        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
                        [(bytes.fromhex(key), attempt, _pack(reply)) for key, attempt, reply in rows],
                    )
            except sqlite3.Error as error:
                raise self._unusable(error) from None

    def __len__(self) -> int:
        with self._reading:
            try:
                return int(self._reader.execute("SELECT count(*) FROM answers").fetchone()[0])
            except sqlite3.Error as error:
                raise self._unusable(error) from None

    def close(self) -> None:
        """Close the file; harmless when done twice."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()

    def _unusable(self, error: sqlite3.Error) -> UserError:
        return UserError(f"{self.path} cannot be read or written: {error}; free its disk, or move it away if damaged")


class CacheWriter:
    """Puts replies into the cache from a thread while the event loop goes on: many that come together share one commit.

    A reply handed to `put` is written even if whoever waits for it is stopped.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._rows: list[Row] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hornbook-cache")

    def put(self, row: Row) -> asyncio.Future[None]:
        """Done when the reply is on disk; holds a UserError when it cannot be written."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rows.append(row)
        self._waiting.append(written)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return written

    async def _write(self) -> None:
        while self._rows:
            rows, waiting = self._rows, self._waiting
            self._rows, self._waiting = [], []
            error: Exception | None = None
            try:
                await asyncio.shield(asyncio.wrap_future(self._thread.submit(self._cache.put, rows)))
            except Exception as found:  # handed on to those who wait for it
                error = found
            for written in waiting:
                if not written.done():
                    written.set_exception(error) if error else written.set_result(None)

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._thread.shutdown(wait=True)
        if self._rows:
            self._cache.put(self._rows)
            self._rows = []


def _connect(path: Path) -> sqlite3.Connection:
    """Open the cache. Two processes that create it at one moment may find it locked: they try again."""
    until = time.monotonic() + _BUSY
    while True:
        connection = sqlite3.connect(path, timeout=_BUSY, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                _prepare(connection, path)
            return connection
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise UserError(f"{path} was written by another version of Hornbook; name another folder for the cache")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS answers "
        "(request BLOB, attempt INTEGER, reply BLOB, PRIMARY KEY (request, attempt)) WITHOUT ROWID"
    )
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _pack(reply: Reply) -> bytes:
    return zlib.compress(json.dumps(asdict(reply)).encode())


def _unpack(packed: bytes) -> Reply | None:
    """The reply, or None for bytes that are not what was written (zlib keeps a checksum)."""
    try:
        fields = json.loads(zlib.decompress(packed))
        return Reply(**{**fields, "usage": Usage(**fields["usage"])})
    except (zlib.error, ValueError, TypeError, KeyError):
        return None
