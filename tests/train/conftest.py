"""Label rows for the tests of this room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.rows import write_rows

IGNORED = -100


def label_rows(count: int = 12) -> list[dict[str, Any]]:
    """Rows of different lengths, most of each a prompt."""
    rows = []
    for number in range(count):
        prompt = list(range(100, 110 + number))
        answer = [200 + number] * (1 + number % 4) + [2]
        rows.append({"id": str(number), "input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
    return rows


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    write_rows(folder, "labels", label_rows())
    return folder
