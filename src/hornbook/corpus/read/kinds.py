"""Which files are read, by the endings of their names, and what is found of them in a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

# Endings of files that are read. Those of COMPRESSIBLE may have one of COMPRESSIONS after them.
PROSE = (".txt", ".md", ".markdown", ".rst")
CODE = (
    *(".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".go"),
    *(".rs", ".rb", ".php", ".pl", ".lua", ".jl", ".r", ".scala", ".kt", ".swift", ".hs", ".ml", ".clj", ".ex", ".erl"),
    *(".lisp", ".el", ".scm", ".sql", ".sh"),
)
PAGES = (".html", ".htm", ".xhtml")
ARCHIVES = (".warc", ".wet")
TABLES = (".parquet", ".arrow")
RECORDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
COMPOSED = (".ipynb", ".pdf")
CONTAINERS = (".zip", ".tar")
COMPRESSIBLE = (*RECORDS, *PROSE, *CODE, *PAGES, *ARCHIVES, *COMPOSED, ".tar")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
KINDS = (
    "text, Markdown, source code, .jsonl, .json, .csv, .tsv, .parquet, .arrow, .html, .warc, .wet, .ipynb, .pdf, .zip "
    "or .tar"
)

# Names of the same in one word.
_SHORT = {".tgz": ".tar.gz", ".tbz2": ".tar.bz2", ".tbz": ".tar.bz2", ".txz": ".tar.xz", ".tzst": ".tar.zst"}


class Stat(Protocol):
    """What is known of a file before it is read."""

    @property
    def st_size(self) -> int:
        """Bytes; 0 where that is not known."""

    @property
    def st_mtime_ns(self) -> int:
        """When it was written; 0 where that is not known."""


class Openable(Protocol):
    """What stands where a Path does: a file far away, a member of an archive."""

    def stat(self) -> Stat:
        """See `Path.stat`."""

    def open(self, mode: str = "rb") -> BinaryIO:
        """A stream that can be sought in. Raises OSError, as does reading from it."""


@dataclass(frozen=True)
class Found:
    """A file to read, and its path relative to the source's root with forward slashes."""

    file: Path | Openable
    path: str

    def open(self) -> BinaryIO:
        """The file's bytes, as they are, as a stream that can be sought in. Raises OSError."""
        return self.file.open("rb")


@dataclass(frozen=True)
class Foreign:
    """A file of a kind that is not read: its relative path."""

    path: str

    @property
    def kind(self) -> str:
        """The ending of its name, with how it is compressed (.bin.gz), in lower case."""
        endings = PurePosixPath(self.path.lower()).suffixes
        compressed = endings[-1:] and endings[-1] in COMPRESSIONS
        return "".join(endings[-2:] if compressed else endings[-1:]) or "without ending"


@dataclass(frozen=True)
class Unreadable:
    """A folder or file that can't be looked into: its relative path, why, and what else a person should know."""

    path: str
    reason: str
    detail: str = ""


def ending(path: str) -> tuple[str, str]:
    """What a file's name says that it is, how it is compressed: (".jsonl", ".gz"), (".md", ""); ("", "") if nothing."""
    name = path.lower()
    name = next((name.removesuffix(short) + whole for short, whole in _SHORT.items() if name.endswith(short)), name)
    compression = next((known for known in COMPRESSIONS if name.endswith(known)), "")
    bare = name.removesuffix(compression)
    allowed = COMPRESSIBLE if compression else (*COMPRESSIBLE, *TABLES, *CONTAINERS)
    known = bare[bare.rfind(".") :] if "." in bare else ""
    return (known, compression) if known in allowed else ("", "")


def suffix(path: str) -> str:
    """The ending that a file's name has if it is one that is read, compression included, or an empty string."""
    return "".join(ending(path))
