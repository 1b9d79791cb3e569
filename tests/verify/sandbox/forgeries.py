"""Programs that write to the judge themselves: replies that are well formed, huge, deep, slow, or about nothing.

`forge(value)` sends a reply of the protocol (tasks/verify/sandbox/inside/wire.py) with packed bytes as what the call
returned. No reply may make the judge accept, use up more than its memory, or fail in another way than with a verdict.
"""

from __future__ import annotations

from tests.verify.sandbox.attempts import Attempt

_HEAD = """
import os, signal, time, resource, threading
def framed(data):
    return len(data).to_bytes(4, "big") + data
def sized(letter, data, size=None):
    return letter + (len(data) if size is None else size).to_bytes(4, "big") + data
def several(letter, *parts):
    return letter + len(parts).to_bytes(4, "big") + b"".join(parts)
def reply(value, changed=b"L\\0\\0\\0\\0"):
    return framed(several(b"T", sized(b"U", b"value"), value, changed))
def send(data):
    for descriptor in range(3, 64):
        rest = data
        try:
            while rest:
                rest = rest[os.write(descriptor, rest):]
        except OSError:
            pass
def forge(value, changed=b"L\\0\\0\\0\\0"):
    send(reply(value, changed))
    time.sleep(60)
"""


def _sends(body: str, reason: str, state: str = "rejected") -> Attempt:
    lines = "\n".join(f"    {line}" for line in body.strip().split("\n"))
    source = f"{_HEAD}\ndef attempt():\n{lines}\n"
    return Attempt(source.replace("{", "{{").replace("}", "}}"), state, reason)


FORGERIES = {
    "many empty lists": _sends("forge(sized(b'L', b'L\\0\\0\\0\\0' * 300_000, 300_000))", ""),
    "many empty sets": _sends("forge(sized(b'L', b'S\\0\\0\\0\\0' * 300_000, 300_000))", ""),
    "large values again and again": _sends(
        "value = sized(b'L', b'N' * 500_000, 500_000)\nfor _ in range(50): send(reply(value))\ntime.sleep(60)", ""
    ),
    "more items than there are": _sends("forge(sized(b'L', b'N', 0xFFFFFFFF))", "sent no readable value"),
    "a text longer than the message": _sends("forge(sized(b'U', b'x', 0xFFFFFFFF))", "sent no readable value"),
    "lists in lists without end": _sends("forge(b'L\\0\\0\\0\\1' * 100_000)", "sent no readable value"),
    "lists as deep as they are read": _sends("forge(b'L\\0\\0\\0\\1' * 300 + b'N')", "assert attempt()"),
    "a number of a million digits": _sends("forge(sized(b'I', b'f' * 8_000_000))", "assert attempt()"),
    "a range to the end of the world": _sends("forge(sized(b'R', b'0 ' + b'f' * 1_000 + b' 1'))", "assert attempt()"),
    "a handle that is none": _sends("forge(sized(b'O', b'f' * 100_000))", "assert attempt()"),
    "no number": _sends("forge(sized(b'F', b'nan'))", "assert attempt()"),
    "keys that cannot be": _sends("forge(several(b'D', several(b'L'), b'N'))", "sent no readable value"),
    "changes to arguments that are none": _sends(
        "forge(b'N', several(b'L', several(b'T', sized(b'I', b'0x7'), b'N')))", "sent no readable value"
    ),
    "an error of a huge name": _sends(
        "send(framed(several(b'T', sized(b'U', b'raised'), sized(b'U', b'x' * 9_000_000), sized(b'I', b'f' * 90_000))))\n"
        "time.sleep(60)",
        "",
    ),
    "no reply at all": _sends("send(framed(b'T\\0\\0\\0\\0'))\ntime.sleep(60)", "sent no readable value"),
    "a reply drop by drop": _sends(
        "for byte in framed(b'T' + b'x' * 90):\n    send(bytes([byte]))\n    time.sleep(0.2)", "took over", "timed_out"
    ),
    "answers before the questions": _sends("send(reply(sized(b'U', b'escape')) * 1_000)\ntime.sleep(60)", "assert attempt()"),
    "the judge's limits lowered": _sends(
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))\ntime.sleep(60)", "took over", "timed_out"
    ),
    "an error from an earlier answer": _sends("raise type('StopIteration', (StopIteration,), {})", "assert attempt()"),
}
