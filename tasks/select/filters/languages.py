"""Answers in another language than their prompt's, and reasoning that mixes scripts.

An answer's language differs when its beginning and its end (200 characters each, without code, LaTeX and links, after the
thinking part) are both surely in one language of the table below, which is none of those that the prompt's lines are in,
and which the prompt neither names ("in French", "auf Französisch") nor asks to translate into. Surely: py3langid gives
it 95 %, and the text has 60 letters or more; numbers, names and formulas never come that far. Lists of names come further
than they should, so at least half of the words must begin with a small letter, in scripts that have them.

Reasoning mixes scripts when it has eight letters or more of one that the prompt, which has eight letters itself, does not
have. Latin and Greek letters are in every script's formulas and never count, Han, kana and Hangul are one script here, and
a prompt that names a language or asks for a translation allows any. Two languages of one script are not told apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import lru_cache

from tasks.select.filters.settings import FilterSettings
from tasks.select.filters.texts import Asked, Said, prose
from tasks.validate.languages import CHARACTERS, text_language

_LETTERS, _SURE = 60, 0.95
_LINES, _MARGIN = 20, 3
_LEAST_LETTERS = 8
_LEAST_WORDS = 4
# Code → how the language is called in prompts (beginnings of words). Only these are judged.
NAMES: dict[str, str] = {
    "ar": "arab|العربية|عربي|阿拉伯|アラビア",
    "bg": "bulgar|болгар|българск|保加利亚",
    "bn": "bengal|bangla|বাংলা|孟加拉",
    "cs": "czech|tschech|tchèque|čes[kt]|slovak|slowak|slovensk|捷克",
    "de": "german|deutsch|allemand|alem[aá]n|tedesc|немецк|duits|德语|德文|德國|ドイツ|독일",
    "el": "greek|griech|grec|grieg|ελληνικ|греческ|希腊|ギリシャ",
    "en": "english|englisch|anglais|ingl[eéê]s|inglese|английск|engels|angielsk|英语|英文|英語|영어",
    "es": "spanish|spanisch|espa[nñ]ol|espagnol|spagnol|espanhol|castellan|испанск|西班牙|スペイン|스페인",
    "et": "estonia|estnisch|eesti",
    "fa": "persian|persisch|farsi|فارسی|波斯",
    "fi": "finnish|finnisch|finnois|suome|финск|芬兰",
    "fr": "french|franz[oö]s|fran[cç]ais|franc[eé]s|francese|французск|frans|法语|法文|法國|フランス|프랑스",
    "he": "hebrew|hebräisch|hébreu|עברית|иврит",
    "hi": "hindi|marathi|nepali|हिन्दी|हिंदी|मराठी|नेपाली|хинди|印地|ヒンディー",
    "hr": "croat|kroat|croate|hrvatsk|serb|srpsk|bosn|хорватск|српск|сербск",
    "hu": "hungar|ungarisch|hongrois|magyar|венгерск|匈牙利",
    "id": "indones|bahasa|malay|melayu|印尼|インドネシア",
    "it": "italia|italien|итальянск|意大利|義大利|イタリア|이탈리아",
    "ja": "japan|japon|giappon|японск|日语|日文|日本語|일본",
    "ko": "korea|corea|coréen|корейск|韩语|韓語|韩文|韓国|한국",
    "lt": "lithuan|litau|lietuv",
    "lv": "latvian|lettisch|latvieš",
    "nl": "dutch|niederländ|néerland|nederlands|holland|голландск|afrikaans|荷兰|オランダ",
    "no": "norweg|norsk|danish|dänisch|danois|dansk|норвежск|датск|挪威|丹麦",
    "pl": "polish|polnisch|polonais|polsk|польск|波兰",
    "pt": "portug|португальск|葡萄牙|ポルトガル|포르투갈",
    "ro": "romania|rumän|roumain|român|румынск",
    "ru": "russ|ruso|русск|俄语|俄文|ロシア|러시아",
    "sl": "sloven|slowen|slovène",
    "sv": "swed|schwed|suéd|svensk|шведск|瑞典",
    "sw": "swahili|kiswahili|suaheli",
    "ta": "tamil|தமிழ்",
    "te": "telugu|తెలుగు",
    "th": "thai|ไทย|泰语|タイ語",
    "tr": "turk|türk|turc|turco|турецк|土耳其|トルコ",
    "uk": "ukrain|украинск|українськ|乌克兰",
    "ur": "urdu|اردو",
    "vi": "vietnam|tiếng việt|вьетнамск|越南|ベトナム",
    "zh": "chin|mandarin|cantones|китайск|中文|汉语|漢語|中国語|普通话|广东话|중국",
}
# Languages that short texts cannot be told apart in count as one.
_SAME = {"af": "nl", "bs": "hr", "da": "no", "mr": "hi", "ms": "id", "ne": "hi", "nn": "no", "sk": "cs", "sr": "hr"} | {
    "wuu": "zh",
    "yue": "zh",
}
# A third of the words of ordinary English; no other language's.
_ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "the of and to that is for with this it are be have has from by he she they we which each there how many because then "
        "so therefore first since all not can his her their as one two you your at on or but if will more than",
    )
)
_TRANSLATES = re.compile(
    r"translat|übersetz|tradu[cizt]|traduire|перевед|перевод|vertaal|översätt|tłumacz|çevir|翻译|翻譯|翻訳|번역|ترجم|अनुवाद|dịch"
    r"|\blanguages?\b|sprache|\blangue|\bidioma|\blingua\b|язык|语言|語言|言語|언어",
    re.IGNORECASE,
)
_NAMES = {code: re.compile(rf"(?<![^\W_])(?:{names})", re.IGNORECASE) for code, names in NAMES.items()}
_SCRIPTS = {
    "Cyrillic": "\u0400-\u052f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Devanagari": "\u0900-\u097f",
    "Bengali": "\u0980-\u09ff",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Thai": "\u0e00-\u0e7f",
    "Georgian": "\u10a0-\u10ff",
    "Han": "\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff",
}
_LETTER_OF = {script: re.compile(f"[{letters}]") for script, letters in _SCRIPTS.items()}
_ANY_SCRIPT = re.compile(f"[{''.join(_SCRIPTS.values())}]")


def language_differs(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the answer is surely in a language that the prompt neither is in nor asks for."""
    if asked.verifier == "code":
        return False
    start = prose(said.visible[: _MARGIN * CHARACTERS]).strip()[:CHARACTERS]
    words, own = _words(start), _own_words(asked)
    if _third_of(words, own):
        return False
    language = "en" if _third_of(words, _ENGLISH) else _sure_language(start)
    if language not in NAMES or (language == "en" and _third_of(own, _ENGLISH)):
        return False
    if not (expected := _prompt_languages(asked)) or language in expected:
        return False
    text = prose(said.visible).strip()
    if not _is_running_text(text):
        return False
    if _sure_language(text[-CHARACTERS:]) != language or _sure_language(start) != language:
        return False
    return not (_NAMES[language].search(asked.everything) or _TRANSLATES.search(asked.everything))


def _words(text: str) -> list[str]:
    return list(filter(str.isalpha, text.lower().split()))


def _third_of(words: Collection[str], known: frozenset[str]) -> bool:
    return 0 < len(words) <= 3 * sum(map(known.__contains__, words))


@lru_cache(maxsize=16)  # asked for once an answer, and answers come prompt by prompt
def _own_words(asked: Asked) -> frozenset[str]:
    """The prompt's words; a text that shares many of them is in its language, and need not be judged."""
    return frozenset(_words(asked.user))


def mixes_languages(said: Said, asked: Asked, settings: FilterSettings) -> bool:
    """Whether the reasoning has letters of a script that the prompt does not have."""
    if said.text.isascii() or sum(map(str.isalpha, asked.user)) < _LEAST_LETTERS:
        return False
    scripts, known = _scripts(said.reasoning(asked)), _scripts(asked.everything)
    foreign = any(count >= _LEAST_LETTERS for script, count in scripts.items() if script not in known)
    return foreign and not _names_a_language(asked)


def _scripts(text: str) -> Counter[str]:
    """Letters of each script but Latin and Greek."""
    if text.isascii() or not _ANY_SCRIPT.search(text):
        return Counter()
    counts = {script: len(letter.findall(text)) for script, letter in _LETTER_OF.items()}
    return Counter({script: count for script, count in counts.items() if count})


def _names_a_language(asked: Asked) -> bool:
    text = asked.everything
    return bool(_TRANSLATES.search(text)) or any(names.search(text) for names in _NAMES.values())


@lru_cache(maxsize=16)
def _prompt_languages(asked: Asked) -> frozenset[str]:
    """The languages that some line of the user's is in; none when no part is surely in one of the table's."""
    text = prose(asked.user).strip()
    tagged = _SAME.get(asked.language, asked.language)
    ends = text[:CHARACTERS], text[-CHARACTERS:]
    sure = next(filter(None, map(_sure_language, ends)), None)
    # A question is soon too short to be sure of, but not to see that it is English.
    english = "en" if len(own := _own_words(asked)) >= _LEAST_WORDS and _third_of(own, _ENGLISH) else None
    if not (tagged in NAMES or sure in NAMES or english):
        return frozenset()
    parts = (*ends, *(line[:CHARACTERS] for line in text.splitlines()[:_LINES]))
    return frozenset(filter(None, (tagged, sure, english, *(text_language(part, same=_SAME) for part in parts))))


def _sure_language(text: str) -> str | None:
    return text_language(text, letters=_LETTERS, sure=_SURE, same=_SAME)


def _is_running_text(text: str) -> bool:
    initials = [word[0] for word in text.split() if word[0].isalpha()]
    cased = sum(initial.isupper() or initial.islower() for initial in initials)
    return sum(initial.islower() for initial in initials) >= cased / 2
