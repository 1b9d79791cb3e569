"""The judged side: the process that runs the program, and answers what the judge asks."""

from __future__ import annotations

import _operator
import builtins
import os
import resource
import sys

from tasks.verify.sandbox.inside.wire import Handle, pack, receive, send, told, unpack, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any

Module: type[ModuleType] = type(sys)


def be_judged(job: dict[str, Any], requests: int, replies: int) -> None:
    """The process's life: nothing open but its two pipes, and standard error for what it prints."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for descriptor in range(3, _descriptors()):
        if descriptor not in (requests, replies):
            os.closerange(descriptor, descriptor + 1)
    next_request(requests)  # "go"
    try:
        parts = [compile(job[part], part, "exec", dont_inherit=True) for part in ("setup", "program")]
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError) as error:
        _reply(replies, "unreadable", told(error))
        return
    if job["runs"]:
        answer_runs(parts, requests, replies, job["output_bytes"])
    else:
        Solution(parts, replies).answer_calls(requests)


def _descriptors() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _reply(replies: int, *values: Any) -> None:
    send(replies, pack(values, lambda value: None))


class Solution:
    """The program as a module, and the objects of its that the tests hold."""

    def __init__(self, parts: list[CodeType], replies: int) -> None:
        self.module, self.replies = Module("solution"), replies
        self.objects: list[Any] = [self.module, _operator, builtins]  # the judge counts on these places
        sys.modules["solution"] = self.module
        try:
            for part in parts:
                exec(part, self.module.__dict__)  # noqa: S102 - this is the sandbox
        except BaseException as error:
            _reply(replies, "raised", told(error))
            os._exit(1)
        _reply(replies, "ready")

    def answer_calls(self, requests: int) -> None:
        """Get and call what the judge asks for, until it asks no more."""
        while True:
            request = next_request(requests)
            try:
                reply = pack(self.answer(request), self.remember)
            except BaseException as error:
                names = [kind.__name__ for kind in type(error).__mro__]
                reply = pack(("raised", names, told(error).partition(": ")[2]), self.remember)
            send(self.replies, reply)

    def answer(self, request: bytes) -> tuple[Any, ...]:
        target, name, values, named = unpack(request, self.objects.__getitem__)
        if name is not None:
            return ("value", getattr(target, name), [])
        before = {
            place: pack(value, self.remember) for place, value in enumerate(values) if isinstance(value, list | dict | set)
        }
        result = target(*values, **named)
        # An argument that was changed in place is sent back, for the tests to see.
        changed = [(place, values[place]) for place, then in before.items() if pack(values[place], self.remember) != then]
        return ("value", result, changed)

    def remember(self, value: Any) -> Handle:
        for number, known in enumerate(self.objects):
            if known is value:
                return Handle(number)
        self.objects.append(value)
        return Handle(len(self.objects) - 1)


def next_request(requests: int) -> bytes:
    """What the judge asks next; the process ends when it asks no more."""
    try:
        return receive(requests)
    except EOFError:
        os._exit(0)


def answer_runs(parts: list[CodeType], requests: int, replies: int, limit: int) -> None:
    """Run the program in a process of its own for each standard input the judge sends. Returns in such a process."""
    _reply(replies, "ready")
    while True:
        text = next_request(requests)
        files = []
        for name in (".input", ".output"):
            files.append(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
            os.unlink(name)
        write(files[0], text)
        os.lseek(files[0], 0, os.SEEK_SET)
        child = os.fork()
        if child == 0:
            return run_as_main(parts, files)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _reply(replies, code, os.fstat(files[1]).st_size, os.pread(files[1], limit, 0))
        for file in files:
            os.close(file)


def run_as_main(parts: list[CodeType], files: list[int]) -> None:
    """Run the program on these two files; then the interpreter ends as it always does: waits for threads, calls `atexit`."""
    for standard, file in enumerate(files):
        os.dup2(file, standard)
    os.closerange(3, _descriptors())
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    module = sys.modules["__main__"] = Module("__main__")
    for part in parts:
        exec(part, module.__dict__)  # noqa: S102 - this is the sandbox
