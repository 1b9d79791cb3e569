"""Every kind of constraint by its id; KINDS.md says in words what each one means here.

The ids and the names of the kwargs are those of the IFEval data set (Zhou et al., arXiv 2311.07911), so that its rows are
references as they are; the last three kinds are ours. What a kind means is read from the paper's descriptions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from tasks.verify.instruction import layout, wording

KINDS: dict[str, Callable[..., str]] = {
    "keywords:existence": wording.existence,
    "keywords:frequency": wording.frequency,
    "keywords:forbidden_words": wording.forbidden_words,
    "keywords:letter_frequency": wording.letter_frequency,
    "language:response_language": wording.response_language,
    "length_constraints:number_sentences": wording.number_sentences,
    "length_constraints:number_paragraphs": layout.number_paragraphs,
    "length_constraints:number_words": wording.number_words,
    "length_constraints:nth_paragraph_first_word": wording.nth_paragraph_first_word,
    "detectable_content:number_placeholders": layout.number_placeholders,
    "detectable_content:postscript": layout.postscript,
    "detectable_format:number_bullet_lists": layout.number_bullet_lists,
    "detectable_format:constrained_response": layout.constrained_response,
    "detectable_format:number_highlighted_sections": layout.number_highlighted_sections,
    "detectable_format:multiple_sections": layout.multiple_sections,
    "detectable_format:json_format": layout.json_format,
    "detectable_format:title": layout.title,
    "combination:two_responses": layout.two_responses,
    "combination:repeat_prompt": layout.repeat_prompt,
    "startend:end_checker": layout.end_checker,
    "startend:quotation": layout.quotation,
    "change_case:capital_word_frequency": wording.capital_word_frequency,
    "change_case:english_capital": wording.english_capital,
    "change_case:english_lowercase": wording.english_lowercase,
    "punctuation:no_comma": wording.no_comma,
    "startend:start_checker": layout.start_checker,
    "length_constraints:number_lines": wording.number_lines,
    "length_constraints:number_characters": wording.number_characters,
}


@dataclass(frozen=True)
class Constraint:
    """A kind with its kwargs."""

    kind: str
    kwargs: Mapping[str, Any]

    def problem(self, text: str) -> str:
        """Why `text` (`readable`, not empty) does not follow; empty when it does. Never raises."""
        return KINDS[self.kind](text, **self.kwargs)


@cache
def arguments(kind: str) -> type[BaseModel]:
    """The kwargs of a kind as a model, from its function's signature."""
    function = KINDS[kind]
    hints = get_type_hints(function, include_extras=True)
    names = [name for name, value in inspect.signature(function).parameters.items() if value.kind is value.KEYWORD_ONLY]
    fields: dict[str, Any] = {name: (hints[name], ...) for name in names}
    return create_model(kind, __config__=ConfigDict(extra="forbid"), **fields)


def constraint(kind: str, kwargs: Mapping[str, Any]) -> Constraint:
    """A constraint from data. A kwarg that is null counts as absent, as in the published data set.

    Raises:
        ValueError: an unknown kind, or kwargs that it does not take or cannot use.
    """
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, n=1)
        raise ValueError(f"unknown instruction {kind!r}" + (f"; did you mean {near[0]!r}?" if near else "; see KINDS.md"))
    try:
        given = arguments(kind).model_validate({name: value for name, value in kwargs.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{kind}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    values = given.model_dump()
    if values.get("nth_paragraph", 0) > values.get("num_paragraphs", 0):
        raise ValueError(f"{kind}: paragraph {values['nth_paragraph']} of {values['num_paragraphs']}")
    return Constraint(kind, values)
