"""Scripts → token ids and the token ranges that are trained: one tokenisation a text, on all cores, while others are written.

The ranges are found in the ids alone, for keeping track of offsets costs the tokenizer a quarter of its time. A prompt's tokens
must begin the text's: the tokenizer always cuts at the special token that comes last before the prompt's end, so that what
stands before cannot depend on what follows; the short tail from it on is tokenised alone and compared.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from tasks.chat.conversation import RowRefusedError
from tasks.chat.render import EndOfTurn, TemplateRefusedError, render_text
from tasks.chat.spans import Script, Span

# Python takes four control characters for white space; they are text here.
_SPACE = re.compile("[^\\S\x1c-\x1f]+")
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Encoded:
    """Texts and their tokens: `ids` of each text (None: it is no valid Unicode), `offsets` of those that were asked for."""

    ids: dict[str, list[int] | None]
    offsets: dict[str, list[tuple[int, int]]]


class Scribe:
    """One tokenizer, for scripts."""

    def __init__(self, tokenizer: Any) -> None:
        # The Rust tokenizer keeps the state of the last call; this one leaves it as a server's calls do: nothing cut or padded.
        tokenizer("", add_special_tokens=False)
        self._backend = tokenizer.backend_tokenizer
        self._bos = tokenizer.bos_token_id
        self._cutter = cutter_of(tokenizer)
        added = tokenizer.added_tokens_decoder
        self._swallowing = frozenset(token_id for token_id, token in added.items() if token.rstrip)

    def encode(self, scripts: Iterable[Script]) -> Encoded:
        """The scripts' texts and their prompts' tails, each text once. Safe to call from several threads."""
        texts: dict[str, bool] = {}
        for script in scripts:
            texts[script.text] = bool(script.silent) or texts.get(script.text, False)
            for span in script.spans:
                texts.setdefault(script.text[self._cut(script.text, span) : span.start], False)
        quick = [text for text, offsets in texts.items() if not offsets]
        ids = dict(zip(quick, self._ids(quick), strict=True))
        offsets = {}
        for text in texts.keys() - ids.keys():
            if (ids_of := self._ids([text])[0]) is not None:
                offsets[text] = self._backend.encode(text, add_special_tokens=False).offsets
            ids[text] = ids_of
        return Encoded(ids, offsets)

    def _ids(self, texts: Sequence[str]) -> list[list[int] | None]:
        try:
            return [one.ids for one in self._backend.encode_batch_fast(texts, add_special_tokens=False)]
        except TypeError:  # one of them is no valid Unicode, and the batch does not say which
            return [None] if len(texts) == 1 else [ids for text in texts for ids in self._ids([text])]

    def ids(self, script: Script, encoded: Encoded) -> list[int]:
        """The ids of a script's text. Raises `RowRefusedError`."""
        ids = encoded.ids[script.text]
        if ids is None:
            raise RowRefusedError("text_lost", "its text holds a lone surrogate, which no file and no tokenizer can write")
        if self._bos is not None and ids[:2] == [self._bos, self._bos]:
            raise RowRefusedError("double_bos", "it starts with two BOS tokens: the template writes one too many")
        return ids

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self._ids([text])[0] or [])

    def silent(self, script: Script, encoded: Encoded) -> list[int]:
        """The tokens that begin in one of a script's silent parts."""
        offsets = encoded.offsets.get(script.text, []) if script.silent else []
        inside = ((token, start) for token, (start, _) in enumerate(offsets))
        return [token for token, start in inside if any(first <= start < last for first, last in script.silent)]

    def ranges(self, script: Script, encoded: Encoded) -> list[tuple[int, int]]:
        """The token range [start, stop) of each span of a script.

        Raises:
            RowRefusedError: a prompt has other tokens alone, or the range does not say what the span says.
        """
        ids = self.ids(script, encoded)
        return [self._range(script.text, span, ids, encoded) for span in script.spans]

    def _range(self, text: str, span: Span, ids: list[int], encoded: Encoded) -> tuple[int, int]:
        cut = self._cut(text, span)
        tail = encoded.ids[text[cut : span.start]] or []
        first = -1 if cut else 0
        if self._cutter is not None and cut:
            first = _nth(ids, self._cutter.id, text.count(self._cutter.text, 0, cut))
        start = first + len(tail)
        if first < 0 or ids[first:start] != tail:
            raise RowRefusedError("prefix_tokens", f"the prompt of message {span.turn} has other tokens alone than here")
        if tail and ids[start - 1] in self._swallowing and _SPACE.match(text, span.start):
            raise RowRefusedError(
                "prefix_tokens", f"the last token of the prompt takes in the first space of message {span.turn}"
            )
        try:
            stop = ids.index(span.end.id, start) + 1
        except ValueError:
            raise RowRefusedError("end_of_turn_missing", f"message {span.turn}: no token {span.end.text} ends it") from None
        self._refuse_lost_text(text, span, ids[start:stop])
        return start, stop

    def _refuse_lost_text(self, text: str, span: Span, ids: list[int]) -> None:
        """A tokenizer without a token for some character leaves it out in silence; the model would learn the rest.

        White space is not compared: SentencePiece decodes a span without its first space.
        """
        said = text[span.start : span.stop]
        made = self._backend.decode(ids, skip_special_tokens=False)
        if said != made and _without_space(said) != _without_space(made):
            raise RowRefusedError("text_lost", f"message {span.turn}: the tokenizer cannot write all of its characters")

    def _cut(self, text: str, span: Span) -> int:
        """The last character before a span's end of prompt at which this tokenizer is sure to cut."""
        return max(text.rfind(self._cutter.text, 0, span.start), 0) if self._cutter is not None else 0


def in_order(items: Iterable[Item], work: Callable[[Item], Made]) -> Iterator[tuple[Item, Made]]:
    """Each item with what `work` makes of it in another thread, in order; only a few items are taken ahead.

    For work that lets go of Python's lock, as the tokenizer does: then all cores are used. The tokenizer's own threads are
    turned off (``TOKENIZERS_PARALLELISM``), for they do not go with forks. There is one thread more than cores, for one of
    them mostly waits for the lock.
    """
    workers = 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    waiting: deque[tuple[Item, Future[Made]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="winnow-tokens") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > workers + 1:
                    first, made = waiting.popleft()
                    yield first, made.result()
            while waiting:
                first, made = waiting.popleft()
                yield first, made.result()
        finally:
            for _, made in waiting:
                made.cancel()


def cutter_of(tokenizer: Any) -> EndOfTurn | None:
    """The special token that this template writes last in a prompt and that nothing can keep the tokenizer from matching."""
    probe: list[dict[str, str]] = [{"role": role, "content": "winnowprobe"} for role in ("user", "assistant", "user")]
    try:
        text = render_text(tokenizer, probe, generation_prompt=True)
    except TemplateRefusedError:
        return None
    added = {token_id: token for token_id, token in tokenizer.added_tokens_decoder.items() if not token.normalized}
    texts = [token.content for token in added.values()]
    found = [
        (text.rfind(token.content), EndOfTurn(token_id, token.content))
        for token_id, token in added.items()
        if token.content in text and not token.single_word and not any(_hides(token.content, other) for other in texts)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _hides(text: str, other: str) -> bool:
    """Whether a match of `other` can begin before one of `text` and reach into it, or hold it: then `text` is not matched."""
    if text == other:
        return False
    shared = range(1, min(len(text), len(other)))
    return text in other or any(other.endswith(text[:length]) for length in shared)


def _nth(ids: list[int], token: int, before: int) -> int:
    """The place of the occurrence of `token` that has `before` others before it; −1 when there are too few."""
    place = -1
    try:
        for _ in range(before + 1):
            place = ids.index(token, place + 1)
    except ValueError:
        return -1
    return place


def _without_space(text: str) -> str:
    return _SPACE.sub("", unicodedata.normalize("NFKC", text))
