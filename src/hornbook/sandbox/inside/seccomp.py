"""Seccomp filters: a list of the system calls that the supervisor and programs have a use for; all others are refused.

The namespaces already take files and network away; the filters keep programs from making processes, from reaching
pid 1, from whatever outlives a program (extended attributes, locks, leases, keys, shared memory), and from the parts of
the kernel where escapes have been found. There are two, because putting on a long one takes the kernel as long as half
a fork: the supervisor puts the long one on once, for itself and all its forks, and each fork adds a short one against
forking. Numbers are those of <asm/unistd_64.h> and <asm-generic/unistd.h>; the filter's language is classic BPF
(seccomp(2), <linux/filter.h>).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable

from . import kernel

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # <linux/audit.h>
_X32 = 0x40000000
_NEWEST_KNOWN = 450  # set_mempolicy_home_node; both machines number alike from 424 on
_CLONE_THREAD = 0x00010000
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW... flag

# Number on x86_64, number on aarch64 (None: does not exist there).
_ALLOWED: dict[str, tuple[int | None, int | None]] = {
    # files, of which only the temporary folder's can be written
    "open": (2, None), "openat": (257, 56), "openat2": (437, 437), "creat": (85, None), "close": (3, 57),
    "close_range": (436, 436), "read": (0, 63), "pread64": (17, 67), "readv": (19, 65), "preadv": (295, 69),
    "preadv2": (327, 286), "write": (1, 64), "pwrite64": (18, 68), "writev": (20, 66), "pwritev": (296, 70),
    "pwritev2": (328, 287), "lseek": (8, 62), "sendfile": (40, 71), "copy_file_range": (326, 285),
    "truncate": (76, 45), "ftruncate": (77, 46), "fallocate": (285, 47), "fadvise64": (221, 223), "fsync": (74, 82),
    "fdatasync": (75, 83), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None), "newfstatat": (262, 79),
    "statx": (332, 291), "statfs": (137, 43), "fstatfs": (138, 44), "access": (21, None), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78), "getcwd": (79, 17), "chdir": (80, 49),
    "fchdir": (81, 50), "getdents": (78, None), "getdents64": (217, 61), "mkdir": (83, None), "mkdirat": (258, 34),
    "rmdir": (84, None), "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None), "renameat": (264, 38),
    "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "utimensat": (280, 88), "umask": (95, 166),
    # descriptors
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "pipe": (22, None), "pipe2": (293, 59), "poll": (7, None),
    "ppoll": (271, 73), "select": (23, None), "pselect6": (270, 72), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_wait": (232, None), "epoll_pwait": (281, 22), "eventfd2": (290, 19),
    # memory
    "brk": (12, 214), "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226),
    "madvise": (28, 233), "msync": (26, 227),
    # threads, and the supervisor's forks
    "fork": (57, None), "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "membarrier": (324, 283), "set_tid_address": (218, 96),
    "exit": (60, 93), "exit_group": (231, 94), "wait4": (61, 260), "waitid": (247, 95), "setpgid": (109, 154),
    "getcpu": (309, 168),
    # signals
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "pause": (34, None), "alarm": (37, None),
    "setitimer": (38, 103), "getitimer": (36, 102), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "rt_sigpending": (127, 136), "rt_sigsuspend": (130, 133),
    "rt_sigtimedwait": (128, 137), "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    # time
    "time": (201, None), "gettimeofday": (96, 169), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "times": (100, 153),
    # who and where one is, and how much one may use
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getpgrp": (111, None), "getpgid": (121, 155),
    "getsid": (124, 156), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "getresuid": (118, 148), "getresgid": (120, 150), "getgroups": (115, 158), "getrlimit": (97, 163),
    "setrlimit": (160, 164), "getrusage": (98, 165), "capget": (125, 90), "uname": (63, 160), "sysinfo": (99, 179),
    "getrandom": (318, 278), "getpriority": (140, 141),
}  # fmt: skip
_CLONE3 = 435
_CLONE, _FCNTL, _IOCTL, _PRCTL, _PRLIMIT64 = (56, 220), (72, 25), (16, 29), (157, 167), (302, 261)
_FORK_AND_VFORK = {"x86_64": (57, 58), "aarch64": ()}
_EXTENDED_ATTRIBUTES = ((188, 199), (5, 16))  # from setxattr to fremovexattr

# Of the calls with many faces the harmless ones: duplicates and flags of descriptors, but no locks, leases, owners,
# signals or sizes of pipes; whether something is a terminal, and how large; names of threads, and further filters.
_FCNTLS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FION-, FIOCLEX
_PRCTLS = (3, 15, 16, 22, 23, 39)  # GET_DUMPABLE, SET_NAME, GET_NAME, SET_SECCOMP, CAPBSET_READ, GET_NO_NEW_PRIVS

# Where the words of struct seccomp_data lie; the low half of an argument, on little-endian machines.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24

_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _IF_EQUAL, _IF_GREATER, _IF_AT_LEAST, _IF_BITS, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_SECCOMP_MODE_FILTER = 2


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, then, otherwise, value)


def _rules_for_all(machine: str) -> list[bytes]:
    """What the supervisor and a program may do."""
    column = list(_ARCHITECTURES).index(machine)
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_IF_EQUAL, _ARCHITECTURES[machine], then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_IF_BITS, _X32, otherwise=1),
        _step(_RETURN, _KILL),
        # A call newer than this list does not exist, nor does clone3, whose flags a filter cannot see: on ENOSYS
        # the C library falls back on the older calls.
        _step(_IF_GREATER, _NEWEST_KNOWN, then=1),
        _step(_IF_EQUAL, _CLONE3, otherwise=1),
        _step(_RETURN, _FAIL | errno.ENOSYS),
    ]
    # Files have no extended attributes here: copying one takes that for an answer, but not that it may not ask.
    steps += _between(*_EXTENDED_ATTRIBUTES[column], _FAIL | errno.ENOTSUP)
    for first, last in _ranges(number for numbers in _ALLOWED.values() if (number := numbers[column]) is not None):
        steps += _between(first, last, _ALLOW)
    steps += _where(_FCNTL[column], _SECOND_ARGUMENT, _FCNTLS)
    steps += _where(_IOCTL[column], _SECOND_ARGUMENT, _IOCTLS)
    steps += _where(_PRCTL[column], _FIRST_ARGUMENT, _PRCTLS)
    steps += _where(_PRLIMIT64[column], _FIRST_ARGUMENT, (0,))  # the calling process only
    return [
        *steps,
        _step(_IF_EQUAL, _CLONE[column], otherwise=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_BITS, _NEW_NAMESPACES, then=1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _FAIL | errno.EPERM),
    ]


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The numbers as stretches without a gap, each from its first to its last."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _between(first: int, last: int, result: int) -> list[bytes]:
    return [
        _step(_IF_AT_LEAST, first, otherwise=2),
        _step(_IF_GREATER, last, then=1),
        _step(_RETURN, result),
    ]


def _where(number: int, argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Decide on a call by one of its arguments."""
    compared = [_step(_IF_EQUAL, value, then=len(values) - place) for place, value in enumerate(values)]
    block = [_step(_LOAD, argument), *compared, _step(_RETURN, _FAIL | errno.EPERM), _step(_RETURN, _ALLOW)]
    return [_step(_IF_EQUAL, number, otherwise=len(block)), *block]


def _rules_against_forking(machine: str) -> list[bytes]:
    """No processes: clone makes threads only. Comes on top of the other rules, which have checked the machine."""
    steps = [_step(_LOAD, _NUMBER)]
    for number in _FORK_AND_VFORK[machine]:
        steps += [_step(_IF_EQUAL, number, otherwise=1), _step(_RETURN, _FAIL | errno.EPERM)]
    return [
        *steps,
        _step(_IF_EQUAL, _CLONE[list(_ARCHITECTURES).index(machine)], otherwise=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_BITS, _CLONE_THREAD, then=1),
        _step(_RETURN, _FAIL | errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]


class _FilterProgram(ctypes.Structure):
    _fields_ = (("count", ctypes.c_ushort), ("steps", ctypes.c_void_p))


class Filter:
    """A filter made ready once, to be put on in many processes."""

    def __init__(self, steps: list[bytes]) -> None:
        self._steps = ctypes.create_string_buffer(b"".join(steps))
        self._program = _FilterProgram(len(steps), ctypes.addressof(self._steps))

    def put_on(self) -> None:
        """Bind the calling process, for good. Wants PR_SET_NO_NEW_PRIVS set. Raises OSError when refused."""
        kernel.prctl(kernel.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(self._program))


def filters() -> tuple[Filter, Filter]:
    """The filter for all, then the one against forking. Raises OSError where there are no rules for this machine."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"there are no seccomp rules for a machine of type {machine!r}")
    return Filter(_rules_for_all(machine)), Filter(_rules_against_forking(machine))
