"""A mix: rows of several sources in their shares, without duplicates and leaked evaluation items, in a seeded order.

It goes over the rows three times and never holds their text: for keys and evaluation items, for near duplicates, and to
write. In memory it keeps about 100 bytes a row, and for near duplicates 700 more: a million rows of 200 words took 1.1 GB in
all. On disk, for as long as it runs, it keeps the rows once as JSON, and 8 bytes a word for near duplicates.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import chain, compress, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tasks.data.decontamination import EvaluationQuestions
from tasks.data.duplicates import first_of_equals, near_duplicates
from tasks.data.ledger import DUPLICATE, LEFT_OUT, NEAR_DUPLICATE, OVER_CAP, OVER_SHARE, OVERLAPS, Ledger, write_overlaps
from tasks.data.mix_settings import MixSettings
from tasks.data.shares import quotas
from tasks.data.shuffle import ShuffledRows
from tasks.data.splits import assert_apart, hold_out
from tasks.runtime.errors import ConfigurationError, ContractError, DataError
from tasks.runtime.progress import tracked
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.validate.settings import ValidationSettings

_CHUNK = 1_000
_BUCKET_BYTES, _MOST_BUCKETS = 64 << 20, 200
Summary = dict[str, Any]


def mix_folders(
    parts: list[Path], kind: str, settings: MixSettings, evaluation: list[Path], out: Path, held_out: Path | None = None
) -> Summary:
    """Mix chat or prompt rows into `out`.

    In this order, rows are left out that give an evaluation item away, say what an earlier row says, nearly say so, or
    are more than their source's cap or share. Of what remains whole groups go to `held_out`. Beside the rows, `out` gets
    ``left_out.jsonl``, a line for each row left out, with its reason and what it collides with, and ``overlaps.jsonl``, a
    line for each pair of a row and an evaluation item.

    The same rows and settings give the same mix, whatever their shards.

    Args:
        parts: a folder of rows for each of ``settings.sources``, in order; their rows' ids are unique within a folder.
        kind: ``chat`` or ``prompts``.
        evaluation: folders of prompt or chat rows that nobody may train on.
        held_out: receives the held-out rows; needed if, and only if, the settings hold out some.

    Returns:
        ``read``, ``rows``, ``held_out``, ``left_out`` {reason: rows}, ``sources`` (the same for each), ``evaluation``
        {``items``, ``pairs``, ``common``: runs of words too common to count}, ``crowded`` (see `near_duplicates`).

    Raises:
        DataError: ids that two different rows share, or no row left. ConfigurationError: `held_out` missing or not
        wanted. ContractError: parts and sources that do not match; or a bug, when the sums do not add up.
    """
    if len(parts) != len(settings.sources):
        raise ContractError(f"the mix has {len(settings.sources)} sources but {len(parts)} parts; give one folder for each")
    check_places(settings, held_out)
    with tempfile.TemporaryDirectory(dir=out, prefix=".mixing-") as scratch:
        mix = _Mix(parts, kind, settings, Path(scratch))
        compared = mix.look(evaluation, out)
        mix.drop_equal()
        crowded = mix.drop_near()
        mix.drop_surplus()
        written, held = mix.write(out, held_out)
    summary = mix.summary(written, held) | {"evaluation": compared, "crowded": crowded}
    if not written:
        raise DataError(f"no row is left of {summary['read']}: {summary['left_out']}, {held} held out; loosen the mix")
    if held_out is not None:
        assert_apart(read_rows(out), read_rows(held_out))
    return summary


def check_places(settings: MixSettings, held_out: Path | None) -> None:
    """Raise `ConfigurationError` unless there is a place for held-out rows if, and only if, the settings hold out some."""
    if settings.held_out.wanted and held_out is None:
        raise ConfigurationError("the mix holds rows out, and they have no place to go; say where (--held-out FILE)")
    if held_out is not None and not settings.held_out.wanted:
        raise ConfigurationError(f"nothing is held out for {held_out}; set held_out.share or held_out.rows")


def keeping_copies(validation: ValidationSettings) -> ValidationSettings:
    """The settings to validate a mix's sources by: equal rows are no rejects there, for the mix itself deals with them."""
    code = "duplicate_row"
    given = {"severity": {code: "warn", **validation.severity}, "allowed": {code: 1.0, **validation.allowed}}
    return validation.model_copy(update=given)


class _Mix:
    def __init__(self, parts: list[Path], kind: str, settings: MixSettings, scratch: Path) -> None:
        self.parts, self.kind, self.settings, self.scratch = parts, kind, settings, scratch
        shards = [[pq.read_metadata(path) for path in sorted(part.glob("rows-*.parquet"))] for part in parts]
        self.ledger = Ledger([sum(shard.num_rows for shard in part) for part in shards], settings.seed)
        size = sum(shard.row_group(group).total_byte_size for shard in chain(*shards) for group in range(shard.num_row_groups))
        self.buckets = min(1 + size // _BUCKET_BYTES, _MOST_BUCKETS)

    def rows(self) -> Iterator[Row]:
        """All rows, source after source; those of a named source are called after it."""
        for part, source in zip(self.parts, self.settings.sources, strict=True):
            for row in read_rows(part):
                if source.name:
                    row["id"] = f"{source.name}/{row['id']}"
                    if self.kind == "chat":
                        row["source"] = source.name
                yield row

    def look(self, evaluation: list[Path], out: Path) -> dict[str, int]:
        """Note the keys of each row, and leave out those that give evaluation items away."""
        items = chain.from_iterable(read_rows(folder, ["id", "messages"]) for folder in evaluation)
        questions = EvaluationQuestions(items, self.settings.decontamination)
        (out / OVERLAPS).touch()
        stream, first, pairs = tracked(self.rows(), len(self.ledger), "rows compared"), 0, 0
        while chunk := list(islice(stream, _CHUNK)):
            overlaps = questions.overlaps(chunk) if questions.ids else [[] for _ in chunk]
            self.ledger.note(first, chunk, overlaps)
            pairs += write_overlaps(out, chunk, overlaps)
            first += len(chunk)
        return {"items": len(questions.ids), "pairs": pairs, "common": questions.common_runs}

    def drop_equal(self) -> None:
        ledger = self.ledger
        places = np.flatnonzero(ledger.kept)
        first = first_of_equals(ledger.conversation[places])
        again = first != np.arange(len(first))
        ledger.drop(places[again], DUPLICATE, places[first[again]], 1.0)
        ledger.refuse_shared_ids()

    def drop_near(self) -> int:
        """Leave out near duplicates; returns how many rows were compared with a part of their likes only."""
        if self.settings.duplicates.near == "off":
            return 0
        places = np.flatnonzero(self.ledger.kept)
        kept = tracked(compress(self.rows(), self.ledger.kept.tolist()), len(places), "rows compared with each other")
        near = near_duplicates(kept, len(places), self.settings.duplicates, self.scratch)
        again = near.of != np.arange(len(places))
        self.ledger.drop(places[again], NEAR_DUPLICATE, places[near.of[again]], near.similarity[again])
        return near.crowded

    def drop_surplus(self) -> None:
        """Of each source keep its quota: the first rows in the seed's order."""
        ledger, sources = self.ledger, self.settings.sources
        spans = [slice(a, b) for a, b in zip(ledger.starts[:-1], ledger.starts[1:], strict=True)]
        own = [span.start + np.flatnonzero(ledger.kept[span]) for span in spans]
        taken = quotas([len(places) for places in own], sources, self.settings.rows)
        for places, source, quota in zip(own, sources, taken, strict=True):
            ordered = places[np.argsort(ledger.order[places], kind="stable")]
            cap = source.cap or len(ordered)
            ledger.drop(ordered[quota:cap], OVER_SHARE)
            ledger.drop(ordered[cap:], OVER_CAP)

    def write(self, out: Path, held_out: Path | None) -> tuple[int, int]:
        """Write the mix and the account of the rest; returns the rows of both sides."""
        ledger = self.ledger
        places = np.flatnonzero(ledger.kept)
        held = np.zeros(len(ledger), bool)
        if held_out is not None:
            held[places] = hold_out(ledger.prompt[places], ledger.group[places], self.settings.held_out, ledger.seed)
        left = 0
        with (
            ShuffledRows(self.scratch / "train", self.buckets) as train,
            ShuffledRows(self.scratch / "held_out", self.buckets if held_out else 1) as aside,
            (out / LEFT_OUT).open("w", encoding="ascii") as account,
        ):
            kept, order = ledger.kept, ledger.order
            for index, row in enumerate(tracked(self.rows(), len(ledger), "rows mixed")):
                if kept[index]:
                    (aside if held[index] else train).add(int(order[index]), row)
                else:
                    account.write(ledger.line(index, row) + "\n")
                    left += 1
            written = write_rows(out, self.kind, train.rows())
            kept_aside = write_rows(held_out, self.kind, aside.rows()) if held_out else 0
        if written + kept_aside + left != len(ledger):
            raise ContractError(
                f"{len(ledger)} rows were read, but {written} mixed, {kept_aside} held out and {left} left out: "
                "this is a bug in tasks/data/mixing.py"
            )
        return written, kept_aside

    def summary(self, written: int, held: int) -> Summary:
        sources = []
        for index, source in enumerate(self.settings.sources):
            counts = self.ledger.counts(index)
            sources.append({"name": source.name or f"source {index + 1}", "kept": counts.pop("kept"), "left_out": counts})
        left_out = self.ledger.counts()
        del left_out["kept"]
        return {"read": len(self.ledger), "rows": written, "held_out": held, "left_out": left_out, "sources": sources}
