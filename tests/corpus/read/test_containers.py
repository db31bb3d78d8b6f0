from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hornbook.corpus.read.formats import Bad, Foreign, Raw, documents
from hornbook.corpus.read.kinds import Found
from hornbook.corpus.read.settings import ReadSettings, Source

SOURCE = Source(name="s", path=".")
LINES = "".join(json.dumps({"text": f"row {number**5}"}) + "\n" for number in range(3_000))
FILES = {
    "a.txt": "plain",
    "sub/b.jsonl": LINES,
    "sub/c.md.gz": gzip.compress(b"packed"),
    "picture.png": "x",
    ".hidden/d.txt": "no",
    "__MACOSX/._a.txt": "no",
    "inner.zip": "x",
}


def read(file: Path) -> list[tuple[str, str]]:
    found = []
    for item in documents(Found(file, file.name), SOURCE, ReadSettings()):
        if isinstance(item, Raw):
            found.append((item.path, "".join(item.blocks)))
        else:
            found.append((item.path, f"!{item.reason}" if isinstance(item, Bad) else f"?{item.kind}"))
    return found


def tarred(file: Path, mode: str) -> None:
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for name, content in FILES.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


def zipped(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_members_are_read_as_files_of_a_folder(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "a.zip":
        zipped(file)
    else:
        tarred(file, {"a.tar": "w", "a.tgz": "w:gz"}.get(name, f"w:{name[6:]}"))
    found = read(file)
    assert found[0] == (f"{name}/a.txt", "plain")
    assert found[1] == (f"{name}/sub/b.jsonl:1", "row 0")
    lines = [text for path, text in found if "b.jsonl" in path]
    assert lines == [json.loads(line)["text"] for line in LINES.splitlines()]
    rest = [(f"{name}/sub/c.md.gz", "packed"), (f"{name}/picture.png", "?.png"), (f"{name}/inner.zip", "?.zip")]
    link = [] if name == "a.zip" else [(f"{name}/link.txt", "!not a regular file")]
    assert found[3_001:] == rest + link


def test_damage_leaves_what_comes_before(tmp_path: Path) -> None:
    tarred(tmp_path / "a.tar.gz", "w:gz")
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[:-20])
    found = read(tmp_path / "a.tar.gz")
    assert found[0] == ("a.tar.gz/a.txt", "plain")
    assert len(found) > 3_000
    zipped(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        start = archive.getinfo("sub/b.jsonl").header_offset
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[start + 14] ^= 0xFF  # its checksum; that of the directory at the end is what counts
    at = content.rindex(b"PK\1\2", 0, content.rindex(b"sub/b.jsonl"))
    content[at + 16] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    found = read(tmp_path / "a.zip")
    lines = [text for path, text in found if "b.jsonl" in path]
    assert lines[:3_000] == [json.loads(line)["text"] for line in LINES.splitlines()]
    assert lines[-1] == "!corrupt zip"
    assert ("a.zip/sub/c.md.gz", "packed") in found
    (tmp_path / "a.zip").write_bytes(b"PK nothing")
    assert read(tmp_path / "a.zip") == [("a.zip", "!damaged archive")]


def simple(**options: Any) -> bytearray:
    """A tar of three texts."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", **options) as archive:
        for name in "abc":
            info = tarfile.TarInfo(f"{name}.txt" if not options else f"{name * 150}.txt")
            info.size = 600
            archive.addfile(info, io.BytesIO(f"text {name} ".encode().ljust(600)))
    return bytearray(whole.getvalue())


def texts(file: Path) -> list[str]:
    return [text.strip() for _, text in read(file)]


def test_a_damaged_header_of_a_tar_hides_nothing_behind_it(tmp_path: Path) -> None:
    file, content = tmp_path / "a.tar", simple()
    second = 3 * 512
    content[second] ^= 0xFF
    file.write_bytes(content)
    assert texts(file) == ["text a", "text c", "!damaged archive"]
    found = [*documents(Found(file, "a.tar"), SOURCE, ReadSettings())]
    assert found[-1] == Bad("a.tar", "damaged archive", "the header at byte 1,536 is damaged")
    content[0] ^= 0xFF
    file.write_bytes(content)
    assert texts(file) == ["text c", "!damaged archive"]
    for style in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):  # a long name is in a header of its own in front
        content = simple(format=style)
        content[content.index(b"b" * 100, content.index(b"b" * 150) + 150)] ^= 0xFF
        file.write_bytes(content)
        assert texts(file) == ["text a", "text c", "!damaged archive"]


@pytest.mark.parametrize("behind", [0, 100, 512])
def test_a_tar_that_breaks_off_says_so(behind: int, tmp_path: Path) -> None:
    """In front of a header, within it, or behind it."""
    (tmp_path / "a.tar").write_bytes(simple()[: 3 * 512 + behind])
    found = texts(tmp_path / "a.tar")
    assert (found[0], found[-1]) == ("text a", "!damaged archive")


def test_what_stands_behind_the_end_of_a_tar(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(simple() + simple()[: 3 * 512] + bytes(1024) + b"anything" * 99)
    assert texts(tmp_path / "a.tar") == ["text a", "text b", "text c", "text a"]
    (tmp_path / "a.tar").write_bytes(b"anything" * 999)
    assert read(tmp_path / "a.tar") == [("a.tar", "!damaged archive")]
    (tmp_path / "a.tar").write_bytes(b"")
    assert read(tmp_path / "a.tar") == [("a.tar", "!damaged archive")]


def test_what_unpacks_to_too_much_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hornbook.corpus.read.containers._MANY", 1 << 20)
    monkeypatch.setattr("hornbook.corpus.read.compression._MANY", 1 << 20)
    bomb = b"line\n" * 3_000_000
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "good")
        archive.writestr("b.txt", bomb)
    assert read(tmp_path / "a.zip") == [("a.zip/a.txt", "good"), ("a.zip/b.txt", "!unpacks to too much")]
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(bomb))
    assert read(tmp_path / "b.txt.gz") == [("b.txt.gz", "!unpacks to too much")]


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "secret")
        archive.writestr("b.txt", "open")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert read(tmp_path / "a.zip") == [("a.zip/a.txt", "!encrypted"), ("a.zip/b.txt", "open")]


def test_a_foreign_member_has_its_kind() -> None:
    assert Foreign("a.zip/b.tar.gz").kind == ".tar.gz"


@pytest.mark.parametrize("streamed", [False, True], ids=["sizes in front", "sizes behind"])
def test_a_zip_without_its_directory_gives_what_its_members_say(streamed: bool, tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"row {number**5}"}) for number in range(20_000)]
    whole = io.BytesIO()
    with zipfile.ZipFile(Unseekable(whole) if streamed else whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("a.txt", "first"), ("naïve.md", "second"), (".hidden", "no"), ("b.jsonl", "\n".join(rows))):
            archive.writestr(name, text)
    content = whole.getvalue()
    (tmp_path / "a.zip").write_bytes(content[: content.rindex(b"PK\5\6") - 200])
    found = read(tmp_path / "a.zip")
    assert found[:3] == [("a.zip", "!damaged archive"), ("a.zip/a.txt", "first"), ("a.zip/naïve.md", "second")]
    assert [text for _, text in found[3:]] == [json.loads(row)["text"] for row in rows]
    (tmp_path / "a.zip").write_bytes(content[: len(content) * 2 // 3])
    cut = read(tmp_path / "a.zip")
    left = len(cut) - 2  # of damage two lines tell: of that to the last line, and of that to its file
    assert 10_000 < left < len(found) and cut[:left] == found[:left]
    assert [text for _, text in cut[left:]] == ["!broken JSON", "!corrupt zip"]


def test_a_damaged_member_hides_none_behind_it(tmp_path: Path) -> None:
    """Without a directory, and with sizes behind the content, it alone says where the next one begins."""
    whole = io.BytesIO()
    rows = [json.dumps({"text": f"row {number**5}"}) for number in range(20_000)]
    with zipfile.ZipFile(Unseekable(whole), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("a.txt", "first"), ("b.jsonl", "\n".join(rows)), ("c.txt", "third"), ("d.txt", "last")):
            archive.writestr(name, text)
    content = bytearray(whole.getvalue())
    third = content.index(b"PK\3\4", content.index(b"b.jsonl"))
    at = content.index(b"b.jsonl") + (third - content.index(b"b.jsonl")) // 2
    content[at : at + 4_000] = random.Random(1).randbytes(4_000)
    (tmp_path / "a.zip").write_bytes(content[: content.rindex(b"PK\5\6") - 200])
    found = [text for _, text in read(tmp_path / "a.zip")]
    assert found[:3] == ["!damaged archive", "first", "row 0"]
    assert found[-2:] == ["third", "last"] and "!corrupt zip" in found
    assert 5_000 < len(found) < 20_000


class Unseekable(io.RawIOBase):
    """A pipe: who writes to it can't go back and put sizes in front."""

    def __init__(self, inner: io.BytesIO) -> None:
        self.inner = inner

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self.inner.write(data)  # type: ignore[arg-type]
