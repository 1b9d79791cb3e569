"""Held-out rows: no prompt and no named group on both sides, and no group that moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.data.mix_settings import SplitSettings
from tasks.data.splits import assert_apart, hold_out, named_group, prompt_key
from tasks.runtime.errors import OverlapError
from tests.validate.rows import chat, talk

Rows = list[dict[str, Any]]


def row(prompt: int, group: int | None = None, answer: str = "yes") -> dict[str, Any]:
    made = talk(("user", f"Question {prompt}?"), ("assistant", answer), id=f"{prompt}/{group}/{answer}")
    return made | ({} if group is None else {"metadata": {"group": group}})


ROWS = st.lists(st.builds(row, st.integers(0, 12), st.none() | st.integers(0, 6), st.sampled_from("abc")), max_size=30)
SPLITS = st.builds(SplitSettings, share=st.floats(0.01, 0.9)) | st.builds(SplitSettings, rows=st.integers(1, 20))


def held(rows: Rows, split: SplitSettings, seed: int = 0) -> np.ndarray:
    prompts, groups = (
        np.array([np.frombuffer(key(made), np.uint64) for made in rows], np.uint64).reshape(-1, 2)
        for key in (prompt_key, named_group)
    )
    return hold_out(prompts, groups, split, seed)


def halves(rows: Rows, mask: np.ndarray) -> tuple[Rows, Rows]:
    return [r for r, out in zip(rows, mask, strict=True) if not out], [r for r, out in zip(rows, mask, strict=True) if out]


@settings(max_examples=100, deadline=None)
@given(ROWS, SPLITS, st.integers(0, 2**31 - 1))
def test_no_prompt_and_no_group_is_on_both_sides(rows: Rows, split: SplitSettings, seed: int) -> None:
    train, out = halves(rows, held(rows, split, seed))
    for name in (lambda r: r["messages"][0]["content"], lambda r: r.get("metadata", {}).get("group", r["id"])):
        assert not {name(r) for r in train} & {name(r) for r in out}
    assert assert_apart(train, out) == {"train": len(train), "held_out": len(out)}
    if split.rows:
        assert len(out) <= split.rows


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=20), st.lists(st.integers(0, 50), max_size=20), st.floats(0.05, 0.9))
def test_other_rows_before_or_after_move_no_group(some: list[int], more: list[int], share: float) -> None:
    split = SplitSettings(share=share)
    rows, others = [row(n, n // 5) for n in some], [row(n, n // 5, "no") for n in more]
    alone = held(rows, split).tolist()
    assert held(others + rows, split).tolist()[len(others) :] == alone == held(rows + others, split).tolist()[: len(rows)]
    unnamed = [row(n) for n in some]
    assert held([row(n) for n in more] + unnamed, split).tolist()[len(more) :] == held(unnamed, split).tolist()


def test_shares_hold_and_another_seed_draws_others() -> None:
    rows = [row(number) for number in range(4000)]
    first, second = (held(rows, SplitSettings(share=0.25), seed) for seed in (0, 1))
    assert first.mean() == pytest.approx(0.25, abs=0.03)
    assert second.mean() == pytest.approx(0.25, abs=0.03)
    assert (first & second).mean() == pytest.approx(0.0625, abs=0.02)
    assert held(rows, SplitSettings(rows=100)).sum() == 100


def test_a_group_is_what_hangs_together() -> None:
    """Rows that share a prompt or a name with one another, also through others, whatever the draw."""
    rows = [row(1, 1), row(2, 1), row(2, 2), row(3, 2), row(4)]
    for seed in range(20):
        out = held(rows, SplitSettings(share=0.5), seed)
        assert len(set(out[:4].tolist())) == 1
    assert held([], SplitSettings(share=0.5)).tolist() == []


def test_a_prompt_is_the_first_user_turn_however_it_is_spelt() -> None:
    one = talk(("system", "Be short."), ("user", "What is  3+5?"), ("assistant", "8"), ("user", "Sure?"), ("assistant", "Yes"))
    assert prompt_key(one) == prompt_key(talk(("user", "WHAT is 3+5? "), ("assistant", "eight")))
    assert prompt_key(one) != prompt_key(talk(("user", "What is 3+6?"), ("assistant", "9")))
    assert prompt_key(talk(("assistant", "Hi"))) == prompt_key(talk(("assistant", "hi")))
    assert named_group(chat(metadata={"group": 1})) == named_group(chat(metadata={"group": "1"})) != named_group(chat())


def test_a_bad_split_is_found() -> None:
    train = [row(number) for number in range(20)]
    with pytest.raises(
        OverlapError, match=r"2 training rows share a prompt or group with held-out rows: 3/None/yes, 4/None/yes;"
    ):
        assert_apart(train, [row(3, answer="no"), row(4)])
    with pytest.raises(OverlapError, match=r"20 training rows .* and 10 more; split them by group"):
        assert_apart([row(number, 1) for number in range(20)], [row(99, 1)])


def test_a_share_and_a_number_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="not both"):
        SplitSettings(share=0.1, rows=10)
