"""Stores to test on: a folder, and a prefix on a real S3 server, each with a home of its own."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tasks.runtime.store import Store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh ``WINNOW_HOME``: what an S3 store has fetched before is not there."""
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Store:
    """An empty store, on a local disk and on S3 in turn."""
    if request.param == "local":
        return Store(str(tmp_path / "store"))
    uri, options = request.getfixturevalue("s3_store_uri")
    return Store(f"{uri}/{uuid.uuid4().hex}", options)
