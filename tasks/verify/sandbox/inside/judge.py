"""The judge: the process that holds the tests, runs them and writes the result."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enums, whose import costs a fifth of a start
import builtins
import marshal
import os
import resource
import sys

from tasks.verify.sandbox.inside.judged import be_judged
from tasks.verify.sandbox.inside.program import SIGXCPU, Gone, Program, Unsendable
from tasks.verify.sandbox.inside.wire import read, send, told, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READY = b"ready\n"


def main() -> None:
    """Read the job, become small, fork the program's process, judge it. Returns only in a process of the program's."""
    job = frame()
    confine(job)
    result_pipe = os.dup(1)  # the program's process closes it
    os.dup2(2, 1)  # what the tests print must not mix with the result
    (their_requests, requests), (replies, their_replies) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        be_judged(job, their_requests, their_replies)
        return
    os.close(their_requests)
    os.close(their_replies)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # from the program it ends this process, and is no error in a test
    write(result_pipe, READY)
    send(requests, b"go")  # not before: a program that ends this process must find the sandbox begun
    program = Program(pid, requests, replies)
    result = judged(job, frame(), program)
    program.end()
    write(result_pipe, result.encode("utf-8", "replace"))
    os._exit(0)


def frame() -> Any:
    """The next part of the job: its length, then marshalled data (from the process that started us, never the program)."""
    return marshal.loads(read(0, int.from_bytes(read(0, 8), "big")))  # noqa: S302


def confine(job: dict[str, Any]) -> None:
    """Give up the rights of root, and take on limits that nothing in here can raise again."""
    if user := job["user"]:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    os.chdir(job["folder"])
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # programs use them; `site` defines them


class Tally:
    """Tests passed and failed, and the first failure."""

    def __init__(self) -> None:
        self.passed, self.failed, self.reason = 0, 0, ""

    def success(self) -> None:
        self.passed += 1

    def failure(self, test: str, error: BaseException | str) -> None:
        self.failed += 1
        if not self.reason:
            why = error if isinstance(error, str) else "" if isinstance(error, AssertionError) else told(error)
            self.reason = f"{test}: {why}" if test and why else test or why

    def result(self, state: str = "") -> str:
        """Four lines: state, passed, failed, reason."""
        state = state or ("rejected" if self.failed or not self.passed else "accepted")
        return f"{state}\n{self.passed}\n{self.failed}\n{self.reason}\n"


def judged(job: dict[str, Any], tests: dict[str, Any], program: Program) -> str:
    """The result, as `Tally.result` writes it."""
    tally = Tally()
    try:
        first, *rest = program.ask(None)
    except Gone:
        first, rest = "", []
    if first == "ready":
        (run_inputs if job["runs"] else run_tests)(job, tests, program, tally)
    elif first:
        tally.failure("", str(rest[0]) if rest else "the program sent no readable value")
    if program.unsendable:
        tally.reason = program.unsendable
        return tally.result("reference_unparsable")
    if program.lost:
        tally.failure("", program.lost)
    if first == "unreadable":
        return tally.result("answer_unparsable")
    return tally.result("timed_out" if program.overtime else "")


def run_tests(job: dict[str, Any], tests: dict[str, Any], program: Program, tally: Tally) -> None:
    """Run the tests' source, in which `winnow_passed` and `winnow_failed` stand around each assert."""
    scope: dict[str, Any] = {"__name__": "tests", "winnow_passed": tally.success, "winnow_failed": tally.failure}
    try:
        exec(compile(job["setup"], "setup", "exec", dont_inherit=True), scope)  # noqa: S102 - this is the sandbox
        for name in tests["names"]:
            scope[name] = program.value(0, name)
        scope.setdefault("candidate", scope[tests["names"][0]])
        exec(compile(tests["source"], "tests", "exec", dont_inherit=True), scope)  # noqa: S102 - this is the sandbox
    except (Gone, Unsendable):
        return
    except BaseException as error:
        tally.failure("", told(error))
    if not program.calls:
        tally.failure("", "the tests never called the program")
    elif not tally.passed + tally.failed:
        tally.success()  # tests without a countable assert: one test


def run_inputs(job: dict[str, Any], tests: dict[str, Any], program: Program, tally: Tally) -> None:
    """Run the program on each input, and compare what it prints: line by line, white space at their ends aside."""
    for number, (given, wanted) in enumerate(tests["runs"], 1):
        try:
            code, size, output = program.ask(given.encode("utf-8", "surrogatepass"))
            if size > job["output_bytes"]:
                tally.failure(f"input {number}", f"over {job['output_bytes'] >> 10} kB of output")
            elif code != 0:
                program.overtime = program.overtime or code == -SIGXCPU
                tally.failure(f"input {number}", f"signal {-code}" if code < 0 else f"exit code {code}")
            elif lines(output.decode("utf-8", "replace")) != lines(wanted):
                tally.failure(f"input {number}", "prints something else")
            else:
                tally.success()
        except Gone:
            return
        except Exception:  # the reply is no such triple
            tally.failure(f"input {number}", "the program sent no readable value")


def lines(text: str) -> list[str]:
    """The lines of a text without the white space at their ends, and without empty ones at its end."""
    return [line.rstrip() for line in text.rstrip().split("\n")]
