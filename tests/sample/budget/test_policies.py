"""Draws shared among checkpoints: none lost, everyone's turn, and no older one chosen by luck."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.budget.policies import assigned, choose_policies, policy_requests_folder, pooled, probe_requests
from tasks.sample.budget.settings import PolicySettings
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_folder
from tests.sample.rows import prompt

COUNTS = st.lists(st.integers(0, 12), min_size=1, max_size=12)


def request(name: str, first: int, count: int) -> Row:
    return {"prompt_id": name, "first": first, "count": count}


@given(
    waves=st.lists(COUNTS, min_size=1, max_size=6), policies=st.integers(1, 5), step=st.integers(1, 5), seed=st.integers(0, 9)
)
@settings(max_examples=100, deadline=None)
def test_a_prompts_draws_are_complete_and_its_portions_take_turns(
    waves: list[list[int]], policies: int, step: int, seed: int
) -> None:
    digests = [f"policy {number}" for number in range(policies)]
    made: dict[str, list[int]] = {}
    for wave, counts in enumerate(waves):
        rows = [request(f"p{place}", len(made.get(f"p{place}", [])), count) for place, count in enumerate(counts) if count]
        shared = list(pooled(rows, digests, wave=wave, step=step, seed=seed))
        assert [row["prompt_id"] for row in shared] == sorted((row["prompt_id"] for row in shared), key=lambda n: int(n[1:]))
        for row in rows:
            own = [one for one in shared if one["prompt_id"] == row["prompt_id"]]
            assert [one["count"] for one in own[:-1]] == [step] * (len(own) - 1)
            turns = [digests.index(one["policy"]) for one in own]
            assert turns == [(turns[0] + part) % policies for part in range(len(turns))]
            for one in own:
                made.setdefault(one["prompt_id"], []).extend(range(one["first"], one["first"] + one["count"]))
    assert all(draws == list(range(len(draws))) for draws in made.values())


@pytest.mark.parametrize("policies", [2, 3, 5])
def test_each_checkpoint_gets_its_share(policies: int) -> None:
    """Of a prompt, over as many waves as there are checkpoints, exactly; of one wave, about."""
    digests = [f"policy {number}" for number in range(policies)]
    waves = [
        list(pooled([request(f"p{number}", 4 * wave, 4) for number in range(3_000)], digests, wave=wave, step=4, seed=1))
        for wave in range(policies)
    ]
    for rows in zip(*waves, strict=True):
        assert sorted(row["policy"] for row in rows) == digests
    for count in Counter(row["policy"] for row in waves[0]).values():
        assert count == pytest.approx(3_000 / policies, rel=0.1)


def test_another_round_begins_elsewhere_and_the_same_one_does_not() -> None:
    rows = [request(f"p{number}", 0, 4) for number in range(40)]
    first, again, other = ([row["policy"] for row in pooled(rows, ["a", "b"], wave=0, step=4, seed=seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_a_family_that_was_not_probed_takes_the_newest() -> None:
    rows = [request("p0", 0, 4), request("p1", 4, 2)]
    prompts = [{"id": "p0", "family": "sums"}, {"id": "p"}, {"id": "p1", "family": "new"}]
    found = assigned(rows, prompts, {"sums": "old"}, "newest")
    assert [(row["policy"], row["first"], row["count"]) for row in found] == [("old", 0, 4), ("newest", 4, 2)]


def test_draws_out_of_the_prompts_order_are_not_given_away() -> None:
    rows = [request("p1", 0, 4), request("p0", 0, 4)]
    with pytest.raises(ContractError, match="'p0' are not in the prompts' order"):
        list(assigned(rows, [{"id": "p0"}, {"id": "p1"}], {}, "newest"))


def test_the_probe_has_as_many_prompts_of_each_family() -> None:
    prompts = [{"id": f"{family}{number}", "family": family} for family in ("a", "b") for number in range(50)] + [{"id": "x"}]
    asked = probe_requests(prompts, PolicySettings(prompts=7, draws=3), seed=1)
    assert Counter(name[0] for name, _, _ in asked) == {"a": 7, "b": 7, "x": 1}
    assert {(first, count) for _, first, count in asked} == {(0, 3)}
    assert asked == probe_requests(reversed(prompts), PolicySettings(prompts=7, draws=3), seed=1)
    assert asked != probe_requests(prompts, PolicySettings(prompts=7, draws=3), seed=2)


def probe(rights: dict[str, int], draws: int = 4) -> tuple[list[Row], list[Row]]:
    """Samples and verdicts of prompts with so many right answers each, the first ones."""
    samples, verdicts = [], []
    for name, right in rights.items():
        for draw in range(draws):
            sample = {"sample_id": f"{name}/0/{draw}", "prompt_id": name, "draw": draw}
            samples.append(sample | {"text": f"{draw}", "token_count": 1, "finish_reason": "stop"})
            verdicts.append({"sample_id": sample["sample_id"], "state": "accepted" if draw < right else "rejected"})
    return samples, verdicts


def chosen(probes: dict[str, dict[str, int]], **changes: float) -> dict[str, str]:
    families = {name: name[0] for of in probes.values() for name in of}
    return choose_policies({digest: probe(of) for digest, of in probes.items()}, families, PolicySettings(**changes))[0]


def test_an_older_checkpoint_needs_evidence_in_that_family() -> None:
    old = {f"a{number}": 3 for number in range(6)} | {f"b{number}": 3 for number in range(4)} | {"c0": 0, "c1": 1}
    new = {f"a{number}": 1 for number in range(6)} | {f"b{number}": 1 for number in range(4)} | {"c0": 1, "c1": 1}
    # Six prompts of six: 1/64; four of four: 1/16.
    assert chosen({"old": old, "new": new}) == {"a": "old", "b": "new", "c": "new"}
    assert chosen({"old": old, "new": new}, evidence=0.1) == {"a": "old", "b": "old", "c": "new"}
    # Four that are compared with the newest need four times the evidence.
    several = {"old": old, **{f"other {number}": new for number in range(3)}, "new": new}
    assert chosen(several, evidence=0.1) == {"a": "old", "b": "new", "c": "new"}


def test_the_best_of_those_with_evidence_is_taken_and_of_equal_ones_the_newest() -> None:
    rights = {"one": 3, "two": 4, "three": 4, "new": 1}
    probes = {digest: {f"a{number}": right for number in range(9)} for digest, right in rights.items()}
    assert chosen(probes) == {"a": "three"}
    assert chosen({digest: of for digest, of in probes.items() if digest != "three"}) == {"a": "two"}


def test_equal_checkpoints_rarely_displace_the_newest() -> None:
    """Three that are all right at 40 %: over 300 families an older one is taken in at most about 5 %."""
    lots = random.Random(1)
    names = [f"{chr(0x4E00 + family)}{number}" for family in range(300) for number in range(16)]
    probes = {digest: {name: sum(lots.random() < 0.4 for _ in range(4)) for name in names} for digest in ("x", "y", "new")}
    assert sum(digest != "new" for digest in chosen(probes).values()) <= 300 * 0.05 * 1.5


def test_the_parts_of_all_make_up_the_wave_and_each_is_only_its_own(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("prompts", "requests", "a", "b", "out")}
    for folder in folders.values():
        folder.mkdir()
    write_rows(folders["prompts"], "prompts", [prompt(number) for number in range(9)])
    write_rows(folders["requests"], "requests", [request(f"p{number}", 0, 6) for number in range(9)])
    for policy in ("a", "b"):
        where = (folders["requests"], folders["prompts"], ["a", "b"], policy, None, folders[policy])
        policy_requests_folder(*where, wave=0, step=4, seed=1)
    parts = [row for policy in ("a", "b") for row in read_rows(folders[policy])]
    drawn = [(row["prompt_id"], row["first"] + draw) for row in parts for draw in range(row["count"])]
    assert sorted(drawn) == [(f"p{number}", draw) for number in range(9) for draw in range(6)]
    about = {"shard": 0, "seed": 1, "round": 1, "dtype": "float32"}
    sampling = SamplingSettings(engine="tests.sample.plugins:echo")
    with pytest.raises(ContractError, match="draws of policy 'b' are asked of policy 'a'"):
        sample_folder(tmp_path, folders["prompts"], folders["b"], folders["out"], sampling, policy="a", **about)
    counts = sample_folder(tmp_path, folders["prompts"], folders["b"], folders["out"], sampling, policy="b", **about)
    assert counts["rows"] == sum(row["count"] for row in parts if row["policy"] == "b")


def test_a_checkpoint_that_has_no_draws_makes_none(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("prompts", "requests", "none", "out")}
    for folder in folders.values():
        folder.mkdir()
    write_rows(folders["prompts"], "prompts", [prompt(0)])
    write_rows(folders["requests"], "requests", [request("p0", 0, 2)])
    where = (folders["requests"], folders["prompts"], ["a", "b"], "a", {"sums": "b"}, folders["none"])
    assert policy_requests_folder(*where, wave=0, step=4, seed=1) == {"rows": 0}
    sampling = SamplingSettings(engine="tests.sample.plugins:echo")
    about = {"shard": 0, "seed": 1, "round": 1, "dtype": "float32"}
    counts = sample_folder(tmp_path, folders["prompts"], folders["none"], folders["out"], sampling, policy="a", **about)
    assert counts == {"prompts": 0, "tokens": 0, "truncated": 0, "rows": 0}
