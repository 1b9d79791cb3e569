"""Stores that cannot be used: each a clear refusal that says what to change, or a fault that may pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.runtime.errors import ConfigurationError, MissingArtifactError, PassingFaultError, StoreUnwritableError
from tasks.runtime.references import ReportRef
from tasks.runtime.store import Store
from tests.s3 import free_ports


def test_a_store_below_a_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = Store(str(tmp_path / "file" / "store"))
    acts = [
        lambda: store.draft().__enter__(),
        lambda: store.write_bytes("results/key", b""),
        lambda: store.create_bytes("results/key", b""),
    ]
    for act in acts:
        with pytest.raises(StoreUnwritableError, match="WINNOW_HOME") as caught:
            act()
        assert caught.value.exit_code == 2
    with pytest.raises(FileNotFoundError):
        store.read_bytes("results/key")
    assert store.names("results") == []
    with pytest.raises(MissingArtifactError):
        store.open(ReportRef(uri="objects/report/0", digest="0"))


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    (tmp_path / "results").write_text("a file where a folder belongs")
    with pytest.raises(StoreUnwritableError, match="results"):
        store.write_bytes("results/key", b"")


def test_a_bucket_that_cannot_be_is_refused(s3_options: dict) -> None:
    with pytest.raises(StoreUnwritableError, match="bucket"):
        Store("s3://UPPER..case/store", s3_options).write_bytes("results/key", b"")


def test_no_credentials_is_refused(s3_options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = Store("s3://winnow-tests", {"endpoint_url": s3_options["endpoint_url"]})
    with pytest.raises(StoreUnwritableError, match="credentials"):
        store.write_bytes("results/key", b"")


def test_a_server_that_does_not_answer_may_pass(s3_options: dict) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    options = {**s3_options, "endpoint_url": nobody, "config_kwargs": {"retries": {"max_attempts": 0}}}
    with pytest.raises(PassingFaultError, match=nobody):
        Store("s3://winnow-tests", options).write_bytes("results/key", b"")


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="s3://bucket/prefix"):
        Store("gopher://somewhere/store")
