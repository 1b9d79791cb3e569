"""What a profile may say about the suites: severities, allowed shares, and expectations of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import great_expectations.expectations as gxe
import pytest
from pydantic import ValidationError

from tasks.runtime.errors import ConfigurationError, DataError
from tasks.runtime.fingerprint import fingerprint
from tasks.validate.codes import CODES, ROW_CODES, UNUSABLE, WHOLE_CODES
from tasks.validate.expectations import suite_columns, wanted_measures
from tasks.validate.facts import Facts
from tasks.validate.report import DOCS, Inspection, refuse_bad
from tasks.validate.settings import ValidationSettings
from tests.chat.families import FAMILIES
from tests.validate.rows import SAMPLE_FACTS, chat, label, prompt, samples, talk

MEAN = "ExpectColumnMeanToBeBetween"


def inspect(folder: Path, kind: str, rows: list[Any], facts: Facts | None = None, **given: Any) -> tuple[list[Any], Any]:
    inspection = Inspection(kind, facts or Facts(), folder, ValidationSettings(**given))
    accepted = list(inspection.accepted(rows))
    return accepted, inspection.finish()


def own(expectation: str, column: str = "", severity: str = "refuse", rows: str = "any", **arguments: Any) -> dict[str, Any]:
    return {"expectation": expectation, "column": column, "severity": severity, "rows": rows, "arguments": arguments}


def chats(good: int, bad: int) -> list[dict[str, Any]]:
    marked = [talk(("user", f"q{i} [/INST]"), ("assistant", "a"), id=f"b{i}") for i in range(bad)]
    return [chat(f"g{i}") for i in range(good)] + marked


# --- severities and shares -------------------------------------------------------------------------------------------


def test_a_warning_is_counted_and_shown_and_its_rows_are_kept(tmp_path: Path) -> None:
    accepted, summary = inspect(tmp_path, "chat", chats(2, 8), severity={"template_token": "warn"})
    assert len(accepted) == 10
    assert (summary["rejected"], summary["success"]) == (0, True)
    assert (summary["codes"], summary["severities"]) == ({"template_token": 8}, {"template_token": "warn"})
    assert summary["examples"]["template_token"] == ["b0", "b1", "b2"]
    assert summary["statistics"]["unsuccessful_expectations"] == 1
    refuse_bad(summary, "nowhere")


def test_a_row_with_a_warning_and_a_fault_is_rejected_with_both(tmp_path: Path) -> None:
    row = talk(("user", "[/INST]"), ("assistant", " "), id="both")
    accepted, summary = inspect(tmp_path, "chat", [*chats(3, 0), row], severity={"template_token": "warn"})
    assert len(accepted) == 3
    assert summary["codes"] == {"empty_turn": 1, "template_token": 1}


@pytest.mark.parametrize(
    ("settings", "success"),
    [
        ({"max_rejected_share": 0.5}, True),
        ({"max_rejected_share": 0.1}, False),
        ({"max_rejected_share": 0.5, "allowed": {"template_token": 0.1}}, False),
        ({"max_rejected_share": 0.5, "allowed": {"template_token": 0.2}}, True),
        ({"max_rejected_share": 0.1, "allowed": {"template_token": 0.5}}, False),  # all rejects together are still too many
        ({"max_rejected_share": 0.1, "severity": {"template_token": "warn"}, "allowed": {"template_token": 0.1}}, True),
    ],
)
def test_shares_of_a_code_and_of_all(tmp_path: Path, settings: Any, success: bool) -> None:
    assert inspect(tmp_path, "chat", chats(8, 2), **settings)[1]["success"] is success


def test_draws_that_are_all_equal_only_warn(tmp_path: Path) -> None:
    easy = [row for draw in range(8) for row in samples()[:1] for row in [{**row, "draw": draw, "sample_id": f"p0/1/{draw}"}]]
    easy = [{**row, "text": "4"} for row in easy]
    hard = [{**row, "prompt_id": "p1", "sample_id": f"p1/1/{row['draw']}", "text": f"t{row['draw']}"} for row in easy]
    summary = inspect(tmp_path, "samples", easy + hard, SAMPLE_FACTS)[1]
    assert (summary["codes"], summary["success"]) == ({"draws_all_equal": 1}, True)
    assert summary["examples"]["draws_all_equal"] == ["p0"]
    refused = inspect(tmp_path, "samples", easy + hard, SAMPLE_FACTS, severity={"draws_all_equal": "refuse"})[1]
    assert refused["success"] is False


@pytest.mark.parametrize("code", sorted(UNUSABLE))
def test_rows_that_nobody_could_use_are_no_warnings(code: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a warning"):
        ValidationSettings(severity={code: "warn"})


# --- expectations ----------------------------------------------------------------------------------------------------


class ExpectEvenTurns(gxe.ExpectColumnValuesToBeInSet):
    """Somebody's own."""

    column: str = "turns"
    value_set: Any = (2, 4, 6)


ROWS = {
    "chat": [*chats(5, 1), chat("c", metadata={"language": "fr"}), {"id": "broken"}],
    "prompts": [prompt(f"p{number}") for number in range(3)],
    "labels": [label(f"l{number}") for number in range(3)],
    "samples": samples(),
}
MET = [
    ("chat", own(MEAN, "turns", min_value=2, max_value=2)),
    ("chat", own("ExpectColumnValuesToBeBetween", "characters", min_value=1, mostly=0.9)),
    ("chat", own("ExpectColumnValuesToBeBetween", "trained_share", min_value=0.01, max_value=0.99)),
    ("chat", own("ExpectColumnValuesToBeInSet", "source", value_set=["test"])),
    ("chat", own("ExpectColumnValuesToBeInSet", "language", value_set=["en", "fr"])),
    ("chat", own("ExpectColumnValuesToBeBetween", "tokens", min_value=5, max_value=99)),
    ("chat", own("ExpectColumnPairValuesAToBeGreaterThanB", column_A="characters", column_B="turns")),
    ("chat", own("ExpectTableRowCountToBeBetween", min_value=2)),
    ("chat", own("ExpectColumnProportionOfUniqueValuesToBeBetween", "turns", max_value=0.5)),
    ("chat", own("ExpectColumnValuesToBeInSet", "template_token", value_set=[True], mostly=0.5)),
    ("chat", own("tests.validate.test_expectations:ExpectEvenTurns")),
    ("prompts", own("ExpectColumnValuesToBeInSet", "verifier", value_set=["number"])),
    ("prompts", own("ExpectColumnUniqueValueCountToBeBetween", "family", max_value=1)),
    ("labels", own("ExpectColumnMaxToBeBetween", "trained_tokens", max_value=2)),
    ("labels", own("ExpectColumnMeanToBeBetween", "trained_share", min_value=0.2, max_value=0.3)),
    ("samples", own("ExpectColumnValuesToBeInSet", "finish_reason", value_set=["stop"], mostly=1.0)),
    ("samples", own("ExpectColumnMeanToBeBetween", "logprob", min_value=-2)),
    ("chat", own(MEAN, "turns", severity="warn", min_value=3)),  # not met, and only shown
]


@pytest.mark.parametrize("kind", ROWS)
def test_expectations_over_every_sort_of_column(tmp_path: Path, kind: str) -> None:
    facts = Facts(tokenizer=FAMILIES["smollm2"].tokenizer)
    wishes = [{**wish, "rows": kind} for belongs, wish in MET if belongs == kind]
    summary = inspect(tmp_path, kind, ROWS[kind], facts, max_rejected_share=0.5, expectations=wishes)[1]
    assert len(summary["expectations"]) == len(wishes)
    for outcome in summary["expectations"]:
        assert outcome["success"] is (outcome["severity"] == "refuse"), outcome
    assert summary["success"], summary


def test_an_expectation_that_is_not_met_refuses_the_dataset(tmp_path: Path) -> None:
    wishes = [own(MEAN, "turns", min_value=3), own("ExpectColumnValuesToBeInSet", "source", value_set=["other"])]
    summary = inspect(tmp_path, "chat", chats(4, 0), expectations=wishes)[1]
    assert [outcome["success"] for outcome in summary["expectations"]] == [False, False]
    with pytest.raises(DataError) as refusal:
        refuse_bad(summary, "x")
    assert f"{MEAN} of turns is not met: 2.0" in str(refusal.value)
    assert "4 of 4 rows are not as expected" in str(refusal.value)
    assert any("turns" in page.read_text() for page in (tmp_path / DOCS).rglob("*.html"))


def test_an_expectation_that_cannot_be_evaluated_is_not_met_and_says_so(tmp_path: Path) -> None:
    summary = inspect(tmp_path, "chat", chats(4, 0), expectations=[own(MEAN, "source", min_value=3)])[1]
    assert not summary["success"]
    assert "could not be evaluated" in summary["expectations"][0]["observed"]


def test_an_expectation_belongs_to_the_suites_that_have_its_columns() -> None:
    settings = ValidationSettings(
        expectations=[own(MEAN, "turns"), own(MEAN, "trained_share", rows="labels"), own(MEAN, "logprob")]
    )
    assert {kind: wanted_measures(settings, kind) for kind in ROW_CODES} == {
        "chat": ["turns"],
        "prompts": ["turns"],
        "labels": ["trained_share"],
        "samples": ["logprob"],
    }


def test_nothing_is_measured_that_is_not_asked_for(tmp_path: Path) -> None:
    inspection = Inspection("chat", Facts(), tmp_path)
    list(inspection.accepted(chats(2, 1)))
    assert set(inspection._columns[0]) == {*ROW_CODES["chat"], "accepted"}
    assert all(column.dtype == bool for column in inspection._columns[0].values())


WRONG = [
    ({"severity": {"template_tokn": "warn"}}, "did you mean template_token"),
    ({"allowed": {"empty_turns": 0.1}}, "did you mean empty_turn"),
    ({"languages": ["xyz"]}, "language 'xyz' is unknown"),
    ({"min_tokens": 9, "max_tokens": 8}, "min_tokens is larger"),
    ({"min_trained_share": 0.9, "max_trained_share": 0.1}, "min_trained_share is larger"),
    ({"expectations": [own("ExpectColumnMeanToBeBetwen", "turns")]}, f"did you mean {MEAN}"),
    ({"expectations": [own(MEAN, "turn")]}, "did you mean turns"),
    ({"expectations": [own(MEAN, "turns", min_valu=1)]}, "did you mean min_value"),
    ({"expectations": [own(MEAN, "turns", min_value="many")]}, "does not take these arguments"),
    ({"expectations": [own(MEAN, min_value=1)]}, "does not take these arguments"),
    ({"expectations": [own(MEAN, "turns", result_format="COMPLETE")]}, "result_format"),
    ({"expectations": [own(MEAN, "turns", rows="labels")]}, "column 'turns' is unknown"),
    ({"expectations": [own("ExpectColumnPairValuesToBeEqual", column_A="turns", column_B="draw")]}, "no suite has all"),
    ({"expectations": [own("os:system", "turns")]}, "no subclass"),
    ({"expectations": [own("nowhere.at_all:Expectation", "turns")]}, "nowhere"),
    ({"expectations": [own("Expectation", "turns")]}, "unknown"),
]


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_does_not_exist_is_refused_before_the_run_with_the_nearest_name(given: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ValidationSettings(**given)


@pytest.mark.parametrize("given", [{"max_tokens": -1}, {"allowed": {"empty_turn": 2}}, {"languages": ["EN"]}, {"oops": 1}])
def test_bounds(given: Any) -> None:
    with pytest.raises(ValidationError):
        ValidationSettings(**given)


def test_every_column_has_one_meaning_in_a_suite() -> None:
    for kind in ROW_CODES:
        columns = suite_columns(kind)
        assert len(columns) == len(set(columns))
        assert set(ROW_CODES[kind]) | set(WHOLE_CODES[kind]) <= set(columns) & (set(CODES) | {"accepted"})


def test_settings_are_part_of_the_cache_key_and_of_the_form() -> None:
    some = ValidationSettings(severity={"empty_turn": "warn"}, expectations=[own(MEAN, "turns", min_value=1)])  # type: ignore[list-item]
    assert fingerprint(some) != fingerprint(ValidationSettings())
    assert "anyOf" not in str(ValidationSettings.model_json_schema()), "the form of the UI jumps at unions"
