"""Where Prefect keeps task results: references as JSON, in the artifact store: every machine hits the same cache.

Prefect would read whatever serializer a stored record names, pickle included; here a record that is not one of our JSON
references does not exist, and neither does one whose artifact is gone.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from prefect.filesystems import WritableFileSystem
from prefect.logging import get_logger
from prefect.serializers import Serializer
from pydantic import PrivateAttr, ValidationError

from tasks.runtime.errors import ContractError
from tasks.runtime.references import AnyRef, Ref, parse_ref
from tasks.runtime.store import Store
from tasks.runtime.stores import open_store

SERIALIZER: Literal["winnow-reference"] = "winnow-reference"


class ReferenceSerializer(Serializer):  # type: ignore[type-arg]
    """References ↔ JSON, and nothing else: reading can neither import nor run anything."""

    type: Literal["winnow-reference"] = SERIALIZER

    def dumps(self, obj: Any) -> bytes:
        if not isinstance(obj, Ref):
            raise TypeError(f"a cached task must return a reference, not a {type(obj).__name__}")
        return obj.model_dump_json().encode()

    def loads(self, blob: bytes) -> Any:
        return parse_ref(json.loads(blob))


class StoreResults(WritableFileSystem):
    """Prefect's result storage over `Store`. Never saved as a block: the flow hands it to the engine.

    Prefect sends its fields, and nothing else, to a worker's process: there the store is opened by its address.
    The engine's synchronous side passes `_sync` to each call; there is nothing else here than synchronous calls.
    """

    _block_type_name = "Winnow results"
    _store: Store = PrivateAttr()
    address: str = ""

    def __init__(self, *, address: str = "", store: Store | None = None, **more: Any) -> None:  # a block takes keywords only
        super().__init__(address=store.address if store else address, **more)
        self._store = store or open_store(address)

    def _resolve_path(self, path: str) -> None:
        """Keys are used as they are: Prefect asks this of unsaved storage, or takes them for files of its working folder."""

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # type: ignore[override]
        """The record's bytes. Raises `FileNotFoundError` when there is none that may be used."""
        data = self._store.read_bytes(f"results/{path}")
        if _reference_in(data, path, self._store) is None:
            raise FileNotFoundError(path)
        return data

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> str:  # type: ignore[override]
        self._store.write_bytes(f"results/{path}", content)
        return path


def cached_result(store: Store, key: str) -> AnyRef | None:
    """The reference stored under a cache key, or None: what the engine would find, without the engine."""
    try:
        data = store.read_bytes(f"results/{key}")
    except FileNotFoundError:
        return None
    return _reference_in(data, key, store)


def _reference_in(data: bytes, path: str, store: Store) -> AnyRef | None:
    try:
        record = json.loads(data)
        if record["metadata"]["serializer"]["type"] != SERIALIZER:
            raise ValueError(f"serializer {record['metadata']['serializer']['type']!r}")
        ref = parse_ref(json.loads(record["result"]))
        return ref if store.exists(ref) else None
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError, ContractError) as error:
        get_logger("winnow.cache").warning("result %s is not one of ours (%s): it is made anew", path, error)
        return None
