"""Prompts that give evaluation items away: no answer to them may be trained on.

A prompt is contaminated when

- it asks what an item asks, as `normal_text` (all user turns, or one of them); or
- more than half of an item's words lie in runs of 8 words that the prompt has as well (Tulu 3, arXiv 2411.15124), and
  more than half of the item's numbers, and of the signs between them, are in the prompt, too.

The second half of the second rule is ours: procedural questions are one wording with other numbers, and "What is 12 + 34"
gives neither "What is 56 + 78" nor "What is 12 - 34" away. For the same reason, runs that more than 10 questions have,
tonight's prompts and the items together and each question once, are the wording of a family and count for nothing. And where
a prompt and an item are known to be made by the same family's generator (both are verified by its own scorer), only the
first rule holds: with few questions of a family, its wording and worked examples would give every other one away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from tasks.data.decontamination import EvaluationQuestions, Overlap
from tasks.data.mix_settings import DecontaminationSettings
from tasks.data.ngrams import words_of
from tasks.data.questions import question_keys
from tasks.runtime.rows import Row

RULE = DecontaminationSettings(ngram=8, covered=0.5, common=10)
GENERATED = "reasoning_gym"  # the verifier of questions that a family's generator made
_CHUNK = 2_000
_SIGN = re.compile(r"(?<=[0-9])\s*([-+*/×÷^])\s*(?=[0-9])")


def contaminated_prompts(prompts: Mapping[str, Row], evaluation_prompts: Iterable[Row]) -> set[str]:
    """The ids of the prompts that give an evaluation item away.

    Args:
        prompts: prompt id → prompt row; all turns are compared, the system's too.
        evaluation_prompts: items of every evaluation set (prompt or chat rows), streamed; the same item may come twice.

    Memory: about 16 bytes a word of the items' questions, and 300 bytes an item.
    """
    figures: dict[str, list[Counter[str]]] = {}
    makers: dict[str, str] = {}

    def noted() -> Iterator[Row]:
        for place, item in enumerate(_each_question_once(evaluation_prompts)):
            figures[str(place)], makers[str(place)] = _figures(item, "user"), _maker(item)
            yield {"id": str(place), "messages": item["messages"]}

    def tells(prompt: Row, overlap: Overlap) -> bool:
        of_one_family = _maker(prompt) and _maker(prompt) == makers[overlap.item]
        return overlap.same or (not of_one_family and _shares(figures[overlap.item], _figures(prompt)))

    questions = EvaluationQuestions(noted(), RULE, beside=_each_question_once(prompts.values()))
    found: set[str] = set()
    stream = iter(prompts.items())
    while questions.ids and (chunk := list(islice(stream, _CHUNK))):
        overlaps = questions.overlaps([prompt for _, prompt in chunk])
        for (prompt_id, prompt), items in zip(chunk, overlaps, strict=True):
            if any(tells(prompt, overlap) for overlap in items):
                found.add(prompt_id)
    return found


def _maker(row: Row) -> str:
    """The family whose generator made a question; empty where that is not known."""
    return str(row.get("family") or "") if row.get("verifier") == GENERATED else ""


def _shares(asked: list[Counter[str]], said: list[Counter[str]]) -> bool:
    """Whether more than half of an item's numbers, and of its signs, are in the prompt; true of what it has none of."""
    return all(not kind or (kind & there).total() > kind.total() / 2 for kind, there in zip(asked, said, strict=True))


def _figures(row: Row, role: str = "") -> list[Counter[str]]:
    """The numbers of a row's turns, and the signs that stand between two of them."""
    texts = [message["content"] for message in row["messages"] if role in ("", message["role"])]
    numbers = Counter(word for text in texts for word in words_of(text) if word[0].isdecimal())
    return [numbers, Counter(sign for text in texts for sign in _SIGN.findall(text.replace("\u2212", "-")))]


def _each_question_once(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows without those that ask, from the first user turn to the last, what an earlier one asks."""
    asked: set[str] = set()
    for row in rows:
        key = (question_keys(row["messages"]) or [""])[-1]
        if key not in asked:
            asked.add(key)
            yield row
