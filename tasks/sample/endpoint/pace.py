"""How long a request may take before a second one is worth its cost."""

from __future__ import annotations

from collections import deque

import numpy as np

_ENOUGH = 16
_REMEMBERED = 256


class Pace:
    """Seconds and tokens of the latest requests, and what follows for one that is still under way.

    A second request whose answer may win must not be sent because the first one writes a long answer: of two draws the
    shorter would win, and the samples would no longer be the model's. So the wait is what an answer of full length takes: a
    straight line through (tokens, seconds), plus how far the slow ones of the past lie above it.
    """

    def __init__(self, quantile: float, least: float) -> None:
        """`quantile`: share of requests that are not slow, 0: no second requests; `least`: seconds waited at least."""
        self._quantile, self._least = quantile, least
        self._past: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def add(self, tokens: int, seconds: float) -> None:
        """A request that was answered: tokens of its longest answer, seconds from question to reply."""
        self._past.append((tokens, seconds))

    def patience(self, max_tokens: int) -> float | None:
        """Seconds to wait for a request of answers up to `max_tokens`; None: for ever, too little being known."""
        if not self._quantile or len(self._past) < _ENOUGH:
            return None
        tokens, seconds = np.array(self._past).T
        spread = tokens.var()
        # All answers equally long: time is taken to grow with the length, which errs on the patient side.
        slope = (
            max(np.cov(tokens, seconds, bias=True)[0, 1] / spread, 0.0)
            if spread > 0
            else seconds.mean() / max(tokens.mean(), 1)
        )
        line = seconds.mean() + slope * (tokens - tokens.mean())
        late = float(np.quantile(seconds - line, self._quantile))
        return max(self._least, float(seconds.mean() + slope * (max_tokens - tokens.mean())) + late)
