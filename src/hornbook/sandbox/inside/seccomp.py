"""Seccomp filters: system calls that a program under test has no use for fail with EPERM.

The namespaces already take files and network away; the filters keep programs from making processes, from reaching
pid 1 or one another, and from the parts of the kernel where escapes have been found. There are two, because putting
on a long one takes the kernel as long as half a fork: the supervisor puts the long one on once, for itself and all
its forks, and each fork adds a short one against forking. Numbers are those of
<asm/unistd_64.h> and <asm-generic/unistd.h>; the filter's language is classic BPF (seccomp(2), <linux/filter.h>).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from . import kernel

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # <linux/audit.h>
_X32 = 0x40000000
_CLONE_THREAD = 0x00010000
_NEWEST_KNOWN = 450  # set_mempolicy_home_node; both machines number alike from 424 on

_CLONE = {"x86_64": 56, "aarch64": 220}
_FORK_AND_VFORK = {"x86_64": (57, 58), "aarch64": ()}
_PRLIMIT64 = {"x86_64": 302, "aarch64": 261}
_CLONE3 = 435

# Number on x86_64, number on aarch64 (None: does not exist there).
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # other programs
    "execve": (59, 221), "execveat": (322, 281),
    # network, local sockets included
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "sendmmsg": (307, 269), "recvmmsg": (299, 243), "getsockopt": (55, 209),
    "setsockopt": (54, 208), "shutdown": (48, 210),
    # other processes: pid 1 above all, whose priority and limits are nobody's business
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "setpriority": (141, 140),
    "sched_setaffinity": (203, 122), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # namespaces, mounts, files by handle
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "lookup_dcookie": (212, 18),
    # memory that outlives a process or hides from its limits
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "shmat": (30, 196),
    "shmctl": (31, 195), "msgget": (68, 186), "msgctl": (71, 187), "semget": (64, 190), "semctl": (66, 191),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218),
    # the kernel's wide doors
    "bpf": (321, 280), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_setup": (206, 0), "io_submit": (209, 2), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "vmsplice": (278, 75), "mbind": (237, 235), "set_mempolicy": (238, 237), "set_mempolicy_home_node": (450, 450),
    "personality": (135, 92), "modify_ldt": (154, None), "iopl": (172, None), "ioperm": (173, None),
    "seccomp": (317, 277),
    # the machine itself
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "acct": (163, 89), "syslog": (103, 116),
    "vhangup": (153, 58), "uselib": (134, None), "sysfs": (139, None), "_sysctl": (156, None),
    "nfsservctl": (180, 42),
}  # fmt: skip

# Where the words of struct seccomp_data lie; the low half of an argument, on little-endian machines.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _IF_EQUAL, _IF_GREATER, _IF_BITS, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_SECCOMP_MODE_FILTER = 2


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, then, otherwise, value)


def _rules_for_all(machine: str) -> list[bytes]:
    """What neither the supervisor nor a program may do."""
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
        # prlimit64 sees to the calling process only.
        _step(_IF_EQUAL, _PRLIMIT64[machine], otherwise=4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_EQUAL, 0, then=1),
        _step(_RETURN, _FAIL | errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            steps += _refuse(number)
    return [*steps, _step(_RETURN, _ALLOW)]


def _rules_against_forking(machine: str) -> list[bytes]:
    """No processes: clone makes threads only. Comes on top of the other rules, which have checked the machine."""
    steps = [_step(_LOAD, _NUMBER)]
    for number in _FORK_AND_VFORK[machine]:
        steps += _refuse(number)
    return [
        *steps,
        _step(_IF_EQUAL, _CLONE[machine], otherwise=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_IF_BITS, _CLONE_THREAD, then=1),
        _step(_RETURN, _FAIL | errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]


def _refuse(number: int) -> list[bytes]:
    return [_step(_IF_EQUAL, number, otherwise=1), _step(_RETURN, _FAIL | errno.EPERM)]


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
