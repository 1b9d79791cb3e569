"""The kwargs of the kinds: what they may hold, and the four relations of a count to a number."""

from __future__ import annotations

from collections.abc import Callable
from operator import eq, ge, le, lt
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tasks.verify.instruction.texts import readable, says_something

# IFEval has the first two.
Relation = Literal["at least", "less than", "at most", "exactly"]
_HOLDS: dict[str, Callable[[int, int], bool]] = {"at least": ge, "less than": lt, "at most": le, "exactly": eq}


def _text(value: str) -> str:
    if not readable(value):
        raise ValueError("must not be empty")
    return readable(value)


def _speaking(value: str) -> str:
    if not says_something(value):
        raise ValueError("must hold a letter or a digit")
    return value


def _letter(value: str) -> str:
    if len(_text(value).casefold()) != 1:
        raise ValueError("must be one character")
    return _text(value).casefold()


def _language(value: str) -> str:
    from tasks.validate.languages import known_languages

    code = value.replace("_", "-").partition("-")[0].strip().lower()
    if code not in known_languages():
        raise ValueError("is no language that can be told apart; give an ISO 639 code such as 'de'")
    return code


def _whole(value: object) -> object:
    if isinstance(value, bool | str):  # pydantic would read both as numbers
        raise ValueError("must be a whole number")
    return value


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=100_000)]
Text = Annotated[str, AfterValidator(_text)]
Phrase = Annotated[str, AfterValidator(_text), AfterValidator(_speaking)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=1000)]
Letter = Annotated[str, AfterValidator(_letter)]
Language = Annotated[str, AfterValidator(_language)]


def missed(found: int, relation: str, wanted: int, what: str) -> str:
    """Why a count is not what is wanted, with both figures; empty when it is."""
    return "" if _HOLDS[relation](found, wanted) else f"{found} {what}, {relation} {wanted} wanted"
