"""Every kind of file, however it is packed and wherever it lies, gives the same records; broken ones say what is wrong."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
from datasets import Dataset, DatasetDict

from tasks.data.records import Fault, Record
from tasks.data.sources.read import read_records
from tasks.runtime.errors import ConfigurationError, DataError
from tasks.runtime.rows import write_rows

ROWS: list[dict[str, Any]] = [
    {
        "id": str(number),
        "messages": [{"role": "user", "content": f"é, “{number}”\n[x] \\"}],
        "note": None if number else "first",
    }
    for number in range(5)
]


def _csv(delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["id", "messages", "note"])
    writer.writerows([row["id"], json.dumps(row["messages"]), row["note"]] for row in ROWS)
    return text.getvalue().encode()


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), out)
    return out.getvalue()


def _arrow(open_writer: Callable[..., Any]) -> bytes:
    out, table = io.BytesIO(), pa.Table.from_pylist(ROWS)
    with open_writer(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FILES = {
    "rows.jsonl": LINES,
    "rows.ndjson": b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n"),
    "list.json": json.dumps(ROWS).encode(),
    "pretty.json": b"\xef\xbb\xbf" + json.dumps(ROWS, indent=2, ensure_ascii=False).encode(),
    "inside.json": json.dumps({"version": {"of": [1]}, "rows": ROWS, "by": "us"}, indent=1).encode(),
    "lines.json": LINES,
    "rows.csv": _csv(","),
    "semicolons.csv": _csv(";"),
    "rows.tsv": _csv("\t"),
    "rows.parquet": _parquet(),
    "rows.arrow": _arrow(pa.ipc.new_file),
    "stream.arrow": _arrow(pa.ipc.new_stream),
    "table": _parquet(),
    "arrow-without-ending": _arrow(pa.ipc.new_file),
    "lines-without-ending": LINES,
}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    ".lz4": lambda data: pa.compress(data, "lz4", asbytes=True),
}
# Two packed parts behind each other are one file, as `cat a.gz b.gz` and parallel packers make it.
IN_PARTS = {f"parts{end}": pack(LINES[:99]) + pack(LINES[99:]) for end, pack in PACKED.items()}
COMPRESSED = {
    f"{name}{end}": pack(FILES[name]) for name in ("rows.jsonl", "rows.parquet", "rows.csv") for end, pack in PACKED.items()
}


def values(address: str | Path) -> list[Any]:
    records = list(read_records(address))
    assert all(isinstance(record, Record) for record in records), records
    return [record.value for record in records]


@pytest.mark.parametrize("name", [*FILES, *COMPRESSED])
def test_every_kind_of_file_holds_the_same_records(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((FILES | COMPRESSED)[name])
    assert values(tmp_path / name) == ROWS


@pytest.mark.parametrize("name", IN_PARTS)
def test_a_file_packed_in_parts_is_read_to_its_end(name: str, tmp_path: Path) -> None:
    path = tmp_path / name.replace("parts", "parts.jsonl")
    path.write_bytes(IN_PARTS[name])
    assert values(path) == ROWS


def test_records_know_where_they_stood(tmp_path: Path) -> None:
    for name, first in (("rows.jsonl", ":1"), ("list.json", ": record 1"), ("rows.csv", ":2"), ("rows.parquet", ": row 1")):
        (tmp_path / name).write_bytes(FILES[name])
        assert next(read_records(tmp_path / name)).place == f"{tmp_path / name}{first}"


def test_folders_patterns_and_our_own_artifacts(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.jsonl", "b.ndjson.gz", "deeper/c.jsonl", ".hidden.jsonl", "README.md"):
        (folder / name).write_bytes(gzip.compress(LINES) if name.endswith("gz") else LINES)
    assert values(folder) == values(f"{folder}/") == ROWS * 2
    assert values(f"{folder}/*.jsonl") == values(folder / "[ab].jsonl") == ROWS
    assert values(f"{folder}/**/*.jsonl") == ROWS * 2
    (folder / "odd[1].jsonl").write_bytes(LINES)
    assert values(folder / "odd[1].jsonl") == ROWS  # a name is a name when there is such a file
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    rows = [{name: row[name] for name in ("id", "messages")} for row in ROWS]
    write_rows(artifact, "chat", rows, rows_per_shard=2)
    (artifact / "manifest.json").write_text("{}")
    read = [{name: value for name, value in row.items() if value is not None} for row in values(artifact)]
    assert read == rows


def test_s3(s3_store_uri: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bucket, s3_options = s3_store_uri
    fs = s3fs.S3FileSystem(**s3_options)
    for name in ("rows.jsonl", "list.json", "rows.csv", "rows.parquet", "rows.arrow", "stream.arrow"):
        fs.pipe_file(f"{bucket}/sources/{name.replace('.', '/')}/{name}", FILES[name])
    fs.pipe_file(f"{bucket}/sources/packed/rows.jsonl.zst", PACKED[".zst"](LINES))
    fs.pipe_file(f"{bucket}/sources/packed/rows.parquet.gz", PACKED[".gz"](FILES["rows.parquet"]))
    Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "saved"))
    fs.put(f"{tmp_path}/saved/", f"{bucket}/sources/saved/", recursive=True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_options["secret"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_options["endpoint_url"])
    for name in ("list/json/list.json", "rows/jsonl", "rows/csv/*.csv", "rows/parquet", "rows/arrow", "stream/arrow"):
        assert values(f"{bucket}/sources/{name}") == ROWS, name
    for name in ("packed/rows.jsonl.zst", "packed/*.gz", "saved"):
        assert values(f"{bucket}/sources/{name}") == ROWS, name
    for name in ("rows/none.jsonl", "none", "none*"):
        with pytest.raises(DataError, match=f"{bucket}/sources/{name.removesuffix('*')}"):
            values(f"{bucket}/sources/{name}")
    with pytest.raises(DataError, match="s3://no-such-bucket"):
        values("s3://no-such-bucket/rows.jsonl")


def test_saved_data_sets_and_their_splits(tmp_path: Path) -> None:
    one, some = Dataset.from_list(ROWS), Dataset.from_list(ROWS).select([1, 3])
    one.save_to_disk(str(tmp_path / "one"), num_shards=2)
    DatasetDict({"train": one, "test": some}).save_to_disk(str(tmp_path / "two"))
    assert values(tmp_path / "one") == values(tmp_path / "two") == values(f"{tmp_path}/two?split=train") == ROWS
    assert values(f"{tmp_path}/two?split=test") == [ROWS[1], ROWS[3]]
    with pytest.raises(DataError, match=r"has the splits train, test; choose one: .*two\?split=train"):
        values(f"{tmp_path}/two?split=dev")
    DatasetDict({"a": some, "b": some}).save_to_disk(str(tmp_path / "neither"))
    with pytest.raises(DataError, match="has the splits a, b; choose one"):
        values(tmp_path / "neither")
    for wrong in ("?split=a&split=b", "?split=a&name=b"):
        with pytest.raises(ConfigurationError, match="each once"):
            values(f"{tmp_path}/two{wrong}")


def test_datasets_streams_a_folder_by_its_own_rules(tmp_path: Path) -> None:
    for name, lines in (("train", LINES), ("test", LINES[: LINES.index(b"\n")])):
        (tmp_path / f"{name}.jsonl").write_bytes(lines)
    assert values(f"hf:{tmp_path}") == values(f"hf:{tmp_path}?split=train&config=default") == ROWS
    assert values(f"hf:{tmp_path}?split=test") == ROWS[:1]
    with pytest.raises(DataError, match="has the splits train, test"):
        values(f"hf:{tmp_path}?split=dev")
    with pytest.raises(DataError, match="BuilderConfig 'other' not found"):
        values(f"hf:{tmp_path}?config=other")


def test_a_data_set_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match=r"hf:nobody/nothing cannot be read .*check its name, configuration, revision and split"
    ):
        values("hf:nobody/nothing?split=train")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.jsonl.gz", gzip.compress(LINES * 50)[:-9], "Truncated"),
        ("rows.jsonl.zst", PACKED[".zst"](LINES * 50)[:-9], "Truncated"),
        ("rows.jsonl.bz2", bz2.compress(LINES)[:-9], "Truncated"),
        ("rows.jsonl.xz", lzma.compress(LINES)[:-9], "ended before the end"),
        ("rows.csv.gz", b"no gzip at all", "cannot be read"),
        ("rows.parquet", FILES["rows.parquet"][:-40], "cannot be read"),
        ("rows.parquet", b"PAR1 and no more", "cannot be read"),
        ("rows.parquet", b"", "cannot be read"),
        ("rows.parquet.gz", gzip.compress(FILES["rows.parquet"])[:-40], "cannot be read"),
        ("rows.arrow", FILES["rows.arrow"][:-40], "cannot be read"),
        ("rows.arrow", FILES["stream.arrow"][:200], "cannot be read"),
        ("rows.arrow", LINES, "cannot be read"),
        ("rows.json", FILES["list.json"][:-1], "ends in the middle of its JSON"),
        ("rows.json", b"[1] [2]", "goes on after its end"),
        ("rows.json", b"rows: []", "is not JSON"),
        ("rows.json", b"}", "closes nothing"),
        ("rows.json", b'{"train": [{}], "test": [{}]}', r"several lists \(train, test\)"),
        ("rows.csv", b"", "its first line must name the columns"),
        ("rows.csv", b"a,b,a\n1,2,3\n", "two columns are called a"),
        ("rows.csv", b'"a,b\n', "names no columns"),
    ],
)
def test_a_broken_file_is_named(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}.*{said}"):
        list(read_records(tmp_path / name))


def test_places_without_a_file(tmp_path: Path) -> None:
    for place, said in (
        ("absent.jsonl", "absent.jsonl does not exist; correct the path"),
        ("*.jsonl", "no file matches"),
        ("", r"holds no rows: none of its files ends in \.jsonl"),
    ):
        with pytest.raises(DataError, match=said):
            values(tmp_path / place)
    for name in ("a.jsonl", "b.csv"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"holds \.csv, \.jsonl files; say which are meant"):
        values(tmp_path)
    (tmp_path / "rows.xlsx").write_bytes(b"PK\x03\x04")
    for address, said in (
        (str(tmp_path / "rows.xlsx"), r"ending '\.xlsx' is not known; use \.jsonl, "),
        ("nowhere://bucket/rows.jsonl", "give a path, or an address such as s3://bucket/path"),
        (f"{tmp_path}/a.jsonl?split=train", "has no splits"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            values(address)


def test_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    with pytest.raises(DataError, match=r"loop\.jsonl"):
        values(tmp_path / "loop.jsonl")


PEAK = """
import resource, sys
from tasks.data.sources.read import read_records
peaks = []
for size in ("small", "large"):
    for name in sys.argv[2:]:
        assert sum(1 for _ in read_records(f"{sys.argv[1]}/{size}/{name}")) == {"small": 20_000, "large": 200_000}[size]
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Ten times the rows, 80 MB of text a file, in one row group or one list: no more memory than a few batches."""
    row = {"id": "7", "messages": json.dumps([{"role": "user", "content": "why? " * 70}])}
    line = json.dumps(row).encode()
    for size, count in (("small", 20_000), ("large", 200_000)):
        (tmp_path / size).mkdir()
        (tmp_path / size / "rows.jsonl.gz").write_bytes(gzip.compress((line + b"\n") * count, 1))
        (tmp_path / size / "rows.json").write_bytes(b"[" + b",".join([line] * count) + b"]")
        (tmp_path / size / "rows.csv").write_bytes(b"id,note\n" + (b"7," + b"why? " * 70 + b"\n") * count)
        table = pa.table({name: pa.repeat(value, count) for name, value in row.items()})
        parquet = tmp_path / size / "rows.parquet"
        pq.write_table(table, parquet, row_group_size=count, compression="none", use_dictionary=False)
        with pa.ipc.new_stream(tmp_path / size / "rows.arrow", table.schema) as stream:
            stream.write_table(table, max_chunksize=1_000)
    names = ["rows.jsonl.gz", "rows.json", "rows.csv", "rows.parquet", "rows.arrow"]
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path), *names], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 30_000, f"{done.stdout} KB more"


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.data.sources.json_lines.LONGEST", 1_000)
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": 1}\n{"a": "' + b"x" * 5_000 + b'"}\n{"a": 2}\n')
    first, fault, last = read_records(tmp_path / "rows.jsonl")
    assert (first.value, last) == ({"a": 1}, Record(f"{tmp_path}/rows.jsonl:3", {"a": 2}))
    assert isinstance(fault, Fault)
    assert fault.detail == "longer than 1000 bytes; write one JSON object a line"
    monkeypatch.setattr("tasks.data.sources.json_documents.LONGEST", 1 << 20)
    (tmp_path / "rows.json").write_bytes(b'[{"a": "' + b"x" * (3 << 20) + b'"}]')
    with pytest.raises(DataError, match="a record longer than"):
        list(read_records(tmp_path / "rows.json"))
