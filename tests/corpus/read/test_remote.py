from __future__ import annotations

import functools
import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.corpus.read.formats import Bad, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.remote import is_address, listing
from hornbook.corpus.read.settings import ReadSettings, Source
from hornbook.corpus.read.sources import find, fingerprint
from hornbook.errors import UserError


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A server for the files of a folder, on this machine."""
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "first"}) + "\nbroken\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("naïve\n".encode() * 3))
    pq.write_table(pa.table({"text": ["from", "parquet"]}), tmp_path / "c.parquet")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def read(address: str) -> list[tuple[str, str]]:
    source = Source(name="s", path=address)
    items = [
        item for found in find(source, Path("/")) if isinstance(found, Found) for item in _documents(found, source)
    ]
    return [(item.path, "".join(item.blocks) if isinstance(item, Raw) else f"!{item.reason}") for item in items]


def _documents(found: Found, source: Source) -> Iterator[Raw | Bad]:
    return documents(found, source, ReadSettings())


def test_files_of_a_server(site: str) -> None:
    assert read(f"{site}/a.jsonl") == [("a.jsonl:1", "first"), ("a.jsonl:2", "!broken JSON")]
    assert read(f"{site}/b.txt.gz") == [("b.txt.gz", "naïve\n" * 3)]
    assert read(f"{site}/c.parquet") == [("c.parquet:1", "from"), ("c.parquet:2", "parquet")]


def test_a_file_that_is_not_there(site: str) -> None:
    assert read(f"{site}/nothing.jsonl") == [("nothing.jsonl", "!unreadable")]


def test_an_address_without_anything_to_read(site: str) -> None:
    with pytest.raises(UserError, match=r"source 's': .*x.bin holds no"):
        read(f"{site}/x.bin")


def test_what_is_an_address() -> None:
    assert all(map(is_address, ("s3://bucket/a", "gs://b/*.parquet", "https://a.example/x.warc.gz", "HTTP://a/b")))
    assert not any(map(is_address, ("a/b", "/s3:/x", "hf:a/b", "s3://", "C://x", "python:source")))


def test_a_single_address_is_not_asked_for_before_it_is_read() -> None:
    ((file, path),) = listing("https://nowhere.invalid/a/b.jsonl.gz?token=1")
    assert (file.address, path) == ("https://nowhere.invalid/a/b.jsonl.gz?token=1", "b.jsonl.gz")


def test_the_fingerprint_of_an_address_needs_no_network() -> None:
    source = Source(name="s", path="https://nowhere.invalid/*.parquet")
    assert fingerprint([source], Path("/")) == {"s": source.path}
