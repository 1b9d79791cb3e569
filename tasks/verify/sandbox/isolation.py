"""How a program is kept apart on this machine: the command that starts it, and whether that works here."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from tasks.runtime.hardware import usable_cores
from tasks.verify.sandbox.seccomp import machines, seccomp_filter

SCRATCH = "/tmp"  # noqa: S108 - inside the sandbox: a file system of its own
_SYSTEM_LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID")
_EVERY_USER = "0 0 4294967295"  # the user map of a process that is in no user namespace
OURS = 3  # the judge, bwrap's first process, and the one that starts the program once for each input
_FIRST_USER, _USERS = 1 << 30, 1 << 29  # ids no machine gives out, one a run: limits on processes count by user


@dataclass(frozen=True)
class Start:
    """How to start one run.

    Attributes:
        command: up to the interpreter's own arguments.
        environment: all of it.
        folder: the program's scratch folder, as it sees it.
        user: the user id to change to first; 0: none.
        others: processes and threads that the limit on processes counts besides the run's.
    """

    command: list[str]
    environment: dict[str, str]
    folder: str
    user: int
    others: int


def strong_start(scratch_bytes: int, seccomp: int) -> Start:
    """A start under bubblewrap (SANDBOX.md). `seccomp`: descriptor of the open filter. Root and others alike."""
    root = is_root()
    environment = _environment(SCRATCH)
    command = [
        *("bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"),
        # Root keeps what it takes to become the run's user, and loses it then. In a user namespace it would stay the
        # real root, whose processes no limit counts.
        *(("--cap-drop", "ALL") if root else ("--unshare-user", *_more_flags())),
        *(word for name in _CAPABILITIES if root for word in ("--cap-add", name)),
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *_file_system(),
        *("--perms", "1777", "--size", str(scratch_bytes), "--tmpfs", SCRATCH, "--remount-ro", "/"),
        *("--seccomp", str(seccomp), "--", *_interpreter()),
    ]
    return Start(command, {"PATH": os.environ.get("PATH", os.defpath)}, SCRATCH, _user() if root else 0, OURS)


def weak_start(folder: Path, processes: int) -> Start:
    """A start without isolation: a process group and limits only. `folder`: the run's scratch folder, which exists."""
    user, others = (_user() if is_root() else 0), OURS
    if user:
        os.chown(folder, user, user)
    else:
        # The system counts all that our user runs: what there is, and what may run beside this. The watch counts the run.
        there = sum(process.info["num_threads"] or 0 for process in psutil.process_iter(["num_threads"]) if _mine(process))
        others += there + usable_cores() * (processes + OURS)
    return Start(_interpreter(), _environment(str(folder)), str(folder), user, others)


def _mine(process: psutil.Process) -> bool:
    try:
        return process.uids().real == os.getuid()
    except psutil.Error:
        return False


def open_filter() -> int:
    """A descriptor of the seccomp filter, to be closed by the caller."""
    reader, writer = os.pipe()
    os.write(writer, seccomp_filter(platform.machine()))  # far smaller than a pipe's buffer
    os.close(writer)
    return reader


def is_root() -> bool:
    """Whether we are the machine's root, and not only root of a user namespace (a container's)."""
    try:
        return os.geteuid() == 0 and " ".join(Path("/proc/self/uid_map").read_text().split()) == _EVERY_USER
    except OSError:
        return os.geteuid() == 0


def missing() -> str:
    """What the strong kind lacks here that can be said without trying it; empty: nothing."""
    if sys.platform != "linux":
        return "it needs Linux"
    if platform.machine() not in machines():
        return f"its filter of system calls is written for {' and '.join(machines())}, not for {platform.machine()}"
    return "" if shutil.which("bwrap") else "bubblewrap (the command bwrap) is not installed"


def _user() -> int:
    return _FIRST_USER + secrets.randbelow(_USERS)


def _environment(folder: str) -> dict[str, str]:
    # A fixed hash seed: the order of a set, and with it a verdict, is the same in every run.
    return {"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}


def _interpreter() -> list[str]:
    # No site packages, no user site, nothing importable from the scratch folder, nothing written beside sources.
    return [os.path.realpath(sys.executable), "-s", "-S", "-P", "-B"]


@cache
def _file_system() -> tuple[str, ...]:
    """bwrap's flags for a root that holds the interpreter, its library, and the system's shared libraries."""
    interpreter = _interpreter()[0]
    ours = [f"{sys.base_prefix}/lib", f"{sys.base_prefix}/lib64", os.path.dirname(os.__file__)]
    flags = ["--ro-bind", interpreter, interpreter, "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for path in dict.fromkeys((*_SYSTEM_LIBRARIES, *ours)):
        if os.path.islink(path):
            flags += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path) and not any(parent in flags for parent in map(str, Path(path).parents)):
            flags += ["--ro-bind", path, path]
    for path in _packages(ours):
        flags += ["--tmpfs", path, "--remount-ro", path]
    for path in _DEVICES:
        flags += ["--dev-bind", path, path]
    # Made by bwrap itself, folders on the way would be root's alone.
    parents = {str(parent) for flag in flags if flag.startswith("/") for parent in Path(flag).parents} - {"/"}
    return (*(word for path in sorted(parents) for word in ("--perms", "0755", "--dir", path)), *flags)


def _packages(libraries: Iterable[str]) -> list[str]:
    """Folders of installed packages in `libraries`: not the standard library, so not in the sandbox."""
    found = (path for library in libraries for name in ("site", "dist") for path in Path(library).glob(f"*/{name}-packages"))
    return sorted({str(path) for path in (*found, Path(os.__file__).with_name("site-packages")) if path.is_dir()})


@cache
def _more_flags() -> tuple[str, ...]:
    """``--disable-userns`` where this bwrap has it (0.8); the filter of system calls says the same."""
    listing = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, timeout=10)
    return ("--disable-userns",) if "--disable-userns" in listing.stdout + listing.stderr else ()
