"""Runs a server's command, and ends it, and everything it started, when whoever asked for it is gone.

``python -m tasks.sample.endpoint.guard COMMAND …`` as the leader of a process group, with a pipe as standard input that the
asker holds and never writes to. However the asker ends, the pipe closes. What the server starts stays a descendant of the guard
whatever dies in between, and all of it is gone before the guard is. The kernel ends the server should the guard be killed.
Exit code: the server's; 128 + n when signal n ended it.
"""

from __future__ import annotations

import ctypes
import select
import subprocess
import sys
from contextlib import suppress

import psutil

from tasks.runtime.stage import die_with_parent

GRACE_SECONDS = 10.0
_WAKE_SECONDS = 0.1
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; returns its exit code."""
    with suppress(OSError, AttributeError):  # not on Linux: what a dead server leaves behind is then nobody's
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    while server.poll() is None:
        if select.select([sys.stdin], [], [], _WAKE_SECONDS)[0]:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(GRACE_SECONDS)
            break
    code = server.poll() or 0
    while descendants := psutil.Process().children(recursive=True):
        for process in descendants:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(descendants, timeout=1)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
