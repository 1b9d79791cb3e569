"""One spelling for a value, in every process; an error for what has none."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath
from random import Random
from typing import Annotated, Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr

from tasks.runtime.errors import FingerprintError, RefusedError
from tasks.runtime.fingerprint import Unkeyed, canonical, fingerprint
from tasks.runtime.references import DatasetRef, ModelRef
from tests.runtime.keyed_values import Colour, Inner, Level, Mode, Settings, value

COUNT = 400
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text().filter(lambda key: not key.startswith("$")), inner),
    max_leaves=20,
)


def test_equal_in_two_processes_with_different_hash_seeds() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "tests.runtime.keyed_values", str(COUNT)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "4242")
    ]
    assert outputs[0] == outputs[1] == [fingerprint(value(Random(seed))) for seed in range(COUNT)]
    assert len(set(outputs[0])) > COUNT / 2


@given(JSON)
@settings(deadline=None)
def test_the_canonical_form_is_json_and_stays_as_it_is(data: Any) -> None:
    text = json.dumps(canonical(data), sort_keys=True)
    assert canonical(json.loads(text)) == canonical(data)


@given(st.dictionaries(st.text(alphabet="abc"), st.integers()))
def test_the_order_of_keys_does_not_matter(table: dict[str, int]) -> None:
    assert fingerprint(table) == fingerprint(dict(reversed(table.items())))


@given(JSON, JSON)
@settings(deadline=None)
def test_different_json_has_different_fingerprints(left: Any, right: Any) -> None:
    same = json.dumps(canonical(left), sort_keys=True) == json.dumps(canonical(right), sort_keys=True)
    assert (fingerprint(left) == fingerprint(right)) == same


def test_values_that_look_alike_differ() -> None:
    class Other(BaseModel):
        tags: frozenset[str] = frozenset()
        colour: Colour = Colour.RED

    different: list[Any] = [
        *(None, True, 1, "1", 1.5, "", [], {}, set(), b"", [[]], [None], {"": None}, "None", "true"),
        *({1, 2}, [1, 2], {"1": 2}, "a", b"a", Path("a"), ["a"], {"a"}, {"a": None}, Path("b")),
        *(Colour.RED, Level.LOW, Mode.FAST, "red", "fast", Colour.BLUE),
        *(Inner(), Other(), Inner(tags=frozenset("a")), Inner().model_dump(mode="json"), Settings()),
        *("$ref", ["$ref"], 2**53, 2**53 + 1, 1e300, -1, 10**400),
    ]
    prints = [fingerprint(each) for each in different]
    for index, each in enumerate(prints):
        assert prints.index(each) == index, f"{different[index]!r} and {different[prints.index(each)]!r}"


def test_values_that_mean_the_same_agree() -> None:
    for left, right in [
        (1, 1.0),
        (0, -0.0),
        ([1, 2], (1, 2)),
        ({"a", "b"}, frozenset({"b", "a"})),
        (Path("a/b"), PurePosixPath("a/b")),
    ]:
        assert fingerprint(left) == fingerprint(right), (left, right)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Fast(BaseModel):
    rate: float = 1.0
    batch: Annotated[int, Unkeyed()] = 8


class Slow(BaseModel):
    fast: Fast = Fast()


def test_unkeyed_fields_are_left_out() -> None:
    assert fingerprint(Slow(fast=Fast(batch=1))) == fingerprint(Slow(fast=Fast(batch=64)))
    assert fingerprint(Slow(fast=Fast(rate=2))) != fingerprint(Slow())


def test_fields_beyond_the_declared_ones_count() -> None:
    assert fingerprint(Open(surprise=1)) != fingerprint(Open(surprise=2))  # type: ignore[call-arg]


def test_references_count_by_kind_and_digest_only() -> None:
    here = DatasetRef(uri="objects/here", digest="d" * 64, kind="chat", counts={"rows": 1})
    there = DatasetRef(uri="elsewhere", digest="d" * 64, kind="chat", metadata={"note": "n"})
    assert fingerprint({"rows": [here]}) == fingerprint({"rows": [there]})
    assert fingerprint(here) != fingerprint(there.model_copy(update={"digest": "e" * 64}))
    assert fingerprint(here) != fingerprint(there.model_copy(update={"kind": "samples"}))
    assert fingerprint(here) != fingerprint(ModelRef(uri="elsewhere", digest="d" * 64))


@pytest.mark.parametrize(
    "bad",
    [
        len,
        lambda: 1,
        Path.exists,
        Inner,
        datetime.datetime(2026, 1, 1),
        datetime.date(2026, 1, 1),
        datetime.time(1),
        datetime.timedelta(1),
        float("nan"),
        float("inf"),
        decimal.Decimal(1),
        1j,
        object(),
        threading.Lock(),
        numpy.zeros(2),
        numpy.int64(1),
        SecretStr("x"),
        (number for number in range(3)),
        range(3),
        {1: "a"},
        {None: "a"},
        {("a",): "b"},
        {"$ref": ["chat", "d"]},
        json,
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)
def test_what_has_no_canonical_form_is_refused_with_its_place(bad: Any) -> None:
    with pytest.raises(FingerprintError, match=r"task\(settings\)\.table\.deep\[1\]") as caught:
        fingerprint(Settings(table={"deep": [0, bad]}), "task(settings)")
    assert isinstance(caught.value, RefusedError)
    assert caught.value.exit_code == 2
