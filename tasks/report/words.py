"""A run's figures as people read them: numbers with units, the decision as sentences, the table of the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.report.summary import GateFigures, RoundFigures, RunSummary

if TYPE_CHECKING:
    from rich.table import Table

_SMALLEST_P = 1e-4


def stage_name(name: str) -> str:
    """``warm_start`` → "warm start"."""
    return {"head": "lineage head"}.get(name, name.replace("_", " "))


def drop_reasons(rounds: Iterable[RoundFigures]) -> list[str]:
    """Every reason that answers were dropped for in some round, the commonest over all rounds first."""
    total: Counter[str] = Counter()
    for one in rounds:
        total.update(one.dropped)
    return [reason for reason, _ in total.most_common()]


def percent(share: float) -> str:
    """0.5725 → "57.3 %"."""
    return f"{100 * share:.1f} %"


def number(count: float) -> str:
    """12345 → "12,345"."""
    return f"{count:,.0f}"


def duration(seconds: float) -> str:
    """0.42 → "0.4 s", 245 → "4 min 05 s"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: int) -> str:
    """Bytes in binary units: 2254857830 → "2.1 GiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def p_text(p_value: float | None) -> str:
    """``p = 0.0031``, ``p < 0.0001``, or a dash when nothing was tested."""
    if p_value is None:
        return "–"
    # No-break spaces: a line that ends in "p <" reads badly.
    return f"p\u00a0<\u00a0{_SMALLEST_P:.4f}" if p_value < _SMALLEST_P else f"p\u00a0=\u00a0{p_value:.4f}"


def headline(summary: RunSummary) -> str:
    """The outcome in a line."""
    version = f"version\u00a0{summary.champion.version}"
    if summary.status == "promoted":
        return f"Promoted: {version} is the new champion"
    if summary.status == "refused":
        return f"Refused: {version} stays champion"
    return f"Nothing was trained: {version} is champion"


def decision_in_words(gate: GateFigures | None) -> str:
    """What a gate decided and why, in two or three sentences."""
    if gate is None:
        return "No gate was held in this run: it made no model other than the champion."
    decision, name = gate.decision, stage_name(gate.candidate)
    who = f"{name} (version {gate.candidate_version})"
    if decision.p_value is None:
        return f"No decision on {who}: version {gate.champion_version} stays champion. {decision.reason}"
    evidence = (
        f"Of {number(decision.items)} fresh items that both answered, only {name} was right on {decision.wins}, "
        f"only the champion on {decision.losses}, and {number(decision.ties)} made no difference."
    )
    budget = "" if decision.look is None else f" that look {decision.look} may spend of the error budget"
    below = decision.p_value < decision.alpha
    test = (
        f"By chance alone that would happen with {p_text(decision.p_value)} (exact one-sided McNemar test), "
        f"{'below' if below else 'not below'} the {decision.alpha:.4f}{budget}."
    )
    if decision.decision == "promote":
        return f"Promoted: {who} takes the place of version {gate.champion_version} as champion. {evidence} {test}"
    return f"Refused: {who} is not shown to be better, so version {gate.champion_version} stays champion. {evidence} {test}"


def stage_table(summary: RunSummary) -> Table:
    """The accuracy of each stage for the terminal; ★ marks the model that is champion after the run."""
    from rich.bar import Bar
    from rich.markup import escape
    from rich.table import Table

    title = f"{summary.flow}, lineage {summary.lineage}, night {summary.night}"
    table = Table("stage", "", title=escape(title), title_justify="left")
    for name in ("accuracy", "95 % interval", "items"):
        table.add_column(name, justify="right")
    for stage in summary.stages:
        star = " ★" if stage.digest and stage.digest == summary.champion.digest else ""
        interval = f"{100 * stage.low:.1f} – {percent(stage.high)}"
        bar = Bar(1.0, 0.0, stage.accuracy, width=20, color="blue")
        table.add_row(escape(stage_name(stage.name)) + star, bar, percent(stage.accuracy), interval, number(stage.items))
    return table
