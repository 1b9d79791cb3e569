"""What passes between the judge and the program: values come out as they went in, and nothing else does any harm."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.sandbox.inside.wire import Handle, pack, receive, send, unpack

SCALARS = (
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    st.complex_numbers(allow_nan=False),
)
KEYS = st.one_of(*SCALARS)
VALUES = st.recursive(
    st.one_of(*SCALARS),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner)
    ),
    max_leaves=20,
)


def no_object(value: Any) -> Any:
    raise TypeError(f"{value!r} is no plain value")


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_a_value_arrives_as_it_was(value: Any) -> None:
    arrived = unpack(pack(value, no_object), no_object)
    assert arrived == value
    assert repr(arrived) == repr(value) or isinstance(value, set | frozenset | dict | list | tuple)
    assert type(arrived) is type(value)


@given(st.binary() | VALUES.map(lambda value: pack(value, no_object)[:-1]))
@settings(max_examples=100, deadline=None)
def test_other_bytes_are_an_exception_and_never_an_object(data: bytes) -> None:
    try:
        value = unpack(data, no_object)
    except Exception:
        return
    assert type(value).__module__ == "builtins"


@pytest.mark.parametrize(
    "data", [b"L" * 100_000, b"L\xff\xff\xff\xff", b"L\0\0\0\1" * 100_000, b"I\0\0\0\1-", b"D\0\0\0\1N", b"?"]
)
def test_hostile_bytes_are_an_exception(data: bytes) -> None:
    with pytest.raises(Exception, match=r".*"):
        unpack(data, no_object)


def test_subclasses_arrive_as_what_they_extend() -> None:
    class Sly(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    arrived = unpack(pack([Sly(3), {Sly(4): Sly(5)}], no_object), no_object)
    assert type(arrived[0]) is int
    assert arrived == [3, {4: 5}]
    assert arrived[0] != 7


def test_iterators_arrive_as_their_items_and_endless_ones_are_refused() -> None:
    from itertools import count

    assert list(unpack(pack(iter([1, "x"]), no_object), no_object)) == [1, "x"]
    assert list(unpack(pack(map(str, range(3)), no_object), no_object)) == ["0", "1", "2"]
    with pytest.raises(ValueError, match="too large"):
        pack(count(), no_object)


def test_objects_are_sent_as_their_number() -> None:
    held = [object()]
    assert unpack(pack((1, held[0]), lambda value: Handle(held.index(value))), held.__getitem__) == (1, held[0])


def test_messages_have_a_length_and_an_end() -> None:
    reader, writer = os.pipe()
    send(writer, b"first")
    send(writer, b"")
    assert (receive(reader), receive(reader)) == (b"first", b"")
    os.write(writer, b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="too large"):
        receive(reader)
    os.write(writer, b"\0\0\0\5ab")
    os.close(writer)
    with pytest.raises(EOFError):
        receive(reader)
    os.close(reader)
    with pytest.raises(ValueError, match="too large"):
        send(reader, bytes(17 << 20))


def test_what_is_not_a_number_arrives() -> None:
    assert math.isnan(unpack(pack(math.nan, no_object), no_object))
