"""Asking a model behind an OpenAI-compatible endpoint: structured output, read strictly.

The reply must be a JSON object with a reason and a rating, and nothing else: no number is fished out of a text in which a
response may be quoted. What is no such object is the judge's failure, an `error`, and never a rating of zero.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tasks.runtime.endpoints import Endpoint
from tasks.runtime.errors import PassingFaultError
from tasks.runtime.replies import NoReplyError, RefusedQuestionError, check_status, pause
from tasks.verify.models.questions import Question
from tasks.verify.verdict import Verdict

ATTEMPTS = 4
_LARGEST_REPLY = 1 << 20
_REPLY_TOKENS = 256
_TELL = '\n\nReply with a JSON object of two keys: "reason", one sentence, and then "rating", the number.'


def ask_endpoint(questions: Sequence[Question], endpoint: Endpoint) -> list[float | Verdict]:
    """One answer a question: a score in 0–1, or an `error` verdict; `endpoint.concurrency` questions at once.

    Raises:
        ConfigurationError: the endpoint refuses the key, or knows neither address nor model.
        PassingFaultError: not one of the questions got any reply: the endpoint is down.
    """
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    pool = ThreadPoolExecutor(endpoint.concurrency)
    limits = httpx.Limits(max_connections=endpoint.concurrency)
    try:
        with httpx.Client(headers=headers, limits=limits) as client:
            answers = list(pool.map(lambda question: _ask(client, endpoint, question), questions))
    finally:
        pool.shutdown(cancel_futures=True)
    silent = [answer for answer in answers if isinstance(answer, NoReplyError)]
    if silent and len(silent) == len(answers):
        raise PassingFaultError(f"the endpoint {endpoint.base_url} does not answer ({silent[0]}); see that it runs")
    return [_error(f"the endpoint: {answer}") if isinstance(answer, NoReplyError) else answer for answer in answers]


def _ask(client: httpx.Client, endpoint: Endpoint, question: Question) -> float | Verdict | NoReplyError:
    """The answer to one question, asked again while there is time and hope."""
    body, deadline = _body(endpoint.model, question), time.monotonic() + endpoint.time_limit
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _score(_post(client, endpoint, body, deadline), question)
        except RefusedQuestionError as refused:
            return _error(str(refused))
        except (NoReplyError, httpx.TransportError) as error:
            failure = error if isinstance(error, NoReplyError) else NoReplyError(f"{type(error).__name__} {error}".strip())
        wait = failure.wait + pause(attempt)
        if attempt == ATTEMPTS or time.monotonic() + wait >= deadline:
            break
        time.sleep(wait)
    return failure


def _post(client: httpx.Client, endpoint: Endpoint, body: Mapping[str, Any], deadline: float) -> bytes:
    """The reply's bytes, read up to the deadline and to a size: httpx itself limits only the wait for the next byte."""
    url, left = f"{endpoint.base_url}/chat/completions", max(deadline - time.monotonic(), 0.001)
    with client.stream("POST", url, json=body, timeout=left) as reply:
        check_status(endpoint, reply.status_code, reply.headers)
        data = bytearray()
        for part in reply.iter_bytes():
            data += part
            if time.monotonic() > deadline:
                raise NoReplyError(f"took over {endpoint.time_limit:g} s")
            if len(data) > _LARGEST_REPLY:
                raise RefusedQuestionError(f"the endpoint's reply is longer than {_LARGEST_REPLY} bytes")
        return bytes(data)


def _body(model: str, question: Question) -> dict[str, Any]:
    ratings = [int(label) for label in question.values]
    schema = {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "rating": {"type": "integer", "enum": ratings}},
        "required": ["reason", "rating"],
        "additionalProperties": False,
    }
    return {
        "model": model,
        "messages": [{"role": "user", "content": question.text + _TELL}],
        "temperature": 0,
        "max_tokens": _REPLY_TOKENS,
        "response_format": {"type": "json_schema", "json_schema": {"name": "rating", "strict": True, "schema": schema}},
    }


def _score(data: bytes, question: Question) -> float | Verdict:
    """What the reply says, or an `error`."""
    try:
        (choice,) = json.loads(data)["choices"]
        rating = _rating(json.loads(choice["message"]["content"], object_pairs_hook=_once))
        return question.values[str(rating)]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        return _error(f"the endpoint's reply is no rating ({type(error).__name__}: {error})")


def _error(reason: str) -> Verdict:
    # It may quote the reply, which is long, or holds what UTF-8 cannot say.
    return Verdict("error", reason=reason[:200].encode("utf-8", "replace").decode())


def _rating(reply: Any) -> int:
    if not isinstance(reply, dict) or reply.keys() != {"reason", "rating"} or type(reply["rating"]) is not int:
        raise ValueError("it is not an object with a reason and a whole rating")
    return int(reply["rating"])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of two ratings, neither counts."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)
