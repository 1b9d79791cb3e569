"""Each kind of constraint at its boundary, and the table of kinds in the docs against the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.instruction import kinds
from tasks.verify.instruction.kinds import KINDS, arguments
from tasks.verify.instruction.verifier import check_reference, instruction
from tests.verify.instruction.references import EXAMPLES, reference

KEYWORD, LETTER = "keywords:frequency", "keywords:letter_frequency"
SENTENCES, WORDS = "length_constraints:number_sentences", "length_constraints:number_words"
STARS, NTH = "length_constraints:number_paragraphs", "length_constraints:nth_paragraph_first_word"
PLACES, POST = "detectable_content:number_placeholders", "detectable_content:postscript"
BULLETS, HIGH = "detectable_format:number_bullet_lists", "detectable_format:number_highlighted_sections"
SECTIONS, JSON = "detectable_format:multiple_sections", "detectable_format:json_format"
OPTION, TITLE, TWO = "detectable_format:constrained_response", "detectable_format:title", "combination:two_responses"
REPEAT, END, START = "combination:repeat_prompt", "startend:end_checker", "startend:start_checker"
CAPITAL, UPPER, LOWER = "change_case:capital_word_frequency", "change_case:english_capital", "change_case:english_lowercase"
LANGUAGE, COMMA, QUOTE = "language:response_language", "punctuation:no_comma", "startend:quotation"
LINES, CHARACTERS = "length_constraints:number_lines", "length_constraints:number_characters"
GERMAN = "Die Kinder spielen heute im Garten, weil die Sonne endlich wieder scheint."
ENGLISH = "The children are playing in the garden today because the sun is shining."

# kind, kwargs, texts that follow, texts that do not
CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "keywords:existence",
        {"keywords": ["cat", "well known"]},
        ["The CAT is well\r\nknown.", "cat's well known", "well  known (cat)", "**cat** _well known_"],
        ["cat", "well known", "a concat that is well known", "cats well known", "c\u00e2t well known"],
    ),
    ("keywords:existence", {"keywords": ["韩国"]}, ["我喜欢韩国菜"], ["我喜欢中国菜"]),
    ("keywords:existence", {"keywords": ["don't"]}, ["I don’t know", "I DON'T"], ["I do not"]),
    ("keywords:existence", {"keywords": ["हिन्दी"]}, ["यह हिन्दी है"], ["यह हिन्दीी है"]),
    ("keywords:existence", {"keywords": ["caf\u00e9"]}, ["a cafe\u0301"], ["a cafe"]),
    ("keywords:forbidden_words", {"forbidden_words": ["rock", "field"]}, ["rocky fields"], ["Rock!", "a field", "ro\u200bck"]),
    (KEYWORD, {"keyword": "war", "frequency": 3, "relation": "at least"}, ["war, War; WAR", "war war war war"], ["war war"]),
    (KEYWORD, {"keyword": "war", "frequency": 3, "relation": "less than"}, ["war war", "peace"], ["war war war"]),
    (KEYWORD, {"keyword": "war", "frequency": 3, "relation": "exactly"}, ["war war war"], ["war war", "war war war war"]),
    (KEYWORD, {"keyword": "war", "frequency": 3, "relation": "at most"}, ["war war war", "x"], ["war war war war"]),
    (KEYWORD, {"keyword": "la la", "frequency": 2, "relation": "exactly"}, ["la la la la", "la la la la la"], ["la la la"]),
    (LETTER, {"letter": "T", "let_frequency": 2, "let_relation": "at least"}, ["tT", "ttt"], ["t", "x"]),
    (LETTER, {"letter": "t", "let_frequency": 2, "let_relation": "less than"}, ["T", "x"], ["tT", "ttt"]),
    (LETTER, {"letter": "#", "let_frequency": 4, "let_relation": "at least"}, ["#a #b #c #d"], ["#a #b #c"]),
    (LANGUAGE, {"language": "de"}, [GERMAN], [ENGLISH, "Ja.", "42"]),
    (LANGUAGE, {"language": "en-US"}, [ENGLISH], [GERMAN]),
    (
        SENTENCES,
        {"num_sentences": 2, "relation": "at least"},
        ["One. Two.", "One! Two? Three"],
        ["One.", "Mr. Smith paid 3.14."],
    ),
    (SENTENCES, {"num_sentences": 3, "relation": "less than"}, ["One. Two.", "One"], ["One. Two. Three."]),
    (
        SENTENCES,
        {"num_sentences": 2, "relation": "exactly"},
        ["你好。我很好！", "a b. c d", "- one\n- two", "# Head\r\nText."],
        ["a."],
    ),
    (
        SENTENCES,
        {"num_sentences": 1, "relation": "exactly"},
        ['"Stop!" he said.', "1. One thing", "well... yes", "at 5 p.m. today"],
        [],
    ),
    (
        WORDS,
        {"num_words": 3, "relation": "at least"},
        ["a b c", "a b c d", "日本語", "a—b\r\nc"],
        ["a b", "well-known don't", "a b - |"],
    ),
    (WORDS, {"num_words": 3, "relation": "less than"}, ["a b"], ["a b c", "a b c d"]),
    (WORDS, {"num_words": 3, "relation": "exactly"}, ["a b c"], ["a b", "a b c d"]),
    (WORDS, {"num_words": 3, "relation": "at most"}, ["a b c"], ["a b c d"]),
    (LINES, {"num_lines": 2, "relation": "exactly"}, ["a\nb", "a\r\n\r\nb", "a\rb"], ["a", "a\nb\nc"]),
    (CHARACTERS, {"num_characters": 3, "relation": "less than"}, ["ab", " ab\n", "e\u0301e"], ["abc"]),
    (
        STARS,
        {"num_paragraphs": 2},
        ["a\n\n***\n\nb", "a *** b", "***\na\n***\nb\n***", "a\r\n***\r\nb"],
        ["a", "a\n***\nb\n***\nc", "a\n***\n***\nb", "a\n\nb", "***a*** b"],
    ),
    (
        NTH,
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        ["a\n\nthen b", "a\r\n\r\n**Then**, b", 'a\n \n\n"then'],
        ["then\n\na", "a\n\nthenceforth", "a", "a\n\nthen\n\nb", "a\nthen"],
    ),
    (
        PLACES,
        {"num_placeholders": 2},
        ["[name] [the address]", "[a][b][c]"],
        ["[name]", "[] [a]", "[text](url) [a]", "[a\nb] [c]"],
    ),
    (
        POST,
        {"postscript_marker": "P.S."},
        ["Hi\n\nP.S. call me", "Hi\n**p. s.** call", "Hi\r\nP.S: x"],
        ["P.S. call me", "Hi\nP.S.", "Hi\nP.P.S. x", "Hi P.S. x", "Hi\nP.Skip"],
    ),
    (POST, {"postscript_marker": "P.P.S"}, ["Hi\nP.P.S. x"], ["Hi\nP.S. x"]),
    (
        BULLETS,
        {"num_bullets": 2},
        ["* a\n* b", "Here:\r\n- a\r\n  + b", "* a\n\n---\n\n* b"],
        ["* a", "* a\n* b\n* c", "**a**\n**b**", "*a*\n* b", "* a\n* "],
    ),
    (
        HIGH,
        {"num_highlights": 2},
        ["*a* and **b c**", "*a* *b* *c*", "***a*** _ *b*"],
        ["*a*", "2 * 3 * 4 * 5", "* a *\n* b *", "** **", "*a\nb* *c*"],
    ),
    (
        SECTIONS,
        {"section_spliter": "Section", "num_sections": 2},
        ["Section 1\na\nSECTION 2\nb", "## Section I: a\r\n**Section II**", "Section 1\nSection 2\nSection 3"],
        ["Section 1", "Section 1\nSection 1", "a Section 1 b Section 2", "Section one\nSection two"],
    ),
    (
        OPTION,
        {},
        ["My answer is yes.", "Hm. My answer is no."],
        ["yes", "My answer is yes. My answer is no.", "my answer is yes"],
    ),
    (
        JSON,
        {},
        ['{"a": 1}', "[1, 2]", '```json\n{"a": 1}\n```', "```\r\n[]\r\n```"],
        ['{"a": 1', '"text"', "42", "[NaN]", 'Here: {"a": 1}', '{"a": 1} {"b": 2}'],
    ),
    (TITLE, {}, ["<<A poem>>\nText", "Text <<b>>"], ["<< >>", "<A>", "<<a\nb>>", "A poem"]),
    (
        TWO,
        {},
        ["a\n******\nb", "******\na\n\n******\n\nb"],
        ["a", "a\n******\nA", "a\n******\nb\n******\nc", "a\n***\nb", "a\n*******\nb", "a\n******\n"],
    ),
    (
        REPEAT,
        {"prompt_to_repeat": "Write a\npoem, please."},
        ["write a poem, please. Roses", "Write a\r\npoem, please.\n\nRoses"],
        ["Write a poem, please.", "Sure! Write a poem, please. Roses", "Roses"],
    ),
    (
        END,
        {"end_phrase": "Any more?"},
        ["Text. Any more?", "Text. any\r\nmore? ", "Text. **Any more?**", '"Any more?"'],
        ["Any more? Yes", "Text. Any more", "Text"],
    ),
    (START, {"start_phrase": "Once upon"}, ["Once upon a time", "**once  upon**", '"Once\nupon'], ["It was once upon", "Once"]),
    (QUOTE, {}, ['"a"', "“a b”", '"a\r\nb" ', "„a“"], ['"a', 'a"', '"', '""', "'a'", '" "', 'say "a"']),
    (
        CAPITAL,
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["NASA and the EU.", "A-B CD EF", "ÄÖ (ÜB)"],
        ["NASA", "I am A NASA man", "Nasa Eu"],
    ),
    (CAPITAL, {"capital_frequency": 2, "capital_relation": "less than"}, ["I am A NASA man"], ["NASA EU"]),
    (UPPER, {}, ["HELLO, WORLD 42!", ENGLISH.upper()], ["HELLO, World", "42", GERMAN.upper()]),
    (LOWER, {}, ["hello, world 42!", ENGLISH.lower()], ["hello, World", "42", GERMAN.lower()]),
    (COMMA, {}, ["no comma; here."], ["well, no", "1,000", "你好，世界", "مرحبا، عالم"]),
]


@pytest.mark.parametrize(
    ("kind", "kwargs", "followed", "broken"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)]
)
def test_a_kind_at_its_boundary(kind: str, kwargs: dict[str, Any], followed: list[str], broken: list[str]) -> None:
    for text in followed:
        assert instruction(text, reference((kind, kwargs))).state == "accepted", text
    for text in broken:
        verdict = instruction(text, reference((kind, kwargs)))
        assert verdict.state == "rejected", text
        assert verdict.reason.startswith(f"{kind}: ")


def test_every_kind_has_cases_and_an_example() -> None:
    assert {case[0] for case in CASES} == {kind for kind, _ in EXAMPLES} == set(KINDS)


def test_the_table_in_the_docs_is_the_code() -> None:
    page = Path(kinds.__file__).with_name("KINDS.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    table = {kind.strip().strip("`"): kwargs.replace("`", "").replace(" ", "") for kind, kwargs in rows}
    assert table == {kind: ",".join(arguments(kind).model_fields) for kind in KINDS}


@pytest.mark.parametrize(
    ("kind", "kwargs", "word"),
    [
        ("keywords:exists", {}, "keywords:existence"),
        ("nothing like it", {}, "KINDS.md"),
        ("keywords:existence", {}, "keywords"),
        ("keywords:existence", {"keywords": []}, "keywords"),
        ("keywords:existence", {"keywords": [" "]}, "empty"),
        ("keywords:existence", {"keywords": ["a"], "num_words": 3}, "num_words"),
        (KEYWORD, {"keyword": "a", "frequency": 0, "relation": "at least"}, "frequency"),
        (KEYWORD, {"keyword": "a", "frequency": 1.5, "relation": "at least"}, "frequency"),
        (KEYWORD, {"keyword": "a", "frequency": True, "relation": "at least"}, "frequency"),
        (KEYWORD, {"keyword": "a", "frequency": 1, "relation": "around"}, "relation"),
        (LETTER, {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "one character"),
        (LANGUAGE, {"language": "xx"}, "ISO 639"),
        (NTH, {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"}, "paragraph 3 of 2"),
        (REPEAT, {"prompt_to_repeat": "!!"}, "letter or a digit"),
    ],
)
def test_kwargs_that_do_not_fit_are_found_before_sampling(kind: str, kwargs: dict[str, Any], word: str) -> None:
    bad = reference((kind, kwargs))
    assert word in check_reference(bad)
    assert instruction("text", bad).state == "reference_unparsable"


def test_a_published_row_is_a_reference_with_and_without_its_nulls() -> None:
    row = {
        "key": 1,
        "prompt": "Write a summary of at least 3 words without commas.",
        "instruction_id_list": [COMMA, WORDS],
        "kwargs": [{"num_words": None, "relation": None}, {"num_words": 3.0, "relation": "at least", "keyword": None}],
    }
    assert instruction("one two three", json.dumps(row)).state == "accepted"
    assert instruction("one, two", json.dumps({**row, "kwargs": [None, {"num_words": 3, "relation": "at least"}]})).score == 0


@settings(max_examples=60, deadline=None)
@given(st.text(), st.sampled_from(EXAMPLES), st.sampled_from(["strict", "loose"]))
def test_no_text_makes_a_kind_raise(text: str, example: tuple[str, dict[str, Any]], mode: str) -> None:
    assert instruction(text, reference(example, mode=mode)).state in ("accepted", "rejected", "answer_unparsable")


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(codec=None)), st.text(alphabet='*-#.!?[]<>"\n\r\u2028, aP1', max_size=60))
def test_every_kind_survives_odd_characters(odd: str, marks: str) -> None:
    everything = reference(*EXAMPLES)
    for text in (odd, marks, marks + odd + marks):
        assert instruction(text, everything).state in ("rejected", "answer_unparsable")
