"""The text of one mathematical answer → a list of tokens, in one spelling.

Only listed commands, single letters, digits and listed signs come through: what a model wrote reaches the LaTeX grammar
behind math-verify as these and nothing else, and never a parser that evaluates text (sympy's `parse_expr` and `sympify`,
which math-verify calls on plain expressions, are `eval`). Words come through as ``\\text{…}`` tokens, which are compared
or taken for units, and are never parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST_TEXT = 1_000
MOST_TOKENS = 400
DEEPEST = 20

FUNCTIONS = frozenset(
    [
        "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln", "exp",
    ]
)  # fmt: skip
GREEK = frozenset(
    [
        "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "Delta",
        "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
    ]
)  # fmt: skip
_KEPT = (
    FUNCTIONS
    | GREEK
    | frozenset(
        [
            "frac", "sqrt", "binom", "cdot", "pm", "mp", "infty", "le", "ge", "ne", "in", "cup", "emptyset", "degree",
            "lfloor", "rfloor", "lceil", "rceil", "langle", "rangle", "RR", "matrix", "endmatrix", "newrow",
        ]
    )
)  # fmt: skip
_SPELLINGS = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom", "times": "cdot", "ast": "cdot",
    "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "neq": "ne", "varnothing": "emptyset", "lvert": "|",
    "rvert": "|", "vert": "|", "mid": "|", "lt": "<", "gt": ">", "div": "/", "lbrace": r"\{", "rbrace": r"\}", "lbrack": "[",
    "rbrack": "]", "And": ",",
}  # fmt: skip
_DROPPED = frozenset(
    [
        "left", "right", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "big", "Big", "bigg", "Bigg", "displaystyle",
        "textstyle", "limits", "quad", "qquad", "thinspace", "rm", "bf", "it", "mathstrut",
    ]
)  # fmt: skip
_SIGNS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": r"\cdot ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "÷": "/", "∕": "/",
        "⁄": "/", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "√": r"\sqrt ", "∞": r"\infty ", "°": r"\degree ",
        "∪": r"\cup ", "∈": r"\in ",
        "∅": r"\emptyset ", "±": r"\pm ", "⟨": r"\langle ", "⟩": r"\rangle ", "ℝ": r"\RR ", "²": "^{2}", "³": "^{3}",
        "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "π": r"\pi ", "α": r"\alpha ", "β": r"\beta ",
        "γ": r"\gamma ", "δ": r"\delta ", "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ", "σ": r"\sigma ", "φ": r"\phi ",
        "ω": r"\omega ", "Δ": r"\Delta ", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "’": "'", "′": "'", "~": " ",
    }
)  # fmt: skip
_Replacement = str | Callable[[re.Match[str]], str]
_REWRITES: list[tuple[re.Pattern[str], _Replacement]] = [
    (re.compile(r"(?<=[0-9])(?:\{,\}|,\\! *|\\,|\\!)(?=[0-9]{3}(?![0-9]))"), ""),  # 1{,}234
    (re.compile(r"\\[,;:! ]|\\\n"), " "),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?"), r"\\degree "),
    (re.compile(r"\\mathbb\s*\{?R\}?|\\R(?![A-Za-z])"), r"\\RR "),
    (re.compile(r"\\begin\s*\{(?:[pbB]?matrix|array)\}(?:\s*\{[lcr| ]*\})?"), r"\\matrix "),
    (re.compile(r"\\end\s*\{(?:[pbB]?matrix|array)\}"), r"\\endmatrix "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<![<>!=])<="), r"\\le "),
    (re.compile(r"(?<![<>!=])>="), r"\\ge "),
    (re.compile(r"!="), r"\\ne "),
    (re.compile(r"([0-9]*)\.([0-9]*)\\overline\s*\{([0-9]+)\}"), lambda match: _repeating(*match.groups())),
]
_TEXT = r"\\(?:text(?:bf|it|rm|sf|normal)?|mbox|mathrm|mathbf|mathit|mathsf|operatorname)\s*\{[^{}]*\}"
_TOKEN = re.compile(
    rf"{_TEXT}|\\[A-Za-z]+|\\[{{}}%$]"
    r"|[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,2}(?![0-9A-Za-z]))?"
    r"|[A-Za-z]+|\s+|[-+*/^_=<>(){}\[\],;:!|%&'$€£]"
)
_NUMBER_TEXT = re.compile(r"(-?)([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)")
_WORD_COMMANDS = {**{name: name for name in FUNCTIONS | GREEK}, "sqrt": "sqrt", "infinity": "infty", "inf": "infty"}
# Short words that are no products of variables.
_WORDS = frozenset(
    [
        "an", "are", "as", "at", "but", "by", "day", "for", "hr", "hrs", "if", "in", "is", "it", "lb", "lbs", "mi", "min",
        "mph", "no", "nor", "not", "of", "on", "oz", "per", "sec", "so", "the", "to", "yd", "yes", "yr", "cm", "dm", "km",
        "mm", "kg", "mg", "ml", "mL", "ft", "cc", "all", "any", "few", "men", "odd", "one", "two", "six", "ten", "boy", "cat",
        "dog", "car", "egg", "box", "cup", "day", "pen", "usd",
    ]
)  # fmt: skip
_OPEN, _CLOSE = ("(", "[", "{", r"\{", r"\langle", r"\matrix"), (")", "]", "}", r"\}", r"\rangle", r"\endmatrix")


class UnreadableError(ValueError):
    """An answer that has no one reading; the message says why."""


def tokens_of(text: str) -> list[str]:
    """The tokens of an answer.

    Returns:
        Commands with their backslash, numbers (digits, at most one point and one exponent), single letters, signs, and
        words as ``\\text{…}``. ``$`` that delimit mathematics are gone; a currency sign is ``\\$``, ``€`` or ``£``.

    Raises:
        UnreadableError: too long or too deep, or a command or sign that no answer needs.
    """
    if len(text) > LONGEST_TEXT:
        raise UnreadableError(f"an answer of over {LONGEST_TEXT} characters")
    text = text.translate(_SIGNS)
    if len(re.findall(r"(?<!\\)\$", text)) % 2 == 0:
        text = re.sub(r"(?<!\\)\$", " ", text)
    rows = r"\newrow " if "matrix" in text or "array" in text else "\\"  # elsewhere a backslash that was escaped twice
    text = re.sub(r"\\[()\[\]]", " ", text.replace("\\\\", rows))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    tokens: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableError(f"the sign {text[place]!r} is none that an answer may hold")
        place = match.end()
        if not match.group().isspace():
            tokens += _spelled(match.group(), tokens)
    tokens = _list_commas(_joined_words(tokens))
    if len(tokens) > MOST_TOKENS:
        raise UnreadableError(f"an answer of over {MOST_TOKENS} signs")
    return tokens


def _repeating(whole: str, start: str, period: str) -> str:
    """``0.1\\overline{6}`` as an exact fraction."""
    if len(whole + start + period) > 40:
        raise UnreadableError("a repeating decimal of over 40 digits")
    nines = 10 ** len(start) * (10 ** len(period) - 1)
    value = int(f"{whole}{start}{period}") - int(f"{whole}{start}" or "0")
    return rf"\frac{{{value}}}{{{nines}}}"


def _spelled(piece: str, before: list[str]) -> list[str]:
    if re.fullmatch(_TEXT, piece):
        return _text(piece)
    if piece[0] == "\\" and piece[1:].isalpha():
        return _command(piece[1:])
    if piece.isalpha() and piece.isascii():
        return _word(piece, before)
    return {"*": [r"\cdot"], "%": [r"\%"], "$": [r"\$"]}.get(piece, [piece])


def _text(piece: str) -> list[str]:
    command, _, content = piece[1:-1].partition("{")
    content = " ".join(content.split())
    if content in FUNCTIONS:
        return ["\\" + content]
    if content.strip(", ") in ("and", "or"):
        return [","]
    if number := _NUMBER_TEXT.fullmatch(content):
        return [*filter(None, number.groups())]
    letter = content.strip("()")
    if len(letter) == 1 and letter.isascii() and letter.isalpha():
        upright = letter in "eid" if "mathrm" in command else letter.isupper() and command.startswith("text")
        if upright or command.startswith(("mathbf", "mathit")):
            return [letter]
    return [rf"\text{{{content}}}"] if content else []


def _command(name: str) -> list[str]:
    name = _SPELLINGS.get(name, name)
    if name in _DROPPED:
        return []
    if name in _KEPT:
        return ["\\" + name]
    if not name.isalpha():
        return [name]
    raise UnreadableError(f"\\{name} is no command that an answer may hold")


def _word(word: str, before: list[str]) -> list[str]:
    """A run of letters: a name of a function, a separator, a word, or single variables."""
    if word.lower() in ("and", "or"):
        return [","]
    if word in _WORD_COMMANDS:
        return ["\\" + _WORD_COMMANDS[word]]
    if len(word) > 3 or word.lower() in _WORDS or (before and before[-1].startswith(r"\text") and len(word) > 1):
        return [rf"\text{{{word}}}"]
    return list(word)


def _joined_words(tokens: list[str]) -> list[str]:
    joined: list[str] = []
    for piece in tokens:
        if joined and piece.startswith(r"\text") and joined[-1].startswith(r"\text"):
            joined[-1] = rf"{joined[-1][:-1]} {piece[6:]}"
        elif not (piece == "," and joined[-1:] == [","]):  # ", and"
            joined.append(piece)
    return joined


def _list_commas(tokens: list[str]) -> list[str]:
    """Commas within numbers: thousands outside brackets, separators inside them, where ``(1,234)`` is a pair."""
    depth, braces, out = 0, 0, []
    for piece in tokens:
        depth += (piece in _OPEN) - (piece in _CLOSE)
        braces += (piece == "{") - (piece == "}")
        if depth > DEEPEST:
            raise UnreadableError(f"brackets over {DEEPEST} deep")
        if piece[0].isdigit() and "," in piece:
            if depth > braces:
                out += re.split("(,)", piece)
                continue
            piece = piece.replace(",", "")
        out.append(piece)
    return out
