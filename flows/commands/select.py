"""``winnow select``: sample rows and their verdicts → the chat rows to train on, and preference pairs.

Run: ``winnow select --samples s.parquet --verdicts v.parquet --prompts p.jsonl --out chosen.jsonl --dropped why.jsonl``
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import emit, progress_bar

if TYPE_CHECKING:
    from tasks.select.outcomes import Selection

_PROFILE = "A profile whose `selection` names rule, filters and caps; options beside it win."
_SET = "One of those settings: --set filters.NAME=VALUE. Repeatable."


def select(
    samples: Annotated[str, typer.Option(help="Sample rows: a file, folder, pattern or s3://.")],
    verdicts: Annotated[str, typer.Option(help="Their verdict rows, one for each sample.")],
    prompts: Annotated[str, typer.Option(help="The prompt rows they answer, in any known format.")],
    out: Annotated[Path, typer.Option(help="Chat rows to write: .jsonl or .parquet.")],
    rule: Annotated[str | None, typer.Option(help="A registered rule or 'package.module:function'.")] = None,
    cap: Annotated[int | None, typer.Option(help="Most answers of one prompt (rest_em 10, other rules 4).")] = None,
    floor: Annotated[float | None, typer.Option(help="Smallest score that best_of_k and threshold keep (0.5).")] = None,
    fraction: Annotated[float | None, typer.Option(help="Share of all candidates that top_fraction keeps (0.25).")] = None,
    match: Annotated[str | None, typer.Option(help="Rule whose numbers random_matched copies (distinct_correct).")] = None,
    family_quota: Annotated[int | None, typer.Option(help="Most rows of one family; 0: no limit.")] = None,
    profile: Annotated[Path | None, typer.Option(help=_PROFILE)] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help=_SET)] = None,
    second: Annotated[str | None, typer.Option(help="A second verifier's verdict rows, on any of the samples.")] = None,
    past: Annotated[list[str] | None, typer.Option(help="Chat rows already trained on: no near duplicates of them.")] = None,
    evaluation: Annotated[list[str] | None, typer.Option(help="Evaluation prompts: no answers to what they ask.")] = None,
    pass_rates: Annotated[str | None, typer.Option(help="Pass-rate rows: how hard the prompts are.")] = None,
    dropped: Annotated[Path | None, typer.Option(help="Write every dropped sample with its reason here (JSONL).")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Write preference pairs here: .jsonl or .parquet, TRL's columns.")] = None,
    pairs_by: Annotated[str, typer.Option(help="verified: accepted against rejected; score: best against worst.")] = "verified",
    pairs_cap: Annotated[int, typer.Option(help="Most pairs of one prompt.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Keep the accepted answers that the rule chooses; every other one is counted with its reason."""
    from flows.options import from_options
    from flows.parameters import profile_group
    from tasks.runtime.row_files import write_row_file
    from tasks.select.folders import DROPPED, checked_counts, kept_rows
    from tasks.select.outcomes import Selection
    from tasks.select.pairs import PairSettings, preference_pairs
    from tasks.select.settings import SelectionSettings

    given = {"rule": rule, "cap": cap, "floor": floor, "fraction": fraction, "match": match, "family_quota": family_quota}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    settings = profile_group(profile, "selection", SelectionSettings, [*(change or []), *options])
    pairing = from_options(PairSettings, pairs_by=pairs_by, pairs_cap=pairs_cap)
    _check(out, pairs, dropped)
    selection = Selection(
        _rows([verdicts], "verdicts"),
        _rows([prompts], "prompts"),
        settings,
        second=_rows([second] if second else [], "verdicts"),
        past=_rows(past or [], "chat"),
        evaluation=_rows(evaluation or [], "prompts"),
        pass_rates=_rows([pass_rates] if pass_rates else [], "pass_rates"),
    )
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="winnow-select-") as scratch, progress_bar("selecting"):
        with Path(scratch, DROPPED).open("w", encoding="ascii") as file:
            kept = kept_rows(selection, selection.outcomes(_rows([samples], "samples")), file)
            write_row_file(out, "chat", kept, check=lambda: told.update(checked_counts(selection.counts)))
        if dropped:
            _keep(Path(scratch, DROPPED), dropped)
    told["out"] = str(out)
    if pairs:
        clean = {name: row for name, row in selection.prompts.items() if name not in selection.contaminated}
        rows = preference_pairs(_rows([samples], "samples"), selection.agreed(), clean, pairing)
        told |= {"pairs": write_row_file(pairs, "preferences", rows), "pairs_out": str(pairs)}
    emit(told, json, _table(selection, told))


def _check(out: Path, pairs: Path | None, dropped: Path | None) -> None:
    """What would be refused at the end is refused at the start."""
    from tasks.runtime.errors import ConfigurationError

    if pairs and pairs.suffix not in (".jsonl", ".parquet"):
        raise ConfigurationError(f"--pairs {pairs}: the ending decides the format; use .jsonl or .parquet")
    made = {"--out": out, "--pairs": pairs, "--dropped": dropped}
    for (one, path), (other, place) in combinations(((name, path) for name, path in made.items() if path), 2):
        if path.resolve() == place.resolve():
            raise ConfigurationError(f"{one} and {other} are the same file; give two")


def _rows(addresses: list[str], kind: str) -> Iterator[dict[str, Any]]:
    from tasks.data.load import sound_rows

    for address in addresses:
        yield from sound_rows(address, kind)


def _keep(made: Path, wanted: Path) -> None:
    from tasks.runtime.errors import ConfigurationError

    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, wanted)
    except OSError as error:
        raise ConfigurationError(f"--dropped {wanted} cannot be written ({error}); give another place") from error


def _table(selection: Selection, told: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    from tasks.select.folders import fates

    title = escape(f"{told['rows']:,} of {told['drawn']:,} answers → {told['out']}")
    table = Table("answers", "number", "share", title=title)
    for fate in fates(selection.counts):
        table.add_row(escape(fate.reason.replace("_", " ")), f"{fate.rows:,}", f"{fate.share:.1%}")
    table.caption = f"{told['solved_prompts']:,} prompts solved" + (f", {told['pairs']:,} pairs" if "pairs" in told else "")
    return table
