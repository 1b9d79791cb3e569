"""The two texts that a filter looks at, what was asked and what was said, with what filters want to know of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tasks.data.ngrams import ngrams, words_of
from tasks.runtime.rows import Row
from tasks.validate.languages import language_tag
from tasks.verify.answers import after_thinking

# These read the final answer of a text, so the rest of the text is reasoning. For others a paragraph, or a block of
# code, may be the answer itself.
READ_FINAL_ANSWER = frozenset({"number", "math", "choice"})
_COPY = 8
_FENCE = re.compile(r"^[ \t]{0,3}(```+|~~~+)(.*?)(?:^[ \t]{0,3}\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
# Bounded, so that a text of nothing but opening brackets takes no longer than another.
_NO_PROSE = re.compile(
    r"`[^`\n]*`|\$\$[^$]{0,1000}\$\$|\$[^$\n]{1,1000}\$|\\\[.{0,1000}?\\\]|\\\(.{0,1000}?\\\)|\\[a-zA-Z]+|https?://\S+",
    re.DOTALL,
)


@dataclass(frozen=True)
class Asked:
    """A prompt.

    Attributes:
        user: what the user's turns say.
        everything: what all turns say.
        hint: ``metadata.hint`` (a text, or a list of texts): what the model was told beside the question.
        language: the code that ``metadata.language`` names; empty where it names none.
    """

    user: str
    everything: str
    verifier: str
    reference: str
    hint: str
    language: str

    @classmethod
    def of(cls, prompt: Row) -> Asked:
        turns = [(turn["role"], turn.get("content") or "") for turn in prompt["messages"]]
        about = prompt.get("metadata")
        about = about if isinstance(about, Mapping) else {}
        hint = about.get("hint") or ""
        return cls(
            user="\n".join(text for role, text in turns if role == "user"),
            everything="\n".join(text for _, text in turns),
            verifier=prompt.get("verifier") or "",
            reference=prompt.get("reference") or "",
            hint="\n".join(map(str, hint)) if isinstance(hint, list) else str(hint),
            language=language_tag(prompt) or "",
        )


@dataclass(frozen=True)
class Said:
    """An answer."""

    text: str

    @cached_property
    def words(self) -> list[str]:
        return words_of(self.text)

    @cached_property
    def repeated_runs(self) -> int:
        """How many of the runs of five words are repetitions."""
        words = self.words
        return max(0, len(words) - 4) - len(set(zip(words, words[1:], words[2:], words[3:], words[4:], strict=False)))

    @cached_property
    def visible(self) -> str:
        """What the user sees: the text after the thinking part."""
        return after_thinking(self.text)

    def reasoning(self, asked: Asked) -> str:
        """The thinking part. Without one, all of an answer of which the verifier reads only the end, else nothing."""
        if self.visible is not self.text and "</think>" in self.text:
            return self.text.rpartition("</think>")[0].replace("<think>", "")
        if self.text.lstrip().startswith("<think>"):
            return self.text.replace("<think>", "")
        return self.text if asked.verifier in READ_FINAL_ANSWER else ""


def is_word(word: str) -> bool:
    """Whether one of `words_of` is a word of a language: two letters or more, or one of a script without spaces."""
    return word[0].isalpha() and (len(word) > 1 or word >= "\u0e00")


def code_blocks(text: str) -> list[str]:
    """What stands in the fenced blocks of a text; one that is never closed reaches to its end."""
    return [match[2].partition("\n")[2] for match in _FENCE.finditer(text)]


def prose(text: str) -> str:
    """A text without fenced and inline code, LaTeX and links."""
    return _NO_PROSE.sub(" ", _FENCE.sub("\n", text) if "```" in text or "~~~" in text else text)


def copied_share(source: str, words: list[str]) -> float:
    """The share of the source's words that lie in runs of 8 words which `words` has too; 0 for a shorter source."""
    import numpy as np

    told = words_of(source)
    (runs, counts) = ngrams([told, words], _COPY)
    mine, theirs = runs[: counts[0]], runs[counts[0] :]
    covered = np.zeros(len(told) + 1, np.int64)
    for place in np.flatnonzero(np.isin(mine, theirs)).tolist():
        covered[place : place + _COPY] = 1
    return float(covered.sum() / max(1, len(told)))
