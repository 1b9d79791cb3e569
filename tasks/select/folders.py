"""Selection over artifact folders, and its accounts: what was kept, what was dropped, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.select.outcomes import Selection
from tasks.select.settings import SelectionSettings

DROPPED = "dropped.jsonl"
_DROPPED = "dropped_"


class Fate(NamedTuple):
    """A line of the table of reasons: how many answers were kept, or dropped for one reason, and their share of all drawn."""

    reason: str
    rows: int
    share: float


def select_folders(
    samples: Sequence[Path],
    verdicts: Sequence[Path],
    prompts: Path,
    settings: SelectionSettings,
    out: Path,
    *,
    second: Path | None = None,
    past: Sequence[Path] = (),
    evaluation: Sequence[Path] = (),
    pass_rates: Path | None = None,
) -> dict[str, int]:
    """Select over artifact folders: chat shards and `DROPPED` (one JSON line a dropped sample) into `out`.

    Args:
        samples, verdicts, prompts: matched by id, in whatever order.
        second: a second verifier's verdicts on some of the samples.
        past: chat rows of past nights. evaluation: prompt rows of evaluation sets. pass_rates: the memory of pass rates.

    Returns:
        Counts: ``rows`` (kept), ``drawn``, ``accepted``, ``distinct`` (different accepted, whole answers),
        ``solved_prompts``, ``restored`` (answers that a filter dropped and the difficulty floor took back), and
        ``dropped_…`` for each reason; rows and dropped make up drawn. ``quarantined``: verdicts whose samples are not among
        these, because validation put them aside.
    """
    selection = Selection(
        _rows(verdicts),
        read_rows(prompts),
        settings,
        second=_rows([second] if second else []),
        past=_rows(past),
        evaluation=_rows(evaluation),
        pass_rates=_rows([pass_rates] if pass_rates else []),
    )
    with (out / DROPPED).open("w", encoding="ascii") as file:
        write_rows(out, "chat", kept_rows(selection, selection.outcomes(_rows(samples)), file))
    return checked_counts(selection.counts)


def _rows(folders: Iterable[Path]) -> Iterator[Row]:
    return chain.from_iterable(map(read_rows, folders))


def kept_rows(selection: Selection, outcomes: Iterable[tuple[Row, str]], dropped: IO[str] | None = None) -> Iterator[Row]:
    """The chat rows of what is kept; what is dropped goes to the open file `dropped`, with its reason."""
    for sample, reason in outcomes:
        if not reason:
            yield selection.chat_row(sample)
        elif dropped:
            line = {"sample_id": sample["sample_id"], "prompt_id": sample["prompt_id"], "reason": reason}
            dropped.write(json.dumps(line) + "\n")


def checked_counts(counts: Counter[str]) -> dict[str, int]:
    """The counts, once kept and dropped are known to make up what was drawn."""
    assert sum(fate.rows for fate in fates(counts)) == counts["drawn"], f"answers are unaccounted for: {dict(counts)}"
    return dict(counts)


def fates(counts: Mapping[str, int]) -> list[Fate]:
    """A selection's counts as a table: ``kept`` first, then the reasons with answers, the commonest first."""
    drawn = counts["drawn"]
    dropped = {name.removeprefix(_DROPPED): rows for name, rows in counts.items() if name.startswith(_DROPPED) and rows}
    ordered = [("kept", counts["rows"]), *sorted(dropped.items(), key=lambda pair: (-pair[1], pair[0]))]
    return [Fate(reason, rows, rows / drawn if drawn else 0.0) for reason, rows in ordered]
