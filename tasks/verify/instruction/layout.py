"""Kinds about the shape of a response: sections, bullets, marks, quotes, JSON, how it begins and how it ends.

Each function is given a `readable` text that is not empty and returns why it does not follow, or "" when it does.
"""

from __future__ import annotations

import json

import regex

from tasks.verify.instruction.arguments import Count, Phrase, Text, missed
from tasks.verify.instruction.texts import folded, says_something

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_DIVIDER = regex.compile(r"(?:^|(?<=\s))\*{3}(?=\s|$)")
_SIX_STARS = regex.compile(r"(?<!\*)\*{6}(?!\*)")
_PLACEHOLDER = regex.compile(r"\[([^\[\]\n]+)\](?!\()")  # with "(" behind it, it is a link
_BULLET = regex.compile(r"^[ \t]*[-*+][ \t]+(.*)$", regex.MULTILINE)
_HIGHLIGHT = regex.compile(r"(?<!\*)(\*{1,3})(?![\s*])([^*\n]*[^*\s])\1(?!\*)")
_TITLE = regex.compile(r"<<([^<>\n]+)>>")
_MARKS = r"[ \t]*[#>*_\[(\"'“]*[ \t]*[*_]*"  # what markdown may put before the first word of a line
_AROUND = " \t\n*_`\"'“”’"  # what may stand around a phrase that a response begins or ends with


def number_paragraphs(text: str, *, num_paragraphs: Count) -> str:
    parts = _DIVIDER.split(text)
    inner = parts[not parts[0].strip() : -1 if len(parts) > 1 and not parts[-1].strip() else None]
    if not all(map(says_something, inner)):
        return "an empty paragraph between two dividers"
    return missed(len(inner), "exactly", num_paragraphs, "paragraphs with *** between them")


def number_placeholders(text: str, *, num_placeholders: Count) -> str:
    found = sum(map(says_something, _PLACEHOLDER.findall(text)))
    return missed(found, "at least", num_placeholders, "placeholders in square brackets")


def postscript(text: str, *, postscript_marker: Phrase) -> str:
    spelled = r"\s?".join(map(regex.escape, "".join(postscript_marker.split()).rstrip(".")))
    marker = regex.compile(rf"\n{_MARKS}{spelled}(?![\p{{L}}\p{{N}}])(.*)", regex.IGNORECASE | regex.DOTALL)
    found = marker.search(text)
    if not found:
        return f"no line after the first begins with {postscript_marker!r}"
    return "" if says_something(found[1]) else "the postscript is empty"


def number_bullet_lists(text: str, *, num_bullets: Count) -> str:
    return missed(sum(map(says_something, _BULLET.findall(text))), "exactly", num_bullets, "bullet points")


def constrained_response(text: str) -> str:
    given = {option for option in OPTIONS if option in text}
    return missed(len(given), "exactly", 1, "of the three answers")


def number_highlighted_sections(text: str, *, num_highlights: Count) -> str:
    found = sum(says_something(match[1]) for match in _HIGHLIGHT.findall(text))
    return missed(found, "at least", num_highlights, "highlighted sections")


def multiple_sections(text: str, *, section_spliter: Phrase, num_sections: Count) -> str:
    spelled = r"\s+".join(map(regex.escape, section_spliter.split()))
    marks = regex.findall(rf"^{_MARKS}(?i:{spelled})[ \t]*([0-9]+|[IVXLC]+)(?![\p{{L}}\p{{N}}])", text, regex.MULTILINE)
    return missed(len(set(marks)), "at least", num_sections, f"sections marked {section_spliter!r} and a number")


def json_format(text: str) -> str:
    def no_number(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        value = json.loads(_unfenced(text), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error})"
    return "" if isinstance(value, dict | list) else "JSON, but no object and no list"


def _unfenced(text: str) -> str:
    """What one code fence holds, or `text` where there is none around it."""
    opening, _, rest = text.partition("\n")
    language = opening.removeprefix("```").strip()
    fenced = opening.startswith("```") and rest.endswith("```") and (language.isalnum() or not language)
    return rest.removesuffix("```") if fenced else text


def title(text: str) -> str:
    return "" if any(map(says_something, _TITLE.findall(text))) else "no title in <<double angular brackets>>"


def two_responses(text: str) -> str:
    parts = [part for part in _SIX_STARS.split(text) if part.strip()]
    if problem := missed(len(parts), "exactly", 2, "responses with ****** between them"):
        return problem
    if not all(map(says_something, parts)):
        return "one of the two responses says nothing"
    return "the two responses are the same" if folded(parts[0]) == folded(parts[1]) else ""


def repeat_prompt(text: str, *, prompt_to_repeat: Phrase) -> str:
    prompt = folded(prompt_to_repeat)
    if not folded(text).startswith(prompt):
        return "does not begin with the request"
    return "" if says_something(folded(text)[len(prompt) :]) else "repeats the request and does not answer it"


def start_checker(text: str, *, start_phrase: Phrase) -> str:
    found = any(folded(begin).startswith(folded(start_phrase)) for begin in (text, text.lstrip(_AROUND)))
    return "" if found else f"does not begin with {start_phrase!r}"


def end_checker(text: str, *, end_phrase: Text) -> str:
    found = any(folded(end).endswith(folded(end_phrase)) for end in (text, text.rstrip(_AROUND)))
    return "" if found else f"does not end with {end_phrase!r}"


def quotation(text: str) -> str:
    wrapped = len(text) > 2 and (text[0] + text[-1] in ('""', "“”", "„“", "„”"))
    return "" if wrapped and says_something(text) else "not wrapped in double quotation marks"
