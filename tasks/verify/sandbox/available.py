"""Whether this machine can isolate a program: found out by running one."""

from __future__ import annotations

from functools import cache

from tasks.runtime.errors import ConfigurationError
from tasks.verify.sandbox.isolation import missing
from tasks.verify.sandbox.run import Job, Kind, run
from tasks.verify.settings import SandboxSettings

# Uses what a run needs: the standard library as the run's user, a second process, the scratch folder.
_PROBE = Job(
    program="""
import decimal, os
def probe():
    with open("file", "w") as file:
        file.write("1")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)[1]
""",
    source="assert probe() == 0",
    names=("probe",),
)
_SECONDS = 20.0
MEND = (
    "install bubblewrap (Debian: apt install bubblewrap) and allow it to make namespaces (user namespaces for a plain user, "
    "CAP_SYS_ADMIN for root in a container), or set `sandbox.accept_weak` in the verify settings to run it unprotected"
)


@cache
def problem(kind: Kind) -> str:
    """Why a kind of sandbox does not work here; empty when it does. A trivial run tells, once a process."""
    if kind == "strong" and (lack := missing()):
        return lack
    outcome = run(_PROBE, SandboxSettings(), _SECONDS, kind)
    return "" if outcome.state == "accepted" else f"a trial run failed: {outcome.reason}"


def sandbox_kind(settings: SandboxSettings) -> Kind:
    """The kind of sandbox that model-written code gets here.

    Raises:
        ConfigurationError: the machine cannot isolate it, and the settings do not accept less.
    """
    if not (why := problem("strong")):
        return "strong"
    if not settings.accept_weak:
        raise ConfigurationError(f"model-written code cannot be isolated on this machine: {why}. Mend: {MEND}")
    if why := problem("weak"):
        raise ConfigurationError(f"model-written code does not run on this machine, not even unprotected: {why}")
    return "weak"
