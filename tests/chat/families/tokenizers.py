"""Small tokenizers of the kinds that chat models use, trained on ``corpus.txt`` in a second altogether.

Byte-level BPE: GPT-2's cut (SmolLM2, DeepSeek, Command-R here), and Llama-3's (also Qwen, Phi-4, o200k, Tekken here).
SentencePiece-like BPE with byte fallback: `llama` puts a space before every piece of text between control tokens, as
Llama-2's does; `metaspace` only at the very beginning, as Mistral v0.3's does; `gemma` nowhere, and has tokens for runs
of newlines.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

_CORPUS = (Path(__file__).parent / "corpus.txt").read_text(encoding="utf-8")
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SIZE = 1000
BYTE_LEVEL = ("gpt2", "llama3")


@cache
def _byte_level(cut: str) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if cut == "llama3":
        split = pre_tokenizers.Split(Regex(_WORDS), behavior="isolated")
        whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, whole])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [_CORPUS], trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False)
    )
    return str(tokenizer.to_str())


@cache
def _pieces(newlines: bool) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges in SentencePiece's way: words with a space, runs of spaces (and `newlines`), all bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"▁+(?=▁)|\n+|▁?[^▁\n]+"), behavior="isolated")
    text = [_CORPUS, "a\n\nb\n\n\nc\n\n\n\nd" * 2] if newlines else _CORPUS.split("\n")
    alphabet = [chr(code) for code in range(0x21, 0x7F)]
    tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    first = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned = sorted(model["vocab"], key=model["vocab"].get)
    return {piece: number for number, piece in enumerate([*first, *learned])}, [tuple(pair) for pair in model["merges"]]


def _sentence_pieces(kind: str) -> Tokenizer:
    vocabulary, merges = _pieces(kind == "gemma")
    model = models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    spaces = normalizers.Replace(" ", "▁")
    if kind == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if kind == "llama" else spaces
    written = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(written if kind == "gemma" else [*written, decoders.Strip(" ", 1, 0)])
    return tokenizer


def make(
    kind: str,
    control: list[AddedToken],
    added: list[AddedToken],
    names: dict[str, str],
    template: str,
    adds_bos: bool,
    nfc: bool,
) -> Any:
    """A fast tokenizer with a chat template.

    Args:
        kind: ``gpt2``, ``llama3``, ``llama``, ``metaspace`` or ``gemma``.
        control, added: the family's special tokens, and other tokens that are matched whole.
        names: `bos_token`, `eos_token`, `pad_token`.
        adds_bos: whether a plain call puts a BOS first, as it must not do to a text from a template.
        nfc: whether text is brought to Unicode's form C before it is cut.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_str(_byte_level(kind)) if kind in BYTE_LEVEL else _sentence_pieces(kind)
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(control)
    tokenizer.add_tokens(added)
    if adds_bos:
        bos = names["bos_token"]
        numbers = [(bos, tokenizer.token_to_id(bos))]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=numbers
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template=template, clean_up_tokenization_spaces=False, **names
    )
