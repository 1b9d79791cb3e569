"""The `choice` verifier: one of several choices, by its letter or by its text.

The reference is a bare letter (``B``, ``(B)``), or JSON ``{"answer": "B", "choices": {"A": "a cat", "B": "a dog"}}``; the
choices may be a list too (then they are A, B, C …), and the answer may be a choice's text.

Convention: the answer stands in the strongest mark (tasks/verify/answers.py), else in the last line. It is a letter alone,
in any case and brackets (``b``, ``(B)``, ``**B.**``); a letter with its sign and the choice's text (``B) a dog``); or the
text alone, case, punctuation and a first article aside. In a line that says more, a letter counts where it stands in
brackets, has ``)``, ``.`` or ``:`` after it, ends the line, comes after "option" or before "is correct", or is one of a list:
the "A" of "A dog" is no answer. Where the last line names no choice, the first does, if it is nothing but a choice. A choice
that is denied ("not B", "B is wrong", "I rule out B", "better than B", "B?") is none. Two different choices are none.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from tasks.verify.answers import after_thinking, marked_answers
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = re.compile(r"\w")
_ALONE = re.compile(r"(?:option|choice|answer)?[\s:]*[\W_]*([A-Za-z0-9])[^\w?]*_*", re.IGNORECASE)
_LABELLED = re.compile(r"(?:option|choice)?\s*[\W_]*([A-Za-z0-9])[\W_]*[).:][\W_]*(\S.*)", re.IGNORECASE | re.DOTALL)
_LISTING = r"[\W_]*(?:(?:or|and|to|vs|versus|nor|not|but|maybe|perhaps|possibly)\b[\W_]*)*(?<![\w'’])"
_IN_LINE = re.compile(
    r"\(([A-Z])\)|\b([A-Z])[).:](?=\s|$)|\b([A-Z])(?=[\s.*!)$}\]?]*$)"
    rf"|\b([A-Z])(?={_LISTING}[A-Z]\b(?!['’]))"
    r"|\b(?:[Oo]ption|[Cc]hoice)(?: is)?[ *(]*([A-Z])\b(?!['’])"
    r"|\b([A-Z])(?=[*)]* (?:is|must be|would be) (?:the )?(?:\w+ )?(?:correct|right|best|answer)\b)"
)
# In the words of the sentence before a letter, or right after it: what says that it is not the choice.
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|except|but not|eliminate|exclude|reject|discard|rule out|(?:instead|none) of|than"
    r"|wrong|incorrect|false|un?likely|least likely)|n['’]t|\b(?:anything|all) but)\b[^.;!?]*$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"[\W_]*(?:(?:(?:or|and|nor|option|choice|[A-Z])\b)[\W_]+)*"
    r"(?:(?:is|are|was|were|can|could|does|do)(?:n['’]t\b|not\b| not\b)"
    r"|(?:is|are|was|were) (?:\w+ ){0,2}(?:wrong|incorrect|false)\b)"
    r"|[\s*)\]]*\?"
)
_CLAUSE = re.compile(r"[.;!?:](?=\s)|,|\b(?:so|thus|therefore|hence)\b", re.IGNORECASE)
_NEAR = 200  # characters of a clause that are looked at
_ARTICLE = re.compile(r"^(?:the|an?) (?=.)")
_COMMAND = re.compile(r"\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{([^{}]*)\}")
_LONGEST_ANSWER = 2_000
_CONTRADICTION = "?"  # no label: one letter or digit each


@dataclass(frozen=True)
class _Reference:
    label: str
    choices: Mapping[str, str]  # label → normal text; empty when only letters are known


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return _ARTICLE.sub("", " ".join(text.split()).strip(" .,;:!?*_`'\"()[]$"))


@lru_cache(maxsize=4096)
def _expected(reference: str) -> _Reference | str:
    """What a reference says, or why it cannot be read."""
    bare = reference.strip()
    if (match := _ALONE.fullmatch(bare)) and match[1].isalpha():
        return _Reference(match[1].upper(), {})
    try:
        data = json.loads(reference)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not isinstance(data.get("answer"), str):
        return 'the reference is neither a letter nor {"answer": "B", "choices": {"A": …, "B": …}}'
    choices = data.get("choices")
    if isinstance(choices, list):
        choices = dict(zip(_LETTERS, choices, strict=False)) if len(choices) <= len(_LETTERS) else None
    if not isinstance(choices, dict) or len(choices) < 2 or not all(isinstance(text, str) for text in choices.values()):
        return "the reference's choices are no object or list of at least two texts (a list: at most 26)"
    texts = {label.strip().upper(): _normal(text) for label, text in choices.items()}
    if not all(len(label) == 1 and label.isalnum() for label in texts) or len(texts) < len(choices):
        return "the reference's choices are not called by one letter or digit each"
    if len(set(texts.values())) < len(texts) or "" in texts.values():
        return "two of the reference's choices read the same, or one is empty"
    label = _chosen(data["answer"], texts)
    return _Reference(label, texts) if label in texts else "the reference's answer is none of its choices"


def check_reference(reference: str) -> str:
    """Why `reference` (module docstring: forms) cannot be compared with; empty when it can."""
    expected = _expected(reference)
    return expected if isinstance(expected, str) else ""


def _chosen(answer: str, choices: Mapping[str, str]) -> str:
    """The label that an answer's text names; empty when it names none, or says more; `_CONTRADICTION` for two at once."""
    answer = _COMMAND.sub(r"\1", answer[:_LONGEST_ANSWER]).replace("\\$", "$").strip()
    normal = _normal(answer)
    if by_text := next((label for label, text in choices.items() if text == normal), ""):
        return by_text
    known = choices or _LETTERS
    if (match := _ALONE.fullmatch(answer)) and match[1].upper() in known:
        return match[1].upper()
    match = _LABELLED.fullmatch(answer)
    if match is None or (label := match[1].upper()) not in known or _DENIED_AFTER.match(answer, match.end(1)):
        return ""
    rest = _normal(match[2])
    if not choices:
        return "" if _in_line(match[2], known) else label
    if rest in choices.values():
        return label if choices[label] == rest else _CONTRADICTION
    return ""


def _in_line(line: str, known: Mapping[str, str] | str) -> set[str]:
    return {
        label for match in _IN_LINE.finditer(line) if (label := match[match.lastindex or 0]) in known and _meant(line, match)
    }


def _meant(line: str, match: re.Match[str]) -> bool:
    """Whether nothing in its clause says that the letter found is not the choice."""
    start, end = match.span(match.lastindex or 0)
    before = line[max(0, start - _NEAR) : start]
    clause = before[max((part.end() for part in _CLAUSE.finditer(before)), default=0) :]
    return not (_DENIED_BEFORE.search(clause) or _DENIED_AFTER.match(line, end))


def _offered(response: str, choices: Mapping[str, str]) -> str | Verdict:
    """The label a response chooses, or the verdict that it chooses none or several."""
    text = after_thinking(response).strip()
    marked = marked_answers(text, _WORD)
    labels: set[str] = set()
    for content in marked or [text]:
        labels |= {label} if (label := _chosen(content, choices)) else _on_lines(content, choices) or {""}
    if len(labels) > 1:
        return Verdict("rejected", reason="offers several different choices")
    if labels == {_CONTRADICTION}:
        return Verdict("rejected", reason="gives one choice's letter and another's text")
    return labels.pop() or Verdict("answer_unparsable", reason="names none of the choices, by its letter or its text")


def _on_lines(content: str, choices: Mapping[str, str]) -> set[str]:
    """The labels that the last line of a text names; where it names none, the first line's, if it is nothing but a choice."""
    lines = [line.strip() for line in content.strip().splitlines()] or [""]
    if label := _chosen(lines[-1], choices):
        alone = {found for line in lines[:-1] if len(line) < 8 and (found := _chosen(line, choices))}
        return {label} | alone  # "A", and on another line "B"
    if labels := _in_line(lines[-1][-_LONGEST_ANSWER:], choices or _LETTERS):
        return labels
    return {label} if (label := _chosen(lines[0], choices)) else set()


def plants(reference: str) -> Iterator[Plant]:
    """The right choice as models name it, the other choices, and several at once."""
    expected = _expected(reference)
    if isinstance(expected, str):
        return
    label, choices = expected.label, expected.choices
    for form in ("{}", "({})", "{}.", "**{}**", "The answer is {}.", "The correct answer is ({}).", "<answer>{}</answer>"):
        yield Plant(form.format(label), True, "letter")
    for form in ("\\boxed{{{}}}", "$\\boxed{{\\text{{({})}}}}$", "#### {}", "Let me think.\nI choose {}.", "Answer: {}"):
        yield Plant(form.format(label), True, "letter")
    yield Plant(f"The answer is {label} because the others are too small.", True, "reasons after it")
    others = [other for other in choices or "ABCD" if other != label]
    for other in others:
        yield Plant(other, False, "another letter")
        yield Plant(f"The answer is ({other}).", False, "another letter")
        yield Plant(f"{label} or {other}", False, "two choices")
        yield Plant(f"\\boxed{{{label}}} or \\boxed{{{other}}}", False, "two choices")
        yield Plant(f"({label}) ({other})", False, "two choices")
    if not choices:
        return
    yield Plant(choices[label].upper(), True, "text")
    yield Plant(f"The answer is {label}) {choices[label]}.", True, "letter and text")
    for other in others:
        yield Plant(choices[other], False, "another text")
        yield Plant(f"{label}) {choices[other]}", False, "letter and text differ")
    yield Plant(" ".join(f"({letter}) {text}" for letter, text in choices.items()), False, "all choices")


@verifier(version="2", check_reference=check_reference, plants=plants)
def choice(response: str, reference: str) -> Verdict:
    """Accept a response that chooses what the reference does (module docstring: convention). Never raises."""
    expected = _expected(reference)
    if isinstance(expected, str):
        return Verdict("reference_unparsable", reason=expected)
    offered = _offered(response, expected.choices)
    if isinstance(offered, Verdict):
        return offered
    if offered == expected.label:
        return Verdict("accepted", 1.0)
    return Verdict("rejected", reason=f"chooses {offered}, not {expected.label}")
