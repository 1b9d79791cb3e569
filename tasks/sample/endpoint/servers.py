"""Who starts a launched server, who shares it, and when it ends.

Sampling is cut into shards, each in a process of its own, and a server takes a minute to start. A flow opens `kept_servers`
around a round: the first shard that really runs starts the server, the others find it. Outside of that a server lives as long
as the sampling it was started for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tasks.runtime.errors import PassingFaultError
from tasks.sample.endpoint.launch import LaunchedServer
from tasks.sample.endpoint.settings import EndpointSettings

_Key = tuple[str, str, str, str]  # command, model's folder, number format, model's name


@dataclass
class _Kept:
    """The launched servers of this process; every change under the lock, starting included."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    servers: dict[_Key, LaunchedServer] = field(default_factory=dict)
    users: dict[_Key, int] = field(default_factory=dict)
    keepers: int = 0

    def take(self, key: _Key, start_limit: float) -> LaunchedServer:
        with self.lock:
            if key in self.servers and self.servers[key].ended():
                self._stop(key)
            if key not in self.servers:
                # Another model's server that nobody asks holds the memory this one needs.
                self.stop_unused()
                command, folder, dtype, model = key
                self.servers[key] = LaunchedServer(command, Path(folder), dtype, start_limit, model)
            self.users[key] = self.users.get(key, 0) + 1
            return self.servers[key]

    def give_back(self, key: _Key) -> None:
        with self.lock:
            self.users[key] -= 1
            if not self.keepers:
                self.stop_unused()

    def stop_unused(self) -> None:
        with self.lock:
            for key in [key for key in self.servers if not self.users.get(key)]:
                self._stop(key)

    def _stop(self, key: _Key) -> None:
        self.servers.pop(key).stop()


_KEPT = _Kept()


@contextmanager
def kept_servers() -> Iterator[None]:
    """Keep the servers that are launched in this process inside the block until it ends, for those who come after."""
    with _KEPT.lock:
        _KEPT.keepers += 1
    try:
        yield
    finally:
        with _KEPT.lock:
            _KEPT.keepers -= 1
            if not _KEPT.keepers:
                _KEPT.stop_unused()


@contextmanager
def served(model_folder: Path, settings: EndpointSettings, dtype: str) -> Iterator[EndpointSettings]:
    """`settings` with the address of a server that runs ``launch`` for this model; as they are where nothing is launched.

    Raises:
        ConfigurationError, PassingFaultError: as `LaunchedServer`; or the block failed because the server ended meanwhile.
    """
    if not settings.launch:
        yield settings
        return
    key = (settings.launch, str(model_folder), dtype, settings.model)
    server = _KEPT.take(key, settings.start_limit)
    try:
        yield settings.model_copy(update={"launch": "", "addresses": [server.address], "model": server.model})
    except PassingFaultError as error:
        # Whoever watches it may need a moment to see it.
        if ended := server.ended(within=1.0):
            raise PassingFaultError(str(ended)) from error
        raise
    finally:
        _KEPT.give_back(key)
