"""Mixes: shares and caps, a seeded order, no duplicates or leaks, and an account of every row left out."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.data.draw import mix_rows
from tasks.data.mix_settings import MixSettings, MixSource
from tasks.data.mixing import keeping_copies, mix_folders
from tasks.data.shares import quotas
from tasks.data.shuffle import ShuffledRows, order_key
from tasks.runtime.errors import ConfigurationError, ContractError, DataError
from tasks.runtime.rows import read_rows, write_rows
from tasks.validate.settings import ValidationSettings
from tests.validate.rows import chat, prompt, talk

Rows = list[dict[str, Any]]
QUESTION = "A farmer has seventeen sheep and buys twice as many goats on Monday before he sells four of each kind"


def folder(place: Path, rows: Rows, kind: str = "chat", rows_per_shard: int = 50_000) -> Path:
    place.mkdir(parents=True)
    write_rows(place, kind, rows, rows_per_shard)
    return place


class Mixed:
    """What `mix_folders` makes of rows, one list a source."""

    def __init__(
        self, place: Path, *sources: Rows, items: Rows = (), shard: int = 50_000, kind: str = "chat", **asked: Any
    ) -> None:  # type: ignore[assignment]
        given = asked.pop("sources", None) or [{"address": "x"} for _ in sources]
        made = MixSettings.model_validate({"sources": given, **asked})
        parts = [folder(place / f"part{number}", rows, kind, shard) for number, rows in enumerate(sources)]
        evaluation = [folder(place / "items", list(items), "prompts")] if items else []
        self.out, self.aside = place / "out", place / "aside"
        for out in (self.out, self.aside):
            out.mkdir()
        self.summary = mix_folders(parts, kind, made, evaluation, self.out, self.aside if made.held_out.wanted else None)

    @property
    def rows(self) -> Rows:
        return list(read_rows(self.out))

    @property
    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows]

    def lines(self, name: str = "left_out.jsonl") -> Rows:
        return [json.loads(line) for line in (self.out / name).read_text().splitlines()]


def said(text: str, id: str, answer: str = "Well.", **more: Any) -> dict[str, Any]:
    return talk(("user", text), ("assistant", answer), id=id) | more


def many(count: int, name: str) -> Rows:
    return [said(" ".join(f"{name}{number}w{n}" for n in range(6)), f"{name}{number}", source=name) for number in range(count)]


SOURCES = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([0.1, 0.2, 0.5, 1, 2, 3.7]), st.integers(0, 40)), min_size=1, max_size=5
)


@settings(max_examples=100, deadline=None)
@given(SOURCES, st.integers(0, 120), st.booleans())
def test_weights_hold_within_rounding_and_caps_hold(given_: list[tuple[int, float, int]], rows: int, weighted: bool) -> None:
    sources = [MixSource(address="x", weight=weight if weighted else 0, cap=cap) for _, weight, cap in given_]
    available = [count for count, _, _ in given_]
    taken = quotas(available, sources, rows)
    has = [min(count, cap) if cap else count for count, _, cap in given_]
    assert all(0 <= quota <= most for quota, most in zip(taken, has, strict=True))
    total = sum(taken)
    assert not rows or total <= rows
    weights = [weight for _, weight, _ in given_] if weighted else has
    if sum(weights):
        for quota, weight in zip(taken, weights, strict=True):
            assert abs(quota - total * weight / sum(weights)) < 1
        # No larger total keeps the shares: with one row more some source would be asked for more than it has.
        more = [(total + 1) * weight / sum(weights) for weight in weights]
        assert (rows and total == rows) or any(need > most + 1e-9 for need, most in zip(more, has, strict=True))


@pytest.mark.parametrize(
    ("available", "sources", "rows", "taken"),
    [
        ([10, 20], [{"weight": 0.1}, {"weight": 0.2}], 0, [10, 20]),
        ([100, 100], [{"weight": 3}, {"weight": 1}], 0, [100, 33]),
        ([100, 100], [{"weight": 3, "cap": 30}, {"weight": 1}], 0, [30, 10]),
        ([100, 100], [{"weight": 3}, {"weight": 1}], 10, [8, 2]),
        ([100, 50, 7], [{}, {"cap": 20}, {}], 0, [100, 20, 7]),
        ([100, 50], [{}, {}], 30, [20, 10]),
        ([0, 5], [{"weight": 1}, {"weight": 1}], 0, [0, 0]),
        ([0, 0], [{}, {}], 0, [0, 0]),
    ],
)
def test_quotas(available: list[int], sources: list[dict[str, Any]], rows: int, taken: list[int]) -> None:
    assert quotas(available, [MixSource(address="x", **source) for source in sources], rows) == taken


def test_shares_and_caps_in_a_mix(tmp_path: Path) -> None:
    sources = [{"address": "a", "weight": 3}, {"address": "b", "weight": 1, "cap": 10}]
    mixed = Mixed(tmp_path, many(50, "a"), many(50, "b"), sources=sources)
    assert Counter(row["source"] for row in mixed.rows) == {"a": 30, "b": 10}
    assert Counter(line["reason"] for line in mixed.lines()) == {"over_share": 20, "over_cap": 40}
    assert {line["id"] for line in mixed.lines()} | set(mixed.ids) == {row["id"] for row in many(50, "a") + many(50, "b")}
    assert mixed.summary["left_out"] == {
        "evaluation_item": 0,
        "duplicate": 0,
        "near_duplicate": 0,
        "over_cap": 40,
        "over_share": 20,
    }
    assert [source["kept"] for source in mixed.summary["sources"]] == [30, 10]
    # A lower cap takes from what the higher one took.
    fewer = Mixed(tmp_path / "fewer", many(50, "a"), many(50, "b"), sources=[*sources[:1], {**sources[1], "cap": 4}])
    assert set(fewer.ids) < set(mixed.ids)


def test_what_collides_is_left_out_and_told_with_what(tmp_path: Path) -> None:
    copy = said("First  QUESTION of all", "copy", source="b")
    words = " ".join(f"word{number}" for number in range(60))
    first = [said("first question of all", "one"), said(words, "long"), said(f"So: {QUESTION}? And?", "leak", source="a")]
    second = [copy, said(words + " more", "longer"), said("new", "new"), said("is 3+5?", "short")]
    items = [
        prompt("i1", messages=[{"role": "user", "content": QUESTION}]),
        prompt("i2", messages=[{"role": "user", "content": "Is 3+5?"}]),
    ]
    mixed = Mixed(tmp_path, first, second, items=items)
    assert mixed.lines() == [
        {"id": "leak", "source": "a", "reason": "evaluation_item", "with": "i1", "similarity": 1.0},
        {"id": "copy", "source": "b", "reason": "duplicate", "with": "one", "similarity": 1.0},
        {"id": "longer", "source": "test", "reason": "near_duplicate", "with": "long", "similarity": 0.9492},
        {"id": "short", "source": "test", "reason": "evaluation_item", "with": "i2", "similarity": 1.0},
    ]
    assert mixed.lines("overlaps.jsonl") == [
        {"id": "leak", "item": "i1", "covered": 1.0},
        {"id": "short", "item": "i2", "covered": 1.0},
    ]
    assert sorted(mixed.ids) == ["long", "new", "one"]
    assert mixed.summary["evaluation"] == {"items": 2, "pairs": 2, "common": 0}
    assert [source["kept"] for source in mixed.summary["sources"]] == [2, 1]
    # The order of the sources is the order of preference.
    swapped = Mixed(tmp_path / "swapped", second, first, items=items)
    assert sorted(swapped.ids) == ["copy", "longer", "new"]
    kept = Mixed(tmp_path / "kept", first, second, items=items, duplicates={"near": "off"})
    assert sorted(kept.ids) == ["long", "longer", "new", "one"]


TEXTS = st.sampled_from(
    [f"alpha beta gamma delta epsilon {word}" for word in ("x", "X", "y", "zeta", "")] + ["one", "two", "three", "four", "five"]
)


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.lists(TEXTS, max_size=12), min_size=1, max_size=3),
    shards=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 3),
    share=st.sampled_from([0.0, 0.4]),
)
def test_a_mix_depends_on_rows_and_seed_and_not_on_shards(
    texts: list[list[str]], shards: tuple[int, int], seed: int, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sources = [[said(text, f"s{n}r{k}") for k, text in enumerate(part)] for n, part in enumerate(texts)]
    asked = {"seed": seed, "held_out": {"share": share}, "items": [prompt("i", messages=[{"role": "user", "content": "five"}])]}
    made = []
    for shard in shards:
        with suppress(DataError):  # no row is left
            made.append(Mixed(tmp_path_factory.mktemp("mix"), *sources, shard=shard, **asked))
    assume(made)
    one, two = made
    assert (one.rows, one.lines(), one.summary) == (two.rows, two.lines(), two.summary)
    aside = list(read_rows(one.aside)) if share else []
    assert list(read_rows(two.aside)) == aside
    whole = [row["id"] for row in aside] + one.ids + [line["id"] for line in one.lines()]
    assert sorted(whole) == sorted(row["id"] for part in sources for row in part)
    assert one.ids == sorted(one.ids, key=lambda name: order_key(seed, name))
    prompts = [{row["messages"][0]["content"].lower() for row in rows} for rows in (one.rows, aside)]
    assert not prompts[0] & prompts[1]
    # What was mixed once has nothing left to leave out.
    again = Mixed(tmp_path_factory.mktemp("again"), one.rows, seed=seed)
    assert (again.rows, again.lines()) == (one.rows, [])


def test_the_order_is_of_the_seed(tmp_path: Path) -> None:
    orders = [Mixed(tmp_path / str(seed), many(30, "a"), seed=seed).ids for seed in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1] != [row["id"] for row in many(30, "a")]
    longer = Mixed(tmp_path / "longer", many(40, "a"), seed=0).ids
    assert [name for name in longer if name in orders[0]] == orders[0]


def test_more_rows_than_a_bucket_holds_are_sorted_apart(tmp_path: Path) -> None:
    rows = [*many(200, "a"), said("line one\nline\u2028two \x1e", "odd", metadata={"large": 2**70})]
    with ShuffledRows(tmp_path / "sorted", 7) as shuffled:
        for row in rows:
            shuffled.add(order_key(5, row["id"]), row)
        assert list(shuffled.rows()) == sorted(rows, key=lambda row: order_key(5, row["id"]))
    assert list((tmp_path / "sorted").iterdir()) == []


def test_held_out_rows_go_by_group(tmp_path: Path) -> None:
    rows = [said(f"question {n // 4} asked", f"r{n}", answer=f"answer {n}", metadata={"group": n // 8}) for n in range(160)]
    mixed = Mixed(tmp_path, rows, held_out={"rows": 40}, duplicates={"near": "off"})
    aside = list(read_rows(mixed.aside))
    assert (len(aside), len(mixed.rows), mixed.summary["held_out"]) == (40, 120, 40)
    assert not {row["metadata"]["group"] for row in aside} & {row["metadata"]["group"] for row in mixed.rows}


def test_named_sources_keep_equal_ids_apart(tmp_path: Path) -> None:
    one, other = [chat("a")], [said("else", "a")]
    with pytest.raises(DataError, match="two different rows are called 'a', in source 1 and in source 2 of the mix; give one"):
        Mixed(tmp_path / "clash", one, other)
    with pytest.raises(DataError, match="two different rows of source 1 of the mix are called 'a'"):
        Mixed(tmp_path / "twice", one + other)
    mixed = Mixed(tmp_path, one, other, sources=[{"address": "x"}, {"address": "x", "name": "web"}])
    assert {row["id"]: row["source"] for row in mixed.rows} == {"a": "test", "web/a": "web"}
    assert Mixed(tmp_path / "same", one, one).lines() == [
        {"id": "a", "source": "test", "reason": "duplicate", "with": "a", "similarity": 1.0}
    ]


def test_prompt_rows_are_mixed_too(tmp_path: Path) -> None:
    mixed = Mixed(tmp_path, [prompt("a"), prompt("b")], [prompt("c", messages=prompt("a")["messages"])], kind="prompts")
    assert sorted(mixed.ids) == ["a", "b"]
    assert mixed.lines() == [{"id": "c", "source": None, "reason": "duplicate", "with": "a", "similarity": 1.0}]


def test_a_mix_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row is left of 1: .*'evaluation_item': 1"):
        Mixed(tmp_path / "none", [chat("a")], items=[prompt("a")])
    with pytest.raises(ContractError, match="2 sources but 1 parts"):
        Mixed(tmp_path / "parts", [chat()], sources=[{"address": "x"}] * 2)
    out = folder(tmp_path / "out", [])
    held = MixSettings(sources=[MixSource(address="x")], held_out={"share": 0.1})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no place to go"):
        mix_folders([out], "chat", held, [], out)
    with pytest.raises(ConfigurationError, match=r"nothing is held out for .*aside; set held_out\.share"):
        mix_folders([out], "chat", MixSettings(sources=held.sources), [], out, tmp_path / "aside")
    for sources, wrong in (
        ([{"address": "x", "weight": 1}, {"address": "y"}], "every source a weight, or none"),
        ([{"address": "x", "name": "n"}] * 2, "same name"),
        ([{"address": "x", "name": "a/b"}], "name"),
    ):
        with pytest.raises(ValidationError, match=wrong):
            MixSettings.model_validate({"sources": sources})


def test_validation_leaves_copies_to_the_mix() -> None:
    kept = keeping_copies(ValidationSettings(max_rejected_share=0.5))
    assert (kept.severity_of("duplicate_row"), kept.allowed_share("duplicate_row"), kept.max_rejected_share) == ("warn", 1, 0.5)
    assert keeping_copies(ValidationSettings(severity={"duplicate_row": "refuse"})).severity_of("duplicate_row") == "refuse"


def test_training_rows_are_put_together_once_each(tmp_path: Path) -> None:
    """A round's rows: in order, copies once, and a turn that only calls a tool is told from another call."""
    calls = [{"type": "function", "function": {"name": "add", "arguments": {"a": number}}} for number in range(2)]
    called = [
        chat(f"t{n}", messages=[*chat()["messages"], {"role": "assistant", "content": "", "tool_calls": [call]}])
        for n, call in enumerate(calls)
    ]
    copy = [{**message, "train": False} for message in called[0]["messages"]]
    parts = [
        folder(tmp_path / "one", [chat("b"), called[0]]),
        folder(tmp_path / "two", [called[1], chat("c", messages=copy), chat("b")]),
    ]
    out = folder(tmp_path / "out", [])
    assert mix_rows(parts, out) == {"rows": 3, "duplicates": 2}
    assert [row["id"] for row in read_rows(out)] == ["b", "t0", "t1"]
