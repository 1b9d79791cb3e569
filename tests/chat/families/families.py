"""The families: what each template does to an answer, said a second time in plain words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.chat.families import tokenizers

_TEMPLATES = Path(__file__).parent / "templates"
# White space to the tokenizers library; Python's `strip` takes \x1c to \x1f too.
_SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


@dataclass(frozen=True)
class Family:
    """One chat family.

    Attributes:
        kind: of tokenizer, see `tokenizers.make`.
        control: its control tokens. Those in `added` are single tokens too, but no special ones.
        end: the token that closes an assistant turn which is the last message; `earlier_end` and `call_end` close earlier ones
            and calls of tools where they are others.
        says: content of an assistant turn which is the last message → what a server would see the model write before `end`.
        system: ``turn`` (stands before the first user turn), ``first`` (goes into it), ``last`` (is written only when the
            user has the last word) or ``refused``.
        takes_turns: the template raises when user and assistant do not take turns.
        rewrites: an assistant turn reads differently once other messages follow.
        servable: what the template writes as an answer can follow the generation prompt.
        tools: the template knows tools and tool calls.
        swallow: control tokens that take the white space beside them in, on the ``right`` or on ``both`` sides.
        adds_bos: a plain call of the tokenizer puts a BOS first.
        nfc: the tokenizer brings text to Unicode's form C.
    """

    name: str
    kind: str
    control: tuple[str, ...]
    end: str
    eos: str
    bos: str | None = None
    pad: str | None = None
    added: tuple[str, ...] = ()
    says: Callable[[str], str] = str
    system: str = "turn"
    takes_turns: bool = False
    rewrites: bool = False
    servable: bool = True
    tools: bool = False
    call_end: str = ""
    earlier_end: str = ""
    swallow: tuple[str, tuple[str, ...]] = ("", ())
    adds_bos: bool = False
    nfc: bool = False

    @cached_property
    def tokenizer(self) -> Any:
        """Trained at first use and kept for the session: do not change it."""
        from tokenizers import AddedToken

        side, swallowing = self.swallow
        control = [
            AddedToken(text, special=True, normalized=False, lstrip=wide and side == "both", rstrip=wide)
            for text, wide in ((text, text in swallowing) for text in self.control)
        ]
        added = [AddedToken(text, special=False, normalized=False) for text in self.added]
        names = {"eos_token": self.eos, "pad_token": self.pad or self.eos} | ({"bos_token": self.bos} if self.bos else {})
        template = (_TEMPLATES / f"{self.name}.jinja").read_text(encoding="utf-8")
        return tokenizers.make(self.kind, control, added, names, template, self.adds_bos, self.nfc)

    def heard(self, text: str) -> str:
        """`text` as its own tokens read when they are decoded again: what a comparison of decoded text must forgive."""
        if self.nfc:
            text = unicodedata.normalize("NFC", text)
        side, swallowing = self.swallow
        if side == "both":
            text = re.sub(f"[{_SPACES}]*({'|'.join(map(re.escape, swallowing))})[{_SPACES}]*", r"\1", text)
        return text if self.kind in tokenizers.BYTE_LEVEL else text.lstrip(" ")


def _spaced(content: str) -> str:
    return " " + content


def _with_thought(content: str) -> str:
    """Qwen3: what stands before ``</think>`` is the thought; without one it is empty."""
    thought, closed, words = content.rpartition("</think>")
    thought = content.split("</think>")[0].rstrip("\n").split("<think>")[-1] if closed else ""
    return "<think>\n" + thought.strip("\n") + "\n</think>\n\n" + words.lstrip("\n")


def _without_thought(content: str) -> str:
    return content.split("</think>")[-1]


def _after_think(content: str) -> str:
    return _without_thought(content).removeprefix("<think>\n")


_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TAGS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
_LLAMA3 = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>")
_PIECES = ("<unk>", "<s>", "</s>")
_INST = (*_PIECES, "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]")
_GEMMA = ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>")
_PHI3 = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>")
_PHI4 = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>")
_DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")
_SPEAKERS = ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>")
_HARMONY = ("<|startoftext|>", "<|endoftext|>", "<|return|>", "<|channel|>", "<|start|>", "<|end|>", "<|message|>", "<|call|>")
_COMMAND = ("<PAD>", "<BOS_TOKEN>", "<EOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>")
_ROLES = ("<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>")


def _chatml() -> list[Family]:
    return [
        Family("smollm2", "gpt2", _CHATML, "<|im_end|>", "<|im_end|>", bos="<|im_start|>"),
        Family("generation", "llama3", _CHATML, "<|im_end|>", "<|im_end|>"),
        Family("qwen25", "llama3", _CHATML, "<|im_end|>", "<|im_end|>", added=_TAGS, pad="<|endoftext|>", tools=True, nfc=True),
        Family(
            "qwen3",
            "llama3",
            _CHATML,
            "<|im_end|>",
            "<|im_end|>",
            pad="<|endoftext|>",
            added=(*_TAGS, "<think>", "</think>"),
            says=_with_thought,
            rewrites=True,
            tools=True,
            nfc=True,
        ),
        Family("phi4", "llama3", _PHI4, "<|im_end|>", "<|im_end|>", pad="<|endoftext|>", swallow=("both", _PHI4)),
    ]


def _llamas() -> list[Family]:
    inst: dict[str, Any] = {"bos": "<s>", "pad": "<unk>", "takes_turns": True, "adds_bos": True}
    return [
        Family("llama2", "llama", _PIECES, "</s>", "</s>", says=lambda c: f" {c.strip()} ", system="first", **inst),
        Family(
            "llama3",
            "llama3",
            _LLAMA3,
            "<|eot_id|>",
            "<|eot_id|>",
            bos="<|begin_of_text|>",
            says=str.strip,
            tools=True,
            adds_bos=True,
        ),
        Family("mistral_v02", "llama", _PIECES, "</s>", "</s>", says=_spaced, system="first", **inst),
        Family("mistral_v03", "metaspace", _INST, "</s>", "</s>", says=lambda c: f" {c.strip()}", system="last", **inst),
        Family(
            "mistral_v7",
            "llama3",
            (*_INST, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
            "</s>",
            "</s>",
            bos="<s>",
            pad="<unk>",
            adds_bos=True,
        ),
        Family("zephyr", "llama", _PIECES, "</s>", "</s>", bos="<s>", adds_bos=True),
        Family("vicuna", "llama", _PIECES, "</s>", "</s>", bos="<s>", pad="<unk>", says=_spaced, adds_bos=True),
        Family(
            "phi3",
            "llama",
            (*_PIECES, "<|endoftext|>", *_PHI3),
            "<|end|>",
            "<|endoftext|>",
            bos="<s>",
            swallow=("right", _PHI3),
        ),
    ]


def _others() -> list[Family]:
    gemma: dict[str, Any] = {"bos": "<bos>", "pad": "<pad>", "says": str.strip, "takes_turns": True, "adds_bos": True}
    deepseek: dict[str, Any] = {"bos": _DEEPSEEK[0], "pad": _DEEPSEEK[2], "added": _SPEAKERS, "adds_bos": True}
    return [
        Family("gemma2", "gemma", _GEMMA, "<end_of_turn>", "<eos>", system="refused", **gemma),
        Family("gemma3", "gemma", _GEMMA, "<end_of_turn>", "<eos>", system="first", **gemma),
        Family("deepseek_v3", "gpt2", _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[1], **deepseek),
        Family("deepseek_r1", "gpt2", _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[1], says=_without_thought, **deepseek),
        Family(
            "deepseek_r1_think", "gpt2", _DEEPSEEK, _DEEPSEEK[1], _DEEPSEEK[1], says=_after_think, servable=False, **deepseek
        ),
        Family(
            "harmony",
            "llama3",
            _HARMONY,
            "<|return|>",
            "<|return|>",
            bos="<|startoftext|>",
            pad="<|endoftext|>",
            says=lambda c: f"<|channel|>final<|message|>{c}",
            rewrites=True,
            tools=True,
            call_end="<|call|>",
            earlier_end="<|end|>",
        ),
        Family(
            "command_r",
            "gpt2",
            (*_COMMAND, *_ROLES),
            "<|END_OF_TURN_TOKEN|>",
            "<|END_OF_TURN_TOKEN|>",
            bos="<BOS_TOKEN>",
            pad="<PAD>",
            says=str.strip,
            takes_turns=True,
            adds_bos=True,
            nfc=True,
        ),
    ]


FAMILIES: dict[str, Family] = {family.name: family for family in [*_chatml(), *_llamas(), *_others()]}
