"""Servers of one model: which one takes the next request, and which ones are left alone for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import httpx

from tasks.runtime.endpoints import Endpoint
from tasks.runtime.errors import ConfigurationError

_CONNECT_SECONDS = 10.0
_FIRST_REST, _LONGEST_REST = 0.5, 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(eq=False)
class Server:
    """One server and how it does.

    Attributes:
        under_way: requests that it has not answered.
        faults: failures since it last answered.
        rests_until: on the monotonic clock.
        said: its last failure.
    """

    endpoint: Endpoint
    client: httpx.AsyncClient
    under_way: int = 0
    faults: int = 0
    rests_until: float = 0.0
    said: str = ""

    @property
    def load(self) -> float:
        """Share of its places that are taken; one place only after a failure, until it has answered again."""
        return self.under_way / (1 if self.faults else self.endpoint.concurrency)

    def awake(self) -> bool:
        return time.monotonic() >= self.rests_until

    def failed(self, reason: str, seconds: float = 0.0) -> None:
        """Leave it alone for `seconds`, or, where 0, longer with each failure."""
        self.faults, self.said = self.faults + 1, reason
        self.rests_until = time.monotonic() + (seconds or min(_FIRST_REST * 2 ** (self.faults - 1), _LONGEST_REST))

    def answered(self) -> None:
        self.faults, self.rests_until = 0, 0.0


class Pool:
    """The servers of one round; an async context manager, used from one event loop.

    Raises `ConfigurationError` for an address, or a proxy of the environment, that no client can use.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.servers = [Server(endpoint, _client(endpoint)) for endpoint in endpoints]
        self._freed = asyncio.Event()
        self._clients = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for server in self.servers:
            await self._clients.enter_async_context(server.client)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._clients.aclose()

    async def take(self, avoid: Collection[Server]) -> Server:
        """The least loaded server, once it has a place; the caller gives the place back.

        One that rests is taken only when all do (the one that rests shortest), one of `avoid` only when no other is awake.
        """
        while (server := self._best(avoid)) is None:
            self._freed.clear()
            await self._freed.wait()
        server.under_way += 1
        return server

    def give_back(self, server: Server) -> None:
        server.under_way -= 1
        self._freed.set()

    def any_awake(self) -> bool:
        return any(server.awake() for server in self.servers)

    def _best(self, avoid: Collection[Server]) -> Server | None:
        awake = [server for server in self.servers if server.awake()]
        others = [server for server in awake if server not in avoid]
        known = others or awake or [min(self.servers, key=lambda server: (server in avoid, server.rests_until))]
        best = min(known, key=lambda server: server.load)
        return best if best.load < 1 else None


def _client(endpoint: Endpoint) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(
            headers={"accept-encoding": "identity", **({"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {})},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=endpoint.concurrency),
            # The whole request has a limit of its own.
            timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
            # A proxy of the environment stands between machines, not between this one and itself.
            trust_env=httpx.URL(endpoint.base_url).host not in _LOOPBACK,
        )
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise ConfigurationError(
            f"endpoint {endpoint.base_url} cannot be asked ({error}); correct it, or the proxy that the environment sets"
        ) from error
