"""``winnow bench``: this project and a peer on the same work, in one run, as a ratio.

Run: ``winnow bench render --rows 100000``
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.run import DEMO_PROFILE
from flows.terminal import emit

if TYPE_CHECKING:
    from flows.benches.workload import Workload

app = typer.Typer(help="Winnow and a peer on the same work, in one run.", no_args_is_help=True)
Rows = Annotated[int, typer.Option("--rows", min=1, help="Conversations of four turns.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]


@app.command()
def overhead(
    profile: Annotated[Path, typer.Option(help="YAML file with the parameters of nightly-rsf.")] = DEMO_PROFILE,
    json: AsJson = False,
) -> None:
    """Orchestration: seconds of a whole night from nothing, against those inside its stages; at most 15 % over."""
    from flows.benches.overhead import bench_overhead

    _show("overhead", [bench_overhead(profile)], "overhead (at most 15 %)", json)


@app.command()
def validate(rows: Rows = 100_000, json: AsJson = False) -> None:
    """All row checks and the suite, against tokenising the same rows by the batch call: ratio of seconds, at most 1."""
    from flows.benches.validation import bench_validation

    _show("validate", [bench_validation(rows)], "of what is allowed", json)


@app.command()
def render(rows: Rows = 100_000, json: AsJson = False) -> None:
    """Ids and labels, against the two-call way (conversation, then prefix, a row at a time): rows/s, at least 3 times."""
    from flows.benches.rendering import bench_rendering

    _show("render", bench_rendering(rows), "tokenising alone", json)


@app.command()
def data(rows: Rows = 1_000_000, json: AsJson = False) -> None:
    """A file of rows loaded, validated and rendered, against `datasets`: rows/s, and the peak of memory, below 2 GiB."""
    from flows.benches.preparation import bench_preparation

    _show("data", [bench_preparation(rows)], "of 2 GiB", json)


@app.command()
def verify(
    answers: Annotated[
        int, typer.Option("--answers", min=1, help="Answers through `number`; the dear ones get a share.")
    ] = 1_000_000,
    json: AsJson = False,
) -> None:
    """Verdicts/s of `number`, `math` and `code` against the plain library in a loop; the limit: share of time-outs."""
    from flows.benches.verification import bench_verification

    _show("verify", bench_verification(answers), "timed out", json)


@app.command()
def audit(
    questions: Annotated[int, typer.Option("--questions", min=1, help="Sums that the base model mostly gets wrong.")] = 192,
    draws: Annotated[int, typer.Option("--draws", min=1, max=128, help="Answers each, and as many again for pass rates.")] = 24,
    json: AsJson = False,
) -> None:
    """An injected fault of 3 % in both verifiers: true precision of rare successes, measured and by arithmetic."""
    from flows.benches.audit import bench_audit

    _show("audit", bench_audit(questions, draws), "right ones kept", json)


@app.command()
def sample(
    share: Annotated[float, typer.Option("--share", min=0.01, max=1, help="Of each workload's prompts; 0.1: a minute.")] = 1.0,
    json: AsJson = False,
) -> None:
    """The embedded engine against `generate` at its best: tokens/s, at least 1.8, 5 and 2.5 times."""
    from flows.benches.sampling import bench_sampling, told
    from flows.benches.workload import table

    measured = []
    for one in bench_sampling(share):  # minutes each
        measured.append(one)
        typer.echo(f"{one['name']}: {one['ratio']:.2f} times the peer, {one['limit_share']:.0%} of the limit", err=True)
    emit({"workloads": measured}, json, table("winnow bench sample", list(map(told, measured)), "bare forward passes"))


@app.command()
def budget(
    prompts: Annotated[int, typer.Option("--prompts", min=8, help="Sentences asked for, for each seed.")] = 96,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Repetitions with other prompts and other draws.")] = 3,
    repeats: Annotated[int, typer.Option("--repeats", min=0, help="budget.repeats of the sequential arm.")] = 0,
    items: Annotated[
        int, typer.Option("--items", min=0, help="Train on each arm's answers, and ask for as many fresh ones; 0: no training.")
    ] = 0,
    json: AsJson = False,
) -> None:
    """Sequential sampling against 8 draws each, at equal generated tokens: distinct correct answers, hard prompts covered."""
    from flows.benches.budget import bench_budget

    _show("budget", bench_budget(prompts, seeds, repeats, items), "of uniform's tokens", json)


@app.command()
def scale(
    prompts: Annotated[int, typer.Option("--prompts", min=10, help="Prompts of a round, one draw each.")] = 1_000_000,
    json: AsJson = False,
) -> None:
    """A round whose engine answers at once: rows/s of everything else, and the peak of memory at a tenth and at all of it."""
    from flows.benches.scale import bench_scale

    _show("scale", bench_scale(prompts), "of 2 GiB", json)


def _show(name: str, workloads: list[Workload], limit: str, json: bool) -> None:
    from flows.benches.workload import table

    emit({"workloads": workloads}, json, table(f"winnow bench {name}", workloads, limit))
