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


def read_choices(data: bytes, count: int, count_tokens: Callable[[str], int]) -> list[Choice]:
    """The answers in a reply, at most `count`; fewer than were asked for where the server gave fewer.

    Args:
        count_tokens: text → tokens of the policy, for a server that does not tell.

    Raises:
        NoReplyError: no chat completion, none of its answers, or one that is not finished (filtered, aborted).
        ConfigurationError: the server took a part of the answer out of the text (reasoning, tool calls).
    """
    try:
        reply = json.loads(data)
        choices = reply["choices"][:count]
        usage = reply.get("usage") or {}
        told = _whole(usage.get("completion_tokens")) if len(reply["choices"]) == 1 else None
        read = [_choice(choice, told, count_tokens) for choice in choices]
    except _FAULTS as error:
        raise NoReplyError(f"its reply is no chat completion ({type(error).__name__}: {str(error)[:200]})") from error
    if not read:
        raise NoReplyError("its reply has no answer in it")
    return read


def read_prompt(data: bytes) -> list[int] | None:
    """The prompt's token ids, where the server tells them (vLLM, with ``return_token_ids`` in `extra`); else None."""
    if b'"prompt_token_ids"' not in data:
        return None
    ids = json.loads(data).get("prompt_token_ids")
    return ids if isinstance(ids, list) else None


def _choice(choice: Mapping[str, Any], told: int | None, count_tokens: Callable[[str], int]) -> Choice:
    message, reason = choice["message"], choice["finish_reason"]
    for part in ("reasoning_content", "reasoning", "tool_calls", "function_call"):
        if message.get(part):
            raise ConfigurationError(
                f"the endpoint takes a part of the answer out of its text ({part}), so that it is not what the model wrote; "
                "start the server without a parser for reasoning and tool calls"
            )
    if reason not in FINISHED:
        raise NoReplyError(f"an answer ended with {str(reason)[:40]!r}")
    text = message["content"] or ""
    logprobs = _logprobs(choice.get("logprobs"))
    if isinstance(ids := choice.get("token_ids"), list):
        told = len(ids)
    elif told is None:
        told = len(logprobs) if logprobs else count_tokens(text) + (reason == "stop")
    # JSON can say what UTF-8 cannot: half of a surrogate pair.
    return Choice(
        text.encode("utf-8", "replace").decode(), told, min(math.fsum(logprobs), 0.0) if logprobs else None, str(reason)
    )


def _logprobs(given: Any) -> list[float]:
    """The log-probability of each token; empty where they are not all there."""
    try:
        numbers = [float(token["logprob"]) for token in given["content"]]
    except _FAULTS:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
