"""The bytes between the two sides of the sandbox.

    frame    length (4 bytes), body
    request  frame of marshal([(source, function, [marshal(arguments), ...]), ...]): one group of programs
    answer   frame of ENDING (how the reading ended, the process's wait status), then the process's own bytes
    bytes    for each program some records VALUE or RAISED, then one that ends it: DONE, ERROR, MEMORY or OUTPUT
    record   kind (1 byte), length (4 bytes), text in UTF-8

Marshal carries only what the trusted side wrote. What a program's process wrote is parsed outside, as text.
"""

from __future__ import annotations

import builtins
import marshal
import os
import struct
from typing import Any

# A program may replace builtins of the process it shares with this module, which therefore keeps a copy.
globals()["__builtins__"] = dict(vars(builtins))

LENGTH = struct.Struct("<I")
ENDING = struct.Struct("<Bi")
RECORD = struct.Struct("<BI")

FINISHED, TIMEOUT, OVERFLOW = range(3)
VALUE, RAISED, DONE, ERROR, MEMORY, OUTPUT = range(6)

# Format 2 of marshal writes an object twice that is found twice, so nothing is shared between arguments.
_MARSHAL_FORMAT = 2


def frame(body: bytes) -> bytes:
    """`body` with its length in front."""
    return LENGTH.pack(len(body)) + body


def record(kind: int, text: str = "") -> bytes:
    """One record; characters that UTF-8 cannot carry are written as escapes."""
    data = text.encode("utf-8", "backslashreplace")
    return RECORD.pack(kind, len(data)) + data


_dumps, _loads, _write = marshal.dumps, marshal.loads, os.write


def pack(value: Any) -> bytes:
    """Plain values as bytes for `unpack`, equal parts written apart."""
    return _dumps(value, _MARSHAL_FORMAT)


def unpack(data: bytes) -> Any:
    """What `pack` packed. Only for bytes from the trusted side."""
    return _loads(data)


def read_exactly(source: int, count: int) -> bytes:
    """`count` bytes from a file descriptor. Raises EOFError when it ends before."""
    pieces = []
    while count:
        piece = os.read(source, min(count, 1 << 20))
        if not piece:
            raise EOFError
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def read_frame(source: int) -> bytes:
    """The next frame's body. Raises EOFError when the other side has closed."""
    (length,) = LENGTH.unpack(read_exactly(source, LENGTH.size))
    return read_exactly(source, length)


def write_all(target: int, data: bytes) -> None:
    """Write every byte to a blocking file descriptor."""
    view = memoryview(data)
    while view:
        view = view[_write(target, view) :]
