"""The draws of a prompt from a pool of servers: asked again, asked elsewhere, and counted, until all are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx

from tasks.runtime.errors import ConfigurationError, PassingFaultError
from tasks.runtime.replies import NoReplyError, RefusedQuestionError, check_status, pause
from tasks.runtime.rows import Row
from tasks.sample.endpoint.chat import Choice, read_choices, read_prompt, request_body
from tasks.sample.endpoint.pace import Pace
from tasks.sample.endpoint.policy import PolicyTokenizer
from tasks.sample.endpoint.pool import Pool, Server
from tasks.sample.requests import Answer
from tasks.sample.settings import SamplingSettings

# A generous share for everything around the text, and for log-probabilities a thousand bytes a token.
_REPLY_BYTES, _TOKEN_BYTES = 1 << 20, 1000
_WAKE_SECONDS = 1.0


class _MovedError(NoReplyError):
    """The server is left alone for now; another one may answer at once."""


class Asker:
    """Asks for draws, one prompt after the other or many at once; one a round."""

    def __init__(self, pool: Pool, settings: SamplingSettings, seed: int, policy: PolicyTokenizer) -> None:
        self._pool, self._settings, self._seed, self._policy = pool, settings, seed, policy
        self._pace = Pace(settings.endpoint.hedge_quantile, settings.endpoint.hedge_seconds)
        self._gives_many: bool | None = None  # until a server has shown it

    async def draws(self, row: Row, numbers: Sequence[int]) -> list[Answer]:
        """The draws of these numbers of one prompt, in their order.

        Raises:
            PassingFaultError: a request was tried as often as allowed, and on each server, and none answered it.
            ConfigurationError: the servers refuse the request, the key, the model or the address.
        """
        choices = await self._many(row, numbers) if len(numbers) > 1 and self._gives_many is not False else []
        if not choices:  # one before the others: what is wrong with the prompt is said once
            choices = await self._choices(row, numbers[0], 1)
        missing = numbers[len(choices) :]
        for alone in await asyncio.gather(*(self._choices(row, number, 1) for number in missing)):
            choices += alone
        return [
            Answer(row["id"], number, one.text, one.token_count, one.logprob, one.finish_reason)
            for number, one in zip(numbers, choices, strict=True)
        ]

    async def _many(self, row: Row, numbers: Sequence[int]) -> list[Choice]:
        """What one request for several answers brings; none where the server may be one that has no `n`.

        Some accept `n` and ignore it, some refuse it (llama.cpp's did, with 400 or 500 by its version). What one did once it
        does again; a fault of the moment settles nothing.
        """
        if self._gives_many:
            choices = await self._choices(row, numbers[0], len(numbers))
        else:
            try:
                body = request_body(row, numbers[0], len(numbers), self._settings, self._seed)
                choices = await self._hedged(body, len(numbers), set())
            except RefusedQuestionError:
                choices = []
            except NoReplyError:
                return []
        self._gives_many = len(choices) == len(numbers)
        return choices

    async def _choices(self, row: Row, draw: int, count: int) -> list[Choice]:
        """At least one answer, at most `count`."""
        body, failed = request_body(row, draw, count, self._settings, self._seed), set[Server]()
        # However many servers are down, each is asked before one is asked twice.
        attempts = max(self._settings.endpoint.attempts, len(self._pool.servers))
        for attempt in range(1, attempts + 1):
            try:
                return await self._hedged(body, count, failed)
            except RefusedQuestionError as refused:
                raise ConfigurationError(f"prompt {row['id']!r}: {refused}") from refused
            except NoReplyError as error:
                failure = error
            if attempt < attempts and not (isinstance(failure, _MovedError) and self._pool.any_awake()):
                await asyncio.sleep(pause(attempt) + min(failure.wait, self._settings.endpoint.time_limit))
        said = "; ".join(f"{server.endpoint.base_url}: {server.said}" for server in self._pool.servers if server.said)
        raise PassingFaultError(
            f"no answer to prompt {row['id']!r} in {attempts} attempts (the last: {failure}). {said or 'All servers ran'}; "
            "see that they run and are not overloaded, or raise endpoint.attempts"
        )

    async def _hedged(self, body: dict[str, Any], count: int, failed: set[Server]) -> list[Choice]:
        """The first answer of one request, or of two where the first is late; the other one is dropped unread.

        Args:
            failed: servers that failed at this request, asked again only where there is no other; this one is added.
        """
        server = await self._pool.take(failed)
        failed.add(server)
        asked = {asyncio.create_task(self._ask(server, body, count))}
        try:
            if await self._is_late(asked):
                asked.add(asyncio.create_task(self._elsewhere(failed, body, count)))
            return await _first(asked)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _is_late(self, asked: set[asyncio.Task[list[Choice]]]) -> bool:
        """Wait until the request has ended (False), or takes longer than others lead to expect (True)."""
        started = time.monotonic()
        while True:
            # Looked up again and again: the first requests of a round start when nothing is known yet.
            patience = self._pace.patience(self._settings.max_tokens)
            left = _WAKE_SECONDS if patience is None else started + patience - time.monotonic()
            done, _ = await asyncio.wait(asked, timeout=min(max(left, 0.0), _WAKE_SECONDS))
            if done:
                return False
            if left <= 0:
                return True

    async def _elsewhere(self, failed: set[Server], body: dict[str, Any], count: int) -> list[Choice]:
        return await self._ask(await self._pool.take(failed), body, count)

    async def _ask(self, server: Server, body: dict[str, Any], count: int) -> list[Choice]:
        """The answer of a server whose place was taken; gives the place back."""
        started, limit = time.monotonic(), server.endpoint.time_limit
        try:
            async with asyncio.timeout(limit):
                data = await self._post(server, body, count)
        except (httpx.TransportError, TimeoutError) as error:
            # httpx has time-outs of its own, of connecting.
            late = type(error) is TimeoutError
            reason = f"no reply within {limit:g} s" if late else f"{type(error).__name__} {error}".strip()
            server.failed(reason)
            raise _MovedError(reason) from error
        finally:
            self._pool.give_back(server)
        took = time.monotonic() - started
        choices = read_choices(data, count, self._settings, self._policy.count)
        if (ids := read_prompt(data)) is not None:
            self._policy.check_prompt(body["messages"], ids)
        server.answered()
        self._pace.add(max(one.token_count for one in choices), took)
        return choices

    async def _post(self, server: Server, body: dict[str, Any], count: int) -> bytes:
        endpoint, most = server.endpoint, _REPLY_BYTES + count * self._settings.max_tokens * _TOKEN_BYTES
        url, whole = f"{endpoint.base_url}/chat/completions", {"model": endpoint.model, **body}
        async with server.client.stream("POST", url, json=whole) as reply:
            if reply.headers.get("content-encoding", "identity") != "identity":
                # A kilobyte can unpack to gigabytes before anyone could count them.
                raise NoReplyError("its reply is compressed, which it was asked not to do")
            data = bytearray()
            async for part in reply.aiter_raw():
                data += part
                if len(data) > most:
                    raise NoReplyError(f"its reply is longer than {most} bytes")
            try:
                check_status(endpoint, reply.status_code, reply.headers, bytes(data).decode(errors="replace"))
            except NoReplyError as error:
                if reply.status_code not in (429, 503):
                    raise
                server.failed(str(error), error.wait)
                raise _MovedError(str(error), error.wait) from error
        return bytes(data)


async def _first(asked: set[asyncio.Task[list[Choice]]]) -> list[Choice]:
    """The result of whichever task has one first. Raises the last failure, or at once what is no `NoReplyError`."""
    failure: NoReplyError | None = None
    pending = set(asked)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            try:
                return task.result()
            except NoReplyError as error:
                failure = error
    assert failure is not None, "nobody was asked"
    raise failure
