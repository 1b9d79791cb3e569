"""An address → the store it stands for."""

from __future__ import annotations

from typing import Any

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.home import default_store
from tasks.runtime.store import Store

BLOCK = "block:"


def open_store(address: str = "") -> Store:
    """The store at an address.

    Args:
        address: empty: the store under ``WINNOW_HOME``; a folder; ``s3://bucket/prefix``, with credentials and endpoint
            from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` … or what AWS's own files say); or
            ``block:NAME``, a saved Winnow Store block.

    Raises:
        ConfigurationError: no such protocol, or no such block.
    """
    if address.startswith(BLOCK):
        return _from_block(address.removeprefix(BLOCK))
    return Store(address or default_store())


def _from_block(name: str) -> Store:
    # Imported here: it brings all of Prefect, which a folder does not need.
    from blocks.store import WinnowStore

    try:
        block: Any = WinnowStore.load(name, _sync=True)  # type: ignore[call-arg]
    except ValueError as error:
        raise ConfigurationError(
            f"no Winnow Store block is called {name!r} ({error}); save one with "
            f"blocks.store.WinnowStore(uri=…).save({name!r}), or give a folder or s3://bucket/prefix"
        ) from error
    return Store(block.uri, block.fsspec_options(), f"{BLOCK}{name}")
