"""What an endpoint's reply means to whoever asked: an answer, a refusal, or a reason to ask again later."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tasks.runtime.endpoints import Endpoint
from tasks.runtime.errors import ConfigurationError

FIRST_WAIT = 0.5  # seconds; doubled each time
_LONGEST_WAIT = 30.0
# The endpoint will say the same to every question.
_SETTLED = {401: "the key", 403: "the key", 404: "address and model", 405: "the address"}


class NoReplyError(Exception):
    """Nothing usable came from the endpoint; it may later.

    Attributes:
        wait: seconds the endpoint asks to be left alone; 0: it did not say.
    """

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class RefusedQuestionError(Exception):
    """The endpoint does not answer this question."""


def check_status(endpoint: Endpoint, status: int, headers: Mapping[str, str], text: str = "") -> None:
    """Raise what a status other than success means.

    Args:
        endpoint: who answered.
        status, headers: of the reply; header names in lower case.
        text: what the reply says, for a refusal.

    Raises:
        ConfigurationError: key, address or model are wrong: no question would be answered.
        NoReplyError: overloaded or broken: ask again.
        RefusedQuestionError: anything else (a question too long, a parameter unknown there).
    """
    if 200 <= status < 300:
        return
    if status in _SETTLED:
        raise ConfigurationError(
            f"the endpoint {endpoint.base_url} answers {status} to model {endpoint.model!r}; check {_SETTLED[status]}"
        )
    if status in (408, 409, 425, 429) or status >= 500:
        raise NoReplyError(f"status {status}", _seconds(headers.get("retry-after", "")))
    if endpoint.key:  # a server may repeat what it was sent
        text = text.replace(endpoint.key, "[the key]")
    said = f": {text[:300]!r}" if text else ""
    raise RefusedQuestionError(f"the endpoint refuses the question with status {status}{said}")


def pause(attempt: int) -> float:
    """Seconds to wait after the `attempt`-th failure: full jitter, or who failed together would come back together."""
    return random.uniform(0, min(FIRST_WAIT * 2**attempt, _LONGEST_WAIT))


def _seconds(text: str) -> float:
    """A ``Retry-After`` in seconds; a date or nonsense is none."""
    return float(text) if text.isascii() and text.isdigit() else 0.0
