"""Short waits for every test of this room: the servers are on this machine and do as they are told."""

from __future__ import annotations

import pytest

from tasks.runtime import replies
from tasks.sample.endpoint import pool


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(pool, "_FIRST_REST", 0.1)
