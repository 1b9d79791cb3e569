"""``winnow gate``: two files of score rows → a decision with its statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.terminal import emit


def gate(
    champion: Annotated[Path, typer.Option(help="Score rows of the present champion: JSON lines or Parquet.")],
    candidate: Annotated[Path, typer.Option(help="Score rows of the candidate, on the same items.")],
    alpha: Annotated[float, typer.Option(help="The error budget; without --look all of it is spent here.")] = 0.05,
    look: Annotated[
        int | None, typer.Option(min=1, help="Which gate on this budget it is (1, 2, …): it may spend α·6/(π²·look²).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Is the candidate better than the champion? Exit code 0: promote; 2: refuse or no decision."""
    from tasks.gate.decision import better
    from tasks.gate.score_files import read_scores

    decision = better(read_scores(candidate), read_scores(champion), alpha, look)
    emit(decision.model_dump(mode="json"), json, _text(decision.model_dump()))
    if decision.decision != "promote":
        raise typer.Exit(2)


def _text(decision: dict[str, Any]) -> str:
    from rich.markup import escape

    lines = [escape(decision["reason"])]
    for side in ("candidate", "champion"):
        if decision[f"{side}_accuracy"] is not None:
            share, low, high = (100 * decision[f"{side}_{what}"] for what in ("accuracy", "low", "high"))
            lines.append(f"{side:9} {share:5.1f} % right (95 % interval {low:.1f} to {high:.1f})")
    return "\n".join(lines)
