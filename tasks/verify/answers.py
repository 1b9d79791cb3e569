"""Where in a response the answer stands: the marks that models and data sets use.

Marks from strongest to weakest: ``<answer>…</answer>``, ``\\boxed{…}``, ``#### …`` (to the end of the line), "answer is
…", "answer: …", "answer = …" (to the end of the sentence). Only the strongest kind that occurs counts, all of its
occurrences, so that a text which boxes two different answers is seen to offer two. "To find the answer: …" marks none, and
a box with "not" before it holds that as well. Text up to the last ``</think>`` never counts, nor what follows a ``<think>``
that is left open; ``<thinking>``, ``<thought>``, ``<reasoning>`` and ``[THINK]`` are the same.
"""

from __future__ import annotations

import re

_TAG, _TAG_END = re.compile("<answer>", re.IGNORECASE), re.compile("</answer>", re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_PHRASE = re.compile(r"\banswer\b[^.\n]{0,120}?(?:\bis\b|:|=)\s*", re.IGNORECASE)
# "To find the answer, we compute: 16 - 7 = 9" begins to work it out.
_WORKED_OUT = re.compile(
    r"\b(?:wrong|incorrect|least likely|find|get|calculate|compute|determine|obtain|reach|verify|check|need|give|to)(?:ing)?"
    r"(?: (?:the|an|our|your|this|for|correct|right|final))*[ *]*$",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(r"(?:the|my|our|so|final|correct|right|[\W_])*", re.IGNORECASE)  # "Final answer: The final answer is …"
_WORKING = re.compile(r"\banswer (?:the|this|each)\b|\b(?:as follows|found|calculated|computed|step)\b", re.IGNORECASE)
_NOT = re.compile(r"(?:\b(?:not|never|cannot be)|n['’]t(?: be)?)[\s$*(\\\[:]*$", re.IGNORECASE)
_THINKING = "(?:think|thinking|thought|thoughts|reasoning)"
_THOUGHT = re.compile(rf"</{_THINKING}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>", re.IGNORECASE)
_THINKS = re.compile(rf"<{_THINKING}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>", re.IGNORECASE)
_NEAR = 40  # characters before a mark that may take it back
# Where the sentence that states the answer ends: its point, its line, or where the reasons begin.
_SENTENCE_END = re.compile(r"\n|[.!](?=\s|$)|(?<=\?)(?=\s|$)|;|\b(?:because|since)\b", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_LONGEST_SENTENCE = 1_000
_BRACE = re.compile("[{}]")
_BOXED = ("\\boxed{", "\\fbox{")


def after_thinking(text: str) -> str:
    """The text after the last ``</think>`` and before a ``<think>`` that is left open, or all of it."""
    if "<" not in text and "[" not in text and "◁" not in text:
        return text
    start = max((end.end() for end in _THOUGHT.finditer(text)), default=0)
    opening = _THINKS.search(text, start)
    return text[start : opening.start() if opening else None]


def tagged_answers(text: str) -> list[str]:
    """The stripped contents of the ``<answer>`` tags, in order."""
    found, place = [], 0
    # One regular expression for both ends would search to the end of the text again for each tag that is left open.
    while (start := _TAG.search(text, place)) and (end := _TAG_END.search(text, start.end())):
        found.append(text[start.end() : end.start()].strip())
        place = end.end()
    return found


def marked_answers(text: str, telling: re.Pattern[str] = _DIGIT) -> list[str] | None:
    """The contents of every mark of the strongest kind in `text`, in order; None when nothing is marked.

    A box that is never closed counts, as an empty one: what it would have held was cut off. "The answer is …" counts
    when the rest of its sentence holds what `telling` finds: a digit, unless answers are of another kind.
    """
    # Most texts hold one kind of mark or none, and to look for a word is quicker than to look for a pattern.
    if "<" in text and (found := tagged_answers(text)):
        return found
    if ("box{" in text or "boxed{" in text) and (found := _boxed(text)):
        return found
    if "####" in text:
        return _HASHES.findall(text)
    if "nswer" not in text and "NSWER" not in text:
        return None
    matches = [match for match in _PHRASE.finditer(text) if not _worked_out(text, match)]
    ends = (*(match.start() for match in matches[1:]), len(text))
    phrases = [_phrase(text, match.end(), end) for match, end in zip(matches, ends, strict=False)]
    return [phrase for phrase in phrases if telling.search(phrase) and not _LEAD_IN.fullmatch(phrase)] or None


def _worked_out(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - _NEAR) : match.start()]
    return bool(_WORKED_OUT.search(before) or _WORKING.search(match.group()))


def _phrase(text: str, start: int, end: int) -> str:
    """The rest of the sentence from `start` on, at most until `end`, where the next one begins to tell its answer."""
    end = min(end, start + _LONGEST_SENTENCE)
    stop = _SENTENCE_END.search(text, start, end)
    return text[start : stop.start() if stop else end]


def _boxed(text: str) -> list[str]:
    found = []
    for opening in _BOXED:
        start = text.find(opening)
        while start >= 0:
            start += len(opening)
            if (end := _closing(text, start)) is None:
                found.append("")
                break
            denial = _NOT.search(text[max(0, start - len(opening) - _NEAR) : start - len(opening)])
            found.append(f"not {text[start:end]}" if denial else text[start:end])
            start = text.find(opening, end)
    return found


def _closing(text: str, start: int) -> int | None:
    """Where the brace that was opened before `start` closes."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.start()
    return None
