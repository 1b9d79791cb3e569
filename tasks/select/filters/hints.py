"""Answers that lean on what they were told: STaR's rationalisations (Zelikman et al. 2022, arXiv 2203.14465).

A model that is given the answer, or a hint at it, reasons backwards from it; trained without the hint, it learns to know
what it cannot know. An answer leaks when it

- cites its source: "the hint says", "according to the answer key", "matches the reference answer" …, unless the user's
  own words name that source, too, and the prompt declares no hint; or
- copies the prompt's ``metadata.hint``: more than half of a hint of 8 words or more lies in runs of 8 words that the
  answer has, too; or
- copies a worked solution that the prompt shows: the same of a reference of 16 words or more, when the verifier reads
  only a final answer and the prompt's turns hold that reference likewise. Where the verifier wants the text itself
  ("repeat this"), a copy is the answer.
"""

from __future__ import annotations

import re

from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import READ_FINAL_ANSWER, Asked, Said, copied_share

_SHARE, _LEAST_SOLUTION = 0.5, 16
_TELLS = r"(?:says?|said|tells?|told|suggests?|states?|stated|gives?|shows?|indicates?|mentions?|points?|confirms?|lists?)"
_KEY = r"(?:answer key|(?:reference|model|official|ground[- ]truth|expected|provided) (?:answer|solution))"
_SOURCE = rf"(?:hints?|{_KEY}|solution (?:manual|key|sheet))"
_CITES = re.compile(
    rf"\bthe (?:given |provided )?(?P<a>{_SOURCE})(?: \w+)? {_TELLS}\b"
    rf"|\b(?:according to|based on|following|using|given|per|from|as (?:given|stated|shown|mentioned|said|suggested) (?:in|by)"
    rf"|(?:match(?:es|ing)?|agrees?|consistent|in line|equals?|fits?)(?: with)?) the (?:given |provided )?(?P<b>{_SOURCE})\b"
    r"|\baccording to the (?P<c>reference|solution)(?=\s*[,.:;)]|\s+(?:i|we|it|this|the (?:answer|result))\b)"
    rf"|\bthe (?P<d>{_KEY}) (?:is|was|must be|should be)\b"
    r"|\b(?:i was|i am|i'm|we are|we were) (?:given|told) (?:that )?(?:the )?(?P<e>(?:correct |final |right )?answer)\b"
    r"(?! (?:format|choices?|options?|sheet|box|must|should|has to|is to|may|can)\b)"  # what the user asked for
    r"|\b(?:given|knowing) (?:that )?the (?P<f>(?:correct|right|known) answer) (?:is|was)\b"
    r"|\bas (?P<g>hint)ed\b|\b(?P<h>hint)ed (?:at|that)\b"
)


def leaks_hint(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the answer rests on a hint or a reference, or copies one; see the module."""
    if _cites(said.text, asked):
        return True
    if asked.hint and copied_share(asked.hint, said.words) > _SHARE:
        return True
    return (
        asked.verifier in READ_FINAL_ANSWER
        and len(asked.reference.split()) >= _LEAST_SOLUTION
        and copied_share(asked.reference, said.words) > _SHARE
        and copied_share(asked.reference, Said(asked.everything).words) > _SHARE
    )


def _cites(text: str, asked: Asked) -> bool:
    lowered = text.lower()
    if not any(word in lowered for word in ("hint", "answer", "reference", "solution")):
        return False
    question = asked.user.lower()
    for match in _CITES.finditer(lowered):
        source = next(name for name in match.groups() if name)
        if asked.hint or source.removesuffix("s") not in question:
            return True
    return False
