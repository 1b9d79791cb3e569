"""Text that belongs to a chat template and not to an answer: control tokens written out, and turns that nobody took.

A model that was stopped late, or trained on badly rendered rows, writes the next turns of the conversation itself. A name
between ``<|`` and ``|>`` is one family's habit after another's (ChatML, Llama 3, Phi, Command R, GLM …), so the pattern
is generic; the others are listed. What the prompt itself writes may be quoted.
"""

from __future__ import annotations

import re

from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import Asked, Said

_CONTROL = re.compile(
    r"<\|/?[A-Za-z][\w.-]{2,60}\|>"  # ChatML, Llama 3, Phi, Command R, gpt-oss, reserved tokens
    r"|<｜[^｜<>\n]{2,60}｜>"  # DeepSeek
    r"|<\|im_(?:start|end)\b"  # a stop string that was cut off
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK)\]|<</?SYS>>"  # Llama 2, Mistral, GLM
    r"|<(?:start|end)_of_(?:turn|image|role)>|<extra_id_\d{1,3}>|<unused\d{1,4}>"  # Gemma, Granite, T5
    r"|(?:<pad>\s*){2}"
)
_OPENS, _CLOSES = re.compile(r"\s*(?:<s>|<bos>)"), re.compile(r"(?:</s>|<eos>)\s*\Z")
_HEADER = re.compile(r"^#{2,3} ?(?:Instruction|Human|User|Assistant):", re.MULTILINE)
_SPEAKER = re.compile(r"^\**(human|user|assistant|ai)\**(?::(.*)|[ \t]*$)", re.MULTILINE | re.IGNORECASE)
_ASSISTANT = frozenset({"assistant", "ai"})
_ABOUT_TALK = re.compile(
    r"\b(?:users?|humans?|assistants?)\b|dialog|conversa|chat|transcript|interview|диалог|对话|對話|会話|대화", re.IGNORECASE
)


def has_template_tokens(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the answer has control text that its prompt does not have, or goes on with turns of its own."""
    text = said.text
    if ("<" in text or "[" in text) and (_has_control_text(text, asked.everything) or _has_edge_tokens(text)):
        return True
    return _has_turns(text, asked.user)


def _has_control_text(text: str, known: str) -> bool:
    return any(match[0].strip() not in known for match in _CONTROL.finditer(text))


def _has_edge_tokens(text: str) -> bool:
    """A document's first or last token, as text. ``<s>…</s>`` is HTML as well: struck through."""
    opens, closes = _OPENS.match(text), _CLOSES.search(text)
    if not (opens or closes):
        return False
    if "<bos>" in (opens[0] if opens else "") or "<eos>" in (closes[0] if closes else ""):
        return True
    return text.count("<s>") != text.count("</s>") or (bool(opens and closes) and text.count("<s>") == 1)


def _has_turns(text: str, question: str) -> bool:
    """Turns of a conversation after the answer's own beginning, where nobody asked for a conversation."""
    body = text.strip()
    begins = body.find("\n")
    if begins < 0:
        return False
    if _HEADER.search(body, begins):
        return True
    turns = [(match[1].lower(), match[2]) for match in _SPEAKER.finditer(body, begins)]
    if not turns or _ABOUT_TALK.search(question) or _SPEAKER.match(body):
        return False
    who, what = turns[-1]
    speakers = [who for who, _ in turns]
    asks = next((place for place, who in enumerate(speakers) if who not in _ASSISTANT), len(speakers))
    if any(who in _ASSISTANT for who in speakers[asks:]):
        return True
    last = body[body.rfind("\n") + 1 :]
    return who not in _ASSISTANT and bool(_SPEAKER.match(last)) and (not (what or "").strip() or last.rstrip().endswith("?"))
