"""Programs that try to get out, or to pass without the right answer: every one is contained, and ends in a verdict."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.runtime.errors import ConfigurationError
from tasks.verify import code as code_module
from tasks.verify.code import code
from tasks.verify.sandbox.available import problem
from tasks.verify.settings import SandboxSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict
from tests.verify.sandbox.attempts import ATTEMPTS as PLAIN
from tests.verify.sandbox.forgeries import FORGERIES

ATTEMPTS = PLAIN | {f"forge: {name}": attempt for name, attempt in FORGERIES.items()}
REFERENCE = json.dumps({"tests": "assert attempt() == 'escaped'", "entry_point": "attempt"})
SETTINGS = VerifySettings(time_limit=2.0, sandbox=SandboxSettings(memory_mb=256))
MARKER = f"winnow-test-{secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def bait() -> Iterator[dict[str, object]]:
    """What an attempt is after: a file in the home folder, a secret variable, listening sockets, a process."""
    unix = f"winnow-{secrets.token_hex(8)}"
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix=".winnow-test-", dir=Path.home()) as folder,
        socket.create_server(("127.0.0.1", 0)) as inet,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as victim,
    ):
        patch.setenv("BAIT", "escaped")
        secret = Path(folder) / "secret"
        secret.write_text("escaped")
        abstract.bind(f"\0{unix}")
        abstract.listen()
        yield {
            "bait": secret,
            "folder": folder,
            "project": code_module.__file__,
            "packages": [sysconfig.get_path("purelib")],
            "port": inet.getsockname()[1],
            "unix": unix,
            "victim": victim.pid,
            "marker": MARKER,
        }
        assert victim.poll() is None
        victim.kill()
        assert os.listdir(folder) == ["secret"]


def answer(program: str, bait: dict[str, object]) -> Answer:
    return Answer(f"```python\n{program.format(**bait)}\n```", "code", REFERENCE)


@pytest.fixture(scope="module")
def verdicts(bait: dict[str, object]) -> dict[str, Verdict] | None:
    """One batch of all attempts; None where nothing can isolate them, which is refused."""
    answers = [answer(attempt.program, bait) for attempt in ATTEMPTS.values()]
    if problem("strong"):
        with pytest.raises(ConfigurationError, match="cannot be isolated"):
            code(answers, SETTINGS)
        return None
    return dict(zip(ATTEMPTS, code(answers, SETTINGS), strict=True))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_is_contained_and_gets_a_verdict(verdicts: dict[str, Verdict] | None, name: str) -> None:
    if verdicts is None:
        assert problem("strong")
        return
    attempt, verdict = ATTEMPTS[name], verdicts[name]
    assert verdict.state == attempt.state, verdict
    assert attempt.reason in verdict.reason, verdict


def test_nothing_of_a_run_outlives_it(verdicts: dict[str, Verdict] | None) -> None:
    left = [process.info for process in psutil.process_iter(["cmdline"]) if MARKER in (process.info["cmdline"] or [])]
    assert left == []
    assert [child.name() for child in psutil.Process().children() if child.name() == "bwrap"] == []


def test_the_attempts_are_after_something_that_can_be_had(bait: dict[str, object], tmp_path: Path) -> None:
    """Outside the sandbox, they get it: what contains them is the sandbox, and not a mistake of theirs."""
    names = ("read: home folder", "read: project", "read: environment", "read: symbolic link", "write: the home folder")
    names += ("reach: internet socket", "reach: abstract unix socket", "read: installed packages")
    for name in names:
        source = ATTEMPTS[name].program.format(**{**bait, "folder": tmp_path}) + "\nprint(attempt())"
        process = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True)
        assert process.returncode == 0, (name, process.stderr)
        assert "escaped" in process.stdout or name == "read: project"
