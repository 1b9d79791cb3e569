"""Label rows against the chat rows they were made from: is what is trained what was said, after what a server sends?

The expectation comes from the template's text alone: what it writes for the messages so far and the generation prompt is
what a server sends, and what it writes after that for one more turn, up to the closing token, is what the model must
learn to say.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from tasks.runtime.rows import Row
from tasks.validate.facts import Facts
from tasks.validate.label_rows import flat_tokens
from tasks.validate.messages import Columns

_BATCH = 1_000
_PROBE = "a word,  two spaces\n\n\tand a tab ."


@dataclass(frozen=True)
class _Member:
    """A label row, or one of a pack: its ids, and the ranges [start, stop) of them that are trained."""

    row: int
    id: str
    ids: list[int]
    runs: list[tuple[int, int]]


@dataclass(frozen=True)
class _Conversation:
    """The messages a label row was made from; of a row that was split turn by turn, those up to its turn."""

    messages: Sequence[Row]
    tools: Any
    last_only: bool


@dataclass(frozen=True)
class _Turn:
    """What a server sends before a trained turn, what the model must say, and the turn's own words."""

    prompt: str
    text: str
    words: str


class LabelProof:
    """Checks label rows with a tokenizer and the chat rows of `facts`, both of which it must have."""

    def __init__(self, facts: Facts) -> None:
        from tasks.chat.render import Renderer, end_of_call, end_of_turn

        assert facts.tokenizer is not None
        self.chats, self.mask, self.tokenizer = facts.chat, facts.mask, facts.tokenizer
        self.renderer = Renderer(self.tokenizer)
        self.end, self.end_of_call = end_of_turn(self.tokenizer).text, end_of_call(self.tokenizer).text
        self.normalizer = self.tokenizer.backend_tokenizer.normalizer
        # SentencePiece writes a text without some of its spaces, and some control tokens take those beside them in: with
        # such tokenizers, white space is not compared.
        ids = self.tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        wide = any(token.lstrip or token.rstrip for token in self.tokenizer.added_tokens_decoder.values())
        cuts = range(len(ids) + 1)
        self.exact = not wide and all(self._decoded(ids[:cut]) + self._decoded(ids[cut:]) == _PROBE for cut in cuts)

    def check(self, rows: Sequence[Row], usable: np.ndarray) -> Columns:
        """Verdict columns ``chat_row_unknown``, ``serving_ids_differ`` and ``trained_text_differs``.

        Args:
            rows: label rows of the right shape.
            usable: bool [rows]: whose lists and members are sound; the others pass, for they have another code.
        """
        codes = ("chat_row_unknown", "serving_ids_differ", "trained_text_differs")
        columns = {code: np.ones(len(rows), bool) for code in codes}
        chosen = [index for index in np.flatnonzero(usable).tolist() if rows[index]["input_ids"]]
        members = _members(rows, chosen) if chosen else iter(())
        while batch := list(islice(members, _BATCH)):
            for member, code in self._faults(batch):
                columns[code][member.row] = False
        return columns

    def _faults(self, members: Sequence[_Member]) -> Iterator[tuple[_Member, str]]:
        assert self.chats is not None
        chats = self.chats.rows(name for member in members for name in (member.id, member.id.rpartition("#")[0]))
        known = [(member, talk) for member in members if (talk := self._conversation(member.id, chats))]
        yield from ((member, "chat_row_unknown") for member in members if not self._conversation(member.id, chats))
        expected = [self._turns(talk) for _, talk in known]
        prompts = self._encoded([turn.prompt for turns in expected for turn in turns or ()])
        for (member, talk), turns in zip(known, expected, strict=True):
            code = self._fault(member, turns, list(islice(prompts, len(turns or ()))))
            if code and not self._is_cut(member, talk):
                yield member, code

    def _conversation(self, name: str, chats: dict[str, Row]) -> _Conversation | None:
        if row := chats.get(name):
            return _Conversation(row["messages"], row.get("tools"), self.mask == "last")
        name, _, turn = name.rpartition("#")
        if (row := chats.get(name)) and turn.isdecimal() and int(turn) < len(row["messages"]):
            return _Conversation(row["messages"][: int(turn) + 1], row.get("tools"), True)
        return None

    def _is_cut(self, member: _Member, talk: _Conversation) -> bool:
        """Whether the member is right for the conversation without its first exchanges: rendering may cut what is too long."""
        system = [message for message in talk.messages[:1] if message["role"] == "system"]
        for start in range(len(system) + 1, len(talk.messages)):
            if talk.messages[start]["role"] == "user":
                turns = self._turns(replace(talk, messages=[*system, *talk.messages[start:]]))
                if not self._fault(member, turns, list(self._encoded([turn.prompt for turn in turns or ()]))):
                    return True
        return False

    def _turns(self, talk: _Conversation) -> list[_Turn] | None:
        """The turns that must be trained, in order; None when the template cannot tell what they are."""
        from tasks.chat.render import TemplateRefusedError

        try:
            if self.mask == "full":
                return [_Turn("", self._text(talk, len(talk.messages)), "")]
            spoken = [index for index, message in enumerate(talk.messages) if message["role"] == "assistant"]
            spoken = spoken[-1:] if talk.last_only else spoken
            turns = [self._turn(talk, index) for index in spoken if talk.messages[index].get("train") is not False]
        except TemplateRefusedError:
            return None
        return [turn for turn in turns if turn] if all(turns) else None

    def _turn(self, talk: _Conversation, index: int) -> _Turn | None:
        prompt, whole = self._text(talk, index, generation_prompt=True), self._text(talk, index + 1)
        message = talk.messages[index]
        text, end, _ = whole[len(prompt) :].rpartition(self.end_of_call if message.get("tool_calls") else self.end)
        return _Turn(prompt, text + end, message["content"].strip()) if end and whole.startswith(prompt) else None

    def _text(self, talk: _Conversation, messages: int, generation_prompt: bool = False) -> str:
        from tasks.chat.render import plain_messages

        return self.renderer.text(plain_messages(talk.messages[:messages]), generation_prompt, talk.tools)

    def _encoded(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for first in range(0, len(texts), _BATCH):
            part = list(texts[first : first + _BATCH])
            yield from self.tokenizer(part, add_special_tokens=False, return_attention_mask=False)["input_ids"]

    def _fault(self, member: _Member, turns: list[_Turn] | None, prompts: list[list[int]]) -> str:
        """The code of what is wrong with a member; empty when nothing is."""
        if turns is None:
            return "serving_ids_differ"
        if self.mask == "full":
            (whole,) = self._encoded([turns[0].text])
            return "" if member.ids == whole else "serving_ids_differ"
        if len(member.runs) != len(turns):
            return "trained_text_differs"
        for turn, prompt, (start, stop) in zip(turns, prompts, member.runs, strict=True):
            if start < len(prompt) or member.ids[: len(prompt)] != prompt:
                return "serving_ids_differ"
            # Templates may write an empty thought, say, between the prompt and what is trained.
            said = self._decoded(member.ids[len(prompt) : stop])
            if not self._same(said, turn.text):
                return "trained_text_differs"
            if start > len(prompt) and not self._holds(self._decoded(member.ids[start:stop]), turn.words):
                return "trained_text_differs"
        return ""

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _same(self, made: str, said: str) -> bool:
        if made == said or (self.exact and self.normalizer is not None and made == self.normalizer.normalize_str(said)):
            return True
        return not self.exact and _squeezed(made) == _squeezed(said)

    def _holds(self, made: str, words: str) -> bool:
        return _squeezed(words) in _squeezed(made)


def _members(rows: Sequence[Row], chosen: Sequence[int]) -> Iterator[_Member]:
    """The members of the chosen rows, in order."""
    tokens = flat_tokens([rows[index] for index in chosen])
    borders = np.append(tokens.members, len(tokens.ids)).tolist()
    firsts = np.append(np.searchsorted(tokens.members, tokens.rows), len(tokens.members)).tolist()
    begins, ends = np.flatnonzero(tokens.begins), np.flatnonzero(tokens.ends) + 1
    for index, first, last in zip(chosen, firsts, firsts[1:], strict=False):
        names = rows[index].get("members") or [rows[index]["id"]]
        for name, member in zip(names, range(first, last), strict=False):  # a pack of another number has a code for that
            start, stop = borders[member], borders[member + 1]
            here = slice(*np.searchsorted(begins, (start, stop)))
            runs = zip((begins[here] - start).tolist(), (ends[here] - start).tolist(), strict=True)
            yield _Member(index, name, tokens.ids[start:stop].tolist(), list(runs))


def _squeezed(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())
