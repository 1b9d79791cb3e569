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


def uneven_rows() -> list[dict[str, Any]]:
    """Rows from 5 to 60 tokens, no token in two rows but the last: several fit beside each other."""
    rows = []
    for number, (prompt, answer) in enumerate([(40, 19), (3, 1), (20, 6), (9, 2), (12, 12), (5, 4), (30, 3), (4, 2), (16, 9)]):
        ids = [*range(1_000 + 100 * number, 1_000 + 100 * number + prompt + answer), 2]
        rows.append({"id": f"u{number}", "input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]})
    return rows


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    write_rows(folder, "labels", label_rows())
    return folder
