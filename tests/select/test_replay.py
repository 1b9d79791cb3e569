"""Replay: the older a night, the fewer of its rows, always of the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.select.replay import replay_folder, replay_share, replayed


def rows(count: int, night: int = 0) -> list[Row]:
    return [{"id": f"n{night}/{index}"} for index in range(count)]


def ids(kept: object) -> list[str]:
    return [row["id"] for row in kept]  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(), unique=True, max_size=50), st.integers(0, 40), st.floats(0.01, 1), st.randoms(use_true_random=False))
def test_a_row_that_was_left_out_stays_out_in_any_order(names: list[str], age: int, decay: float, shuffle: object) -> None:
    night = [{"id": name} for name in names]
    kept, older = ids(replayed(night, age, decay)), ids(replayed(night, age + 1, decay))
    assert set(older) <= set(kept) <= set(names)
    assert kept == [name for name in names if name in kept]
    shuffle.shuffle(night)  # type: ignore[attr-defined]
    assert set(ids(replayed(night, age, decay))) == set(kept)


def test_all_stay_at_first_and_without_decay() -> None:
    assert replay_share(0, 0.3) == replay_share(9, 1.0) == 1
    assert replay_share(2, 0.9) == pytest.approx(0.81)
    for age, decay in ((0, 0.3), (9, 1.0)):
        assert ids(replayed(rows(500), age, decay)) == ids(rows(500))


@pytest.mark.parametrize(("age", "decay"), [(1, 0.9), (2, 0.9), (14, 0.9), (3, 0.5), (20, 0.5)])
def test_the_share_is_what_it_says(age: int, decay: float) -> None:
    count, share = 20_000, decay**age
    low, high = binom.ppf([1e-6, 1 - 1e-6], count, share)
    assert low <= len(ids(replayed(rows(count), age, decay))) <= high


@pytest.mark.parametrize(("age", "decay"), [(-1, 0.9), (1, 0.0), (1, 1.1), (1, -0.5), (1, float("nan"))])
def test_what_cannot_be_is_refused_before_a_row_is_read(age: int, decay: float) -> None:
    with pytest.raises(ConfigurationError, match="decay"):
        replayed(iter(()), age, decay)


def test_a_folder_is_replayed(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    night: list[Row] = [
        {"id": str(n), "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "84", "train": True}]}
        for n in range(300)
    ]
    write_rows(source, "chat", [row | {"source": "rsf", "metadata": {"round": 0}} for row in night], rows_per_shard=100)
    counts = replay_folder(source, out, 3, 0.8)
    kept = list(read_rows(out))
    assert counts == {"rows": len(kept), "read": 300}
    assert kept == list(replayed(read_rows(source), 3, 0.8))
    assert 0 < len(kept) < 300
