"""A source is known by what it holds and by what its rows are called after, not by where it lies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import s3fs
from datasets import Dataset

from tasks.data.sources.digest import pinned
from tasks.data.sources.places import source_name
from tasks.runtime.errors import DataError


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "data", tmp_path / "two" / "data"
    one.mkdir(parents=True)
    for name, text in (("a.jsonl", '{"a": 1}\n'), ("b.jsonl", '{"b": 1}\n')):
        (one / name).write_text(text)
    shutil.copytree(one, two)

    def digest(address: object) -> str:
        return pinned(str(address)).digest

    assert digest(one) == digest(f"{two}/") == digest(f"{two}/*.jsonl")
    assert digest(one / "a.jsonl") == digest(two / "a.jsonl") != digest(two / "b.jsonl")
    (two / "b.jsonl").rename(two / "c.jsonl")
    assert digest(one) != digest(two)
    (two / "c.jsonl").rename(two / "b.jsonl")
    (two / "b.jsonl").write_text('{"b": 2}\n')
    assert digest(one) != digest(two)
    with pytest.raises(DataError, match="does not exist"):
        pinned(tmp_path / "no.jsonl")


def test_data_sets(tmp_path: Path) -> None:
    for name, count in (("one", 2), ("two", 2), ("three", 3)):
        Dataset.from_list([{"a": number} for number in range(count)]).save_to_disk(str(tmp_path / name / "set"))
    one, two, three = (pinned(tmp_path / name / "set").digest for name in ("one", "two", "three"))
    assert one == two != three
    (tmp_path / "train.jsonl").write_text("{}\n")
    assert pinned(f"hf:{tmp_path}").digest != pinned(f"hf:{tmp_path}?split=train").digest
    assert pinned(f"hf:{tmp_path}").address == f"hf:{tmp_path}"


def test_s3(s3_store_uri: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, s3_options = s3_store_uri
    fs = s3fs.S3FileSystem(**s3_options)
    for name, value in (("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret"), ("ENDPOINT_URL", "endpoint_url")):
        monkeypatch.setenv(f"AWS_{name}", s3_options[value])
    for folder in ("one", "two"):
        fs.pipe_file(f"{bucket}/digests/{folder}/a.jsonl", b'{"a": 1}\n')
    before = pinned(f"{bucket}/digests/one/a.jsonl").digest
    assert before == pinned(f"{bucket}/digests/two/a.jsonl").digest
    fs.pipe_file(f"{bucket}/digests/two/a.jsonl", b'{"a": 2}\n')
    assert before == pinned(f"{bucket}/digests/one/a.jsonl").digest != pinned(f"{bucket}/digests/two/a.jsonl").digest


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("rows.jsonl", "rows"),
        ("data/v1.2/rows.csv.gz", "rows"),
        ("data/v1.2", "v1.2"),
        ("data/train/", "train"),
        ("data/train/part-*.jsonl", "train"),
        ("*.jsonl", "rows"),
        ("s3://bucket/a/b.parquet", "b"),
        ("zip://inner.jsonl::data.zip", "inner"),
        ("org/name", "name"),
    ],
)
def test_rows_are_called_after_their_source(address: str, name: str) -> None:
    assert source_name(address) == name
