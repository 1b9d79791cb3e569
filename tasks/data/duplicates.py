"""Rows that say what another row says already: exactly, or nearly.

Near duplicates are found with MinHash (Broder 1997) and locality-sensitive hashing (Leskovec et al., Mining of Massive
Datasets, chapter 3) over runs of words; a pair that hashing proposes is then measured, so that no row is left out for a
similarity it does not have. The signatures are datasketch's. Its index is not used: at 7 KB a row it would not hold
a million rows; here bands are numbered by sorting instead.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.data.mix_settings import DuplicateSettings
from tasks.data.ngrams import folded, ngrams, spoken, words_of
from tasks.data.questions import normal_text
from tasks.runtime.rows import Row

PERMUTATIONS = 128
# A pair exactly at the threshold is proposed with at least this probability, more similar ones with a higher one.
RECALL = 0.99
# How much lower than the threshold a signature's estimate may be: four standard deviations at a similarity of one half.
_MARGIN = 4 * 0.5 / PERMUTATIONS**0.5
# Rows kept in one bucket that a row is compared with; only wording that thousands of rows share reaches it.
BUCKET = 200
_CHUNK = 1_000


def conversation_key(row: Row) -> bytes:
    """The digest (16 bytes) of who says what, as `normal_text`; `train` marks, ids and sources do not count.

    Tools, tool calls and reasoning count as they are written.
    """
    said: list[Any] = []
    for message in row["messages"]:
        more = {name: value for name, value in message.items() if value and name not in ("role", "content", "train")}
        said.append([message["role"], normal_text(message["content"]), *([more] if more else [])])
    if row.get("tools"):
        said.append(row["tools"])
    return hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16).digest()


def first_of_equals(keys: np.ndarray) -> np.ndarray:
    """For each key ([rows, 2] uint64) the place of the first one equal to it; its own place where it is the first."""
    if not len(keys):
        return np.empty(0, np.int64)
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable: of equals, the first stays first
    ordered = keys[order]
    new = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    first = np.empty(len(keys), np.int64)
    first[order] = order[np.flatnonzero(new)][np.cumsum(new) - 1]
    return first


class Near(NamedTuple):
    """What `near_duplicates` found, one entry a row.

    Attributes:
        of: [rows] int64: the place of the kept row that this one is nearly equal to; its own for a row that is kept.
        similarity: [rows] float: their Jaccard similarity; 1 for a kept row.
        crowded: rows that were compared with `BUCKET` rows of a bucket and not with all of them.
    """

    of: np.ndarray
    similarity: np.ndarray
    crowded: int


def near_duplicates(
    rows: Iterable[Row], count: int, settings: DuplicateSettings, scratch: Path, groups: np.ndarray | None = None
) -> Near:
    """Which of `count` rows are nearly equal to an earlier row that is itself kept; of several, the most similar.

    Rows of one group ([rows] int64) are not compared with each other; without `groups` all are.

    Memory: 512 bytes of signature a row and 4 a band (84 at a threshold of 0.8), whatever the row's length. Disk: 8 bytes
    a distinct run of words, in a file in `scratch`.
    """
    path = scratch / "runs"
    signatures, ends = np.empty((count, PERMUTATIONS), np.uint32), np.zeros(count + 1, np.int64)
    with path.open("wb") as file:
        for index, (signature, runs) in enumerate(_signed(rows, settings)):
            signatures[index], ends[index + 1] = signature, ends[index] + len(runs)
            file.write(runs.tobytes())
    buckets = _buckets(signatures, *bands(settings.threshold))
    with path.open("rb") as file:
        near = _Search(signatures, buckets, ends, file.fileno(), settings.threshold, groups).run()
    path.unlink()
    return near


def bands(threshold: float) -> tuple[int, int]:
    """How many bands of how many permutations: the longest ones (fewest comparisons) that reach `RECALL`.

    A pair of similarity s shares one of b bands of r with probability 1 − (1 − s^r)^b.
    """
    fitting = [r for r in range(1, PERMUTATIONS + 1) if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL]
    return PERMUTATIONS // max(fitting), max(fitting)


def runs_of(rows: Sequence[Row], settings: DuplicateSettings) -> Iterator[np.ndarray]:
    """The distinct runs of words of each row, as sorted numbers (uint64); at least one, also of a text of few words."""
    texts = []
    for row in rows:
        text = _compared(row, settings.near)
        words = words_of(text) or [normal_text(text)]
        texts.append(words + [""] * (settings.ngram - len(words)))
    runs, counts = ngrams(texts, settings.ngram)
    return (np.unique(part) for part in np.split(runs, np.cumsum(counts)[:-1]))


def _compared(row: Row, scope: str) -> str:
    """What is compared: all that is said, or what the user says."""
    if scope == "prompt":
        return "\n".join(message["content"] for message in row["messages"] if message["role"] == "user")
    return "\n".join(spoken(message) for message in row["messages"])


def _same(number: int) -> int:
    return number


def _signed(rows: Iterable[Row], settings: DuplicateSettings) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The signature ([128] uint32) and the runs of each row."""
    from datasketch import MinHash  # type: ignore[import-untyped]

    low, stream = np.uint64(0xFFFFFFFF), iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        runs = list(runs_of(chunk, settings))
        numbers = ((part & low).tolist() for part in runs)
        for part, sketch in zip(runs, MinHash.generator(numbers, num_perm=PERMUTATIONS, hashfunc=_same), strict=True):
            yield sketch.hashvalues, part


def _buckets(signatures: np.ndarray, count: int, length: int) -> np.ndarray:
    """[rows, bands] int32: equal numbers for rows that are equal in that band, −1 where a row is alone."""
    buckets, first = np.full((len(signatures), count), -1, np.int32), 0
    for band in range(count):
        keys = folded(signatures[:, band * length : (band + 1) * length].T.astype(np.uint64))
        _, nth, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        buckets[:, band] = np.where(sizes > 1, np.cumsum(sizes > 1) - 1 + first, -1)[nth]
        first += int((sizes > 1).sum())
    return buckets


class _Search:
    """One pass over rows that share a bucket with another, in order; kept rows are put into their buckets."""

    def __init__(
        self,
        signatures: np.ndarray,
        buckets: np.ndarray,
        ends: np.ndarray,
        runs: int,
        threshold: float,
        groups: np.ndarray | None,
    ) -> None:
        self.signatures, self.buckets, self.ends, self.runs, self.threshold = signatures, buckets, ends, runs, threshold
        self.groups = np.arange(len(buckets)) if groups is None else groups
        self.kept: dict[int, list[int]] = {}

    def run(self) -> Near:
        of, similarity, crowded = np.arange(len(self.buckets)), np.ones(len(self.buckets)), 0
        for index in np.flatnonzero((self.buckets >= 0).any(axis=1)).tolist():
            mine = [self.kept.setdefault(bucket, []) for bucket in self.buckets[index].tolist() if bucket >= 0]
            best, other = self._best(index, sorted(set().union(*mine)))
            if best >= self.threshold:
                of[index], similarity[index] = other, best
                continue
            crowded += any(len(bucket) >= BUCKET for bucket in mine)
            for bucket in mine:
                if len(bucket) < BUCKET:
                    bucket.append(index)
        return Near(of, similarity, crowded)

    def _best(self, index: int, others: list[int]) -> tuple[float, int]:
        """The highest similarity to one of `others`, and the first that has it."""
        if not others:
            return 0.0, index
        among = np.array(others)
        among = among[self.groups[among] != self.groups[index]]
        estimates = (self.signatures[among] == self.signatures[index]).mean(axis=1)
        likely = among[estimates >= self.threshold - _MARGIN].tolist()
        mine = self._runs_of(index)
        best, place = max(((jaccard(mine, self._runs_of(other)), -other) for other in likely), default=(0.0, 0))
        return best, -place

    def _runs_of(self, index: int) -> np.ndarray:
        start, end = (int(place) * 8 for place in self.ends[index : index + 2])
        return np.frombuffer(os.pread(self.runs, end - start, start), np.uint64)


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """|A ∩ B| / |A ∪ B| of two sets, given as arrays without repetitions; at least one of them is not empty."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
