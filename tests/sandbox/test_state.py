"""Nothing that one program does can be found, or be in the way, when the next one runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hornbook.sandbox.inside import mounts, namespaces
from hornbook.sandbox.sandbox import Sandbox

from .conftest import Run
from .test_escapes import error, value

REFUSALS = """
import errno, os
def tried(attempts):
    found = []
    for attempt in attempts:
        try:
            attempt()
            found.append("done")
        except OSError as error:
            found.append(errno.errorcode[error.errno])
    return found
"""


def test_extended_attributes(run: Run) -> None:
    source = f"""{REFUSALS}
def f():
    open("mine", "w").close()
    descriptor = os.open("mine", os.O_RDWR)
    return tried([lambda: os.setxattr("/tmp", "user.N", b"x"), lambda: os.setxattr("mine", "user.N", b"x"),
                  lambda: os.setxattr(descriptor, "user.N", b"x"), lambda: os.setxattr("/dev/null", "user.N", b"x"),
                  lambda: os.getxattr("/tmp", "user.N"), lambda: os.listxattr("/tmp"),
                  lambda: os.removexattr("/tmp", "user.N")])
"""
    assert value(run(source)) == ["ENOTSUP"] * 7


def test_343_extended_attributes_are_in_nobody_s_way(run: Run) -> None:
    """As many as a temporary folder has room for; a program that means well then has all of it."""
    source = """
import os
def f():
    done = 0
    for number in range(343):
        try:
            os.setxattr("/tmp", f"user.{number}", b"x" * 1000)
            done += 1
        except OSError:
            pass
    return done
"""
    assert value(run(source)) == 0
    honest = "def f():\n    for n in range(900):\n        open(f'file{n}', 'w').write('x')\n    return n\n"
    assert value(run(honest)) == 899


def test_locks_and_leases_and_signals_of_descriptors(run: Run) -> None:
    source = f"""{REFUSALS}
import fcntl, struct
def f():
    descriptor = os.open("mine", os.O_RDWR | os.O_CREAT)
    null = os.open("/dev/null", os.O_RDWR)
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
    attempts = []
    for one in (0, 1, 2, 3, descriptor, null):
        attempts += [lambda one=one: fcntl.flock(one, fcntl.LOCK_SH | fcntl.LOCK_NB),
                     lambda one=one: fcntl.lockf(one, fcntl.LOCK_SH | fcntl.LOCK_NB)]
        for command in (1024, 1026, 8, 10, 15, 36, 37, 38, 1031, 1033, 1036):
            attempts.append(lambda one=one, command=command: fcntl.fcntl(one, command, lock if command < 40 else 1))
    return sorted(set(tried(attempts)))
"""
    assert value(run(source)) == ["EPERM"]


def test_the_host_s_null_device(run: Run) -> None:
    """The one file of the host's that programs can open: what it is and whose it is cannot be changed."""
    before = Path(os.devnull).stat()
    source = f"""{REFUSALS}
def f():
    null = os.open("/dev/null", os.O_RDWR)
    return tried([lambda: os.chmod("/dev/null", 0), lambda: os.fchmod(null, 0), lambda: os.chown("/dev/null", 1, 1),
                  lambda: os.utime("/dev/null", (1, 1)), lambda: os.fchown(null, 1, 1), lambda: os.unlink("/dev/null"),
                  lambda: os.rename("/dev/null", "/tmp/null")]), os.write(null, b"x"), os.read(null, 9) == b""
"""
    refusals, written, empty = value(run(source))
    assert set(refusals) <= {"EROFS", "EPERM", "EXDEV", "EBUSY"}
    assert (written, empty) == (1, True)
    after = Path(os.devnull).stat()
    assert (before.st_mode, before.st_uid, before.st_mtime_ns) == (after.st_mode, after.st_uid, after.st_mtime_ns)


def test_descriptors_are_pipes_of_the_program_s_own(run: Run) -> None:
    source = """
import fcntl, os, stat
def f():
    kinds = [stat.S_ISFIFO(os.fstat(number).st_mode) for number in range(4)]
    flags = [fcntl.fcntl(number, fcntl.F_GETFL) for number in range(4)]
    for number in range(4):
        fcntl.fcntl(number, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND | os.O_ASYNC)
        os.fchmod(number, 0)
    return kinds, flags, [os.fstat(number).st_ino for number in range(4)]
"""
    (kinds, flags, inodes), (_, later, others) = value(run(source)), value(run(source))
    assert kinds == [True] * 4
    assert flags == later == [os.O_RDONLY, os.O_WRONLY, os.O_WRONLY, os.O_WRONLY]
    assert not set(inodes) & set(others)


def test_flags_of_descriptors_do_not_reach_the_supervisor(run: Run) -> None:
    """What is printed after the pipe was made not to block is thrown away all the same."""
    source = """
import os, time
def f():
    os.set_blocking(1, False)
    written = 0
    for _ in range(1000):
        try:
            written += os.write(1, b"x" * 65536)
        except BlockingIOError:
            time.sleep(0.001)  # whoever reads may have no processor just now
    return written > 65536
"""
    assert value(run(source)) is True
    print_much = "def f():\n    for _ in range(200):\n        print('x' * 10_000)\n    return 1\n"
    assert value(run(print_much)) == 1


def test_the_folder_is_another_each_time(run: Run) -> None:
    source = """
import os
def f():
    found = os.stat("/tmp").st_dev, os.stat("/tmp").st_mtime_ns, os.listdir("/tmp"), os.getcwd()
    open("left", "w").close()
    return found
"""
    found = [value(run(source)) for _ in range(4)]
    assert len({time for _, time, _, _ in found}) > 1
    assert all((names, here) == ([], "/tmp") for _, _, names, here in found)


def test_kernel_objects_that_outlive_a_process(run: Run) -> None:
    source = """
import ctypes, errno
def f(numbers):
    libc = ctypes.CDLL(None, use_errno=True)
    found = []
    for number in numbers:
        libc.syscall(ctypes.c_long(number), ctypes.c_long(0), ctypes.c_long(4096), ctypes.c_long(0o1600), ctypes.c_long(0))
        found.append(errno.errorcode[ctypes.get_errno()])
    return sorted(set(found))
"""
    import platform

    if platform.machine() != "x86_64":
        pytest.skip("numbers of x86_64")
    # shmget, semget, msgget, mq_open, memfd_create, keyctl, add_key, inotify_init1, inotify_add_watch, fanotify_init,
    # timer_create, timerfd_create, sync, syncfs, flock, mknod, setsid, rt_sigqueueinfo, sched_setscheduler, splice, tee
    numbers = [29, 64, 68, 240, 319, 250, 248, 294, 254, 300, 222, 283, 162, 306, 73, 133, 112, 129, 144, 275, 276]
    assert value(run(source, numbers)) == ["EPERM"]


@pytest.mark.parametrize(
    ("maps", "found"),
    [
        (["0 0 4294967295\n"], 65534),
        (["         0     100000      65536\n"], 65534),
        (["0 100000 1\n1 200000 500\n", "0 0 65536\n"], None),
        (["0 0 1\n1 200000 500\n", "0 0 501\n"], 500),
        (["0 0 1\n"], None),
        (["0 1000 1\n"], None),
        ([""], None),
    ],
)
def test_who_to_become(maps: list[str], found: int | None) -> None:
    assert namespaces.unprivileged(*maps) == found


def test_root_of_a_container_may_be_somebody_else() -> None:
    assert namespaces.is_root_outside("         0          0 4294967295\n")
    assert namespaces.is_root_outside("0 0 1\n")
    assert not namespaces.is_root_outside("0 1000 1\n1 100000 65536\n")


def test_programs_are_never_root_outside(sandbox: Sandbox, run: Run) -> None:
    """Seen from the host: whoever a program is inside, its process belongs to somebody without privileges."""
    assert sandbox._supervisor
    keeper = sandbox._supervisor._process.pid
    (pid_1,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid_1}/status").read_text().splitlines() if ":\t" in line
    )
    users, groups = ({int(number) for number in status[name].split()} for name in ("Uid", "Gid"))
    assert 0 not in users | groups
    assert not {0} & {int(number) for number in status["Groups"].split()}
    assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert error(run("import os\ndef f():\n    os.setuid(7)\n")) == "PermissionError"


def test_a_library_that_only_its_owner_may_read_is_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "lib", tmp_path / "copy"
    for name in ("json/a.py", "test/b.py", "site-packages/c.py", "d.so"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
        (source / name).chmod(0o600)
    (source / "json").chmod(0o700)
    (source / "link.py").symlink_to("d.so")
    os.utime(source / "d.so", (1, 1))
    target.mkdir()
    mounts.copy_public(source, target)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "d.so",
        "json",
        "json/a.py",
        "link.py",
    ]
    assert (target / "json" / "a.py").stat().st_mode & 0o777 == 0o644
    assert (target / "json").stat().st_mode & 0o055 == 0o055
    assert (target / "d.so").stat().st_mtime == 1
