"""``winnow doctor``: what is installed, reachable, and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import emit

if TYPE_CHECKING:
    from rich.table import Table


def doctor(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Look over the installation (versions, home, model, server, plug-ins); exit code 2 when something is wrong."""
    from flows.health import examine

    facts = examine()
    emit(facts, json, _table(facts))
    if facts["problems"]:
        raise typer.Exit(2)


def _table(facts: dict[str, Any]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("subject", "found", title="winnow doctor", show_lines=False)
    for subject, found in facts.items():
        if subject not in ("ok", "problems"):
            table.add_row(subject, escape(", ".join(f"{name} {_short(value)}" for name, value in found.items())))
    for problem in facts["problems"]:
        table.add_row("[red]wrong[/red]", escape(problem["what"]) + "\n[bold]mend:[/bold] " + escape(problem["mend"]))
    if facts["ok"]:
        table.add_row("[green]verdict[/green]", "nothing is wrong")
    return table


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) or "none"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1 << 30:
        return f"{value / (1 << 30):.1f} GiB"
    return str(value)
