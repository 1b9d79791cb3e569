"""What the checks know besides the rows: the tokenizer's side of a label row, the prompts of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The control tokens of the common chat templates, for when no tokenizer is given.
COMMON_CONTROL_TEXTS = (
    *(f"<|{name}|>" for name in ("im_start", "im_end", "endoftext", "begin_of_text", "end_of_text", "eot_id")),
    *(f"<|{name}|>" for name in ("start_header_id", "end_header_id", "user", "assistant", "system", "end", "return")),
    *("<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"),
)


@dataclass(frozen=True)
class Facts:
    """Each part is optional; a check that lacks its facts passes.

    Attributes:
        control_texts: texts that must not stand in a message.
        vocabulary: number of token ids; ids lie in [0, vocabulary).
        bos, end_of_turn: token ids.
        generation_prompt: the ids that make the assistant begin.
        mask: the mask the labels were made with (``full`` trains prompts on purpose).
        prompt_ids: ids that samples may belong to.
        draws: draws each prompt must have.
    """

    control_texts: tuple[str, ...] = COMMON_CONTROL_TEXTS
    vocabulary: int | None = None
    bos: int | None = None
    end_of_turn: int | None = None
    generation_prompt: tuple[int, ...] = ()
    mask: str = "assistant"
    prompt_ids: frozenset[str] | None = None
    draws: int | None = None


def tokenizer_facts(tokenizer: Any, mask: str = "assistant") -> Facts:
    """The facts a tokenizer and its template tell. Raises `ConfigurationError` when the template is unusable."""
    from tasks.chat.render import control_texts, end_of_turn_id, generation_prompt_ids

    return Facts(
        control_texts=tuple(control_texts(tokenizer)),
        vocabulary=len(tokenizer),
        bos=tokenizer.bos_token_id,
        end_of_turn=end_of_turn_id(tokenizer),
        generation_prompt=tuple(generation_prompt_ids(tokenizer)),
        mask=mask,
    )
