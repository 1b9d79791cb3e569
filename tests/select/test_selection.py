"""Selection: only whole, accepted answers; distinct, capped, at least one of each solved prompt; nothing unaccounted for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.draw import mix_rows
from tasks.data.questions import normal_text
from tasks.runtime.errors import ContractError, UnknownPluginError
from tasks.runtime.rows import STATES, Row, read_rows, write_rows
from tasks.select.folders import DROPPED, Fate, checked_counts, fates, select_folders
from tasks.select.outcomes import Selection
from tasks.select.rules.structure import structure
from tasks.select.settings import SelectionSettings
from tests.select.rows import POLICY, prompt, sample, verdict

LONG = (
    "First we count the birds in the old tree, then those on the roof of the house, and in the end we add both numbers up: {}"
)
REPEATED = (LONG.format("eight") + "\n") * 4


def choose(
    samples: list[Row], states: list[str], prompts: str = "abc", about: dict[str, Any] | None = None, **changed: Any
) -> tuple[list[Row], dict[str, str], dict[str, int]]:
    """Chat rows, reasons by sample id, and counts."""
    verdicts = [verdict(row, state) for row, state in zip(samples, states, strict=True)]
    selection = Selection(verdicts, map(prompt, prompts), SelectionSettings(**changed), **(about or {}))
    outcomes = list(selection.outcomes(samples))
    assert sorted(row["sample_id"] for row, _ in outcomes) == sorted(row["sample_id"] for row in samples)
    kept = [selection.chat_row(row) for row, reason in outcomes if not reason]
    return kept, {row["sample_id"]: reason for row, reason in outcomes}, checked_counts(selection.counts)


DRAWN = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["8", " 8", "8.0", "It is 8", "it  is 8", "3+5=8", "3 + 5 = 8!", "4+4=8"]),
        st.sampled_from(["accepted", "accepted", "accepted", *STATES]),
        st.sampled_from(["stop", "stop", "stop", "length"]),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(DRAWN, st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_always_holds(drawn: list[tuple[str, str, str, str]], cap: int, random: Any) -> None:
    samples = [sample(name, draw, text, finish) for draw, (name, text, _, finish) in enumerate(drawn)]
    states = [state for _, _, state, _ in drawn]
    kept, reasons, counts = choose(samples, states, cap=cap)

    eligible = [s for s, state in zip(samples, states, strict=True) if state == "accepted" and s["finish_reason"] == "stop"]
    by_prompt: dict[str, list[Any]] = {}
    for row in kept:
        assert row["metadata"]["sample_id"] in {s["sample_id"] for s in eligible}
        by_prompt.setdefault(row["metadata"]["prompt_id"], []).append(structure(row["messages"][-1]["content"]))
    for name in "abc":
        different, chosen = {structure(s["text"]) for s in eligible if s["prompt_id"] == name}, by_prompt.get(name, [])
        assert len(chosen) == len(set(chosen)) == min(cap, len(different))  # so at least one of each solved prompt
    assert counts["drawn"] == len(samples)
    assert counts["rows"] == len(kept)
    assert counts["accepted"] == states.count("accepted")
    assert counts["distinct"] == len({(s["prompt_id"], normal_text(s["text"])) for s in eligible})
    assert counts["solved_prompts"] == len({s["prompt_id"] for s in eligible})

    order = list(range(len(samples)))
    random.shuffle(order)
    again = choose([samples[i] for i in order], [states[i] for i in order], cap=cap)
    assert again == (kept, reasons, counts)


def test_the_answer_is_an_assistant_turn_and_the_only_one_trained() -> None:
    """A peer wrote the best answer with the role `user`."""
    talk = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "3 + 5 ="},
    ]
    row = sample("a", 0, " 8\n")
    selection = Selection([verdict(row, "accepted")], [prompt("a") | {"messages": talk}], SelectionSettings())
    ((kept, _),) = selection.outcomes([row])
    chat = selection.chat_row(kept)
    assert [turn["role"] for turn in chat["messages"]] == ["user", "assistant", "user", "assistant"]
    assert [turn.get("train") for turn in chat["messages"]] == [None, False, None, True]
    assert chat["messages"][-1]["content"] == " 8\n"  # as it was drawn
    assert chat["id"] == "a/1/0@abababababab.0"
    assert (chat["source"], chat["family"]) == ("rsf", "sums")
    assert chat["metadata"] == {"prompt_id": "a", "sample_id": "a/1/0", "policy": POLICY, "round": 1}


def test_the_same_draw_of_another_night_is_another_row_though_the_policy_is_the_same(tmp_path: Path) -> None:
    """After a night that the lineage gate refused, the same policy is asked the same prompts of a file again."""
    parts = []
    for seed, text in ((1, "8"), (2, "It is 8")):
        row = sample("a", 0, text) | {"seed": seed}
        selection = Selection([verdict(row, "accepted")], [prompt("a")], SelectionSettings())
        parts.append(tmp_path / str(seed))
        parts[-1].mkdir()
        write_rows(parts[-1], "chat", [selection.chat_row(kept) for kept, _ in selection.outcomes([row])])
    (tmp_path / "mixed").mkdir()
    assert mix_rows(parts, tmp_path / "mixed") == {"rows": 2, "duplicates": 0}


def test_prompts_that_read_the_same_are_not_merged() -> None:
    """A peer grouped answers by the prompt's text."""
    kept, _, counts = choose([sample("a", 0), sample("b", 0), sample("b", 1)], ["accepted"] * 3)
    assert [row["metadata"]["prompt_id"] for row in kept] == ["a", "b"]
    assert counts["dropped_duplicate"] == 1


@pytest.mark.parametrize("rule", ["distinct_correct", "best_of_k", "top_fraction", "rest_em", "random_matched"])
def test_bad_answers_are_never_kept_however_few_good_ones_there_are(rule: str) -> None:
    """A peer trained on the best of K bad answers."""
    states = [state for state in STATES if state != "accepted"]
    kept, reasons, counts = choose([sample("a", draw) for draw in range(len(states))], states, rule=rule, floor=0)
    assert kept == []
    assert list(reasons.values()) == states
    assert {name: count for name, count in counts.items() if name.startswith("dropped_")} == {f"dropped_{s}": 1 for s in states}


def test_an_answer_cut_by_length_is_not_kept() -> None:
    kept, _, counts = choose([sample("a", 0, finish="length")], ["accepted"])
    assert kept == []
    assert (counts["accepted"], counts["solved_prompts"], counts["dropped_cut_by_length"]) == (1, 0, 1)


@pytest.mark.parametrize("state", [state for state in STATES if state != "accepted"])
def test_the_second_verifier_must_agree_where_it_was_asked(state: str) -> None:
    samples = [sample("a", 0), sample("b", 0), sample("c", 0)]
    second = [verdict(samples[0], state), verdict(samples[1], "accepted")]
    _, reasons, counts = choose(samples, ["accepted"] * 3, about={"second": second})
    assert reasons == {"a/1/0": "audit_disagreed", "b/1/0": "", "c/1/0": ""}
    assert (counts["accepted"], counts["solved_prompts"]) == (3, 2)


def test_answers_to_what_an_evaluation_item_asks_are_dropped() -> None:
    items = [{"id": "item", "messages": [{"role": "user", "content": "3 + 5  ="}]}]
    _, reasons, _ = choose([sample("a", 0), sample("b", 0)], ["accepted"] * 2, about={"evaluation": items})
    assert set(reasons.values()) == {"contaminated"}


def test_what_a_past_night_or_another_prompt_said_is_dropped() -> None:
    texts = [LONG.format("eight"), LONG.format("eight birds"), "8", "It is 8", "8"]
    samples = [sample(name, draw, text) for draw, (name, text) in enumerate(zip("abbac", texts, strict=True))]
    _, reasons, _ = choose(samples, ["accepted"] * 5)
    assert reasons == {"a/1/0": "", "b/1/1": "near_duplicate", "b/1/2": "", "a/1/3": "", "c/1/4": ""}
    past = [{"id": "old", "messages": [{"role": "assistant", "content": LONG.format("Eight."), "train": True}]}]
    _, reasons, _ = choose(samples, ["accepted"] * 5, about={"past": past})
    assert (reasons["a/1/0"], reasons["b/1/1"]) == ("near_duplicate_of_past",) * 2


def test_a_hard_prompt_keeps_an_answer_that_a_filter_would_drop() -> None:
    """Llama 3's strict filter dropped the hard prompts, and the model got worse."""
    samples = [sample(name, draw, REPEATED if draw == 0 else "9") for name in "ab" for draw in range(9)]
    states = ["accepted" if row["draw"] == 0 or row["prompt_id"] == "b" else "rejected" for row in samples]
    samples = [row | {"text": REPEATED} if row["prompt_id"] == "b" else row for row in samples]
    _, reasons, counts = choose(samples, states)
    assert reasons["a/1/0"] == ""  # one of nine draws: p̂ = 2 / 11
    assert {reason for name, reason in reasons.items() if name.startswith("b")} == {"repetition"}
    assert counts["restored"] == 1
    _, reasons, counts = choose(samples, states, hard_below=0)
    assert (reasons["a/1/0"], counts["restored"]) == ("repetition", 0)


def test_pass_rates_come_from_memory_or_from_the_round() -> None:
    samples = [sample("a", draw) for draw in range(8)] + [sample("b", 0)]
    states = ["accepted", "rejected", "timed_out", "answer_unparsable", *["error", "reference_unparsable"] * 2, "accepted"]
    memory = [{"prompt_id": "b", "draws": 6.0, "accepted": 3.0}]
    verdicts = [verdict(row, state) for row, state in zip(samples, states, strict=True)]
    selection = Selection(verdicts, map(prompt, "abc"), SelectionSettings(), pass_rates=memory)
    given: dict[str, float] = {}

    def keep_all(candidates: Mapping[str, Sequence[Row]], settings: SelectionSettings) -> dict[str, str]:
        given.update({name: rows[0]["pass_rate"] for name, rows in candidates.items()})
        return {row["sample_id"]: "" for rows in candidates.values() for row in rows}

    selection.rule = keep_all
    assert len(list(selection.outcomes(samples))) == 9
    assert given == {"a": 2 / 6, "b": 0.5}
    assert selection.pass_rate("c") == 0.5


def test_the_quota_per_family_comes_last() -> None:
    samples = [sample(name, draw, f"{draw}: 8") for name in "abc" for draw in range(6)]
    kept, _, counts = choose(samples, ["accepted"] * 18, family_quota=4)
    assert (counts["dropped_over_cap"], counts["dropped_family_quota"], len(kept)) == (6, 8, 4)
    assert {row["metadata"]["prompt_id"] for row in kept} == set("abc")


@pytest.mark.parametrize("rule", ["distinct_correct", "shortest_correct", "top_fraction"])
def test_the_control_arm_has_as_many_rows_of_each_prompt(rule: str) -> None:
    samples = [sample(name, draw, "8" + " birds" * (draw % 5)) for name in "abc" for draw in range("abc".index(name), 9)]
    treated = SelectionSettings(rule=rule, family_quota=7, fraction=0.5)
    arms = []
    for chosen in (treated, treated.control()):
        selection = Selection([verdict(row, "accepted") for row in samples], map(prompt, "abc"), chosen)
        arms.append([row["prompt_id"] for row, reason in selection.outcomes(samples) if not reason])
    assert arms[0] == arms[1]


def test_what_does_not_belong_together_is_refused() -> None:
    row = sample("a", 0)
    twice = [verdict(row, "accepted"), verdict(row, "rejected")]
    with pytest.raises(ContractError, match="two verdicts for sample 'a/1/0'"):
        Selection(twice, [prompt("a")], SelectionSettings())
    with pytest.raises(ContractError, match="two second verdicts for sample 'a/1/0'"):
        Selection(twice[:1], [prompt("a")], SelectionSettings(), second=twice)
    with pytest.raises(ContractError, match="two prompts called 'a'"):
        Selection([], [prompt("a"), prompt("a")], SelectionSettings())
    with pytest.raises(ContractError, match="two pass rates of prompt 'a'"):
        Selection([], [], SelectionSettings(), pass_rates=[{"prompt_id": "a", "draws": 1.0, "accepted": 0.0}] * 2)
    with pytest.raises(ContractError, match="'a/1/0' has no verdict"):
        list(Selection([], [prompt("a")], SelectionSettings()).outcomes([row]))
    with pytest.raises(ContractError, match="unknown prompt 'a'"):
        list(Selection(twice[:1], [prompt("b")], SelectionSettings()).outcomes([row]))
    with pytest.raises(ContractError, match="two samples are called"):
        list(Selection(twice[:1], [prompt("a")], SelectionSettings()).outcomes([row, row]))
    with pytest.raises(UnknownPluginError, match=r"Known: .*distinct_correct"):
        Selection([], [], SelectionSettings(rule="best"))


def keeps_none(candidates: Mapping[str, Sequence[Row]], settings: SelectionSettings) -> dict[str, str]:
    return {row["sample_id"]: "poor" for rows in candidates.values() for row in rows}


def keeps_all(candidates: Mapping[str, Sequence[Row]], settings: SelectionSettings) -> dict[str, str]:
    return {row["sample_id"]: "" for rows in candidates.values() for row in rows}


def forgets(candidates: Mapping[str, Sequence[Row]], settings: SelectionSettings) -> dict[str, str]:
    return {rows[0]["sample_id"]: "" for rows in candidates.values()}


def answers_as_rules_once_did(candidates: Any, settings: SelectionSettings) -> Any:
    return [(row, "") for rows in candidates.values() for row in rows]


def gives_no_words(candidates: Mapping[str, Sequence[Row]], settings: SelectionSettings) -> Any:
    return {row["sample_id"]: False for rows in candidates.values() for row in rows}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("keeps_all", "keeps 2 answers of one prompt; it must keep at most 1"),
        ("forgets", "for each answer"),
        ("answers_as_rules_once_did", "for each answer"),
        ("gives_no_words", "False as a reason"),
    ],
)
def test_a_rule_that_breaks_its_promises_is_refused(rule: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        choose([sample("a", 0), sample("a", 1)], ["accepted"] * 2, rule=f"tests.select.test_selection:{rule}", cap=1)


def test_a_rule_of_somebody_elses_may_keep_nothing() -> None:
    kept, reasons, _ = choose([sample("a", 0)], ["accepted"], rule="tests.select.test_selection:keeps_none")
    assert (kept, reasons) == ([], {"a/1/0": "poor"})


def test_a_verdict_whose_sample_was_put_aside_by_validation_is_counted() -> None:
    row, aside = sample("a", 0), sample("a", 1)
    selection = Selection([verdict(row, "accepted"), verdict(aside, "accepted")], [prompt("a")], SelectionSettings())
    assert [reason for _, reason in selection.outcomes([row])] == [""]
    counts = checked_counts(selection.counts)
    assert (counts["drawn"], counts["rows"], counts["quarantined"]) == (1, 1, 1)


def written(folder: Path, kind: str, rows: list[Row]) -> Path:
    folder.mkdir()
    write_rows(folder, kind, rows)
    return folder


def test_folders(tmp_path: Path) -> None:
    samples = [sample("a", 0), sample("a", 1, "8 "), sample("b", 0), sample("b", 1, "9"), sample("c", 0, "8!")]
    verdicts = [verdict(row, "rejected" if row["text"] == "9" else "accepted") for row in samples]
    prompts = written(tmp_path / "prompts", "prompts", [prompt("a"), prompt("b", "2 + 6 ="), prompt("c", "4 + 4 =")])
    drawn = [written(tmp_path / "s0", "samples", samples[:2]), written(tmp_path / "s1", "samples", samples[2:])]
    told = [written(tmp_path / "v1", "verdicts", verdicts[:3]), written(tmp_path / "v0", "verdicts", verdicts[3:])]
    (out := tmp_path / "out").mkdir()
    counts = select_folders(drawn, told, prompts, SelectionSettings(), out)
    expected = {"rows": 3, "drawn": 5, "accepted": 4, "distinct": 3, "solved_prompts": 3, "restored": 0, "quarantined": 0}
    assert counts == expected | {"dropped_duplicate": 1, "dropped_rejected": 1}
    assert [row["id"][:5] for row in read_rows(out)] == ["a/1/0", "b/1/0", "c/1/0"]
    dropped = [json.loads(line) for line in (out / DROPPED).read_text().splitlines()]
    assert dropped == [
        {"sample_id": "b/1/1", "prompt_id": "b", "reason": "rejected"},
        {"sample_id": "a/1/1", "prompt_id": "a", "reason": "duplicate"},
    ]
    assert fates(counts) == [Fate("kept", 3, 0.6), Fate("duplicate", 1, 0.2), Fate("rejected", 1, 0.2)]

    second = written(tmp_path / "second", "verdicts", [verdict(samples[4], "rejected")])
    items = written(tmp_path / "items", "prompts", [prompt("item", "2 + 6 =")])
    rates = written(tmp_path / "rates", "pass_rates", [{"prompt_id": "a", "draws": 4.0, "accepted": 1.0}])
    past = written(tmp_path / "past", "chat", list(read_rows(out)))
    more = {"second": second, "evaluation": [items], "past": [past], "pass_rates": rates}
    (other := tmp_path / "other").mkdir()
    counts = select_folders(drawn, told, prompts, SelectionSettings(), other, **more)  # type: ignore[arg-type]
    assert (counts["rows"], counts["dropped_audit_disagreed"], counts["dropped_contaminated"]) == (1, 1, 1)


def test_nothing_accepted_is_an_empty_dataset(tmp_path: Path) -> None:
    samples = written(tmp_path / "s", "samples", [sample("a", 0, "9")])
    verdicts = written(tmp_path / "v", "verdicts", [verdict(sample("a", 0), "rejected")])
    prompts = written(tmp_path / "prompts", "prompts", [prompt("a")])
    (out := tmp_path / "out").mkdir()
    counts = select_folders([samples], [verdicts], prompts, SelectionSettings(), out)
    assert (counts["rows"], counts["drawn"], list(read_rows(out))) == (0, 1, [])
    assert fates({"rows": 0, "drawn": 0}) == [Fate("kept", 0, 0.0)]


def test_rows_weigh_by_difficulty_or_all_the_same() -> None:
    samples = [sample("a", 0), sample("b", 0), sample("b", 1, "It is 8")]
    rates = [{"prompt_id": "a", "draws": 18.0, "accepted": 0.0}, {"prompt_id": "b", "draws": 6.0, "accepted": 5.0}]
    kept, _, _ = choose(samples, ["accepted"] * 3, about={"pass_rates": rates})
    assert [row["weight"] for row in kept] == pytest.approx([1.9, 0.5, 0.5])
    kept, _, _ = choose(samples, ["accepted"] * 3, about={"pass_rates": rates}, weighting="equal")
    assert not any("weight" in row for row in kept)
