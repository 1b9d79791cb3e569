"""Accepted answers that nearly repeat an answer to another prompt, or one of a past night that is trained on again.

Compared is what the model said, without the prompt: that is what is trained, and a long text that fits two questions is
trained twice. Similarity is that of `tasks.data.duplicates`: Jaccard over runs of words, proposed by MinHash, then
measured. Answers to one prompt are not compared with each other; how many of those stay is the rule's business.

Short answers are never near duplicates: "84" answers many sums, and an all-dead board many games of life. An answer must
have `least_words` different words before it is compared, where a word has two letters or more, or is one character of a
script without spaces. Numbers and signs are no words here, though they count when texts are compared.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tasks.data.duplicates import near_duplicates
from tasks.data.mix_settings import DuplicateSettings
from tasks.data.ngrams import spoken, words_of
from tasks.runtime.rows import Row
from tasks.select.filters.settings import NearDuplicateSettings
from tasks.select.filters.texts import is_word

WITHIN, PAST = "near_duplicate", "near_duplicate_of_past"
_PAST_NIGHTS = 0


def comparable_text(row: Row) -> str:
    """What of a row is compared: a sample's text, or what a chat row's trained turns say, thoughts included."""
    if "text" in row:
        return str(row["text"])
    turns = (turn for turn in row["messages"] if turn["role"] == "assistant" and turn.get("train") is not False)
    return "\n".join(spoken(turn) for turn in turns)


def near_duplicate_reasons(
    candidates: Mapping[str, Sequence[Row]], past_texts: Iterable[str], settings: NearDuplicateSettings
) -> dict[str, str]:
    """Sample id → why the answer is dropped: ``near_duplicate_of_past``, ``near_duplicate`` (of an answer to an earlier
    prompt that is itself kept), or "". Every candidate once.

    Args:
        candidates: prompt id → its answers; need ``sample_id`` and ``text``. Earlier prompts' answers stay.
        past_texts: `comparable_text` of the past rows that tonight's training has as well, streamed.

    Memory: about 600 bytes a text that is long enough. Disk: the past texts and 8 bytes a word, for as long as it runs.
    """
    reasons = {row["sample_id"]: "" for answers in candidates.values() for row in answers}
    if not settings.enabled:
        return reasons
    owners, ours = [], []
    for group, answers in enumerate(candidates.values(), _PAST_NIGHTS + 1):
        for row in answers:
            if _long_enough(comparable_text(row), settings.least_words):
                owners.append((row["sample_id"], group))
                ours.append(comparable_text(row))
    if not ours:
        return reasons
    asked = DuplicateSettings(near="conversation", threshold=settings.threshold, ngram=settings.ngram)
    with tempfile.TemporaryDirectory(prefix="winnow-near-") as scratch:
        past = _PastTexts(Path(scratch) / "past", past_texts, settings.least_words)
        groups = np.array([_PAST_NIGHTS] * past.count + [group for _, group in owners])
        rows = (_as_row(text) for texts in (past, ours) for text in texts)
        near = near_duplicates(rows, len(groups), asked, Path(scratch), groups)
    for place, (sample_id, _) in enumerate(owners, past.count):
        if (other := near.of[place]) != place:
            reasons[sample_id] = PAST if other < past.count else WITHIN
    return reasons


class _PastTexts:
    """The past texts that are long enough: counted once, then read again from the disk."""

    def __init__(self, path: Path, texts: Iterable[str], least_words: int) -> None:
        self.path, self.count = path, 0
        with path.open("w", encoding="ascii") as file:
            for text in texts:
                if _long_enough(text, least_words):
                    file.write(json.dumps(text) + "\n")
                    self.count += 1

    def __iter__(self) -> Iterator[str]:
        with self.path.open(encoding="ascii") as file:
            yield from map(json.loads, file)


def _as_row(text: str) -> Row:
    return {"messages": [{"role": "assistant", "content": text}]}


def _long_enough(text: str, least_words: int) -> bool:
    return len(set(filter(is_word, words_of(text)))) >= least_words
