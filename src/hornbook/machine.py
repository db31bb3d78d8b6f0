"""What this machine can do, and what is chosen because of it.

Two environment variables overrule what is found, so that one machine computes as another would: `HORNBOOK_BF16`,
whether the processor has bf16 arithmetic, and `HORNBOOK_COMPILE`, whether there is a compiler; 1 for yes, 0 for no. A
third names the kernels of its own code.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hornbook.errors import UserError

if TYPE_CHECKING:
    import torch

# What measures is told which arithmetic to use: the same on every machine, whatever its processor can do.
Precision = Literal["fp32", "bf16"]
BF16, COMPILE = "HORNBOOK_BF16", "HORNBOOK_COMPILE"
KERNELS = "HORNBOOK_KERNELS"  # an environment variable: the name of the kernels to use instead of the best ones
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
# Vector and matrix instructions that change how fast a processor multiplies: x86's, then Arm's.
INSTRUCTIONS = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimd", "asimddp", "sve", "bf16",
)  # fmt: skip

_NEVER = -1


@dataclass(frozen=True)
class Choice:
    """How to compute here, and why, in words for the user."""

    device: str
    compute: torch.dtype
    compile: bool
    why: str


def choose(precision: str = "auto", compile_model: bool | None = None) -> Choice:
    """Pick device, dtype of activations and whether to compile; `precision` and `compile_model` overrule.

    bf16 pays only where the processor multiplies it natively; elsewhere it is emulated and many times slower.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    native = native_bf16(device)
    wanted = {"auto": native, "bf16": True, "fp32": False}[precision]
    compiler = has_compiler() if device == "cpu" else _told(COMPILE) is not False
    compiled = compiler if compile_model is None else compile_model and compiler
    reasons = [
        f"{'bf16' if wanted else 'fp32'} ({'asked for' if precision != 'auto' else _bf16_reason(native)})",
        "compiled" if compiled else "not compiled" + ("" if compiler else f" ({_no_compiler()})"),
    ]
    return Choice(device, torch.bfloat16 if wanted else torch.float32, compiled, f"{device}, {', '.join(reasons)}")


def has_gpu() -> bool:
    """Whether there may be a GPU that PyTorch computes on, told by its driver; PyTorch need not be loaded for it."""
    return any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def dtype(precision: Precision) -> torch.dtype:
    """The dtype in which something is measured."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


def _bf16_reason(native: bool) -> str:
    if _told(BF16) is not None:
        return f"{BF16}={os.environ[BF16]}"
    return "the processor multiplies it natively" if native else "the processor has no bf16 arithmetic"


def _no_compiler() -> str:
    return "no C++ compiler found" if _told(COMPILE) is None else f"{COMPILE}={os.environ[COMPILE]}"


def _told(variable: str) -> bool | None:
    """What an environment variable says, None where it is not set. Raises UserError where it is neither 0 nor 1."""
    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise UserError(f"the environment variable {variable} is {value!r}; it should be 0 or 1")
    return value == "1" if value else None


def overruled() -> bool:
    """Whether this machine is told to compute as another one would: what it made without that is then no equal."""
    return any(_told(variable) is not None for variable in (BF16, COMPILE))


def native_bf16(device: str) -> bool:
    """Whether bf16 products run in hardware: every recent GPU; CPUs with AVX512-BF16, AMX or Arm's BF16 extension.

    `HORNBOOK_BF16` overrules, for every device.
    """
    told = _told(BF16)
    if told is not None:
        return told
    if device != "cpu":
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        words = set(Path("/proc/cpuinfo").read_text(errors="ignore").split())
    except OSError:
        return False
    return bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def has_compiler() -> bool:
    """Whether torch.compile can build CPU code: a C++ compiler and Python's headers, on Linux or macOS.

    `HORNBOOK_COMPILE` overrules.
    """
    import sysconfig

    told = _told(COMPILE)
    if told is not None:
        return told
    if sys.platform == "win32":
        return False
    compilers = [os.environ.get("CXX", ""), "g++", "clang++"]
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return any(name and shutil.which(name) for name in compilers) and headers.is_file()


def separate_compiled_code() -> None:
    """Have torch.compile's cache on disk keep code for one width of vectors apart from code for another.

    Its key leaves the processor out. Where machines share the folder, or one is moved, loops for one width are then
    built for another: they skip half of the numbers, or write past their end (torch 2.13: NaN, a damaged heap).
    """
    import torch
    import torch.compiler.config as told

    vectors = torch.backends.cpu.get_cpu_capability()
    if vectors not in told.cache_key_tag.split():
        told.cache_key_tag = f"{told.cache_key_tag} {vectors}".strip()


def kept_in(what: str, name: str) -> Path:
    """A folder for what commands keep between calls when nobody says where: XDG_CACHE_HOME/hornbook, ~/.cache/hornbook.

    Where that can't be written to, it lies among the system's temporary files.
    """
    told = os.environ.get("XDG_CACHE_HOME", "")
    home = Path(told) if told.startswith("/") else Path.home() / ".cache"
    mark = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    last = f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', Path(name).name).strip('-.') or 'it'}-{mark}"
    for root in (home, Path(tempfile.gettempdir())):
        folder = root / "hornbook" / what / last
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise UserError(f"nothing can be kept in {home} nor among temporary files; name a place with --into")


def describe() -> dict[str, str | int]:
    """The machine in a few words, for manifests and reports: processor, cores, system, and where it tells them its
    `instructions`, those of INSTRUCTIONS that it has.
    """
    told = ""
    with suppress(OSError):
        told = Path("/proc/cpuinfo").read_text(errors="ignore")
    named = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    described: dict[str, str | int] = {
        "processor": named[1].strip() if named else platform.processor() or platform.machine(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    if has := instructions(told):
        described["instructions"] = ", ".join(has)
    return described


def instructions(cpuinfo: str) -> list[str]:
    """Those of INSTRUCTIONS that a text such as /proc/cpuinfo names."""
    words = set(cpuinfo.split())
    return [name for name in INSTRUCTIONS if name in words]


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int | None:
    """Bytes of memory that this machine has; None where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def reset_peak_memory() -> None:
    """Start measuring `peak_memory` afresh, where the system allows (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Largest resident size of this process in bytes, since the last `reset_peak_memory` where that works."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def release_memory() -> None:
    """Hand memory that Python freed back to the system; it otherwise counts against the next stage's peak."""
    import gc

    gc.collect()
    library = ctypes.CDLL(None)  # the process itself, which the C library is part of
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


@contextmanager
def memory_kept() -> Iterator[None]:
    """Inside, memory that is freed stays with the process, for who asks next; what is freed behind goes back as before.

    The GNU C library gives the end of its heap back when more than 64 MiB there are free, after every step of a
    training, and the system fills what is asked for next with zeros, page by page. Blocks of more than 32 MiB still go
    back at once: kept as well, they would leave holes among each other, and take twice the memory. Elsewhere, nothing
    changes.
    """
    library = ctypes.CDLL(None)
    tune = getattr(library, "mallopt", lambda parameter, value: 1)
    tune(_MMAP_THRESHOLD, 32 << 20)
    tune(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        tune(_TRIM_THRESHOLD, 64 << 20)
