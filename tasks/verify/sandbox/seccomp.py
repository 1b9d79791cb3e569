"""The system calls that a sandboxed program may not make, as a seccomp filter for ``bwrap --seccomp``.

Namespaces and limits do the isolating; the filter takes away what reaches around them: reading another process's
memory, making new namespaces and mounts, memory that no limit counts, and the parts of the kernel where most of its
holes were. Numbers are from the kernel's ``unistd_64.h`` (x86_64) and ``asm-generic/unistd.h`` (aarch64); the program
format is classic BPF over ``struct seccomp_data`` (seccomp(2)).
"""

from __future__ import annotations

import errno
import struct

# name: (number on x86_64, number on aarch64); None where the machine does not have it.
_DENIED: dict[str, tuple[int, int | None]] = {
    # other processes' memory and descriptors: the tests' process lives beside the program
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    # sockets of every family (socketpair, which reaches nobody, stays)
    "socket": (41, 198),
    # memory that outlives its process or is in no process's size
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # wide doors into the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "modify_ldt": (154, None),
    "personality": (135, 92),
    # the machine itself (no right to any of it is left; this is the second lock)
    "syslog": (103, 116),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
}
# Column of the table, AUDIT_ARCH_*, number of clone. Newer numbers are the same on every machine.
_MACHINES = {"x86_64": (0, 0xC000003E, 56), "aarch64": (1, 0xC00000B7, 220)}
_CLONE3 = 435
_NEWEST = 451  # calls from here on did not exist when this list was made: "not implemented"
_CLONE_NEW = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_LD|ABS, BPF_JMP|JEQ, JGE, JSET, BPF_RET
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # where struct seccomp_data holds them; both machines are little-endian
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def machines() -> list[str]:
    """The processor types (``platform.machine()``) that the filter is written for."""
    return sorted(_MACHINES)


def seccomp_filter(machine: str) -> bytes:
    """The filter as bwrap reads it: an array of ``struct sock_filter``. Raises `KeyError` for another machine."""
    column, arch, clone = _MACHINES[machine]
    numbers = [both[column] for both in _DENIED.values()]
    denied, missing = _ERROR | errno.EPERM, _ERROR | errno.ENOSYS
    lines = [
        *((_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL)),  # 32-bit calls have other numbers
        (_LOAD, 0, 0, _NUMBER),
        # `clone3` hides its flags behind a pointer; where it is missing, libc uses `clone`. x32 calls are large numbers.
        *((_EQUAL, 1, 0, _CLONE3), (_AT_LEAST, 0, 1, _NEWEST), (_RETURN, 0, 0, missing)),
        *(line for number in numbers if number is not None for line in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, denied))),
        *((_EQUAL, 1, 0, clone), (_RETURN, 0, 0, _ALLOW)),
        *((_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _CLONE_NEW), (_RETURN, 0, 0, denied), (_RETURN, 0, 0, _ALLOW)),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
