"""An address → the model endpoint it stands for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.stores import BLOCK

KEY = "WINNOW_ENDPOINT_KEY"


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint.

    Attributes:
        base_url: up to the version, without a slash at the end: ``https://host/v1``.
        model: name of the model there.
        key: sent as bearer token; empty: none is sent. Not in `repr`.
        time_limit: seconds one question may take; a judge's with its retries.
        concurrency: questions under way at once.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    time_limit: float = 60.0
    concurrency: int = 8


def open_endpoint(
    address: str, model: str = "", time_limit: float = Endpoint.time_limit, concurrency: int = Endpoint.concurrency
) -> Endpoint:
    """The endpoint at an address.

    Args:
        address: ``http://…`` or ``https://…`` up to the version, with the key (if any) in ``WINNOW_ENDPOINT_KEY``; or
            ``block:NAME``, a saved Winnow Endpoint block.
        model: name of the model there; empty: the block's.
        time_limit, concurrency: of an address; a block has its own.

    Raises:
        ConfigurationError: no address, no such block, no model's name, or a key that cannot be sent.
    """
    check_address(address, model)
    if address.startswith(BLOCK):
        return _from_block(address.removeprefix(BLOCK), model)
    return Endpoint(address.rstrip("/"), model, _sendable(os.environ.get(KEY, ""), KEY), time_limit, concurrency)


def check_address(address: str, model: str) -> None:
    """Raise `ConfigurationError` for what `open_endpoint` could not open, whatever runs where."""
    if address.startswith(BLOCK):
        return
    if not re.fullmatch(r"https?://[^\s@?#]+", address):
        raise ConfigurationError(f"endpoint {address!r} is no address; give https://host/v1, or block:NAME")
    if not model:
        raise ConfigurationError(f"endpoint {address!r}: name the model to ask there")


def _from_block(name: str, model: str) -> Endpoint:
    # Imported here: it brings all of Prefect, which an address does not need.
    from blocks.endpoint import WinnowEndpoint

    try:
        block: Any = WinnowEndpoint.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError as error:
        raise ConfigurationError(
            f"no Winnow Endpoint block is called {name!r} ({error}); save one with "
            f"blocks.endpoint.WinnowEndpoint(base_url=…, model=…).save({name!r}), or give https://host/v1"
        ) from error
    key = _sendable(block.api_key.get_secret_value() if block.api_key else "", f"block {name!r}")
    return Endpoint(block.base_url.rstrip("/"), model or block.model, key, block.time_limit, block.concurrency)


def _sendable(key: str, where: str) -> str:
    """The key, without the line's end that a file leaves; checked here, since others' errors show what they refuse."""
    key = key.strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise ConfigurationError(f"the key in {where} has characters that a header cannot carry; write it anew")
    return key
