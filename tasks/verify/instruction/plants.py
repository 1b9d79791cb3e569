"""Answers that follow or break constraints by construction, for the self-test of the `instruction` verifier.

Nothing here asks the verifier. A right answer is put together from one piece a constraint; where pieces could get in each
other's way, counts cruder than the verifier's must leave room, or there is no right answer. A wrong answer breaks one
constraint in either mode, whatever becomes of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

from tasks.verify.instruction.kinds import Constraint
from tasks.verify.instruction.verifier import parse
from tasks.verify.instruction.wording import COMMAS
from tasks.verify.plants import Plant

# Plain English without capitals, commas, points and marks. One of them will do without a forbidden word or a rare letter.
FILLERS = (
    "the small boat drifts along the quiet river while the children sleep",
    "our old dog knows which road brings us back to grandfather",
    "when summer comes people swim",
)
SAMPLES = {
    "de": "Die Kinder spielen heute im Garten, weil die Sonne endlich wieder scheint.",
    "en": "The children are playing in the garden today because the sun is finally shining again.",
    "es": "Los niños juegan hoy en el jardín porque por fin vuelve a brillar el sol.",
    "fr": "Les enfants jouent aujourd'hui dans le jardin parce que le soleil brille enfin.",
    "ru": "Дети сегодня играют в саду, потому что наконец снова светит солнце.",
    "zh": "今天孩子们在花园里玩耍，因为太阳终于又出来了，大家都觉得非常高兴。",
}
# What counts in each counting kind: the kwargs that say how many and how, the relation where there is no kwarg for it.
_COUNTS = {
    "keywords:frequency": ("frequency", "relation"),
    "keywords:letter_frequency": ("let_frequency", "let_relation"),
    "length_constraints:number_sentences": ("num_sentences", "relation"),
    "length_constraints:number_words": ("num_words", "relation"),
    "length_constraints:number_lines": ("num_lines", "relation"),
    "length_constraints:number_characters": ("num_characters", "relation"),
    "change_case:capital_word_frequency": ("capital_frequency", "capital_relation"),
    "detectable_content:number_placeholders": ("num_placeholders", "at least"),
    "detectable_format:number_highlighted_sections": ("num_highlights", "at least"),
    "detectable_format:multiple_sections": ("num_sections", "at least"),
    "detectable_format:number_bullet_lists": ("num_bullets", "exactly"),
}
# Whole answers of their own shape: right only where nothing else is asked.
_WHOLE = {
    "detectable_format:json_format": '{"answer": "plain words"}',
    "detectable_format:constrained_response": "My answer is maybe.",
    "combination:two_responses": "The first one.\n\n******\n\nAnother one.",
}
_ONCE = ("combination:repeat_prompt", "startend:start_checker", "startend:end_checker", "detectable_content:postscript")
# What no plain line has, whatever the kwargs say.
_ABSENT = (
    *(*_WHOLE, *_ONCE, "detectable_format:title", "startend:quotation", "keywords:existence"),
    *(kind for kind in _COUNTS if not kind.startswith("length_constraints:")),
    "length_constraints:nth_paragraph_first_word",
)
_LONGEST = 20_000  # characters; a longer answer proves nothing more


def plants(reference: str) -> Iterator[Plant]:
    """Right and wrong answers to a reference; nothing for one that cannot be read."""
    try:
        constraints, _ = parse(reference)
    except ValueError:
        return
    if (right := _right(constraints)) is not None:
        yield Plant(right, True, "every constraint followed")
    wrong = {text: one.kind for one in constraints for text in _wrong(one) if len(text) <= _LONGEST}
    for text, kind in wrong.items():
        yield Plant(text, False, f"breaks {kind}")


def _right(constraints: Sequence[Constraint]) -> str | None:
    if len(constraints) == 1 and (whole := _alone(constraints[0])) is not None:
        return whole
    drafts = (_draft(constraints, filler) for filler in FILLERS)
    return next((text for text in drafts if text and len(text) <= _LONGEST and _has_room(text, constraints)), None)


def _alone(one: Constraint) -> str | None:
    kwargs, count, relation = one.kwargs, *_count(one)
    if one.kind == "language:response_language":
        return SAMPLES.get(kwargs["language"])
    if one.kind == "length_constraints:number_paragraphs":
        return "\n\n***\n\n".join(islice(cycle(FILLERS), kwargs["num_paragraphs"]))
    if one.kind == "length_constraints:nth_paragraph_first_word":
        before, after = kwargs["nth_paragraph"] - 1, kwargs["num_paragraphs"] - kwargs["nth_paragraph"]
        return "\n\n".join([*[FILLERS[0]] * before, f"{kwargs['first_word']} {FILLERS[1]}", *[FILLERS[2]] * after])
    if relation in ("exactly", "at most", "less than"):
        items = count - (relation == "less than")
        return _pieces(one.kind, kwargs, items, FILLERS[2]) or None
    return _WHOLE.get(one.kind)


def _draft(constraints: Sequence[Constraint], filler: str) -> str | None:
    """The pieces of all constraints in one text; None where two of them cannot stand together."""
    kinds = Counter(one.kind for one in constraints)
    at_start = kinds["combination:repeat_prompt"] + kinds["startend:start_checker"]
    upper, lower = kinds["change_case:english_capital"], kinds["change_case:english_lowercase"]
    too_many = any(kinds[kind] > 1 for kind in _ONCE) or at_start + bool(kinds["startend:quotation"]) > 1 or (upper and lower)
    if too_many or kinds.keys() & {*_WHOLE, "language:response_language"}:
        return None
    if any(kind.endswith(("number_paragraphs", "nth_paragraph_first_word")) for kind in kinds):
        return None
    start, body, end = _parts(constraints, filler)
    others = "\n\n".join([*start, *body, *end])
    fillers = 1 + 2 * len(others) // len(filler) if upper or lower else 1  # so that English is what it is written in
    text = "\n\n".join([*start, *[filler] * fillers, *body, *end])
    text = text.upper() if upper else text.lower() if lower else text
    return f'"{text}"' if kinds["startend:quotation"] else text


def _parts(constraints: Sequence[Constraint], filler: str) -> tuple[list[str], list[str], list[str]]:
    """What has to stand at the start, somewhere, and at the end."""
    start, body, postscript, end = list[str](), list[str](), list[str](), list[str]()
    for one in constraints:
        kwargs, (count, relation) = one.kwargs, _count(one)
        if one.kind in ("combination:repeat_prompt", "startend:start_checker"):
            start += kwargs.values()
        elif one.kind == "startend:end_checker":
            end += kwargs.values()
        elif one.kind == "detectable_content:postscript":
            postscript.append(f"{kwargs['postscript_marker']} {filler}")
        elif one.kind == "detectable_format:title":
            body.append("<<plain title>>")
        elif one.kind == "keywords:existence":
            body += kwargs["keywords"]
        elif count and relation in ("at least", "exactly"):
            body.append(_pieces(one.kind, kwargs, count, filler))
    return start, body, postscript + end


def _count(one: Constraint) -> tuple[int, str]:
    """How many of what a counting kind counts, and in which relation; 0 for the other kinds."""
    count, relation = _COUNTS.get(one.kind, ("", ""))
    return one.kwargs.get(count, 0), one.kwargs.get(relation, relation)


def _pieces(kind: str, kwargs: Mapping[str, Any], count: int, filler: str) -> str:
    """`count` of what `kind` counts and not one more."""
    if count > _LONGEST:
        return "x" * (_LONGEST + 1)  # too long for a plant
    name = kind.partition(":")[2]
    lines = {
        "number_lines": filler,
        "number_bullet_lists": f"- {filler}",
        "multiple_sections": f"{kwargs.get('section_spliter')} %d\n{filler}",
    }
    if name in lines:
        return "\n".join(lines[name].replace("%d", str(place + 1)) for place in range(count))
    if name == "number_words":
        return " ".join(islice(cycle(filler.split()), count))
    if name == "number_characters":
        return "x" * count
    same = {
        "frequency": kwargs.get("keyword"),
        "letter_frequency": kwargs.get("letter"),
        "number_sentences": f"{filler}.",
        "capital_word_frequency": "PLAIN",
        "number_placeholders": "[plain name]",
        "number_highlighted_sections": "*plain part*",
    }
    return " ".join([str(same[name])] * count)


def _has_room(text: str, constraints: Sequence[Constraint]) -> bool:
    """Whether nothing forbidden is in `text`, and crude counts stay within every upper bound."""
    folded = text.casefold()
    for one in constraints:
        count, relation = _count(one)
        crude = _crude(text, one)
        if one.kind == "punctuation:no_comma" and any(map(text.count, COMMAS)):
            return False
        if one.kind == "keywords:forbidden_words" and any(word.casefold() in folded for word in one.kwargs["forbidden_words"]):
            return False
        if one.kind.endswith(("case:english_capital", "case:english_lowercase")) and not text.isascii():
            return False  # a letter may have no other case, and the language may be another
        if relation in ("less than", "at most") and not (text.isascii() and crude + (relation == "less than") <= count):
            return False
        if relation == "exactly" and crude != count:
            return False
    capitals = any(one.kind == "change_case:capital_word_frequency" and _count(one)[1] != "less than" for one in constraints)
    return not (capitals and text.islower())


def _crude(text: str, one: Constraint) -> int:
    """At least as many as the verifier can count; -1 where that is not known."""
    name = one.kind.partition(":")[2]
    if name in ("frequency", "letter_frequency"):
        return text.casefold().count(str(one.kwargs.get("keyword", one.kwargs.get("letter"))).casefold())
    lines = text.split("\n")
    return {
        "number_words": len(text.split()),
        "number_sentences": len(lines) + sum(map(text.count, ".!?")),
        "number_lines": len(lines),
        "number_characters": len(text),
        "capital_word_frequency": sum(map(str.isupper, text.split())),
        "number_bullet_lists": sum(line.lstrip()[:1] in ("-", "*", "+") for line in lines),
    }.get(name, -1)


def _wrong(one: Constraint) -> Iterator[str]:
    """Texts that break one constraint. One line each, or fewer of something: cutting lines off does not mend them."""
    kwargs, (count, relation) = one.kwargs, _count(one)
    name = one.kind.partition(":")[2]
    if count > 1 and relation in ("at least", "exactly"):
        yield _pieces(one.kind, kwargs, count - 1, FILLERS[2])
    if relation in ("less than", "at most", "exactly") and name != "number_bullet_lists":
        too_many = count + (relation != "less than") + 2 * (name == "number_lines")
        if "*" not in (text := _pieces(one.kind, kwargs, too_many, FILLERS[2])):
            yield text
    if name == "number_paragraphs" and kwargs["num_paragraphs"] > 1:
        yield FILLERS[0]
    special = {
        "forbidden_words": f"{FILLERS[0]} {kwargs.get('forbidden_words', [''])[0]}",
        "response_language": SAMPLES["ru" if kwargs.get("language") in ("de", "en") else "en"],
        "english_capital": FILLERS[0],
        "english_lowercase": FILLERS[0].upper(),
        "no_comma": f"well, {FILLERS[0]}",
    }
    if name in special:
        yield special[name]
    yield from _without(one)


def _without(one: Constraint) -> Iterator[str]:
    """A plain line, where the kind asks for something that no plain line has."""
    phrases = [one.kwargs.get("keywords", [""])[-1], *one.kwargs.values()]
    asked = [phrase.casefold() for phrase in phrases if isinstance(phrase, str) and phrase]
    lines = [line for line in FILLERS if not any(phrase in line for phrase in asked)]
    if one.kind in _ABSENT and _count(one)[1] not in ("less than", "at most"):
        yield from lines[:1]
