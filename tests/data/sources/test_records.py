"""What a record is: parsing JSON, cutting documents, rows of tables; and a fault where there is none."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.records import Fault, Record
from tasks.data.sources import json_documents
from tasks.data.sources.json_documents import document_records
from tasks.data.sources.json_lines import line_records, parse_json
from tasks.data.sources.read import read_records
from tasks.data.sources.tables import csv_records

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ['"', "\\", '\\"', "[{,", "}],", "\ud800"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
STYLE = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}])


def stream(text: str | bytes) -> Any:
    raw = text if isinstance(text, bytes) else text.encode()
    return io.BufferedReader(io.BytesIO(raw))  # type: ignore[arg-type]


def values(records: Any) -> list[Any]:
    return [record.value if isinstance(record, Record) else record.code for record in records]


@given(JSON)
def test_json_reads_as_the_standard_library_reads_it(value: Any) -> None:
    text = json.dumps(value)
    assert parse_json(text.encode()) == json.loads(text)


def test_what_a_quick_parser_refuses_or_bends() -> None:
    assert parse_json(b'"\\ud800"') == "\ud800"
    assert math.isnan(parse_json(b"NaN"))
    for number in (2**64, -(2**63) - 1, 10**25):
        assert parse_json(str(number).encode()) == number
    for broken, said in ((b"[" * 100_000, "nested too deep"), (b'"\xff"', "not UTF-8"), (b"{'a': 1}", "Expecting")):
        (fault,) = line_records(stream(broken), "f")
        assert isinstance(fault, Fault)
        assert (fault.code, fault.place) == ("broken_json", "f:1")
        assert said in fault.detail


@settings(deadline=None)
@given(st.lists(JSON, max_size=6), STYLE, st.integers(1, 40))
def test_a_list_is_cut_into_its_records_wherever_a_block_ends(items: list[Any], style: dict[str, Any], block: int) -> None:
    text = json.dumps(items, **style)
    with pytest.MonkeyPatch.context() as change:  # the real reader, with borders between blocks everywhere
        change.setattr(json_documents, "_BLOCK", block)
        assert values(document_records(stream(text), "f")) == items


@settings(deadline=None)
@given(st.lists(JSON, max_size=4), st.dictionaries(st.sampled_from("abc"), TEXT | st.integers(), max_size=2), STYLE)
def test_a_list_in_an_object_is_found(items: list[Any], beside: dict[str, Any], style: dict[str, Any]) -> None:
    for members in ({**beside, "rows": items}, {"rows": items, **beside, "nested": {"deep": [1]}}):
        assert values(document_records(stream(json.dumps(members, **style)), "f")) == items


def test_documents_that_are_records_themselves() -> None:
    row = {"id": "1", "messages": [{"role": "user", "content": "hi"}], "n": 1}
    for text in (json.dumps(row), json.dumps(row, indent=1), json.dumps(row) + "\n"):
        assert values(document_records(stream(text), "f")) == [row]
    assert values(document_records(stream(json.dumps(row, indent=1) * 2), "f")) == [row, row]
    assert values(document_records(stream("{}"), "f")) == [{}]
    assert values(document_records(stream(""), "f")) == values(document_records(stream(" [ ]\n"), "f")) == []


def test_a_broken_record_of_a_list_is_a_fault_and_the_others_are_read() -> None:
    records = list(document_records(stream(b'[{"a": 1}, {"a": }, {"a": "\xff"} , NaN 1,, {"a": 2}, ]'), "f"))
    assert values(records) == [{"a": 1}, *["broken_json"] * 4, {"a": 2}]
    assert isinstance(records[1], Fault)
    assert (records[1].place, records[1].record) == ("f: record 2", '{"a": }')


@settings(deadline=None)
@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, max_size=2), max_size=5))
def test_csv_holds_any_text(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    assert values(csv_records(stream(text.getvalue()), "f")) == [{"a": first, "b": second} for first, second in rows]


def test_faulty_rows_of_csv_and_the_good_ones_between(tmp_path: Path) -> None:
    lines = [
        b",id,note",
        b"0,a,fine",
        b"1,b",
        b"2,c,d,e",
        b"3,d,\xff",
        b"",
        b'4,"e"x,y',
        b"5,f,",
        b'6,g,"no end',
        b"7,h,i",
        b"",
    ]
    records = list(csv_records(stream(b"\n".join(lines)), "f"))
    fine = [{"id": "a", "note": "fine"}, {"id": "f", "note": None}]
    assert values(records) == [fine[0], *["broken_row"] * 4, fine[1], "broken_row"]
    faults = [(record.place, record.detail) for record in records if isinstance(record, Fault)]
    assert faults == [
        ("f:3", "2 cells, and the header names 3 columns"),
        ("f:4", "4 cells, and the header names 3 columns"),
        ("f:5", "not UTF-8"),
        ("f:7", "',' expected after '\"'"),
        ("f:9", "unexpected end of data"),
    ]
    long = "x" * 1_000_000
    assert values(csv_records(stream(f"a,b\n1,{long}\n"), "f")) == [{"a": "1", "b": long}]


def test_nulls_fill_columns_and_not_what_is_nested(tmp_path: Path) -> None:
    """In a table every message has every message's fields; a reader sees each message with its own."""
    calls = [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]
    rows: list[dict[str, Any]] = [
        {"id": "a", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": calls}], "note": None},
        {"id": "b", "messages": [], "note": "x"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert values(read_records(tmp_path / "rows.parquet")) == rows


def test_json_values_of_datasets_are_data(tmp_path: Path) -> None:
    """Arguments of several shapes: `datasets` keeps them as JSON text in a type of its own."""
    rows = [{"id": "a", "what": [{"arguments": {"a": 1}}]}, {"id": "b", "what": [{"arguments": {"b": ["x", None]}}]}]
    data = Dataset.from_list(rows, on_mixed_types="use_json")
    assert "Json" in str(data.features)
    data.to_parquet(str(tmp_path / "rows.parquet"))
    data.save_to_disk(str(tmp_path / "saved"))
    assert values(read_records(tmp_path / "rows.parquet")) == values(read_records(tmp_path / "saved")) == rows


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_row_that_cannot_be_decoded_is_a_fault_and_the_others_are_read(ending: str, tmp_path: Path) -> None:
    broken = pa.array([b"fine", b"\xff\xfe", b"too"]).cast(pa.binary())
    texts = pa.StringArray.from_buffers(3, *broken.buffers()[1:])
    table, path = pa.table({"id": ["a", "b", "c"], "text": texts}), tmp_path / f"rows.{ending}"
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    first, fault, last = read_records(path)
    assert (first.value, last) == ({"id": "a", "text": "fine"}, Record(f"{path}: row 3", {"id": "c", "text": "too"}))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.place) == ("broken_row", f"{path}: row 2")
