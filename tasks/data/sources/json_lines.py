"""JSON, one value a line; and how any JSON text becomes data here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import orjson

from tasks.data.records import Fault, Record

LONGEST = 1 << 28  # bytes of one record: a file without line ends must not fill the memory
BOM = b"\xef\xbb\xbf"
# orjson turns integers past 64 bits into floats without a word. All digits become "0", to find a run of 19 in one look.
_DIGITS = bytes(48 if chr(byte) in "0123456789" else 32 for byte in range(256))
_LONG_NUMBER = b"0" * 19


def parse_json(text: bytes) -> Any:
    """JSON text as data, as the standard library reads it: NaN, lone surrogates and whole numbers of any length stay.

    Raises:
        ValueError: it is no JSON, or no UTF-8. RecursionError: nested too deep.
    """
    if _LONG_NUMBER not in text.translate(_DIGITS):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return json.loads(text.decode())


def json_record(place: str, text: bytes) -> Record | Fault:
    """What a piece of JSON text holds, or that it is none."""
    try:
        return Record(place, parse_json(text))
    except RecursionError:
        detail = "nested too deep"
    except UnicodeDecodeError as error:
        detail = f"not UTF-8 ({error.reason} at byte {error.start})"
    except ValueError as error:
        detail = str(error)
    return Fault("broken_json", place, detail, text.decode(errors="replace"))


def line_records(stream: BufferedReader, name: str) -> Iterator[Record | Fault]:
    """One record a line; blank lines are none. A line that is not JSON is a fault, and so is one beyond `LONGEST` bytes."""
    for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), 1):
        if number == 1:
            line = line.removeprefix(BOM)
        place = f"{name}:{number}"
        if len(line) == LONGEST and not line.endswith(b"\n"):
            yield Fault("broken_json", place, f"longer than {LONGEST} bytes; write one JSON object a line")
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST)
        elif line := line.strip():
            yield json_record(place, line)
