"""Selection: only whole, accepted answers; distinct, capped, at least one of each solved prompt; nothing unaccounted for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.commands.select import select
from tasks.runtime.errors import ContractError, UnknownPluginError
from tasks.runtime.rows import STATES, Row, read_rows, write_rows
from tasks.select.distinct_correct import distinct_correct, normal_text
from tasks.select.outcomes import DROPPED, Selection, checked_counts, select_folders
from tasks.select.settings import SelectionSettings

POLICY = "ab" * 32


def prompt(name: str, question: str = "3 + 5 =") -> Row:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
    return {"id": name, "messages": turns, "reference": "8", "verifier": "number", "family": "sums"}


def sample(name: str, draw: int, text: str = "8", finish: str = "stop") -> Row:
    return {
        "sample_id": f"{name}/1/{draw}",
        "prompt_id": name,
        "draw": draw,
        "round": 1,
        "policy": POLICY,
        "seed": draw,
        "temperature": 1.0,
        "text": text,
        "token_count": len(text),
        "logprob": -1.0,
        "finish_reason": finish,
    }


def verdict(row: Row, state: str) -> Row:
    return {
        "sample_id": row["sample_id"],
        "verifier": "number",
        "verifier_version": "1",
        "state": state,
        "score": float(state == "accepted"),
        "reason": "",
    }


def choose(samples: list[Row], states: list[str], cap: int = 4, prompts: str = "abc") -> tuple[list[Row], dict[str, int]]:
    verdicts = [verdict(row, state) for row, state in zip(samples, states, strict=True)]
    selection = Selection(verdicts, map(prompt, prompts), SelectionSettings(cap=cap))
    outcomes = list(selection.outcomes(samples))
    assert sorted(row["sample_id"] for row, _ in outcomes) == sorted(row["sample_id"] for row in samples)
    return [selection.chat_row(row) for row, reason in outcomes if not reason], checked_counts(selection.counts)


DRAWN = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["8", " 8", "8.0", "It is 8", "it  is 8", "eight"]),
        st.sampled_from(["accepted", "accepted", "accepted", *STATES]),
        st.sampled_from(["stop", "stop", "stop", "length"]),
    ),
    max_size=40,
)


@given(DRAWN, st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_always_holds(drawn: list[tuple[str, str, str, str]], cap: int, random: Any) -> None:
    samples = [sample(name, draw, text, finish) for draw, (name, text, _, finish) in enumerate(drawn)]
    states = [state for _, _, state, _ in drawn]
    kept, counts = choose(samples, states, cap)

    eligible = [s for s, state in zip(samples, states, strict=True) if state == "accepted" and s["finish_reason"] == "stop"]
    by_prompt: dict[str, list[str]] = {}
    for row in kept:
        assert row["metadata"]["sample_id"] in {s["sample_id"] for s in eligible}
        by_prompt.setdefault(row["metadata"]["prompt_id"], []).append(normal_text(row["messages"][-1]["content"]))
    distinct = {name: {normal_text(s["text"]) for s in eligible if s["prompt_id"] == name} for name in "abc"}
    for name, different in distinct.items():
        texts = by_prompt.get(name, [])
        assert len(texts) == len(set(texts)) == min(cap, len(different))  # so at least one of each solved prompt
    assert counts["drawn"] == len(samples)
    assert counts["rows"] == len(kept)
    assert counts["accepted"] == states.count("accepted")
    assert counts["distinct"] == sum(map(len, distinct.values()))
    assert counts["solved_prompts"] == sum(map(bool, distinct.values()))

    order = list(range(len(samples)))
    random.shuffle(order)
    assert choose([samples[i] for i in order], [states[i] for i in order], cap) == (kept, counts)


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
    assert chat["id"] == "a/1/0@abababababab"
    assert (chat["source"], chat["family"]) == ("rsf", "sums")
    assert chat["metadata"] == {"prompt_id": "a", "sample_id": "a/1/0", "policy": POLICY, "round": 1}


def test_prompts_that_read_the_same_are_not_merged() -> None:
    kept, counts = choose([sample("a", 0), sample("b", 0), sample("b", 1)], ["accepted"] * 3)
    assert [row["metadata"]["prompt_id"] for row in kept] == ["a", "b"]
    assert counts["dropped_duplicate"] == 1


def test_bad_answers_are_never_kept_however_few_good_ones_there_are() -> None:
    """A peer trained on the best of K bad answers."""
    states = [state for state in STATES if state != "accepted"]
    kept, counts = choose([sample("a", draw) for draw in range(len(states))], states)
    assert kept == []
    assert {name: count for name, count in counts.items() if name.startswith("dropped_")} == {f"dropped_{s}": 1 for s in states}


def test_an_answer_cut_by_length_is_not_kept() -> None:
    kept, counts = choose([sample("a", 0, finish="length")], ["accepted"])
    assert kept == []
    assert (counts["accepted"], counts["solved_prompts"], counts["dropped_cut_by_length"]) == (1, 0, 1)


def test_the_first_draws_are_kept() -> None:
    answers = [sample("a", draw, text) for draw, text in enumerate(["long answer: 8", "8", "LONG  answer: 8", "8!"])]
    outcome = distinct_correct(answers, SelectionSettings(cap=2))
    assert [reason for _, reason in outcome] == ["", "", "duplicate", "over_cap"]


def test_what_does_not_belong_together_is_refused() -> None:
    row = sample("a", 0)
    twice = [verdict(row, "accepted"), verdict(row, "rejected")]
    with pytest.raises(ContractError, match="two verdicts for sample 'a/1/0'"):
        Selection(twice, [prompt("a")], SelectionSettings())
    with pytest.raises(ContractError, match="two prompts called 'a'"):
        Selection([], [prompt("a"), prompt("a")], SelectionSettings())
    with pytest.raises(ContractError, match="'a/1/0' has no verdict"):
        list(Selection([], [prompt("a")], SelectionSettings()).outcomes([row]))
    with pytest.raises(ContractError, match="unknown prompt 'a'"):
        list(Selection(twice[:1], [prompt("b")], SelectionSettings()).outcomes([row]))
    with pytest.raises(ContractError, match="two samples are called"):
        list(Selection(twice[:1], [prompt("a")], SelectionSettings()).outcomes([row, row]))
    with pytest.raises(UnknownPluginError, match=r"Known: .*distinct_correct"):
        Selection([], [], SelectionSettings(rule="best"))


def keeps_none(answers: Sequence[Row], settings: SelectionSettings) -> list[tuple[Row, str]]:
    return [(answer, "poor") for answer in answers]


def keeps_all(answers: Sequence[Row], settings: SelectionSettings) -> list[tuple[Row, str]]:
    return [(answer, "") for answer in answers]


def forgets(answers: Sequence[Row], settings: SelectionSettings) -> list[tuple[Row, str]]:
    return [(answers[0], ""), (answers[0], "duplicate")]


@pytest.mark.parametrize(("rule", "message"), [("keeps_none", "keeps 0"), ("keeps_all", "keeps 2"), ("forgets", "each answer")])
def test_a_rule_that_breaks_its_promises_is_refused(rule: str, message: str) -> None:
    samples = [sample("a", 0), sample("a", 1)]
    settings = SelectionSettings(rule=f"tests.select.test_selection:{rule}", cap=1)
    selection = Selection([verdict(row, "accepted") for row in samples], [prompt("a")], settings)
    with pytest.raises(ContractError, match=message):
        list(selection.outcomes(samples))


def test_a_verdict_whose_sample_was_put_aside_by_validation_is_counted() -> None:
    row, aside = sample("a", 0), sample("a", 1)
    selection = Selection([verdict(row, "accepted"), verdict(aside, "accepted")], [prompt("a")], SelectionSettings())
    assert [reason for _, reason in selection.outcomes([row])] == [""]
    counts = checked_counts(selection.counts)
    assert (counts["drawn"], counts["rows"], counts["quarantined"]) == (1, 1, 1)


def test_folders(tmp_path: Path) -> None:
    samples = [sample("a", 0), sample("a", 1, "8 "), sample("b", 0), sample("b", 1, "9")]
    verdicts = [verdict(row, "rejected" if row["text"] == "9" else "accepted") for row in samples]
    folders = {name: tmp_path / name for name in ("s0", "s1", "v0", "v1", "prompts", "out")}
    for folder in folders.values():
        folder.mkdir()
    write_rows(folders["prompts"], "prompts", map(prompt, "abc"))
    for name, rows, kind in (("s0", samples[:2], "samples"), ("s1", samples[2:], "samples")):
        write_rows(folders[name], kind, rows)
    for name, rows in (("v1", verdicts[:3]), ("v0", verdicts[3:])):  # cut elsewhere than the samples
        write_rows(folders[name], "verdicts", rows)
    shards = [folders["s0"], folders["s1"]], [folders["v0"], folders["v1"]]
    counts = select_folders(*shards, folders["prompts"], SelectionSettings(), folders["out"])
    expected = {"rows": 2, "drawn": 4, "accepted": 3, "distinct": 2, "solved_prompts": 2, "quarantined": 0}
    assert counts == expected | {"dropped_duplicate": 1, "dropped_rejected": 1}
    assert [row["id"][:5] for row in read_rows(folders["out"])] == ["a/1/0", "b/1/0"]
    dropped = [json.loads(line) for line in (folders["out"] / DROPPED).read_text().splitlines()]
    assert {row["sample_id"]: row["reason"] for row in dropped} == {"b/1/1": "rejected", "a/1/1": "duplicate"}


def test_nothing_accepted_is_an_empty_dataset(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("s", "v", "prompts", "out")}
    for folder in folders.values():
        folder.mkdir()
    write_rows(folders["prompts"], "prompts", [prompt("a")])
    write_rows(folders["s"], "samples", [sample("a", 0, "9")])
    write_rows(folders["v"], "verdicts", [verdict(sample("a", 0), "rejected")])
    counts = select_folders([folders["s"]], [folders["v"]], folders["prompts"], SelectionSettings(), folders["out"])
    assert (counts["rows"], counts["drawn"], list(read_rows(folders["out"]))) == (0, 1, [])


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = [sample("a", 0), sample("a", 1, "It is 8")]
    files = {"samples": samples, "verdicts": [verdict(row, "accepted") for row in samples], "prompts": [prompt("a")]}
    for name, rows in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = {name: tmp_path / f"{name}.jsonl" for name in files}
    select(**paths, out=tmp_path / "chosen.jsonl", cap=1, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["drawn"], told["dropped_over_cap"]) == (1, 2, 1)
    (row,) = map(json.loads, (tmp_path / "chosen.jsonl").read_text().splitlines())
    assert row["messages"][-1] == {"role": "assistant", "content": "8", "train": True}
