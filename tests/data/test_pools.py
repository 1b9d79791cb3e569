"""Draws from a pool: every round other prompts, nothing that is asked elsewhere, memory for the order alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.data.pools import pool_chat_rows, pool_prompts, write_pinned_pool
from tasks.data.procedural import Draw
from tasks.data.questions import all_questions
from tasks.data.sources.digest import pinned
from tasks.runtime.errors import DataError
from tasks.runtime.rows import read_rows, write_rows
from tasks.validate.settings import ValidationSettings
from tests.data.test_load import lines

FIRST = Draw("train", 1, 0, 0)


def prompt(name: str, **changed: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"What is {name}?"}]
    return {"id": name, "messages": turns, "reference": "8", "verifier": "number", "family": "sums"} | changed


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Ten prompts, in two shards."""
    write_rows(tmp_path, "prompts", (prompt(f"p{number}") for number in range(10)), rows_per_shard=6)
    return tmp_path


def drawn(pool: Path, count: int = 10, draw: Draw = FIRST, exclude: Any = frozenset()) -> list[str]:
    return [row["id"] for row in pool_prompts(pool, draw, count, exclude)]


def test_rounds_take_different_prompts_until_the_pool_is_used_up(pool: Path) -> None:
    rounds = [drawn(pool, 4, Draw("train", 1, number, 0)) for number in range(5)]
    assert all(len(set(taken)) == 4 for taken in rounds)
    assert not set(rounds[0]) & set(rounds[1])
    assert {name for taken in rounds for name in taken} == {f"p{number}" for number in range(10)}
    assert drawn(pool, 4, Draw("train", 2, 0, 0)) != rounds[0] == drawn(pool, 4, Draw("train", 1, 0, 0))
    assert sorted(drawn(pool, 99)) == sorted(f"p{number}" for number in range(10))


def test_prompts_that_are_asked_elsewhere_are_left_out(pool: Path) -> None:
    rows = list(read_rows(pool))
    assert sorted(drawn(pool, exclude=all_questions(rows[:8]))) == ["p8", "p9"]
    with pytest.raises(DataError, match="every prompt of train_file is asked elsewhere already"):
        drawn(pool, exclude=all_questions(rows))


def test_chat_rows_are_taken_in_order(tmp_path: Path) -> None:
    turns = [[{"role": "user", "content": str(n)}, {"role": "assistant", "content": "yes"}] for n in range(5)]
    rows = [{"id": str(number), "messages": messages, "source": "warm"} for number, messages in enumerate(turns)]
    write_rows(tmp_path, "chat", rows)
    assert [row["id"] for row in pool_chat_rows(tmp_path, 3, all_questions(rows[:1]))] == ["1", "2", "3"]
    with pytest.raises(DataError, match="every warm-start row asks an evaluation item's question"):
        list(pool_chat_rows(tmp_path, 3, all_questions(rows)))


def test_a_pool_holds_what_passed_and_its_report_the_rest(tmp_path: Path) -> None:
    """Each of these once refused the whole file; now it is put aside with its code, and the others are used."""
    bad: dict[str, Any] = {
        "broken_json": '{"id": "b", "mess',
        "not_an_object": "[1]",
        "field_unknown": prompt("b", answer="8"),
        "field_type": prompt("b", reference=8),
        "reference_missing": prompt("b", reference=" "),
        "verifier_unknown": prompt("b", verifier="os:system"),
        "reference_unparsable": prompt("b", reference="eight"),
        "duplicate_id": prompt("p0", messages=[{"role": "user", "content": "Again?"}]),
        "last_not_user": prompt("b", messages=[{"role": "assistant", "content": "8"}]),
    }
    path = lines(tmp_path / "rows.jsonl", *(prompt(f"p{number}") for number in range(20)), *bad.values())
    accepted, report = tmp_path / "accepted", tmp_path / "report"
    for folder in (accepted, report):
        folder.mkdir()
    summary = write_pinned_pool(pinned(path), "prompts", ValidationSettings(), None, accepted, report)
    assert (summary["read"], summary["accepted"], summary["rejected"]) == (29, 20, 9)
    assert set(bad) <= set(summary["codes"])
    assert [row["id"] for row in read_rows(accepted)] == [f"p{number}" for number in range(20)]
    rejects = (report / "rejects.jsonl").read_text().splitlines()
    assert len(rejects) == 9
    assert '"os:system"' in rejects[5]


def test_a_source_that_changed_since_it_was_pinned_is_refused(tmp_path: Path) -> None:
    path = lines(tmp_path / "rows.jsonl", prompt("a"))
    source = pinned(path)
    lines(path, prompt("b"))
    with pytest.raises(DataError, match="has changed since the run began; run again"):
        write_pinned_pool(source, "prompts", ValidationSettings(), None, tmp_path, tmp_path)
