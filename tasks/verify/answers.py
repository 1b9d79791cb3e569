"""Where in a response the answer stands: the marks that models and data sets use.

Marks from strongest to weakest: ``<answer>…</answer>``, ``\\boxed{…}``, ``#### …`` (to the end of the line), "answer is
…", "answer: …", "answer = …" (to the end of the sentence). Only the strongest kind that occurs counts, all of its
occurrences, so that a text which boxes two different answers is seen to offer two. Text up to the last ``</think>``
never counts.
"""

from __future__ import annotations

import re

_TAG, _TAG_END = re.compile("<answer>", re.IGNORECASE), re.compile("</answer>", re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_PHRASE = re.compile(r"\banswer\b[^.\n]{0,120}?(?:\bis\b|:|=)\s*", re.IGNORECASE)
# Where the sentence that states the answer ends: its point, its line, or where the reasons begin.
_SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)|;|\b(?:because|since)\b", re.IGNORECASE)
_LONGEST_SENTENCE = 1_000
_BOXED = ("\\boxed{", "\\fbox{")


def after_thinking(text: str) -> str:
    """The text after the last ``</think>``, or all of it."""
    return text.rpartition("</think>")[2]


def tagged_answers(text: str) -> list[str]:
    """The stripped contents of the ``<answer>`` tags, in order."""
    found, place = [], 0
    # One regular expression for both ends would search to the end of the text again for each tag that is left open.
    while (start := _TAG.search(text, place)) and (end := _TAG_END.search(text, start.end())):
        found.append(text[start.end() : end.start()].strip())
        place = end.end()
    return found


def marked_answers(text: str) -> list[str] | None:
    """The contents of every mark of the strongest kind in `text`, in order; None when nothing is marked."""
    for found in (tagged_answers(text), _boxed(text), _HASHES.findall(text)):
        if found:
            return found
    phrases = [_phrase(text, match.end()) for match in _PHRASE.finditer(text)]
    return [phrase for phrase in phrases if re.search("[0-9]", phrase)] or None


def _phrase(text: str, start: int) -> str:
    sentence = text[start : start + _LONGEST_SENTENCE]
    end = _SENTENCE_END.search(sentence)
    return sentence[: end.start()] if end else sentence


def _boxed(text: str) -> list[str]:
    found = []
    for opening in _BOXED:
        start = text.find(opening)
        while start >= 0:
            start += len(opening)
            if (end := _closing(text, start)) is None:
                break
            found.append(text[start:end])
            start = text.find(opening, end)
    return found


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened before `start` closes."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return None
