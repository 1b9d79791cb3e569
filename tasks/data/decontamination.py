"""Rows that give evaluation items away: what a row says, compared with what the items ask.

The rule is GPT-3's (Brown et al. 2020, arXiv 2005.14165, appendix C): a shared run of 13 words, without case and
punctuation. Runs that many items have (the wording of a suite's instructions) are nobody's own question and do not
count; NeMo Curator and lm-evaluation-harness leave frequent runs out likewise. With ``ngram: 8`` and ``covered: 0.5`` it is
the rule of Tulu 3 (Lambert et al. 2024, arXiv 2411.15124): more than half of the question's words lie in shared runs.
A question of fewer words counts as a whole: some turn of the row says exactly this (`normal_text`), or the row's
conversation asks what the item's does (`question_keys`); that holds for long ones too. What is left thus passes
`assert_disjoint`, as far as questions go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tasks.data.mix_settings import DecontaminationSettings
from tasks.data.ngrams import ngrams, spoken, words_of
from tasks.data.questions import question_keys
from tasks.runtime.rows import Row

_CHUNK = 2_000
_NOTHING = (np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Overlap:
    """A row and an evaluation item that share something.

    Attributes:
        item: the item's id.
        covered: the share of its question's words that lie in shared runs; 1.0 for the same question.
        same: whether it is the same question, and not only in the same words.
    """

    item: str
    covered: float
    same: bool


class EvaluationQuestions:
    """Evaluation items, ready to be compared with rows.

    Memory: 16 bytes a run of words (about one a word of their questions), and about 200 bytes an item.
    """

    def __init__(self, items: Iterable[Row], settings: DecontaminationSettings, beside: Iterable[Row] = ()) -> None:
        """Read the items (prompt or chat rows), streamed; what their user turns say is what must stay unknown.

        Args:
            beside: rows whose questions count, too, when it is decided which runs are common: with few items, the rows
                to be compared show what is their wording alone.
        """
        self.settings = settings
        self.ids: list[str] = []
        self._asked: dict[str, int] = {}  # key of a question → its first item
        self._words: list[int] = []  # words of each item's turns that are long enough
        parts, stream = [_NOTHING], iter(items)
        while chunk := list(islice(stream, _CHUNK)):
            parts.append(self._add(chunk))
        runs, owners, places = (np.concatenate(column) for column in zip(*parts, strict=True))
        distinct, nth = np.unique(runs, return_inverse=True)
        pairs = np.unique(np.stack([nth, owners], axis=1), axis=0)
        askers = np.bincount(pairs[:, 0], minlength=len(distinct)) + _askers(beside, distinct, settings.ngram)
        own = (askers <= settings.common)[nth]
        order = np.flatnonzero(own)[np.argsort(runs[own], kind="stable")]
        self._runs, self._owners, self._places = runs[order], owners[order], places[order]
        self.common_runs = int(len(distinct) - len(np.unique(self._runs)))

    def _add(self, items: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n = self.settings.ngram
        texts, owners, offsets = [], [], []
        for row in items:
            item = len(self.ids)
            self.ids.append(row["id"])
            for key in question_keys(row["messages"]):
                self._asked.setdefault(key, item)
            counted = 0
            for message in row["messages"]:
                if message["role"] == "user" and len(words := words_of(message["content"])) >= n:
                    texts.append(words)
                    owners.append(item)
                    offsets.append(counted)
                    counted += len(words)
            self._words.append(counted)
        runs, counts = ngrams(texts, n)
        starts = np.repeat(np.array(offsets, np.int64) - (np.cumsum(counts) - counts), counts)
        return runs, np.repeat(np.array(owners, np.int64), counts), starts + np.arange(len(runs))

    def overlaps(self, rows: Sequence[Row]) -> list[list[Overlap]]:
        """For each row the items it gives away, the most covered first; empty for a row that may be trained on.

        All turns of a row are compared, whoever speaks. Rows are best given by the thousand.
        """
        covered, same = self._shared_runs(rows), set[tuple[int, int]]()
        for index, row in enumerate(rows):
            for key in _spoken_keys(row):
                if key in self._asked:
                    same.add((index, self._asked[key]))
                    covered.setdefault(index, {})[self._asked[key]] = 1.0
        found: list[list[Overlap]] = [[] for _ in rows]
        for index, items in covered.items():
            ordered = sorted(items.items(), key=lambda pair: (-pair[1], pair[0]))
            found[index] = [Overlap(self.ids[item], share, (index, item) in same) for item, share in ordered]
        return found

    def _shared_runs(self, rows: Sequence[Row]) -> dict[int, dict[int, float]]:
        """Row → item → the share of the item's words in shared runs, where it is more than the settings allow."""
        texts = [(index, words_of(spoken(message))) for index, row in enumerate(rows) for message in row["messages"]]
        runs, counts = ngrams([words for _, words in texts], self.settings.ngram)
        if not len(runs) or not len(self._runs):
            return {}
        known = self._runs[np.minimum(np.searchsorted(self._runs, runs), len(self._runs) - 1)] == runs
        of_row = np.repeat(np.array([index for index, _ in texts]), counts)[known]
        shared: dict[int, dict[int, float]] = {}
        for index in np.unique(of_row).tolist():
            if items := self._covered(np.unique(runs[known][of_row == index])):
                shared[index] = items
        return shared

    def _covered(self, runs: np.ndarray) -> dict[int, float]:
        first, last = (np.searchsorted(self._runs, runs, side) for side in ("left", "right"))
        entries = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
        words = self._places[entries, None] + np.arange(self.settings.ngram)
        pairs = np.unique(np.stack([np.repeat(self._owners[entries], self.settings.ngram), words.ravel()], axis=1), axis=0)
        items, counts = np.unique(pairs[:, 0], return_counts=True)
        shares = {item: count / self._words[item] for item, count in zip(items.tolist(), counts.tolist(), strict=True)}
        return {item: share for item, share in shares.items() if share > self.settings.covered}


def _askers(rows: Iterable[Row], runs: np.ndarray, n: int) -> np.ndarray:
    """For each of some distinct, sorted runs, how many of the rows ask with it."""
    counts, stream = np.zeros(len(runs), np.int64), iter(rows)
    while len(runs) and (chunk := list(islice(stream, _CHUNK))):
        texts = [
            (index, words_of(message["content"]))
            for index, row in enumerate(chunk)
            for message in row["messages"]
            if message["role"] == "user"
        ]
        found, lengths = ngrams([words for _, words in texts], n)
        places = np.minimum(np.searchsorted(runs, found), len(runs) - 1)
        known = runs[places] == found
        of_row = np.repeat(np.array([index for index, _ in texts], np.int64), lengths)
        pairs = np.unique(np.stack([places[known], of_row[known]], axis=1), axis=0)
        counts += np.bincount(pairs[:, 0], minlength=len(runs))
    return counts


def _spoken_keys(row: Row) -> set[str]:
    """Keys of what the conversation asks, and of each turn by itself."""
    keys = set(question_keys(row["messages"]))
    for message in row["messages"]:
        keys.update(question_keys([{"role": "user", "content": message["content"]}]))
    return keys
