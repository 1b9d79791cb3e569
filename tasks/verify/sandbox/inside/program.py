"""The program as the judge sees it: a process that is sent requests, and stand-ins for what it defines."""

from __future__ import annotations

import builtins
import os

from tasks.verify.sandbox.inside.wire import Handle, pack, receive, send, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SIGKILL, SIGXCPU = 9, 24  # of Linux; importing `signal` costs a fifth of a start
_OPERATOR, _BUILTINS = 1, 2  # handles of these two modules in the program's process
_MOST_CLASSES = 32  # of an error's that are looked at
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
        self.functions: dict[tuple[int, str], Any] = {}

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
            raise exception(*reply[1:3])
        try:
            _, result, changed = reply
            for place, now in changed:
                change(values[place], now)
        except Exception as error:
            raise self.gone(error) from error
        return result

    def operate(self, module: int, name: str, *values: Any) -> Any:
        """What a function of the program's `operator` (`_OPERATOR`) or `builtins` (`_BUILTINS`) makes of `values`."""
        if (module, name) not in self.functions:
            self.functions[module, name] = self.value(module, name)
        return self.functions[module, name](*values)

    def remote(self, handle: int) -> Remote:
        return Remote(self, handle)

    def handle(self, value: Any) -> Handle:
        if not isinstance(value, Remote):
            self.unsendable = f"the tests give the program a {type(value).__name__}, which is no plain value"
            raise Unsendable
        return Handle(value._handle)


def _alone(module: int, name: str) -> Callable[..., Any]:
    """An operator that the program works out from an object of its own (and an index, or a value to put in)."""
    return lambda self, *values: self._program.operate(module, name, self, *values)


def _among(name: str) -> Callable[[Any, Any], Any]:
    """An operator between two objects of the program's."""
    return lambda self, other: (
        self._program.operate(_OPERATOR, name, self, other) if isinstance(other, Remote) else NotImplemented
    )


class Remote:
    """A function, class or other object of the program's: it can be called, and its attributes read and set.

    It has the program's operators alone and among the program's objects, never with a value of the tests: an object whose
    ``==`` or ``-`` sees what is expected of it could claim to be that.
    """

    __slots__ = ("_handle", "_program")

    def __init__(self, program: Program, handle: int) -> None:
        object.__setattr__(self, "_program", program)
        object.__setattr__(self, "_handle", handle)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        return other._handle == self._handle or self._program.operate(_OPERATOR, "eq", self, other) is True

    def __call__(self, *values: Any, **named: Any) -> Any:
        try:
            return self._program.value(self._handle, None, values, named)
        finally:
            self._program.calls += not self._program.lost

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return self._program.value(self._handle, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._program.operate(_BUILTINS, "setattr", self, name, value)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Remote) and self._program.operate(_BUILTINS, "isinstance", instance, self) is True

    __hash__, __len__, __bool__, __iter__ = (_alone(_BUILTINS, name) for name in ("hash", "len", "bool", "iter"))
    __str__, __repr__, __int__, __float__ = (_alone(_BUILTINS, name) for name in ("str", "repr", "int", "float"))
    __neg__, __pos__, __abs__, __invert__ = (_alone(_OPERATOR, name) for name in ("neg", "pos", "abs", "invert"))
    __getitem__, __setitem__, __delitem__ = (_alone(_OPERATOR, name) for name in ("getitem", "setitem", "delitem"))
    __lt__, __le__, __gt__, __ge__ = (_among(name) for name in ("lt", "le", "gt", "ge"))
    __add__, __sub__, __mul__, __matmul__ = (_among(name) for name in ("add", "sub", "mul", "matmul"))
    __truediv__, __floordiv__, __mod__, __pow__ = (_among(name) for name in ("truediv", "floordiv", "mod", "pow"))
    __and__, __or__, __xor__ = (_among(name) for name in ("and_", "or_", "xor"))


def exception(names: list[str], text: str) -> Exception:
    """What the program raised, by its classes' names: the first that is one of Python's own and safe to raise in a test."""
    for name in names[:_MOST_CLASSES]:
        kind = getattr(builtins, name, None)
        if kind is Exception or (isinstance(kind, type) and issubclass(kind, _NEVER_RAISED)):
            break
        if isinstance(kind, type) and issubclass(kind, Exception):
            try:
                return kind(text)
            except TypeError:  # it wants more than a text
                error = kind.__new__(kind)
                error.args = (text,)
                return error
    return ProgramError(f"{names[0]}: {text}")


def change(value: Any, now: Any) -> None:
    """Give a list, dict or set the content of `now`."""
    if isinstance(value, list):
        value[:] = now
    elif isinstance(value, dict | set):
        value.clear()
        value.update(now)
