"""Refusal boilerplate: an answer that opens as an assistant declines, whatever a lenient verifier found in the rest.

Only the opening counts (after the thinking part), so that an answer which quotes such a phrase, or comes to one later,
stays. "I'm sorry, but I can't make it on Friday" is a fine message to write, so where the prompt asks for wording only
the phrases of assistants count, and a phrase that the prompt has itself never does.
"""

from __future__ import annotations

import re

from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import Asked, Said

_OPENING = 400
_REGRET = (
    r"(?:i'm|i am) (?:(?:so|very|really|truly|deeply|terribly) )?sorry|sorry|(?:my )?(?:sincere )?apologies"
    r"|i (?:sincerely )?apologi[sz]e"
)
_BUT = r"(?: for (?:the|any) \w+)?[,.;:! –—-]*(?:(?:but|however),? )?"
_SORRY = rf"(?:(?:oh|hi|hello|hmm|well)[,!.]? )?(?:{_REGRET}|unfortunately|regrettably){_BUT}"
_CANNOT = (
    r"i(?: (?:really|simply|just|truly))? ?(?:cannot|can't|can not|'m (?:not able|unable) to|am (?:not able|unable) to|won't"
    r"|will not|'m not (?:allowed|permitted|going) to|am not (?:allowed|permitted|going) to|must (?:respectfully )?decline to)"
)
_SERVE = (
    r"(?: (?:in good conscience|actually|currently|directly))? (?:assist\b|help(?: you)?(?: with\b|[.!]|$)|comply\b|fulfil"
    r"|provide\b|(?:answer|complete|write|share|do|discuss) (?:that|this|your|such|personal)\b|generate\b|create\b|produce\b"
    r"|browse\b|engage (?:in|with)\b|give (?:you )?(?:\w+ )?(?:advice|instructions|information)\b|participate in (?:that|this))"
)
_MODEL = (
    r"(?:large |ai )?(?:language model|ai(?: language)?(?: model| assistant| chatbot| system)?"
    r"|artificial intelligence(?: model| assistant| system)?|virtual assistant|digital assistant)"
)
_LACKS = r"(?:can't|cannot|don't|do not|unable|not able|incapable|not capable|not have|not designed)\b"
# What only an assistant says.
_BOILERPLATE = re.compile(
    rf"(?:{_SORRY})?(?:{_CANNOT}{_SERVE}"
    rf"|as an? {_MODEL}(?: (?:created|developed|trained|made|built) by [^,.]{{1,40}})?,? i(?:'m)?\b"
    rf"|i(?:'m| am) (?:just |only |merely |sorry, )?an? {_MODEL}\b[^.!?\n]{{0,80}}?\b{_LACKS}"
    r"|i must (?:respectfully |politely )?decline\b(?! to)|i(?:'d| would) (?:rather|prefer) not (?:answer|discuss|say)\b)"
    # The same in Chinese, Japanese, Korean, German, French, Spanish, Portuguese, Italian, Russian.
    r"|(?:很|非常)?(?:抱歉|对不起|對不起)[，,。 ]*(?:但是?|不过)?[，, ]*我(?:无法|無法|不能|没有办法)"
    r"|作为(?:一个|一名)?(?:ai|人工智能|大?语言模型)[^，,。]{0,12}[，,]?我"
    r"|(?:申し訳(?:ありません|ございません)|すみません)が?、?[^。\n]{0,40}(?:できません|お答えでき)|ai(?:言語モデル|アシスタント)として"
    r"|(?:죄송하지만|죄송합니다)[^.\n]{0,40}(?:수 없습니다|어렵습니다)|ai 언어 모델로서"
    r"|(?:es )?tut mir leid,? aber (?:ich kann|dabei kann ich)[^.!?\n]{0,60}nicht (?:helfen|beantworten|weiterhelfen)"
    r"|als (?:ki|künstliche intelligenz|sprachmodell|ki-sprachmodell|ki-assistent)\b,? (?:kann|habe|bin|darf) ich"
    r"|(?:je suis )?désolé(?:e)?,? (?:mais )?je ne peux pas (?:vous aider|t'aider|répondre|fournir|vous fournir|satisfaire)"
    r"|en tant qu(?:e modèle de langage|'ia\b|'intelligence artificielle|'assistant)[^.\n]{0,30},? je"
    r"|lo siento,? (?:pero )?no puedo (?:ayudar|cumplir|proporcionar|responder|asistir|generar)"
    r"|como (?:modelo de (?:lenguaje|linguagem)|(?:una? )?(?:ia|inteligencia artificial|inteligência artificial))\b"
    r"|(?:sinto muito|desculpe|lamento),? (?:mas )?não posso (?:ajudar|fornecer|responder|atender|gerar)"
    r"|mi dispiace,? (?:ma )?non posso (?:aiutar|fornire|rispondere|soddisfare|generare)"
    r"|come (?:modello linguistico|modello di linguaggio|intelligenza artificiale)\b"
    r"|(?:извините|простите|к сожалению),? (?:но )?я не могу (?:помочь|ответить|предоставить|выполнить)"
    r"|как (?:языковая модель|искусственный интеллект|ии)\b"
)
# What a person may write as well.
_DECLINES = re.compile(rf"(?:{_REGRET}){_BUT}(?:{_CANNOT}|that(?:'s| is) not something i can)\b")
_ASKS_FOR_WORDING = re.compile(
    r"\b(?:write|draft|compose|reply|respond|response|e-?mail|letter|message|note|say|says|said|tell|translat\w*|rephrase|rewrite"
    r"|paraphrase|complete|continue|dialogue|story|scene|character|role|sentence|quote|text|correct|grammar|mean|means|apolog\w*)\b",
    re.IGNORECASE,
)


def is_refusal(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the answer opens with a refusal's stock phrase."""
    opening = _plain(said.visible.lstrip()[:_OPENING]).lstrip("*_#> \n")
    found = _BOILERPLATE.match(opening) or (not _ASKS_FOR_WORDING.search(asked.user) and _DECLINES.match(opening))
    return bool(found) and found[0] not in _plain(asked.user)  # type: ignore[index]


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").casefold().split())
