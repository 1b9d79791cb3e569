"""What ``--json`` prints, and the words and the table of the terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from tasks.gate.decision import better
from tasks.report.summary import RoundFigures, RunSummary
from tasks.report.words import decision_in_words, duration, p_text, size, stage_table
from tests.gate.scoring import sides
from tests.report import runs

FIELDS = {
    "run_id", "status", "stages", "gate", "champion", "tokens", "tasks", "seconds", "peak_bytes", "report",
}  # fmt: skip


@pytest.mark.parametrize("summary", [runs.promoted(), runs.refused(), runs.untrained()], ids=lambda run: run.status)
def test_json_has_exactly_the_promised_fields(summary: RunSummary) -> None:
    data = json.loads(json.dumps(summary.as_json(), allow_nan=False))
    assert set(data) == FIELDS
    assert data["status"] == summary.status
    assert all(set(stage) == {"name", "accuracy", "low", "high", "items"} for stage in data["stages"])
    assert set(data["gate"]) == {"decision", "p_value", "alpha", "wins", "losses"}
    assert set(data["champion"]) == {"version", "digest"}
    assert set(data["tokens"]) == {"generated", "trained"}
    assert set(data["tasks"]) == {"run", "cached", "failed"}
    assert set(data["seconds"]) == {"wall", "compute"}


def test_json_has_the_last_gate() -> None:
    gate = runs.promoted().as_json()["gate"]
    assert (gate["decision"], gate["wins"], gate["losses"]) == ("promote", 94, 23)
    assert gate["p_value"] < gate["alpha"]
    assert runs.refused().as_json()["gate"]["decision"] == "refuse"
    assert runs.untrained().as_json()["gate"] == {
        "decision": "no_decision", "p_value": None, "alpha": None, "wins": 0, "losses": 0,
    }  # fmt: skip


def test_a_summary_survives_its_file() -> None:
    for summary in (runs.promoted(), runs.refused(), runs.untrained()):
        assert RunSummary.model_validate_json(summary.model_dump_json()) == summary


def test_promotion_in_words() -> None:
    said = decision_in_words(runs.promoted().gate).replace("\u00a0", " ")
    assert said == (
        "Promoted: round 2 (version 3) takes the place of version 2 as champion. Of 400 fresh items that both answered, "
        "only round 2 was right on 94, only the champion on 23, and 283 made no difference. By chance alone that would "
        "happen with p < 0.0001 (exact one-sided McNemar test), below the 0.0076 that look 2 may spend of the error budget."
    )


def test_refusal_in_words() -> None:
    said = decision_in_words(runs.refused().gate).replace("\u00a0", " ")
    assert said.startswith("Refused: round 1 (version 4) is not shown to be better, so version 3 stays champion.")
    assert "p = 0.2094" in said
    assert "not below the 0.0034 that look 3" in said


def test_no_decision_in_words_says_what_to_mend() -> None:
    candidate, champion = sides(5, 1, 3)
    candidate[0]["state"] = "error"
    gate = runs.gate("round_1", (4, 3), 5, 1, 3).model_copy(update={"decision": better(candidate, champion, look=3)})
    said = decision_in_words(gate)
    assert said.startswith("No decision on round 1 (version 4): version 3 stays champion.")
    assert "could not be measured" in said
    assert "No gate was held" in decision_in_words(None)


def test_the_terminal_shows_the_stages_and_marks_the_champion() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(stage_table(runs.promoted()))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    rows = {stage: line for line in lines for stage in ("base", "warm start", "round 1", "round 2") if stage in line}
    assert all(text in rows["warm start"] for text in ("43.0 %", "38.2 – 47.9 %", "400"))
    assert "round 2 ★" in rows["round 2"]
    assert sum("★" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (59.97, "1 min 00 s"), (245.4, "4 min 05 s"), (3600, "1 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_p_values() -> None:
    assert [size(count) for count in (0, 2048, 5 << 20, 3 << 30)] == ["0 B", "2 KiB", "5 MiB", "3.0 GiB"]
    assert [p_text(p).replace("\u00a0", " ") for p in (None, 1.0, 0.0314, 1e-9)] == [
        "–", "p = 1.0000", "p = 0.0314", "p < 0.0001",
    ]  # fmt: skip


def test_a_round_without_prompts_divides_by_nothing() -> None:
    empty = RoundFigures(number=1, prompts=0, draws=0, accepted=0, solved=0, distinct=0, kept=0)
    assert (empty.accepted_share, empty.distinct_per_prompt) == (0.0, 0.0)
