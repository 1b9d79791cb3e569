"""The `endpoint` engine: answers drawn by OpenAI-compatible servers, running ones or one that is started for the model.

Reproducible as far as the servers are: a request carries a seed that depends on (seed, prompt id, first draw) alone, and what
a server makes of it is its own. Running servers must serve the policy: nothing in the protocol would tell that they do not.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from tasks.runtime.endpoints import Endpoint, open_endpoint
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row
from tasks.sample.endpoint.asking import Asker
from tasks.sample.endpoint.policy import PolicyTokenizer
from tasks.sample.endpoint.pool import Pool
from tasks.sample.endpoint.servers import served
from tasks.sample.endpoint.settings import EndpointSettings
from tasks.sample.requests import Answer, Request
from tasks.sample.settings import SamplingSettings

# Twice what the servers take at once: one is never idle while answers are handed on.
_AHEAD = 2


def draw(
    model_folder: Path, requests: Iterable[Request], settings: SamplingSettings, *, seed: int, dtype: str
) -> Iterator[Answer]:
    """Draw the answers asked for, in the order of the requests; nothing runs any more when this ends or is abandoned.

    Args:
        model_folder: what ``endpoint.launch`` serves; its tokenizer counts the tokens where a server does not
            tell, and checks the prompt's where it does.
        requests: read as a stream, a little ahead of the servers.
        settings: see `SamplingSettings` and its `endpoint`. `batch_rows` is not read.
        seed: the run's seed.
        dtype: ``float32`` or ``bfloat16``; what ``{dtype}`` in ``endpoint.launch`` becomes.

    Raises:
        PassingFaultError: no server answered, as often as it was asked.
        ConfigurationError: neither addresses nor a command; or the servers refuse key, model or request; or the server that
            was launched ends by itself or is not ready in time.
    """
    stream = iter(requests)
    if (first := next(stream, None)) is None:
        return
    with served(model_folder, settings.endpoint, dtype) as running:
        ready = settings.model_copy(update={"endpoint": running})
        with _asking(ready, seed, PolicyTokenizer(model_folder)) as ask:
            ahead = _AHEAD * sum(endpoint.concurrency for endpoint in _endpoints(running))
            yield from _in_order(ask, _parts(chain([first], stream), running.draws_per_request), ahead)


def _endpoints(settings: EndpointSettings) -> list[Endpoint]:
    if not settings.addresses:
        raise ConfigurationError("engine 'endpoint': give endpoint.addresses of running servers, or endpoint.launch")
    about = (settings.model, settings.time_limit, settings.concurrency)
    return [open_endpoint(address, *about) for address in settings.addresses]


def _parts(requests: Iterable[Request], size: int) -> Iterator[tuple[Row, range]]:
    """What is asked for at once: up to `size` draws of a prompt."""
    for request in requests:
        for start in range(0, len(request.draws), size):
            yield request.prompt, request.draws[start : start + size]


Ask = Callable[[Row, range], "Future[list[Answer]]"]


def _in_order(ask: Ask, parts: Iterator[tuple[Row, range]], ahead: int) -> Iterator[Answer]:
    """The answers to `parts`, of which up to `ahead` are under way; those that wait for their turn come on top."""
    order: deque[Future[list[Answer]]] = deque()
    open_now: set[Future[list[Answer]]] = set()
    while True:
        while len(open_now) < ahead and (part := next(parts, None)):
            order.append(ask(*part))
            open_now.add(order[-1])
        if not open_now:
            return
        done, open_now = wait(open_now, return_when=FIRST_COMPLETED)
        for one in done:
            one.result()  # a failure does not wait for its turn
        while order and order[0].done():
            yield from order.popleft().result()


@contextmanager
def _asking(settings: SamplingSettings, seed: int, policy: PolicyTokenizer) -> Iterator[Ask]:
    """An event loop in a thread of its own, so that replies are read while the caller is busy, and in a notebook too."""
    endpoints = _endpoints(settings.endpoint)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, Asker]] = Future()

    async def main() -> None:
        try:
            servers = Pool(endpoints)
        except Exception as error:
            started.set_exception(error)
            return
        async with servers as pool:
            stop = asyncio.Event()
            started.set_result((asyncio.get_running_loop(), stop, Asker(pool, settings, seed, policy)))
            await stop.wait()
            under_way = asyncio.all_tasks() - {asyncio.current_task()}
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="winnow-endpoint", daemon=True)
    thread.start()
    loop, stop, asker = started.result()
    try:
        yield lambda row, numbers: asyncio.run_coroutine_threadsafe(asker.draws(row, numbers), loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
