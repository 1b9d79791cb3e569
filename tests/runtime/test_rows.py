"""Rows survive the disk: what is written is what is read, in order, in however many shards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import SCHEMAS, read_rows, write_rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOAT = st.floats(allow_nan=False)
INT = st.integers(-(2**63), 2**63 - 1)
IDS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5)
DATA = st.recursive(
    st.none() | st.booleans() | INT | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries({"role": TEXT, "content": TEXT}, optional={"train": st.booleans()})
BY_NAME = {
    "messages": st.lists(MESSAGE, max_size=3),
    "tools": st.lists(st.dictionaries(TEXT, DATA, max_size=2), max_size=2),
    "metadata": st.dictionaries(TEXT, DATA, max_size=3),
    **dict.fromkeys(
        ("prompt", "chosen", "rejected"), st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), max_size=3)
    ),
}
WEIGHTS = st.lists(st.floats(0, 1, width=32), max_size=5)
BY_TYPE = {"string": TEXT, "int64": INT, "double": FLOAT} | {
    f"list<{item}: {name}>": values
    for item in ("item", "element")
    for name, values in (("int32", IDS), ("float", WEIGHTS), ("string", st.lists(TEXT, max_size=3)))
}


@st.composite
def kinds_and_rows(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    kind = draw(st.sampled_from(sorted(SCHEMAS)))
    fields = {field.name: BY_NAME[field.name] if field.name in BY_NAME else BY_TYPE[str(field.type)] for field in SCHEMAS[kind]}
    rows = st.fixed_dictionaries({}, optional={name: field | st.none() for name, field in fields.items()})
    return kind, draw(st.lists(rows, max_size=8))


@given(kinds_and_rows(), st.integers(1, 5))
@settings(deadline=None, max_examples=60)
def test_rows_come_back(drawn: tuple[str, list[dict[str, Any]]], rows_per_shard: int) -> None:
    kind, rows = drawn
    with tempfile.TemporaryDirectory() as folder:
        assert write_rows(Path(folder), kind, iter(rows), rows_per_shard) == len(rows)
        shards = sorted(Path(folder).iterdir())
        assert len(shards) == max(1, -(-len(rows) // rows_per_shard))
        back = list(read_rows(Path(folder)))
    # An absent field and a null one mean the same.
    assert back == [{name: item for name, item in row.items() if item is not None} for row in rows]


@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 5), st.integers(0, 10))
@settings(deadline=None, max_examples=60)
def test_a_span_is_that_part_of_all_rows(first: int, length: int, rows_per_shard: int, count: int) -> None:
    rows = [{"item_id": str(number)} for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), "scores", rows, rows_per_shard)
        assert list(read_rows(Path(folder), span=(first, first + length))) == rows[first : first + length]
        assert list(read_rows(Path(folder), ["item_id"], (first, first + length))) == rows[first : first + length]


def test_only_the_row_groups_of_a_span_are_read(tmp_path: Path) -> None:
    write_rows(tmp_path, "scores", ({"item_id": str(number)} for number in range(9_000)), 6_000)
    # Whatever else is read of these files cannot be decoded any more.
    for number in (0, 1):
        path = tmp_path / f"rows-0000{number}.parquet"
        data = bytearray(path.read_bytes())
        for group in range(pq.ParquetFile(path).metadata.num_row_groups):
            column = pq.ParquetFile(path).metadata.row_group(group).column(0)
            start = column.dictionary_page_offset or column.data_page_offset
            if (number, group) not in ((0, 2), (1, 0)):
                data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
        path.write_bytes(data)
    found = [row["item_id"] for row in read_rows(tmp_path, ["item_id"], (5_000, 7_000))]
    assert found == [str(number) for number in range(5_000, 7_000)]
    with pytest.raises(OSError, match="page"):
        list(read_rows(tmp_path, ["item_id"], (3_999, 7_000)))


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    write_rows(tmp_path, "verdicts", [{"sample_id": "a", "state": "accepted", "score": 1}])
    assert list(read_rows(tmp_path, ["sample_id", "score"])) == [{"sample_id": "a", "score": 1.0}]


def test_no_rows_are_an_artifact_too(tmp_path: Path) -> None:
    assert write_rows(tmp_path, "chat", []) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rows-00000.parquet"]
    assert list(read_rows(tmp_path)) == []


def test_shards_are_zstd_and_equal_rows_are_equal_bytes(tmp_path: Path) -> None:
    rows = [{"item_id": str(number), "score": 0.5} for number in range(5000)]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_rows(tmp_path / name, "scores", rows)
    one, two = (tmp_path / name / "rows-00000.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert pq.ParquetFile(one).metadata.row_group(0).column(0).compression == "ZSTD"


def test_rows_are_streamed(tmp_path: Path) -> None:
    alive = {"now": 0, "most": 0}

    class Counted(dict):
        def __init__(self, number: int) -> None:
            super().__init__(sample_id=str(number))
            alive["now"] += 1
            alive["most"] = max(alive["most"], alive["now"])

        def __del__(self) -> None:
            alive["now"] -= 1

    def rows() -> Iterator[Counted]:
        for number in range(20_000):
            yield Counted(number)

    assert write_rows(tmp_path, "samples", rows(), 6_000) == 20_000
    assert alive["most"] < 6_000
    assert next(read_rows(tmp_path)) == {"sample_id": "0"}


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"id": "a", "colour": "red"}, r"row 3: unknown fields \['colour'\]; known: \['id'"),
        ({"id": 5}, "rows 0–3"),
        ({"id": "lone \ud800"}, "rows 0–3"),
        ({"id": "a", "metadata": {"s": {1, 2}}}, "row 3: metadata is not JSON"),
        ({"id": "a", "messages": [{"role": "user", "content": "\ud800"}]}, "rows 0–3"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict[str, Any], match: str) -> None:
    good = {"id": "a", "messages": [], "source": "s"}
    with pytest.raises(ContractError, match=match):
        write_rows(tmp_path, "chat", [good, good, good, row])
