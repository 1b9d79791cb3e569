"""Kinds about what is said and how much of it: keywords, letters, language, case, commas, lengths.

Each function is given a `readable` text that is not empty and returns why it does not follow, or "" when it does.
"""

from __future__ import annotations

from collections.abc import Callable

from tasks.verify.instruction.arguments import Count, Language, Letter, Phrase, Relation, Text, Texts, missed
from tasks.verify.instruction.texts import folded, lines, occurrences, paragraphs, sentences, words

COMMAS = ",،、，﹐﹑､"


def existence(text: str, *, keywords: Texts) -> str:
    absent = [keyword for keyword in keywords if not occurrences(text, keyword)]
    return f"without {absent[0]!r}" if absent else ""


def frequency(text: str, *, keyword: Text, frequency: Count, relation: Relation) -> str:
    return missed(occurrences(text, keyword), relation, frequency, f"times {keyword!r}")


def forbidden_words(text: str, *, forbidden_words: Texts) -> str:
    present = [word for word in forbidden_words if occurrences(text, word)]
    return f"holds {present[0]!r}" if present else ""


def letter_frequency(text: str, *, letter: Letter, let_frequency: Count, let_relation: Relation) -> str:
    return missed(text.casefold().count(letter), let_relation, let_frequency, f"times {letter!r}")


def response_language(text: str, *, language: Language) -> str:
    from tasks.validate.languages import text_language

    found = text_language(text)
    return "" if found == language else f"in {found or 'no language that can be told'}, {language} wanted"


def number_words(text: str, *, num_words: Count, relation: Relation) -> str:
    return missed(len(words(text)), relation, num_words, "words")


def number_sentences(text: str, *, num_sentences: Count, relation: Relation) -> str:
    return missed(sentences(text), relation, num_sentences, "sentences")


def number_lines(text: str, *, num_lines: Count, relation: Relation) -> str:
    return missed(len(lines(text)), relation, num_lines, "lines")


def number_characters(text: str, *, num_characters: Count, relation: Relation) -> str:
    return missed(len(text), relation, num_characters, "characters")


def nth_paragraph_first_word(text: str, *, num_paragraphs: Count, nth_paragraph: Count, first_word: Phrase) -> str:
    found = paragraphs(text)
    if problem := missed(len(found), "exactly", num_paragraphs, "paragraphs"):
        return problem
    opening = found[nth_paragraph - 1].lstrip(" \t\n\"'“‘«*_#>([")
    wanted = folded(first_word)
    ends_there = not folded(opening)[len(wanted) : len(wanted) + 1].isalnum()
    if folded(opening).startswith(wanted) and ends_there:
        return ""
    return f"paragraph {nth_paragraph} does not begin with {first_word!r}"


def capital_word_frequency(text: str, *, capital_frequency: Count, capital_relation: Relation) -> str:
    capital = [word for word in words(text) if word.isupper() and sum(map(str.isalpha, word)) > 1]
    return missed(len(capital), capital_relation, capital_frequency, "words in capitals")


def english_capital(text: str) -> str:
    return _case(text, str.isupper, "capital")


def english_lowercase(text: str) -> str:
    return _case(text, str.islower, "lower-case")


def _case(text: str, right: Callable[[str], bool], name: str) -> str:
    from tasks.validate.languages import text_language

    if not right(text):
        wrong = sum(1 for letter in text if letter.isalpha() and letter.lower() != letter.upper() and not right(letter))
        return f"{wrong} letters are not {name}" if wrong else f"no {name} letters"
    language = text_language(text.lower())
    return f"in {language}, not in English" if language not in ("en", None) else ""


def no_comma(text: str) -> str:
    return missed(sum(map(text.count, COMMAS)), "exactly", 0, "commas")
