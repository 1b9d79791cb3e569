"""The self-test: planted answers, the bounds on what may go wrong, and what halts a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from tasks.data.procedural import Draw, procedural_prompts
from tasks.data.settings import DataSettings
from tasks.runtime.errors import DataError, SelfTestError
from tasks.runtime.rows import write_rows
from tasks.verify.answers import after_thinking
from tasks.verify.plants import Plant, general_plants
from tasks.verify.self_test import REPORT, enough, plant, refuse_failed, run_self_test, self_test_folders, upper_bound
from tasks.verify.settings import AuditSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier

HERE = "tests.verify.test_self_test"
AUDIT = AuditSettings()


def plants(reference: str) -> Iterator[Plant]:
    for number in range(6):
        yield Plant(" " * number + reference, right=True, kind=f"indented {number % 2}")
    yield Plant(f"{reference}!", right=False, kind="exclaimed")


def sound(response: str, reference: str) -> Verdict:
    return Verdict("accepted", 1.0) if response.strip() == reference else Verdict("rejected")


def gullible(response: str, reference: str) -> Verdict:
    """Believes whoever says that it is right."""
    return Verdict("accepted", 1.0) if "correct" in response else sound(response, reference)


def fussy(response: str, reference: str) -> Verdict:
    return Verdict("accepted", 1.0) if response == reference else Verdict("rejected")


def down(response: str, reference: str) -> Verdict:
    raise ConnectionError("nobody answers")


@batch_verifier(version="1", check_reference=lambda reference: "", plants=plants)
def together(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    assert all(answer.messages[-1]["role"] == "user" for answer in answers)
    return [sound(answer.response, answer.reference) for answer in answers]


def any_form(response: str, reference: str) -> Verdict:
    """Accepts whatever says something: it judges the form only."""
    return Verdict("accepted" if after_thinking(response).strip() else "rejected")


for function in (sound, gullible, fussy):
    function.plants = plants  # type: ignore[attr-defined]
any_form.judges_form = lambda reference: True  # type: ignore[attr-defined]


def prompts(verifier: str, count: int = 30, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{verifier}-{number}",
            "messages": [{"role": "user", "content": f"Which word is number {number}?"}],
            "reference": f"word{number}",
            "verifier": verifier,
            "family": "words",
            **more,
        }
        for number in range(count)
    ]


def told(name: str, rows: list[dict[str, Any]] | None = None, audit: AuditSettings = AUDIT) -> dict[str, Any]:
    found = prompts(name) if rows is None else rows
    return run_self_test(lambda: found, [name], VerifySettings(), audit)


def line(name: str, **more: Any) -> dict[str, Any]:
    return told(name, **more)["verifiers"][0]


def test_the_bound_is_clopper_and_pearsons() -> None:
    """One-sided: the beta quantile; without a mistake the closed form 1 − 0.05^(1/n)."""
    for mistakes, planted in ((0, 149), (2, 313), (7, 60), (300, 314)):
        assert upper_bound(mistakes, planted) == pytest.approx(beta.ppf(0.95, mistakes + 1, planted - mistakes))
    assert upper_bound(0, 149) == pytest.approx(1 - 0.05 ** (1 / 149))
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.floats(0.005, 0.5), st.integers(0, 3))
def test_enough_is_the_smallest_number_that_reaches_the_bound(limit: float, mistakes: int) -> None:
    count = enough(limit, mistakes)
    assert upper_bound(mistakes, count) <= limit < upper_bound(mistakes, count - 1)


def test_the_defaults_ask_for_what_the_bounds_need() -> None:
    assert (enough(0.02, 0), enough(0.05, 0)) == (149, 59)
    planted = Counter(one.plant.right for one in plant(lambda: prompts(f"{HERE}:sound", 200), f"{HERE}:sound", AUDIT))
    assert planted == {False: 313, True: 124}  # two mistakes may pass


def test_a_sound_verifier_passes() -> None:
    passed = line(f"{HERE}:sound")
    assert (passed["verdict"], passed["accepted_wrong"], passed["missed_right"]) == ("pass", 0, 0)
    assert passed["false_positives"] < 0.02
    assert passed["false_negatives"] < 0.05
    refuse_failed({"verifiers": [passed], "kinds": []}, "nowhere")


def test_one_that_believes_injected_instructions_halts_the_run_with_a_table() -> None:
    report = told(f"{HERE}:gullible")
    assert report["verifiers"][0]["verdict"] == "fail"
    mistaken = {one["kind"] for one in report["kinds"] if one["mistaken"]}
    assert mistaken == {"injection"}
    assert all(one["kind"] == "injection" and "correct" in one["response"] for one in report["mistakes"])
    with pytest.raises(SelfTestError) as refused:
        refuse_failed(report, "store/self_test.json")
    assert refused.value.exit_code == 2
    assert "planted wrong answers were accepted (injection " in str(refused.value)
    assert "allowed 2.0%" in str(refused.value)
    assert "the champion stays" in str(refused.value)
    assert "store/self_test.json" in str(refused.value)
    assert line(f"{HERE}:gullible", audit=AuditSettings(false_positives=0.5))["verdict"] == "pass"


def test_one_that_misses_right_answers_halts_too() -> None:
    report = told(f"{HERE}:fussy")
    failed = report["verifiers"][0]
    assert (failed["verdict"], failed["accepted_wrong"]) == ("fail", 0)
    assert failed["false_negatives"] > 0.5
    with pytest.raises(SelfTestError, match="planted right answers were not accepted"):
        refuse_failed(report, "nowhere")


def test_one_that_always_fails_does_not_pass_by_accepting_nothing() -> None:
    failed = line(f"{HERE}:down")
    assert (failed["verdict"], failed["wrong"], failed["right"]) == ("fail", 0, 0)
    assert failed["undecided"] > 300
    with pytest.raises(SelfTestError, match="no verdict on"):
        refuse_failed({"verifiers": [failed], "kinds": []}, "nowhere")


def test_without_right_plants_only_wrong_answers_are_judged() -> None:
    passed = line("tests.verify.plugins:trivial")
    assert (passed["verdict"], passed["right"], passed["false_negatives"]) == ("pass", 0, None)


def test_a_batch_verifier_is_asked_less_and_gets_the_prompt() -> None:
    passed = line(f"{HERE}:together", rows=prompts(f"{HERE}:together", 200))
    assert (passed["verdict"], passed["wrong"], passed["right"]) == ("pass", 236, 93)


def test_few_prompts_pass_without_a_mistake_and_fail_with_one() -> None:
    assert line(f"{HERE}:sound", rows=prompts(f"{HERE}:sound", 2))["verdict"] == "few"
    assert line(f"{HERE}:gullible", rows=prompts(f"{HERE}:gullible", 2))["verdict"] == "fail"
    assert told(f"{HERE}:sound", rows=[]) == {"verifiers": [], "kinds": [], "mistakes": []}


def test_24_prompts_are_enough_for_the_night_s_own_verifier() -> None:
    rows = list(procedural_prompts(DataSettings(), Draw("train", 1, 1, 7), 24, set()))
    passed = line("reasoning_gym", rows=rows)
    assert (passed["verdict"], passed["accepted_wrong"], passed["missed_right"]) == ("pass", 0, 0)


def test_a_scorer_that_accepts_anything_is_found_out() -> None:
    """reasoning-gym's game_of_life_halting gives the whole point to any text that is not the other of its two words."""
    rows = list(procedural_prompts(DataSettings(families=["game_of_life_halting"]), Draw("train", 1, 1, 7), 8, set()))
    assert line("reasoning_gym", rows=rows)["verdict"] == "fail"


def test_the_second_verifier_is_tested_on_its_own_references() -> None:
    own = f"{HERE}:sound"
    rows = prompts("tests.verify.plugins:trivial", metadata={"references": {own: "second"}})
    audit = AuditSettings(second_verifier=own)
    asked = plant(lambda: rows, own, audit)
    assert {one.answer.reference for one in asked} == {"second"}
    assert line(own, rows=rows, audit=audit)["verdict"] == "pass"
    assert plant(lambda: rows, own, AUDIT) == []
    with pytest.raises(DataError, match="cannot read the references"):
        told(own, rows=[row | {"reference": "none"} for row in rows], audit=AuditSettings(second_verifier="number"))


def test_a_judge_of_form_is_asked_only_what_says_nothing() -> None:
    passed = line(f"{HERE}:any_form", rows=prompts(f"{HERE}:any_form", 60))
    assert (passed["verdict"], passed["accepted_wrong"]) == ("pass", 0)
    assert line("tests.verify.test_self_test:any_form", rows=prompts(f"{HERE}:any_form", 60))["wrong"] >= 149


def test_the_same_prompts_give_the_same_plants_in_any_order() -> None:
    rows = prompts(f"{HERE}:sound", 200)
    assert plant(lambda: rows, f"{HERE}:sound", AUDIT) == plant(lambda: rows[::-1], f"{HERE}:sound", AUDIT)
    kinds = Counter(one.plant.kind for one in plant(lambda: rows, f"{HERE}:sound", AUDIT) if not one.plant.right)
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_the_report_is_written_whole_and_returned_without_texts(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    write_rows(folder, "prompts", prompts(f"{HERE}:gullible", 5))
    summary = self_test_folders([folder], [f"{HERE}:gullible"], VerifySettings(), AUDIT, tmp_path)
    report = json.loads((tmp_path / REPORT).read_text())
    assert summary == {"verifiers": report["verifiers"], "kinds": report["kinds"]}
    assert {"response", "reference", "state", "kind"} <= set(report["mistakes"][0])


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(), st.text(), st.text(), st.booleans())
def test_general_plants_of_any_texts_are_wrong_answers(
    question: str, reference: str, right: str, other: str, form: bool
) -> None:
    made = list(general_plants(question, reference, right, other, form))
    assert made
    assert not any(one.right for one in made)
    assert any(one.text == "" for one in made)


def test_general_plants_of_a_number() -> None:
    texts = {
        one.kind: [two.text for two in general_plants("3 + 5 =", "8", "8", "11") if two.kind == one.kind]
        for one in general_plants("3 + 5 =", "8", "8", "11")
    }
    assert texts["list of numbers"] == ["6, 7, 8", "8, 9, 10"]
    assert "8 or 11" in texts["two answers"]
    assert "3 + 5 =" in texts["echo of the prompt"]
    assert all("</think>" in text and "8" in text for text in texts["right only in thinking"])


def test_a_guess_that_happens_to_be_right_is_not_planted() -> None:
    assert "score: 1.0" in " ".join(one.text for one in general_plants("?", "2", "2"))
    assert "score: 1.0" not in " ".join(one.text for one in general_plants("?", "1", "1"))
