"""Shards: every prompt in exactly one, every draw exactly once, or a named failure."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError
from tasks.runtime.progress import Progress, listening
from tasks.runtime.rows import read_rows, write_rows
from tasks.sample.requests import stored_requests
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_folder, shard_count
from tests.sample.rows import prompt


def settings(engine: str, **changes: int) -> SamplingSettings:
    return SamplingSettings(engine=f"tests.sample.plugins:{engine}", **{"shard_prompts": 4, **changes})


def three_of_each(tmp_path: Path, prompts: int) -> Path:
    folder = tmp_path / "requests"
    folder.mkdir(exist_ok=True)
    write_rows(folder, "requests", ({"prompt_id": f"p{number}", "first": 0, "count": 3} for number in range(prompts)))
    return folder


def sampled(tmp_path: Path, settings: SamplingSettings, shard: int, prompts: int = 10) -> tuple[dict, list]:
    rows, out = tmp_path / "prompts", tmp_path / f"shard-{shard}"
    rows.mkdir(exist_ok=True)
    out.mkdir()
    write_rows(rows, "prompts", [prompt(number) for number in range(prompts)])
    about: dict[str, Any] = {"policy": "digest", "seed": 1, "round": 2, "dtype": "float32"}
    counts = sample_folder(tmp_path, rows, three_of_each(tmp_path, prompts), out, settings, shard=shard, **about)
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


def test_progress_tells_what_a_user_waits_for(tmp_path: Path) -> None:
    told: list[Progress] = []
    rows = tmp_path / "prompts"
    rows.mkdir()
    write_rows(rows, "prompts", [prompt(number) for number in range(4)])
    about: dict[str, Any] = {"shard": 0, "policy": "digest", "seed": 1, "round": 2, "dtype": "float32"}
    with listening(told.append):
        asked = three_of_each(tmp_path, 4)
        sample_folder(
            tmp_path, rows, asked, tmp_path, settings("echo"), so_far="7 accepted so far, 2 prompts unsolved", **about
        )
    assert (told[-1].done, told[-1].total, told[-1].unit) == (12, 12, "draws")
    assert re.fullmatch(r"[\d,]+ tokens/s, 0 s left; 7 accepted so far, 2 prompts unsolved", told[-1].note)


def test_an_engine_that_ignores_k_is_caught(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="left out 8 of 12 draws"):
        sampled(tmp_path, settings("forgetful"), 0)


def test_an_engine_that_repeats_a_draw_is_caught(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="twice"):
        sampled(tmp_path, settings("repeating"), 0)


def test_a_shard_reads_its_own_prompts_alone_and_says_where_they_are(tmp_path: Path) -> None:
    prompts, asked, out = tmp_path / "prompts", tmp_path / "asked", tmp_path / "out"
    for folder in (prompts, asked, out):
        folder.mkdir()
    write_rows(prompts, "prompts", [prompt(number) for number in range(12)], 3)
    rows = [{"prompt_id": f"p{place}", "first": 2, "count": 1, "place": place} for place in (1, 4, 6, 7, 10)]
    write_rows(asked, "requests", rows)
    told = stored_requests(asked, prompts, slice(1, 4))
    assert [(one.prompt["id"], one.place, one.draws) for one in told] == [
        ("p4", 4, range(2, 3)),
        ("p6", 6, range(2, 3)),
        ("p7", 7, range(2, 3)),
    ]
    cut = settings("echo", shard_prompts=2)
    about = {"policy": "digest", "seed": 1, "round": 2, "dtype": "float32"}
    counts = sample_folder(tmp_path, prompts, asked, out, cut, shard=1, **about)
    assert (counts["first_place"], counts["end_place"]) == (6, 8)
    write_rows(asked, "requests", [{"prompt_id": "p2", "first": 0, "count": 1, "place": 9}])
    with pytest.raises(ContractError, match="unknown prompts"):
        stored_requests(asked, prompts, slice(0, 1))
