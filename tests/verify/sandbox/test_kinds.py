"""Who runs it and on which machine: root, a plain user, without isolation, and the refusal."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.runtime.errors import ConfigurationError
from tasks.verify.sandbox import available, isolation
from tasks.verify.sandbox.available import problem, sandbox_kind
from tasks.verify.settings import SandboxSettings
from tests.verify.sandbox.attempts import ATTEMPTS

ROOT = Path(__file__).parents[3]
NOBODY = 64_321
MARKER = f"winnow-test-{secrets.token_hex(8)}"
CONTAINED = [
    "exhaust: fork bomb",
    "exhaust: memory bomb, many processes",
    "exhaust: endless output",
    "exhaust: threads without end",
    "reach: the parent",
    "pretend: equal to everything",
    "outlast: daemon that stays",
]
ISOLATED = [
    "read: home folder",
    "read: environment of process 1",
    "reach: internet socket",
    "reach: a process outside",
    "reach: new user namespace",
    "reach: ptrace",
    "reach: root",
    "write: the standard library",
]


def seen_by(user: int) -> list[str]:
    """What to put before a command so that `user` runs it, with this Python and this project within reach.

    Root often keeps both where nobody else may look (``/root``); a mount of its own makes them readable. Where we are no
    root, or nothing can make such a mount, the command runs as who we are.
    """
    if os.geteuid() != 0 or problem("strong"):
        return []
    wanted = [Path(sys.base_prefix), ROOT]
    closed = {parent for path in wanted for parent in path.parents if not parent.stat().st_mode & 1}
    shown = [path for path in wanted if closed & set(path.parents)]
    open_folders = sorted({parent for path in shown for parent in path.parents if closed & {parent, *parent.parents}})
    mounts = [word for folder in sorted(closed) for word in ("--perms", "0755", "--tmpfs", str(folder))]
    mounts += [word for folder in open_folders if folder not in closed for word in ("--perms", "0755", "--dir", str(folder))]
    mounts += [word for path in shown for word in ("--ro-bind", str(path), str(path))]
    become = f"os.setgroups([]); os.setgid({user}); os.setuid({user}); " if user else ""
    start = f"import os, sys; {become}os.execv(sys.argv[1], sys.argv[1:])"
    return [str(shutil.which("bwrap")), "--dev-bind", "/", "/", *mounts, "--", sys.executable, "-c", start]


def outcomes(names: list[str], user: int, accept_weak: bool, path: str | None = None) -> dict[str, Any]:
    bait = {
        "bait": __file__,
        "folder": "/",
        "project": __file__,
        "packages": [],
        "port": 9,
        "unix": "x",
        "victim": os.getpid(),
        "marker": MARKER,
    }
    asked = {"names": ["right", *names], "bait": bait, "accept_weak": accept_weak}
    process = subprocess.run(
        [*seen_by(user), sys.executable, "-m", "tests.verify.sandbox.outcomes"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PATH": path or os.environ["PATH"]},
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def nothing_left() -> bool:
    return not any(MARKER in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))


def test_a_plain_user_gets_the_same_isolation() -> None:
    said = outcomes(CONTAINED + ISOLATED, NOBODY, accept_weak=False)
    if problem("strong"):
        assert "cannot be isolated" in said["refused"]
        return
    assert said["version"] == "2"
    assert said["verdicts"].pop("right") == ["accepted", ""]
    for name, (state, reason) in said["verdicts"].items():
        assert (state, ATTEMPTS[name].reason in reason) == (ATTEMPTS[name].state, True), (name, state, reason)
    assert nothing_left()


# Alone, for the limit on processes is one for all that a plain user runs.
BOMB, OTHERS = CONTAINED[:1], CONTAINED[1:]


@pytest.mark.parametrize(("user", "names"), [(NOBODY, BOMB), (NOBODY, OTHERS), (0, ["reach: root", *CONTAINED[-1:]])])
def test_without_isolation_there_are_still_limits(tmp_path: Path, user: int, names: list[str]) -> None:
    """Where bwrap is not to be found and the settings accept it: limits hold, nothing stays, the version says so."""
    hidden = tmp_path / "empty"
    hidden.mkdir()
    said = outcomes(names, user, accept_weak=True, path=str(hidden))
    if "refused" in said:  # the user of a run cannot read our Python, and nothing here can show it
        assert problem("strong")
        assert "not even unprotected" in said["refused"]
        return
    assert said["version"] == "2+weak"
    assert said["verdicts"].pop("right") == ["accepted", ""]
    for name, (state, reason) in said["verdicts"].items():
        # A plain user's limit on processes leaves room for runs side by side: one that takes it is ended from outside.
        if "over 16 processes" not in reason:
            assert (state, ATTEMPTS[name].reason in reason) == (ATTEMPTS[name].state, True), (name, state, reason)
    assert nothing_left()


def test_without_bwrap_code_is_refused(tmp_path: Path) -> None:
    said = outcomes([], NOBODY, accept_weak=False, path=str(tmp_path))
    assert "bubblewrap (the command bwrap) is not installed" in said["refused"]
    assert "apt install bubblewrap" in said["refused"]
    assert "sandbox.accept_weak" in said["refused"]


def test_a_machine_the_filter_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.platform, "machine", lambda: "riscv64")
    available.problem.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="not for riscv64"):
            sandbox_kind(SandboxSettings())
    finally:
        available.problem.cache_clear()


def test_a_bwrap_that_fails_is_refused_with_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    available.problem.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="No permissions to create new namespace"):
            sandbox_kind(SandboxSettings())
    finally:
        available.problem.cache_clear()
