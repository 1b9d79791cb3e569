"""What the checks know besides the rows: the tokenizer's side of a label row, the prompts of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.validate.chat_index import ChatIndex
    from tasks.validate.settings import ValidationSettings

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
        tokenizer: counts tokens, and renders what label rows must say.
        vocabulary: number of token ids; ids lie in [0, vocabulary).
        bos, end_of_turn, pad: token ids.
        end_of_call: the id that closes a turn of tool calls, where it is another one than `end_of_turn`.
        single_bos: the template writes BOS once a conversation, and not with each turn.
        generation_prompt: the ids that make the assistant begin.
        mask: the mask the labels were made with (``full`` trains prompts on purpose).
        chat: the chat rows that label rows were made from.
        prompt_ids: ids that samples may belong to.
    """

    control_texts: tuple[str, ...] = COMMON_CONTROL_TEXTS
    tokenizer: Any = None
    vocabulary: int | None = None
    bos: int | None = None
    end_of_turn: int | None = None
    end_of_call: int | None = None
    pad: int | None = None
    single_bos: bool = False
    generation_prompt: tuple[int, ...] = ()
    mask: str = "assistant"
    chat: ChatIndex | None = None
    prompt_ids: frozenset[str] | None = None


def tokenizer_facts(tokenizer: Any, mask: str = "assistant") -> Facts:
    """The facts a tokenizer and its template tell. Raises `ConfigurationError` when the template is unusable."""
    from tasks.chat.render import control_texts, end_of_call, end_of_turn_id, generation_prompt_ids

    return Facts(
        control_texts=tuple(control_texts(tokenizer)),
        tokenizer=tokenizer,
        vocabulary=len(tokenizer),
        bos=tokenizer.bos_token_id,
        end_of_turn=end_of_turn_id(tokenizer),
        end_of_call=end_of_call(tokenizer).id,
        pad=tokenizer.pad_token_id,
        single_bos=_single_bos(tokenizer),
        generation_prompt=tuple(generation_prompt_ids(tokenizer)),
        mask=mask,
    )


def _single_bos(tokenizer: Any) -> bool:
    """Whether two exchanges have one BOS at most; some templates write one before each, some open turns with it."""
    from tasks.chat.render import render_text

    exchange = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    ids = tokenizer(render_text(tokenizer, exchange * 2), add_special_tokens=False)["input_ids"]
    return bool(ids.count(tokenizer.bos_token_id) <= 1)


def idle_codes(facts: Facts, settings: ValidationSettings) -> set[str]:
    """Codes that no row can get, for want of facts or limits: a report must not tell that they passed."""
    proven = facts.tokenizer is not None and facts.chat is not None
    at_work = {
        "too_long": settings.max_tokens > 0,
        "too_short": settings.min_tokens > 0,
        "language_other": bool(settings.languages),
        "trained_share_outside": settings.min_trained_share > 0 or settings.max_trained_share < 1,
        "id_out_of_vocabulary": facts.vocabulary is not None,
        "double_bos": facts.bos is not None,
        "pad_trained": facts.pad is not None,
        "end_of_turn_untrained": facts.end_of_turn is not None and facts.mask != "full",
        "prompt_trained": facts.mask != "full",
        "chat_row_unknown": proven,
        "serving_ids_differ": proven,
        "trained_text_differs": proven,
        "prompt_unknown": facts.prompt_ids is not None,
        "draws_missing": facts.prompt_ids is not None,
    }
    return {code for code, works in at_work.items() if not works}
