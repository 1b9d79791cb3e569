"""MATH.md, row by row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.verify.maths.math import check_reference, math, plants

TABLE = Path(__file__).parents[3] / "tasks" / "verify" / "maths" / "MATH.md"
ROWS = [line.strip().strip("|").split("|") for line in TABLE.read_text().splitlines() if line.startswith("| ")][1:]


def notations(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def marked(text: str) -> str:
    return text if re.search("boxed|####|answer is", text) else rf"\boxed{{{text}}}"


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_a_row_of_the_table(row: list[str]) -> None:
    _, (reference,), accepted, refused = (row[0], *map(notations, row[1:]))
    assert accepted
    assert refused
    assert check_reference(reference) == ""
    for text in accepted:
        verdict = math(marked(text), reference)
        assert (verdict.state, verdict.reason) == ("accepted", ""), text
    for text in refused:
        assert math(marked(text), reference).state in ("rejected", "answer_unparsable"), text


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_the_plants_around_a_reference_get_the_verdicts_they_should(row: list[str]) -> None:
    (reference,) = notations(row[1])
    planted = list(plants(reference))
    assert [plant for plant in planted if (math(plant.text, reference).state == "accepted") != plant.right] == []
