"""Whether the words right beside an answer say that it is not the answer, or only about it.

"The answer is not 18", "18 is wrong", "about 18" and "18?" name a number, and give none: what a verifier accepted there
would be trained on. Read by `number`, `math` and `choice`; a negation further off is not seen.
"""

from __future__ import annotations

import re

NEAR = 40  # characters before an answer that are looked at

_NOT = r"(?:\b(?:not|never|cannot|neither|nor)|n['’]t)\b"
_BETWEEN = r"(?:\s+(?:an?|the|be|equals?|to|exactly|quite|necessarily|simply|just|think|believe|that|it|it['’]s|is))*"
_BOUND = r"\b(?:less|more|fewer|greater|smaller|larger|higher|lower|other|better|rather) than|\bat (?:least|most)|\binstead of"
_BEFORE = re.compile(
    rf"(?:{_NOT}{_BETWEEN}|{_BOUND}|\b(?:anything|all|everything) (?:but|except)|\bnone of|≠|!=|\\neq?)[\s$*`\"\\(\[{{]*$",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"(?:\b(?:twice|double|triple|(?:half|third|root) of"
    r"|about|approximately|approx\.?|roughly|around|nearly|almost|close to|over|under|above|below|up to)"
    r"|≈|~|\\(?:approx|sim))[\s$*\\({]*$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"[\s$*)}%\]]*(?:\b(?:or|and) (?:more|less|fewer|so|higher|greater|lower|above|below|up|over|under)\b"
    r"|\b(?:is|was|are|were|can|could)(?:n['’]t\b|not\b| not\b)"
    r"|\b(?:is|was|are|were) (?:(?:clearly|definitely|obviously|also|the|an?) )*(?:wrong|incorrect|false|too)\b"
    r"|\bgive or take\b|-? ?ish\b|\?|\+(?![\s\w($\\]*[\w($\\]))",
    re.IGNORECASE,
)


def denied(text: str, start: int, end: int) -> bool:
    """Whether the words beside ``text[start:end]`` say that it is not the answer, or a bound of it."""
    return bool(_BEFORE.search(text[max(0, start - NEAR) : start]) or _AFTER.match(text, end))


def vague(text: str, start: int) -> bool:
    """Whether the words before `start` say that the answer is only near what stands there, a bound or a multiple of it."""
    return bool(_VAGUE.search(text[max(0, start - NEAR) : start]))
