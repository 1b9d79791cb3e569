"""Stores for the registry's tests: a local folder, and a real S3 server."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.store import Store


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def remote(s3_store_uri: tuple[str, dict[str, Any]]) -> Store:
    uri, options = s3_store_uri
    return Store(f"{uri}/registry-{uuid.uuid4().hex[:8]}", options)


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest) -> Store:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Store)
    return found
