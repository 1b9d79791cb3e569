"""A validation's report: counts, reject list, suite, Data Docs, and the refusal."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ContractError, DataError
from tasks.validate.facts import Facts
from tasks.validate.report import DOCS, REJECTS, SUMMARY, Inspection, refuse_bad
from tasks.validate.settings import ValidationSettings
from tasks.validate.suite import run_suite
from tests.validate.rows import SAMPLE_FACTS, chat, prompt, sample, samples, talk

SECRET = "my private words"


def inspect(
    folder: Path, kind: str, rows: Iterable[Any], share: float = 0.05, facts: Facts | None = None
) -> tuple[list[Any], dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    inspection = Inspection(kind, facts or Facts(), folder, ValidationSettings(max_rejected_share=share))
    accepted = list(inspection.accepted(rows))
    return accepted, inspection.finish()


def chats(good: int, bad: int) -> list[dict[str, Any]]:
    return [chat(f"g{i}") for i in range(good)] + [talk(("user", f"{SECRET} {i}"), id=f"b{i}") for i in range(bad)]


def test_a_sound_dataset(tmp_path: Path) -> None:
    accepted, summary = inspect(tmp_path, "chat", chats(10, 0))
    assert len(accepted) == 10
    assert (summary["read"], summary["accepted"], summary["rejected"], summary["success"]) == (10, 10, 0, True)
    assert summary["codes"] == {}
    assert summary["statistics"]["success_percent"] == 100
    assert summary == json.loads((tmp_path / SUMMARY).read_text())
    assert (tmp_path / REJECTS).read_text() == ""
    refuse_bad(summary, "nowhere")


@pytest.mark.parametrize(("good", "bad", "success"), [(95, 5, True), (94, 6, False), (20, 1, True), (18, 1, False)])
def test_the_allowed_share_is_allowed_and_no_more(tmp_path: Path, good: int, bad: int, success: bool) -> None:
    accepted, summary = inspect(tmp_path, "chat", chats(good, bad), 0.05)
    assert len(accepted) == good
    assert summary["success"] is success


@pytest.mark.parametrize("share", [0.07, 0.29, 0.57])
def test_shares_are_exact_whatever_their_float(tmp_path: Path, share: float) -> None:
    bad = round(100 * share)
    assert inspect(tmp_path, "chat", chats(100 - bad, bad), share)[1]["success"]
    assert not inspect(tmp_path, "chat", chats(99 - bad, bad + 1), share)[1]["success"]


def test_many_small_faults_together_are_too_many(tmp_path: Path) -> None:
    untrained = [talk(("user", f"q{i}"), ("assistant", "a"), id=f"u{i}", train=False) for i in range(4)]
    summary = inspect(tmp_path, "chat", [*chats(92, 4), *untrained], 0.05)[1]
    assert max(summary["codes"].values()) <= 5
    assert not summary["success"]


def test_rejects_are_kept_with_their_codes(tmp_path: Path) -> None:
    inspect(tmp_path, "chat", [*chats(2, 1), {"id": "x"}], 1.0)
    first, second = map(json.loads, (tmp_path / REJECTS).read_text().splitlines())
    assert first == {"id": "b0", "codes": ["last_not_assistant"], "row": chats(0, 1)[0]} | {"codes": first["codes"]}
    assert "last_not_assistant" in first["codes"]
    assert second == {
        "id": "x",
        "codes": ["field_missing"],
        "detail": "field_missing: messages, source",
        "row": {"id": "x"},
    }


def test_the_refusal_says_what_where_and_what_to_change(tmp_path: Path) -> None:
    summary = inspect(tmp_path, "prompts", [prompt("a"), prompt("b", verifier="numbr"), prompt("c", reference="")])[1]
    with pytest.raises(DataError) as refusal:
        refuse_bad(summary, "store/rejects.jsonl")
    message = str(refusal.value)
    assert refusal.value.exit_code == 2
    assert "3 prompts rows read, 2 rejected (66.7%; 5.0% allowed)" in message
    assert re.search(r"verifier_unknown +1 +e\.g\. 'b'", message)
    assert re.search(r"reference_missing +1 +e\.g\. 'c'", message)
    assert "reasoning_gym" in message
    assert "store/rejects.jsonl" in message
    assert "max_rejected_share" in message


def test_nothing_to_validate_is_refused(tmp_path: Path) -> None:
    summary = inspect(tmp_path, "prompts", [])[1]
    assert summary["success"] is False
    with pytest.raises(DataError, match="no prompts rows"):
        refuse_bad(summary, "x")


def test_nothing_left_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    summary = inspect(tmp_path, "chat", chats(0, 3), 1.0)[1]
    with pytest.raises(DataError, match="no row is left"):
        refuse_bad(summary, "x")


def test_a_row_lost_on_the_way_is_a_broken_contract(tmp_path: Path) -> None:
    inspection = Inspection("chat", Facts(), tmp_path)
    stream = inspection.accepted(iter(chats(3, 0)))
    next(stream)
    inspection.read += 1
    list(stream)
    with pytest.raises(ContractError, match="accepted 3 and rejected 0"):
        inspection.finish()


def test_data_docs_tell_the_checks_and_no_word_of_the_rows(tmp_path: Path) -> None:
    inspect(tmp_path, "chat", chats(5, 5))
    assert (tmp_path / DOCS / "index.html").exists()
    pages = [page.read_text() for page in (tmp_path / DOCS).rglob("*.html")]
    assert len(pages) == 3
    assert any("last_not_assistant" in page and "does not end with the assistant" in page for page in pages)
    assert not any(SECRET in page or "question g0" in page for page in pages)
    assert sum(file.stat().st_size for file in (tmp_path / DOCS).rglob("*") if file.is_file()) < 1_000_000


def test_a_suite_over_many_rows_takes_less_than_a_second(tmp_path: Path) -> None:
    columns = [
        "role_order",
        "empty_turn",
        "last_not_assistant",
        "field_type",
        "duplicate_id",
        "bad_unicode",
        "template_token",
    ]
    frame = pd.DataFrame({name: np.arange(100_000) % 50 > 0 for name in [*columns, "accepted"]})
    run_suite("chat", frame.head(), ValidationSettings(), tmp_path / "warm")
    started = time.process_time()
    result = run_suite("chat", frame, ValidationSettings(), tmp_path / "docs")
    assert time.process_time() - started < 1
    assert result["success"]
    assert result["statistics"]["evaluated_expectations"] == len(columns) + 1


# --- samples as a whole ----------------------------------------------------------------------------------------------


def test_all_draws_are_there(tmp_path: Path) -> None:
    assert inspect(tmp_path, "samples", samples(), facts=SAMPLE_FACTS)[1]["success"]


@pytest.mark.parametrize("missing", [samples()[1:], samples()[:2] + samples()[3:]])
def test_missing_draws_refuse_the_dataset(tmp_path: Path, missing: list[dict[str, Any]]) -> None:
    accepted, summary = inspect(tmp_path, "samples", missing, 1.0, SAMPLE_FACTS)
    assert len(accepted) == len(missing)
    assert summary["codes"] == {"draws_missing": 1}
    with pytest.raises(DataError, match="draws_missing"):
        refuse_bad(summary, "x")


def test_samples_that_all_say_the_same_refuse_the_dataset(tmp_path: Path) -> None:
    summary = inspect(tmp_path, "samples", samples(text="the"), 1.0, SAMPLE_FACTS)[1]
    assert summary["codes"] == {"texts_all_equal": 8}
    assert not summary["success"]


def test_few_samples_may_agree(tmp_path: Path) -> None:
    rows = [sample("p0", 0, text="4"), sample("p1", 0, text="4")]
    assert inspect(tmp_path, "samples", rows, facts=Facts())[1]["success"]
    one_prompt = [sample("p0", draw, text="4") for draw in range(8)]
    summary = inspect(tmp_path, "samples", one_prompt, facts=Facts())[1]
    assert (summary["codes"], summary["success"]) == ({"draws_all_equal": 1}, True)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.lists(st.booleans(), min_size=1, max_size=40), share=st.floats(0, 1))
def test_success_is_the_share_rule(tmp_path: Path, bad: list[bool], share: float) -> None:
    rows = [chat(str(i), **({"oops": 1} if wrong else {})) for i, wrong in enumerate(bad)]
    accepted, summary = inspect(tmp_path, "chat", rows, round(share, 2))
    assert len(accepted) + summary["rejected"] == len(bad)
    assert summary["success"] == (sum(bad) <= round(share, 2) * len(bad) + 1e-6)
