"""Which language a row is in: its own tag, or what py3langid (Lui and Baldwin, ACL 2012) makes of its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from tasks.runtime.rows import Row

# Fewer letters than this tell nothing ("42", "Paris", a line of code); more than that many tell nothing new.
LETTERS, CHARACTERS = 24, 200
# Below this probability among its 140 languages the classifier is guessing.
SURE = 0.5
_NO_LANGUAGE = "zxx"


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def known_languages() -> list[str]:
    """The ISO 639 codes that can be told apart."""
    return [label for label in _identifier().labels if label != _NO_LANGUAGE]


def row_languages(kind: str, rows: Sequence[Row]) -> list[str | None]:
    """Each row's ISO 639 code; None where its text is too short or too odd to judge.

    A tag in ``metadata.language`` (``en``, ``en-US``, ``pt_BR``) counts before the text. The text judged is what the
    assistant says (chat), or the user (prompts): a request to translate holds another language rightly.
    """
    speaker = "assistant" if kind == "chat" else "user"
    return [language_tag(row) or _judged(row, speaker) for row in rows]


def language_tag(row: Row) -> str | None:
    """The language that ``metadata.language`` names, without region; None where it names none."""
    tag = (row.get("metadata") or {}).get("language")
    return tag.replace("_", "-").partition("-")[0].strip().lower() or None if isinstance(tag, str) else None


def _judged(row: Row, speaker: str) -> str | None:
    text = ""
    for message in row["messages"]:
        if message["role"] == speaker:
            text += message["content"][: CHARACTERS - len(text)] + "\n"
            if len(text) >= CHARACTERS:
                break
    return text_language(text)


def text_language(
    text: str, letters: int = LETTERS, sure: float = SURE, same: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """The ISO 639 code of a text's language; None where it is too short or too odd to judge. All of it is read.

    Args:
        letters: fewest letters of a text that is judged.
        sure: smallest probability that the classifier must give the language.
        same: code → the code of the language that it counts as.
    """
    if sum(map(str.isalpha, text)) < letters:
        return None
    language, share = _identifier().classify(text)
    if same:
        language = same.get(language, language)
        share = sum(part for label, part in _identifier().rank(text) if same.get(label, label) == language)
    return language if share >= sure and language != _NO_LANGUAGE else None
