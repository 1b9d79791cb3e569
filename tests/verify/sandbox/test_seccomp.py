"""The filter: the numbers in it are the kernel's, and it lets a shell's worth of calls through."""

from __future__ import annotations

import errno
import struct

import pytest

from tasks.verify.sandbox.seccomp import machines, seccomp_filter

# Architecture, and a few calls by the kernel's tables: those that must be refused, and those that must not.
KNOWN = {
    "x86_64": (0xC000003E, {"ptrace": 101, "mount": 165, "unshare": 272, "socket": 41, "bpf": 321}, [0, 1, 9, 57, 59, 53]),
    "aarch64": (0xC00000B7, {"ptrace": 117, "mount": 40, "unshare": 97, "socket": 198, "bpf": 280}, [63, 64, 222, 221, 199]),
}
CLONE = {"x86_64": 56, "aarch64": 220}
ALLOWED, KILLED = 0x7FFF0000, 0x80000000


def result(machine: str, arch: int, number: int, argument: int = 0) -> int:
    """What the kernel would do: classic BPF, as far as the filter uses it."""
    data = struct.pack("<IIQQ", number, arch, 0, argument)  # number, arch, instruction pointer, first argument
    lines = list(struct.iter_unpack("HBBI", seccomp_filter(machine)))
    place = value = 0
    while True:
        code, yes, no, k = lines[place]
        place += 1
        if code == 0x20:
            [value] = struct.unpack_from("<I", data, k)
        elif code == 0x06:
            return k
        else:
            place += yes if {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code] else no


@pytest.mark.parametrize("machine", KNOWN)
def test_calls_are_refused_by_the_kernels_numbers(machine: str) -> None:
    arch, refused, allowed = KNOWN[machine]
    for name, number in refused.items():
        assert result(machine, arch, number) == 0x50000 | errno.EPERM, name
    for number in allowed:
        assert result(machine, arch, number) == ALLOWED, number
    assert result(machine, arch, 435) == 0x50000 | errno.ENOSYS  # clone3
    assert result(machine, arch, 0x40000000 + 1) == 0x50000 | errno.ENOSYS  # x32
    assert result(machine, arch ^ 1, 1) == KILLED


@pytest.mark.parametrize("machine", KNOWN)
def test_processes_and_threads_may_be_made_but_no_namespaces(machine: str) -> None:
    arch = KNOWN[machine][0]
    assert result(machine, arch, CLONE[machine], 0x1200011) == ALLOWED  # fork
    assert result(machine, arch, CLONE[machine], 0x3D0F00) == ALLOWED  # a thread
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert result(machine, arch, CLONE[machine], 0x11 | flag) == 0x50000 | errno.EPERM


def test_the_filter_is_within_the_kernels_limits() -> None:
    for machine in machines():
        assert len(seccomp_filter(machine)) <= 4096 * 8
    with pytest.raises(KeyError):
        seccomp_filter("riscv64")
