"""How a text is read: what a line, a word, a sentence, an occurrence and a paragraph are (KINDS.md has the conventions)."""

from __future__ import annotations

import unicodedata

import regex

# Characters that nobody sees: a forbidden word must not hide behind one. The joiners that Persian and Hindi need stay.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_JOINERS = regex.compile(r"(?<=\p{Latin})[\u200c\u200d]+|[\u200c\u200d]+(?=\p{Latin})")
_LINE_BREAKS = regex.compile(r"\r\n|[\r\v\f\x85\u2028\u2029]")
# Scripts written without spaces; Korean and Japanese also hang their particles on a word.
_UNSPACED = r"\p{Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_IN_WORD = rf"(?:(?![{_UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}])"
_PIECE = regex.compile(r"[\p{Han}\p{scx=Hiragana}\p{scx=Katakana}]|[^\s—\p{Han}\p{scx=Hiragana}\p{scx=Katakana}]+")
_SAYS_SOMETHING = regex.compile(r"[\p{L}\p{N}]")
_QUOTES = str.maketrans("’‘ʼ", "'''")

_BREAK = regex.compile(r"[ \t]*(?:#{1,6}[ \t]|[-*+•>][ \t]|[0-9]{1,3}[.)][ \t])")
_HEADING = regex.compile(r"[ \t]*#{1,6}[ \t]")
_END = regex.compile(r"(?P<mark>[.!?…؟۔।॥።]+)(?P<close>[\"'”’)\]»*_`]*)(?=\s|$)|[。！？｡]+[」』”’）]*")
_LOWER_NEXT = regex.compile(r"\s+[\"'“‘(\[*_]*\p{Ll}")
_ABBREVIATION = regex.compile(r"(?:^|[\s(\[\"'“‘*_])(?P<word>[\p{L}.]+)\.$")
_NEVER_LAST = regex.compile("mrs?|ms|dr|prof|st|vs|e\\.g|i\\.e|cf|fig|gen|sen|rep|rev|hon|capt|lt|sgt|col|mt", regex.IGNORECASE)
_SELDOM_LAST = regex.compile(r"etc|inc|ltd|co|corp|jr|sr|al|approx|dept|est|\p{L}(?:\.\p{L})+", regex.IGNORECASE)
_NOTHING_MORE = regex.compile(r"\s*\Z")
_NEAR = 24  # characters before a point that can hold an abbreviation


def readable(text: str) -> str:
    """`text` in one spelling: NFC, line breaks as ``\\n``, without invisible characters and outer white space."""
    encodable = _JOINERS.sub("", text.encode("utf-8", "replace").decode())
    return unicodedata.normalize("NFC", _LINE_BREAKS.sub("\n", encodable).translate(_INVISIBLE)).strip()


def says_something(text: str) -> bool:
    """Whether `text` holds a letter or a digit."""
    return _SAYS_SOMETHING.search(text) is not None


def folded(text: str) -> str:
    """`text` for a comparison: no case, curly apostrophes straight, runs of white space as one space."""
    return " ".join(text.translate(_QUOTES).casefold().split())


def words(text: str) -> list[str]:
    """The pieces between white space and em dashes that hold a letter or a digit; each Han character or kana is one."""
    return [piece for piece in _PIECE.findall(text) if says_something(piece)]


def occurrences(text: str, phrase: str) -> int:
    """How often `phrase` stands in `text` as whole words, without case; overlapping ones count once."""
    spelled = r"\s+".join(map(regex.escape, phrase.translate(_QUOTES).split()))
    before = rf"(?<!{_IN_WORD})" if regex.match(_IN_WORD, phrase) else ""
    after = rf"(?!{_IN_WORD})" if regex.match(_IN_WORD, phrase[-1]) else ""
    return len(regex.findall(before + spelled + after, text.translate(_QUOTES), regex.IGNORECASE))


def lines(text: str) -> list[str]:
    """The lines that hold more than white space."""
    return [line for line in text.split("\n") if line.strip()]


def paragraphs(text: str) -> list[str]:
    """What blank lines separate."""
    return [part for part in regex.split(r"\n[ \t]*(?:\n[ \t]*)+", text) if part.strip()]


def sentences(text: str) -> int:
    """How many sentences: each ends with its mark, or where its block (paragraph, bullet, heading, list item) ends."""
    return sum(_block_sentences(block) for block in _blocks(text))


def _blocks(text: str) -> list[str]:
    blocks, current, after_heading = [], "", False
    for line in text.split("\n"):
        mark = _BREAK.match(line)
        if mark or after_heading or not line.strip():
            blocks.append(current)
            current = ""
        current += (line[mark.end() :] if mark else line) + "\n"
        after_heading = bool(_HEADING.match(line))
    return [*blocks, current]


def _block_sentences(block: str) -> int:
    count, start = 0, 0
    for end in _END.finditer(block):
        if _is_end(block, end):
            count, start = count + says_something(block[start : end.start()]), end.end()
    return count + says_something(block[start:])


def _is_end(block: str, end: regex.Match[str]) -> bool:
    """Whether a mark ends a sentence, and not a title, an abbreviation, an initial or what somebody says within one."""
    lower_next = bool(_LOWER_NEXT.match(block, end.end()))
    mark = end["mark"]
    if mark is None:
        return True
    if lower_next and (end["close"].strip("*_`") or mark in ("...", "…")):
        return False
    word = _ABBREVIATION.search(block[max(0, end.start() - _NEAR) : end.start()] + ".") if mark == "." else None
    if not word:
        return True
    spelled = word["word"]
    if _NEVER_LAST.fullmatch(spelled) or (len(spelled) == 1 and spelled.isupper() and spelled != "I"):
        return _NOTHING_MORE.match(block, end.end()) is not None
    return not (lower_next and _SELDOM_LAST.fullmatch(spelled))
