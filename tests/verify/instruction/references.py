"""References of the `instruction` verifier, and an example of each kind."""

from __future__ import annotations

import json
from typing import Any

EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("keywords:existence", {"keywords": ["correlated", "experiencing"]}),
    ("keywords:frequency", {"keyword": "story", "frequency": 2, "relation": "at least"}),
    ("keywords:forbidden_words", {"forbidden_words": ["rock", "river"]}),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 3, "let_relation": "at least"}),
    ("language:response_language", {"language": "de"}),
    ("length_constraints:number_sentences", {"num_sentences": 4, "relation": "at least"}),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}),
    ("length_constraints:number_words", {"num_words": 60, "relation": "at least"}),
    ("length_constraints:nth_paragraph_first_word", {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "weekend"}),
    ("detectable_content:number_placeholders", {"num_placeholders": 3}),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}),
    ("detectable_format:constrained_response", {}),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 3}),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION", "num_sections": 2}),
    ("detectable_format:json_format", {}),
    ("detectable_format:title", {}),
    ("combination:two_responses", {}),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a short email."}),
    ("startend:end_checker", {"end_phrase": "Is there anything else I can help with?"}),
    ("startend:quotation", {}),
    ("change_case:capital_word_frequency", {"capital_frequency": 3, "capital_relation": "less than"}),
    ("change_case:english_capital", {}),
    ("change_case:english_lowercase", {}),
    ("punctuation:no_comma", {}),
    ("startend:start_checker", {"start_phrase": "Once upon a time"}),
    ("length_constraints:number_lines", {"num_lines": 4, "relation": "less than"}),
    ("length_constraints:number_characters", {"num_characters": 500, "relation": "less than"}),
]


def reference(*constraints: tuple[str, dict[str, Any]], mode: str | None = None) -> str:
    """The reference that asks for these constraints."""
    data: dict[str, Any] = {
        "instruction_id_list": [kind for kind, _ in constraints],
        "kwargs": [kwargs for _, kwargs in constraints],
    }
    return json.dumps({**data, "mode": mode} if mode else data)
