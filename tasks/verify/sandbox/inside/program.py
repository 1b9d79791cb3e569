"""The program as the judge sees it: a process that is sent requests, and stand-ins for what it defines."""

from __future__ import annotations

import builtins
import os

from tasks.verify.sandbox.inside.wire import Handle, pack, receive, send, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGKILL, SIGXCPU = 9, 24  # of Linux; importing `signal` costs a fifth of a start
# Raised in a test, these would end a loop or a `map` early, and the asserts in it would not be looked at.
_NEVER_RAISED = (StopIteration, StopAsyncIteration)


class Gone(BaseException):
    """The program's process ended, or does not keep to the protocol. Not an `Exception`: a test must not catch it."""


class Unsendable(BaseException):
    """The tests gave the program something that is not a plain value."""


class ProgramError(Exception):
    """The program raised something that is not one of Python's own exceptions."""


class Program:
    """The program: what was asked of it, and why it cannot be asked any more."""

    def __init__(self, pid: int, requests: int, replies: int) -> None:
        self.pid, self.requests, self.replies = pid, requests, replies
        self.code, self.calls, self.lost, self.overtime, self.unsendable = 0, 0, "", False, ""

    def ask(self, message: bytes | None) -> tuple[Any, ...]:
        """The reply to `message` (None: to nothing, the first one). Raises `Gone`."""
        if self.lost:
            raise Gone
        try:
            if message is not None:
                send(self.requests, message)
            reply = unpack(receive(self.replies), self.remote)
            if not isinstance(reply, tuple) or not reply:
                raise ValueError("no reply")
        except Exception as error:
            raise self.gone(error) from error
        return reply

    def gone(self, error: Exception) -> Gone:
        """Note why the program cannot go on, and end its process."""
        code = self.end()
        ended = isinstance(error, EOFError | BrokenPipeError)
        self.overtime = ended and code == -SIGXCPU
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.lost = f"the program ended before it answered ({how})" if ended else "the program sent no readable value"
        return Gone()

    def end(self) -> int:
        """End the process, and tell how it ended: by itself, where it had already."""
        if self.pid:
            os.kill(self.pid, SIGKILL)
            self.code, self.pid = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), 0
        return self.code

    def value(self, handle: int, name: str | None, values: tuple[Any, ...] = (), named: dict[str, Any] | None = None) -> Any:
        """An attribute, or what a call returns; raises what it raises. What it changes in place is changed in `values`."""
        reply = self.ask(pack((Handle(handle), name, values, named or {}), self.handle))
        if reply[0] == "raised":
            raise exception(*map(str, reply[1:3]))
        try:
            _, result, changed = reply
            for place, now in changed:
                change(values[place], now)
        except Exception as error:
            raise self.gone(error) from error
        return result

    def remote(self, handle: int) -> Remote:
        return Remote(self, handle)

    def handle(self, value: Any) -> Handle:
        if not isinstance(value, Remote):
            self.unsendable = f"the tests give the program a {type(value).__name__}, which is no plain value"
            raise Unsendable
        return Handle(value._handle)


class Remote:
    """A function, class or other object of the program's: it can be called, and its attributes read.

    It has none of the program's operators, equality least of all: two are equal only when they are one.
    """

    __slots__ = ("_handle", "_program")

    def __init__(self, program: Program, handle: int) -> None:
        self._program, self._handle = program, handle

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and other._handle == self._handle

    def __hash__(self) -> int:
        return hash(self._handle)

    def __call__(self, *values: Any, **named: Any) -> Any:
        result = self._program.value(self._handle, None, values, named)
        self._program.calls += 1
        return result

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._program.value(self._handle, name)


def exception(name: str, text: str) -> Exception:
    """What the program raised: Python's own exception where it has one of that name that is safe to raise in a test."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, _NEVER_RAISED):
        try:
            return kind(text)
        except TypeError:  # it wants more than a text
            pass
    return ProgramError(f"{name}: {text}")


def change(value: Any, now: Any) -> None:
    """Give a list, dict or set the content of `now`."""
    if isinstance(value, list):
        value[:] = now
    elif isinstance(value, dict | set):
        value.clear()
        value.update(now)
