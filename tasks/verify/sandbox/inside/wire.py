"""Values and messages between the judge and the program, over a pipe.

A value is a letter for its kind, then its content. Never a pickle or marshalled data: what the program sends is untrusted,
and becomes plain builtin values or an exception. Nor JSON, which knows neither tuples nor sets, and whose import alone
costs a third of a start.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # importing `typing` costs as much
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_LARGEST_MESSAGE = 16 << 20  # bytes
_TEXT = 300  # characters of an error's text
_KINDS: dict[bytes, Any] = {b"L": list, b"T": tuple, b"S": set, b"Z": frozenset}
_CONSTANTS: dict[bytes, Any] = {b"N": None, b"1": True, b"0": False}


class Handle:
    """Something that is no plain value: its number in the table of the program's objects."""

    def __init__(self, number: int) -> None:
        self.number = number


def pack(value: Any, other: Callable[[Any], Any]) -> bytes:
    """`value` as bytes. Subclasses become the builtin type they extend; `other` turns what is not plain into what is.

    An iterator is sent as its items, and arrives as one.
    """
    for letter, constant in _CONSTANTS.items():
        if value is constant:
            return letter
    if isinstance(value, int):
        return _sized(b"I", hex(value).encode())
    if isinstance(value, float):
        return _sized(b"F", float.hex(value).encode())
    if isinstance(value, str):
        return _sized(b"U", value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes | bytearray):
        return _sized(b"B", bytes(value))
    if isinstance(value, complex):
        return _sized(b"C", f"{value.real.hex()} {value.imag.hex()}".encode())
    if isinstance(value, range):
        return _sized(b"R", f"{value.start:x} {value.stop:x} {value.step:x}".encode())
    if isinstance(value, Handle):
        return _sized(b"O", hex(value.number).encode())
    if isinstance(value, dict):
        return _several(b"D", (part for pair in value.items() for part in pair), other)
    for letter, kind in _KINDS.items():
        if isinstance(value, kind):
            return _several(letter, value, other)
    if hasattr(type(value), "__next__"):
        return _several(b"X", value, other)
    return pack(other(value), other)


def _sized(letter: bytes, content: bytes) -> bytes:
    return letter + len(content).to_bytes(4, "big") + content


def _several(letter: bytes, items: Iterable[Any], other: Callable[[Any], Any]) -> bytes:
    parts, size = [], 0
    for item in items:
        parts.append(pack(item, other))
        size += len(parts[-1])
        if size > _LARGEST_MESSAGE:  # and so an iterator without end has one
            raise ValueError("the value is too large")
    return letter + len(parts).to_bytes(4, "big") + b"".join(parts)


class _Reader:
    def __init__(self, data: bytes, other: Callable[[int], Any]) -> None:
        self.data, self.place, self.other = data, 0, other

    def take(self, size: int) -> bytes:
        part = self.data[self.place : self.place + size]
        if len(part) < size:
            raise ValueError("the value ends early")
        self.place += size
        return part

    def value(self) -> Any:
        letter = self.take(1)
        if letter in _CONSTANTS:
            return _CONSTANTS[letter]
        size = int.from_bytes(self.take(4), "big")
        if letter in _KINDS:
            return _KINDS[letter]([self.value() for _ in range(size)])
        if letter == b"D":
            parts = [self.value() for _ in range(size)]
            return dict(zip(parts[::2], parts[1::2], strict=True))
        if letter == b"X":
            return iter([self.value() for _ in range(size)])
        content = self.take(size)
        return content if letter == b"B" else self._from_text(letter, content)

    def _from_text(self, letter: bytes, content: bytes) -> Any:
        text = content.decode("utf-8", "surrogatepass")
        if letter == b"U":
            return text
        if letter == b"I":
            return int(text, 16)
        if letter == b"F":
            return float.fromhex(text)
        if letter == b"C":
            return complex(*map(float.fromhex, text.split()))
        if letter == b"R":
            return range(*(int(part, 16) for part in text.split()))
        if letter == b"O":
            return self.other(int(text, 16))
        raise ValueError("no such kind of value")


def unpack(data: bytes, other: Callable[[int], Any]) -> Any:
    """The value that `pack` was given; `other` finds the object of a handle. Raises an `Exception` for any other data."""
    return _Reader(data, other).value()


def send(pipe: int, message: bytes) -> None:
    """Raises `ValueError` when the message is too large, `OSError` when nobody reads."""
    if len(message) > _LARGEST_MESSAGE:
        raise ValueError("the value is too large")
    write(pipe, len(message).to_bytes(4, "big") + message)


def receive(pipe: int) -> bytes:
    """The next message. Raises `EOFError` when there is none, `ValueError` when it is too large."""
    size = int.from_bytes(read(pipe, 4), "big")
    if size > _LARGEST_MESSAGE:
        raise ValueError("the message is too large")
    return read(pipe, size)


def write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def read(file: int, size: int) -> bytes:
    parts = []
    while size and (part := os.read(file, min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    if size:
        raise EOFError
    return b"".join(parts)


def told(error: BaseException) -> str:
    """An error in one line."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return f"{type(error).__name__}: {text}"[:_TEXT].replace("\n", " ")
