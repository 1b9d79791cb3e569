"""Shards: every prompt in exactly one, every draw exactly once, or a named failure."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import read_rows, write_rows
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_folder, shard_count
from tests.sample.rows import prompt


def settings(engine: str, **changes: int) -> SamplingSettings:
    return SamplingSettings(engine=f"tests.sample.plugins:{engine}", **{"k": 3, "shard_prompts": 4, **changes})


def sampled(tmp_path: Path, settings: SamplingSettings, shard: int, prompts: int = 10) -> tuple[dict, list]:
    rows, out = tmp_path / "prompts", tmp_path / f"shard-{shard}"
    rows.mkdir(exist_ok=True)
    out.mkdir()
    write_rows(rows, "prompts", [prompt(number) for number in range(prompts)])
    counts = sample_folder(tmp_path, rows, None, out, settings, shard=shard, policy="digest", seed=1, round=2, dtype="float32")
    return counts, list(read_rows(out))


def test_shards_hold_every_draw_once(tmp_path: Path) -> None:
    found = [sampled(tmp_path, settings("echo"), shard) for shard in range(shard_count(10, settings("echo")))]
    ids = [row["sample_id"] for _, rows in found for row in rows]
    assert sorted(ids) == sorted(f"p{number}/2/{draw}" for number in range(10) for draw in range(3))
    assert [counts["prompts"] for counts, _ in found] == [4, 4, 2]
    assert {row["policy"] for _, rows in found for row in rows} == {"digest"}
    assert sum(counts["tokens"] for counts, _ in found) == 90


@given(st.integers(0, 10_000), st.integers(1, 500))
def test_shard_count_covers_all_prompts_and_no_more(prompts: int, size: int) -> None:
    count = shard_count(prompts, SamplingSettings(shard_prompts=size))
    assert (count - 1) * size < prompts <= count * size or prompts == count == 0


def test_an_engine_that_ignores_k_is_caught(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="left out 8 of 12 draws"):
        sampled(tmp_path, settings("forgetful"), 0)


def test_an_engine_that_repeats_a_draw_is_caught(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="twice"):
        sampled(tmp_path, settings("repeating"), 0)
