"""Honest programs of many kinds under every Python that is installed: the list of system calls leaves them be."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hornbook.sandbox import supervisor
from hornbook.sandbox.program import Limits, Program
from hornbook.sandbox.sandbox import Sandbox, isolation

PROGRAMS = {
    "threads": """
import concurrent.futures, queue, threading
def f():
    lines = queue.Queue()
    threads = [threading.Thread(target=lines.put, args=(n,), name=f"t{n}") for n in range(4)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return sorted(lines.get() for _ in threads) == [0, 1, 2, 3] and sum(pool.map(abs, [-1, 2])) == 3
""",
    "files": """
import gzip, mmap, os, pathlib, shutil, tempfile, zipfile
def f():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as file:
        a, b = pathlib.Path(folder, "a"), pathlib.Path(folder, "b")
        a.write_text("x" * 100_000)
        shutil.copy2(a, b), shutil.copyfile(b, folder + "/c"), shutil.copytree(folder, folder + "-too")
        shutil.move(folder + "/c", folder + "/d"), os.replace(folder + "/d", folder + "/e"), os.chmod(a, 0o600)
        with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(a)
        with gzip.open(a, "wb") as squeezed:
            squeezed.write(b"y" * 1000)
        file.write(b"z" * 8192), file.flush(), os.fsync(file.fileno()), file.truncate(4096)
        with mmap.mmap(file.fileno(), 0) as view:
            view[0] = 65; view.flush()
        os.posix_fallocate(file.fileno(), 0, 8192), os.symlink("a", folder + "/l"), os.link(a, folder + "/h")
        found = sorted(path.name for path in pathlib.Path(folder).rglob("*"))
        shutil.rmtree(folder + "-too")
        return found == ["a", "b", "e", "h", "l"] and os.stat(a).st_nlink == 2 and gzip.open(a).read(1) == b"y"
""",
    "numbers": """
import datetime, decimal, hashlib, random, secrets, statistics, time, uuid
def f():
    time.sleep(0.001), time.monotonic(), time.process_time(), time.localtime(), datetime.datetime.now().astimezone()
    drawn = sorted(random.sample(range(10), 10)), secrets.token_bytes(4), uuid.uuid4(), uuid.uuid1()
    digest = hashlib.sha256(b"x").hexdigest()[:4]
    return drawn[0] == list(range(10)) and digest == "2d71" and statistics.mean([1, 3]) == 2 and decimal.Decimal("1.1") * 2 == decimal.Decimal("2.2")
""",
    "the system": """
import ctypes, fcntl, getpass, io, locale, logging, os, platform, resource, select, selectors, shutil, signal, sys
def f():
    signal.signal(signal.SIGALRM, lambda *_: None), signal.setitimer(signal.ITIMER_REAL, 10), signal.alarm(0)
    a, b = os.pipe()
    fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK), os.set_inheritable(a, True), os.set_blocking(b, True)
    with selectors.DefaultSelector() as waiting:
        waiting.register(a, selectors.EVENT_READ), os.write(b, b"x")
        ready = len(waiting.select(1)), len(select.select([a], [], [], 1)[0])
    print("to nobody", file=sys.stderr), logging.warning("nor this"), sys.stdout.isatty(), shutil.get_terminal_size()
    ctypes.CDLL(None).getpid(), platform.platform(), os.cpu_count(), os.uname(), os.getloadavg, os.statvfs("/tmp")
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
    return ready == (1, 1) and callback(1) == 2 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
""",
    "data": """
import csv, doctest, io, json, lzma, pickle, re, sqlite3, string, unittest, xml.etree.ElementTree as tree, zlib
def f():
    base = sqlite3.connect(":memory:")
    base.execute("create table t (x)"), base.executemany("insert into t values (?)", [(n,) for n in range(9)])
    found = base.execute("select sum(x) from t").fetchone() == (36,)
    class Case(unittest.TestCase):
        def test(self): self.assertEqual(1, 1)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Case))
    return found and result.wasSuccessful() and lzma.decompress(lzma.compress(b"x")) == b"x" and tree.fromstring("<a/>").tag == "a"
""",
}


@pytest.fixture(scope="module", params=[None, "3.11", "3.12", "3.13"])
def sandbox_of_another(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    if not isolation().isolated:
        pytest.skip(isolation().how)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = supervisor._interpreter() if request.param is None else _python(request.param)
    if python is None or request.param == own:
        pytest.skip(f"there is no other Python {request.param}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "_interpreter", lambda: python)
        with Sandbox(Limits(seconds=10)) as sandbox:
            yield sandbox


def _python(version: str) -> str | None:
    found = shutil.which(f"python{version}")
    if found is None:
        return None
    told = subprocess.run(
        [found, "-c", "import sys; print(sys.executable)"], check=False, capture_output=True, text=True
    )
    return told.stdout.strip() if told.returncode == 0 else None  # a version manager's stand-in has others' names


@pytest.mark.parametrize("kind", PROGRAMS)
def test_honest_programs(sandbox_of_another: Sandbox, kind: str) -> None:
    (outcome,) = sandbox_of_another.run([Program(PROGRAMS[kind], "f", ((),))])
    assert outcome.status == "ok", outcome
    assert outcome.results[0].value is True, outcome


def test_every_module_of_the_library(sandbox_of_another: Sandbox) -> None:
    """Whatever cannot be imported is for want of something that the sandbox does not show, never of a system call."""
    source = """
import contextlib, importlib, sys
def f():
    failed = {}
    for name in sorted(sys.stdlib_module_names - {"antigravity", "this", "idlelib", "turtledemo"}):
        try:
            importlib.import_module(name)
        except ImportError as error:
            pass
        except BaseException as error:
            failed[name] = repr(error)
    return failed
"""
    (outcome,) = sandbox_of_another.run([Program(source, "f", ((),))])
    assert outcome.status == "ok", outcome
    assert outcome.results[0].value == {}
