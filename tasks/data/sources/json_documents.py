"""A JSON file that is one document: a list of records, or an object with one such list inside, of any size.

The document is cut at the commas of its list, without parsing it, and each piece is parsed by itself. So memory holds a
record, a broken record is a fault like a broken line, and numbers and texts read as they do in JSON lines. (Streaming
parsers for Python turn lone surrogates into question marks and give up at a NaN.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BufferedReader

from tasks.data.records import Fault, Record
from tasks.data.sources.json_lines import BOM, LONGEST, json_record, line_records, parse_json
from tasks.runtime.errors import DataError

_BLOCK = 1 << 20
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# The next mark that is in no string; a lone quote begins a string that goes on past what was read. Below a record's own
# bracket only brackets count.
_MARK = re.compile(rb'(?:[^",\[\]{}]++|' + _STRING + rb')*+([",\[\]{}])', re.DOTALL)
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb')*+(["\[\]{}])', re.DOTALL)
_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1, b",": 0}
_OPENS = {b"]": b"[", b"}": b"{"}
# Lists that are parts of a record: an object with one of these is a record itself.
_RECORD_LISTS = {"messages", "conversations", "conversation", "chosen", "rejected", "tools", "instances"}
_RULE = "a .json file is one list of records, an object with one such list, or one object a line"


def document_records(stream: BufferedReader, name: str) -> Iterator[Record | Fault]:
    """The records of a ``.json`` file: those of its list; the object itself where it has none; JSON lines where it holds those.

    Raises:
        DataError: the document ends early, goes on after its end, or has several lists.
    """
    if _holds_lines(stream.peek(_BLOCK)):
        yield from line_records(stream, name)
        return
    number, members, lists = 0, list[bytes](), list[str]()
    for inside, mark, text in _cuts(stream, name):
        record = None
        if inside == b"[":
            record = text if mark == b"," or text else None  # a comma too many at the end is forgiven
        elif not inside:
            if text or mark not in (b"[", b"{") or lists:
                raise DataError(f"{name} is not JSON, or goes on after its end; {_RULE}")
            if mark == b"[":
                lists.append("the list")
        elif mark == b"[":
            lists.append(_member_name(text))
            if len(lists) > 1:
                raise DataError(f"{name} holds several lists ({', '.join(lists)}); write each into its own file")
        else:
            members += [text] if text else []
            if mark == b"}" and not lists:
                record, members = b"{" + b",".join(members) + b"}", []
        if record is not None:
            number += 1
            yield json_record(f"{name}: record {number}", record)


def _holds_lines(head: bytes) -> bool:
    first, end, rest = head.removeprefix(BOM).lstrip().partition(b"\n")
    try:
        return bool(end and rest.strip()) and isinstance(parse_json(first), dict)
    except (ValueError, RecursionError):
        return False


def _member_name(text: bytes) -> str:
    """The key in ``"key":``, the text before a member's value."""
    try:
        return str(parse_json(text.removesuffix(b":").strip()))
    except (ValueError, RecursionError):
        return text.decode(errors="replace")


def _cuts(stream: BufferedReader, name: str) -> Iterator[tuple[bytes, bytes, bytes]]:
    """The marks between records: (what is open around the mark, the mark, the text since the last one).

    Opened are the outermost list, or the outermost object and a list that is its member; what is deeper is text.
    """
    around, deeper = list[bytes](), 0
    buffer, begin, scan = b"", 0, 0
    while block := stream.read(max(_BLOCK, len(buffer) - begin)):
        buffer, scan, begin = buffer[begin:] + block, scan - begin, 0
        while (token := (_BRACKET if deeper else _MARK).match(buffer, scan)) and (mark := token[1]) != b'"':
            scan = token.end()
            text = b"" if deeper else buffer[begin : scan - 1].strip()
            if deeper or (_STEP[mark] > 0 and not _opens(around, mark, text)):
                deeper += _STEP[mark]
                continue
            if _STEP[mark] < 0 and around[-1:] != [_OPENS[mark]]:
                raise DataError(f"{name}: {mark.decode()!r} closes nothing; {_RULE}")
            yield around[-1] if around else b"", mark, text.removeprefix(BOM)
            begin = scan
            around = [*around, mark] if _STEP[mark] > 0 else around[: len(around) + _STEP[mark]]
        if len(buffer) - begin > LONGEST:
            raise DataError(f"{name}: a record longer than {LONGEST} bytes, or a quote or bracket is missing; {_RULE}")
    if around or deeper or buffer[begin:].strip():
        raise DataError(f"{name} ends in the middle of its JSON; it was cut off, or a bracket is missing")


def _opens(around: list[bytes], mark: bytes, text: bytes) -> bool:
    """Whether a bracket opens what records stand in, and not a part of one."""
    if not around:
        return True
    return around == [b"{"] and mark == b"[" and text.endswith(b":") and _member_name(text) not in _RECORD_LISTS
