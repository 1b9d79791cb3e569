"""The audit: which accepted answers a second verifier sees, what becomes of them, and what that is worth."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.benches.audit import FAULT, expected_precision, measured, sums
from tasks.data.procedural import Draw, procedural_prompts
from tasks.data.settings import DataSettings
from tasks.gate.statistics import wilson
from tasks.runtime.errors import ConfigurationError, ContractError, DataError, UnknownPluginError
from tasks.runtime.rows import read_rows, write_rows
from tasks.select.pass_rates import updated
from tasks.verify.audit import (
    DISAGREED,
    FILE,
    Audited,
    audit_folders,
    audited_answers,
    check_second,
    deciles,
    for_round,
    second_reference,
    second_verdicts,
)
from tasks.verify.rows import prompts_by_id, verify_rows
from tasks.verify.settings import AuditSettings, VerifySettings

LENIENT = "tests.verify.test_audit:lenient"
SETTINGS = VerifySettings()


def lenient(response: str, reference: str) -> Any:
    """The first verifier: accepts everything that is said."""
    from tasks.verify.verdict import Verdict

    return Verdict("accepted", 1.0) if response else Verdict("rejected")


def prompt(name: str, reference: str = "8", **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"{name}?"}]
    return {"id": name, "messages": turns, "reference": reference, "verifier": LENIENT, "family": "f", **more}


def sample(prompt_id: str, draw: int, text: str, finish_reason: str = "stop") -> dict[str, Any]:
    known = {"sample_id": f"{prompt_id}/1/{draw}", "prompt_id": prompt_id, "draw": draw, "round": 1, "text": text}
    about = {"policy": "p" * 64, "seed": draw, "temperature": 1.0, "token_count": 3, "logprob": -1.0}
    return known | about | {"finish_reason": finish_reason}


def verdicts(samples: list[dict[str, Any]], prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(verify_rows(samples, prompts_by_id(prompts), SETTINGS))


def audited(samples: list[dict[str, Any]], rates: dict[str, float], **settings: Any) -> dict[str, Audited]:
    prompts = [prompt(name) for name in rates]
    found = audited_answers(
        samples, verdicts(samples, prompts), prompts_by_id(prompts), rates, SETTINGS, AuditSettings(**settings)
    )
    return {one.sample["sample_id"]: one for one in found}


def test_a_rare_success_needs_the_second_verifier_s_agreement() -> None:
    samples = [sample("hard", 0, "8"), sample("hard", 1, "9"), sample("hard", 2, ""), sample("easy", 0, "9")]
    found = audited(samples, {"hard": 0.08, "easy": 0.6}, second_verifier="number", rows=0)
    assert {name: (one.rare, one.random, one.disagreed) for name, one in found.items()} == {
        "hard/1/0": (True, False, False),
        "hard/1/1": (True, False, True),
    }
    rows = list(second_verdicts(found.values(), "number", SETTINGS))
    assert [(row["sample_id"], row["verifier"], row["state"]) for row in rows] == [
        ("hard/1/0", "number", "accepted"),
        ("hard/1/1", "number", "rejected"),
    ]
    assert set(rows[0]) == {"sample_id", "verifier", "verifier_version", "state", "score", "reason"}


def test_the_random_sample_is_whole_accepted_answers_and_does_not_depend_on_their_order() -> None:
    samples = [sample("easy", draw, "8" if draw % 2 else "") for draw in range(200)] + [sample("easy", 999, "8", "length")]
    found = audited(samples, {"easy": 0.5}, second_verifier="number", rows=20)
    assert len(found) == 20
    assert all(one.random and not one.rare and one.sample["text"] and one.sample["draw"] != 999 for one in found.values())
    assert list(found) == list(audited(samples[::-1], {"easy": 0.5}, second_verifier="number", rows=20))
    smaller = audited(samples, {"easy": 0.5}, second_verifier="number", rows=5)
    assert set(smaller) < set(found)


def test_without_a_second_verifier_rows_are_put_aside_with_one_verdict() -> None:
    found = audited([sample("hard", 0, "9")], {"hard": 0.05}, rows=50)
    assert [(one.rare, one.random, one.second, one.disagreed) for one in found.values()] == [(False, True, None, False)]
    assert list(second_verdicts(found.values(), "", SETTINGS)) == []
    assert deciles(found.values()) == []


def test_a_prompt_without_a_pass_rate_is_refused() -> None:
    prompts, samples = [prompt("b")], [sample("b", 0, "8")]
    rows = verdicts(samples, prompts)
    with pytest.raises(ContractError, match=r"'b/1/0'.*pass rate"):
        audited_answers(samples, rows, prompts_by_id(prompts), {}, SETTINGS, AuditSettings())


def test_precision_is_told_by_decile_and_no_verdict_is_no_disagreement() -> None:
    rates = {"hard": 0.05, "medium": 0.3, "sure": 1.0, "broken": 0.95}
    samples = [sample("hard", 0, "8"), sample("hard", 1, "9"), sample("medium", 0, "8"), sample("sure", 0, "7")]
    prompts = [prompt("hard"), prompt("medium"), prompt("sure"), prompt("broken", "no number")]
    samples.append(sample("broken", 0, "8"))
    audit = AuditSettings(second_verifier="number")
    found = audited_answers(samples, verdicts(samples, prompts), prompts_by_id(prompts), rates, SETTINGS, audit)
    assert deciles(found) == [
        {"decile": 0, "judged": 2, "agreed": 1},
        {"decile": 3, "judged": 1, "agreed": 1},
        {"decile": 9, "judged": 1, "agreed": 0},
    ]
    assert sum(one.disagreed for one in found) == 3  # the unreadable reference too: nobody agreed


def test_folders(tmp_path: Path) -> None:
    """Of 24 draws one is accepted: (1 + 1) / (24 + 2) is below 0.1."""
    folders = {name: tmp_path / name for name in ("samples", "verdicts", "prompts", "pass_rates", "out")}
    for folder in folders.values():
        folder.mkdir()
    prompts = [prompt("hard"), prompt("easy")]
    samples = [sample("hard", draw, "9" if draw == 3 else "") for draw in range(24)]
    samples += [sample("easy", draw, "8") for draw in range(6)]
    judged = verdicts(samples, prompts)
    write_rows(folders["prompts"], "prompts", prompts)
    write_rows(folders["samples"], "samples", samples)
    write_rows(folders["verdicts"], "verdicts", judged)
    write_rows(folders["pass_rates"], "pass_rates", updated((), samples, judged))
    inputs = [folders["samples"]], [folders["verdicts"]], folders["prompts"], folders["pass_rates"]
    told = audit_folders(*inputs, SETTINGS, AuditSettings(second_verifier="number", rows=3), folders["out"])
    assert told["counts"]["rare"] == told["counts"]["disagreed"] == told["counts"]["rare_disagreed"] == 1
    assert (told["counts"]["random"], told["counts"]["undecided"]) == (3, 0)
    assert told["counts"]["rows"] == len(list(read_rows(folders["out"]))) in (3, 4)
    lines = [json.loads(line) for line in (folders["out"] / FILE).read_text().splitlines()]
    assert len(lines) == 3
    assert all(line["first"]["state"] == "accepted" and line["second"]["verifier"] == "number" for line in lines)
    assert {"messages", "response", "reference", "pass_rate", "decile"} <= set(lines[0])
    refused = [json.loads(line) for line in (folders["out"] / DISAGREED).read_text().splitlines()]
    assert [(line["sample_id"], line["rare"], line["second"]["state"]) for line in refused] == [("hard/1/3", True, "rejected")]


def test_the_second_verifier_reads_its_own_reference() -> None:
    row = prompt("a", '{"dataset": "x"}', metadata={"references": {"number": "12"}})
    assert second_reference(row, "number") == "12"
    assert second_reference(row, "math") == '{"dataset": "x"}'
    assert second_reference(prompt("a", metadata={"references": ["number"]}), "number") == "8"
    assert second_reference(prompt("a", metadata={"references": {"number": 12}}), "number") == "8"


def test_prompts_that_the_second_verifier_cannot_judge_are_refused_before_sampling() -> None:
    audit = AuditSettings(second_verifier="number")
    check_second([prompt("a")], audit)
    check_second([prompt("a", "no number")], AuditSettings())
    with pytest.raises(
        DataError, match=r"'number' cannot read the references of 1 prompts \('b': .*metadata.references.number"
    ):
        check_second([prompt("a"), prompt("b", "no number")], audit)
    with pytest.raises(DataError, match="and 3 more"):
        check_second([prompt(f"p{n}", "none") for n in range(8)], audit)
    with pytest.raises(ConfigurationError, match=r"'a' is verified by 'number' already"):
        check_second([prompt("a") | {"verifier": "number"}], audit)
    with pytest.raises(UnknownPluginError, match="numbr"):
        check_second([prompt("a")], AuditSettings(second_verifier="numbr"))


def test_number_can_check_the_scorer_of_a_family_of_numbers() -> None:
    rows = list(procedural_prompts(DataSettings(), Draw("train", 1, 1, 0), 5, set()))
    audit = AuditSettings(second_verifier="number")
    check_second(rows, audit)
    answer = rows[0]["metadata"]["references"]["number"]
    samples = [sample(rows[0]["id"], 0, f"The final answer is {answer}.")]
    found = audited_answers(samples, verdicts(samples, rows), prompts_by_id(rows), {rows[0]["id"]: 0.01}, SETTINGS, audit)
    assert [one.second.state for one in found if one.second] == ["accepted"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(1, 6), st.integers(0, 100))
def test_a_night_s_rows_are_shared_among_its_rounds(rows: int, rounds: int, available: int) -> None:
    """Rounds that find enough accepted answers fill the file; it is never more than full."""
    taken = 0
    for left in range(rounds, 0, -1):
        taken += min(for_round(AuditSettings(rows=rows), taken, left).rows, available)
    assert taken <= rows
    assert taken == rows or available * rounds < rows or available < rows


def test_the_audit_raises_precision_as_arithmetic_predicts() -> None:
    """An injected fault of 3 % in two real plug-ins, on simulated draws that are right with a chance of 0 to 6 %."""
    questions, chance = sums(60), random.Random(1)
    samples = []
    for index, question in enumerate(questions):
        for draw in range(72):
            right = chance.random() < 0.001 * index
            text = question["reference"] if right else str(int(question["reference"]) + 1 + draw)
            samples.append(sample(question["id"], draw, text))
    alone, audited = measured(questions, samples, 24)
    for found in (alone, audited):
        low, high = wilson(found.right, found.accepted)
        assert low <= found.expected <= high
    assert alone.expected < 0.6 < 0.9 < audited.expected
    assert audited.right == alone.right  # the truth is never refused
    assert expected_precision(0.05, FAULT) == pytest.approx(0.05 / (0.05 + 0.03 * 0.95))
    assert expected_precision(0, 0) == 0
