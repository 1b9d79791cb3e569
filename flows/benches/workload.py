"""What every bench reports: one line of figures for each piece of work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

Workload = dict[str, Any]


def workload(
    name: str, *, ratio: float, ours: float, peer: float, unit: str, limit_share: float | None, peak_bytes: int
) -> Workload:
    """A workload as ``winnow bench … --json`` prints it.

    Args:
        ratio: what the bench promises something about; its command says which way round.
        ours, peer: measured in one run, in `unit`.
        limit_share: how near this comes to the bench's own limit, 0–1; None where there is none.
        peak_bytes: the most memory that the process and its children held.
    """
    return {
        "name": name,
        "ratio": ratio,
        "ours": ours,
        "peer": peer,
        "unit": unit,
        "limit_share": limit_share,
        "peak_bytes": peak_bytes,
    }


def table(title: str, workloads: list[Workload], limit: str) -> Table:
    """The workloads for a person; `limit` says what `limit_share` is a share of."""
    from rich.table import Table

    made = Table("work", title=title, title_justify="left")
    for name in ("ours", "peer", "unit", "ratio", limit, "peak memory"):
        made.add_column(name, justify="right")
    for one in workloads:
        share = "–" if one["limit_share"] is None else f"{one['limit_share']:.1%}"
        peak = f"{one['peak_bytes'] / (1 << 30):.2f} GiB"
        made.add_row(one["name"], f"{one['ours']:,.1f}", f"{one['peer']:,.1f}", one["unit"], f"{one['ratio']:.3f}", share, peak)
    return made
