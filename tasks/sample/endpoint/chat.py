"""One chat completion on the wire: the request's body, and what can be relied on in the reply."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.replies import NoReplyError
from tasks.runtime.rows import Row
from tasks.sample.randomness import derive_seed
from tasks.sample.settings import SamplingSettings

FINISHED = ("stop", "length")
_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Choice:
    """One answer of a reply; fields as in `tasks.sample.requests.Answer`."""

    text: str
    token_count: int
    logprob: float | None
    finish_reason: str


def request_body(row: Row, draw: int, count: int, settings: SamplingSettings, seed: int) -> dict[str, Any]:
    """The body, without the model's name, that asks for `count` answers to a prompt row.

    What OpenAI's protocol does not know (``top_k``, ``min_p``, ``min_tokens``) is sent only where it is set: a strict server
    refuses it.

    Args:
        draw: number of the first draw; the request's seed depends on (`seed`, prompt id, `draw`).
    """
    chosen = {
        "n": count if count > 1 else None,
        "stop": settings.stop or None,
        "top_k": settings.top_k or None,
        "min_p": settings.min_p or None,
        "min_tokens": settings.min_tokens or None,
        "logprobs": settings.endpoint.logprobs or None,
    }
    return {
        "messages": [{name: value for name, value in turn.items() if name != "train"} for turn in row["messages"]],
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_tokens,
        "seed": derive_seed(seed, row["id"], draw),
        **{name: value for name, value in chosen.items() if value is not None},
        **settings.endpoint.extra,
    }


def read_choices(data: bytes, count: int, settings: SamplingSettings, count_tokens: Callable[[str], int]) -> list[Choice]:
    """The answers in a reply, at most `count`; fewer than were asked for where the server gave fewer.

    Args:
        settings: `stop`, before which an answer is cut (some servers leave it in), and `max_tokens`.
        count_tokens: text → tokens of the policy, for a server that does not tell.

    Raises:
        NoReplyError: no chat completion, none of its answers, or one that is not finished (filtered, aborted) or longer
            than `max_tokens`, which the token budget relies on.
        ConfigurationError: the server took a part of the answer out of the text (reasoning, tool calls).
    """
    try:
        reply = json.loads(data)
        choices = reply["choices"][:count]
        usage = reply.get("usage") or {}
        told = _whole(usage.get("completion_tokens")) if len(reply["choices"]) == 1 else None
        read = [_choice(choice, told, settings, count_tokens) for choice in choices]
    except _FAULTS as error:
        raise NoReplyError(f"its reply is no chat completion ({type(error).__name__}: {str(error)[:200]})") from error
    if not read:
        raise NoReplyError("its reply has no answer in it")
    return read


def read_prompt(data: bytes) -> list[int] | None:
    """The prompt's token ids, where the server tells them (vLLM, with ``return_token_ids`` in `extra`); else None."""
    if b'"prompt_token_ids"' not in data or (ids := json.loads(data).get("prompt_token_ids")) is None:
        return None
    if not isinstance(ids, list) or any(type(one) is not int for one in ids):
        raise NoReplyError("its prompt_token_ids are no list of token ids")
    return ids


def _choice(
    choice: Mapping[str, Any], told: int | None, settings: SamplingSettings, count_tokens: Callable[[str], int]
) -> Choice:
    message, reason = choice["message"], choice["finish_reason"]
    for part in ("reasoning_content", "reasoning", "tool_calls", "function_call"):
        if message.get(part):
            raise ConfigurationError(
                f"the endpoint takes a part of the answer out of its text ({part}), so that it is not what the model wrote; "
                "start the server without a parser for reasoning and tool calls"
            )
    if reason not in FINISHED:
        raise NoReplyError(f"an answer ended with {str(reason)[:40]!r}")
    # JSON can say what UTF-8 cannot: half of a surrogate pair.
    text = (message["content"] or "").encode("utf-8", "replace").decode()
    logprobs = _logprobs(choice.get("logprobs"))
    if isinstance(ids := choice.get("token_ids"), list):
        told = len(ids)
    elif told is None and logprobs:
        told = len(logprobs)
    tokens = _length(told, settings.max_tokens, lambda: count_tokens(text) + (reason == "stop"))
    if ends := [place for stop in settings.stop if (place := text.find(stop)) >= 0]:
        text, reason = text[: min(ends)], "stop"
    return Choice(text, tokens, min(math.fsum(logprobs), 0.0) if logprobs else None, str(reason))


def _length(told: int | None, most: int, counted: Callable[[], int]) -> int:
    """Tokens of an answer, at most `most`: what the server tells, or else the policy's tokenizer, which may write the same text
    in a few more tokens than the model did."""
    tokens = counted() if told is None else told
    if tokens > (most if told is not None else 2 * most):
        raise NoReplyError(f"it ignores max_tokens {most}: an answer has {min(tokens, 10**9)} tokens")
    return min(tokens, most)


def _logprobs(given: Any) -> list[float]:
    """The log-probability of each token; empty where they are not all there."""
    try:
        numbers = [float(token["logprob"]) for token in given["content"]]
    except _FAULTS:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
