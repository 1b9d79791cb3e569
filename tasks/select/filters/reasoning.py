"""Reasoning that is hard to read.

DeepSeek-R1 (arXiv 2501.12948, section 2.3.3) drops mixed languages, long paragraphs and blocks of code. Judged is what
`Said.reasoning` gives: the thinking part, or the whole answer where there is none and the verifier reads only its end.
"""

from __future__ import annotations

import re

from tasks.data.ngrams import words_of
from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import Asked, Said, code_blocks, is_word

_PARAGRAPH = re.compile(r"\n\s*\n")
_ASKS_FOR_CODE = re.compile(
    r"```|~~~|\b(?:code|coding|programs?|programming|python|javascript|java|sql|script|programm|código)\b|代码|编程|コード",
    re.IGNORECASE,
)
_LEAST_LINES = 2
_LETTERS_A_WORD = 3  # at least, its space included, where words have spaces


def has_long_paragraph(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the reasoning has more than `paragraph_words` words without a blank line between them.

    Numbers and single letters are no words: a board, or a list of partitions, is no paragraph.
    """
    most = settings.paragraph_words
    return any(
        len(part) > (_LETTERS_A_WORD * most if part.isascii() else most) and sum(map(is_word, words_of(part))) > most
        for part in _PARAGRAPH.split(said.reasoning(asked))
    )


def has_code_block(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the reasoning has a fenced block of two lines or more, where the prompt is not about code.

    A block of one line is how some models set off their final answer.
    """
    reasoning = said.reasoning(asked)
    if "```" not in reasoning and "~~~" not in reasoning:
        return False
    blocks = (sum(bool(line.strip()) for line in block.splitlines()) for block in code_blocks(reasoning))
    return any(lines >= _LEAST_LINES for lines in blocks) and not _ASKS_FOR_CODE.search(asked.user)
