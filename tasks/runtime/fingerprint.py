"""Canonical JSON and the fingerprint: one spelling for a value, in every process and on every machine.

Strict on purpose. A cache key made from ``repr()`` or from a pickle is equal where it should differ, or differs where
it should be equal; here a value either has a canonical form or raises `FingerprintError`, so that nothing is ever
cached under a key that does not describe it.
"""

from __future__ import annotations

import datetime
import enum
import hashlib
import json
import math
import pathlib
from typing import Any

from pydantic import BaseModel

from tasks.runtime.errors import FingerprintError
from tasks.runtime.references import Ref


class Unkeyed:
    """Marks a pydantic field (``Annotated[int, Unkeyed()]``) that changes how fast a step is, never what comes out.

    Such fields are left out of the canonical form, so that another batch size still finds the cache.
    """


_CLOCKS = (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)


def canonical(value: Any, where: str = "value") -> Any:
    """`value` as plain JSON data whose text does not depend on the process.

    References become their kind and digest, never their place. Sets are sorted by their members' canonical text.
    Containers and models that are not JSON by themselves carry a tag, so that ``{1, 2}`` and ``[1, 2]`` differ.

    Args:
        value: references, pydantic models, enums, paths, sets, dicts with string keys, lists, tuples, bytes,
            strings, numbers, booleans, None.
        where: the name of the value, for the error message.

    Raises:
        FingerprintError: for callables, clocks, NaN or infinite floats, non-string keys and any other type; the
            message names the place inside the value.
    """
    if value is None or (isinstance(value, bool | str) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return {"$enum": [type(value).__name__, canonical(value.value, where)]}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise FingerprintError(f"{where}: {value} has no canonical form; use a finite number")
        # 1.0 and 1 mean the same to every setting here, and YAML and web forms do not keep them apart.
        return int(value) if value.is_integer() and abs(value) < 2**53 else float(value)
    if isinstance(value, Ref):
        return {"$ref": [value.kind, value.digest]}
    if isinstance(value, BaseModel):
        fields = {
            name: canonical(getattr(value, name), f"{where}.{name}")
            for name, field in type(value).model_fields.items()
            if not any(isinstance(mark, Unkeyed) for mark in field.metadata)
        }
        fields |= canonical(value.model_extra or {}, where)
        return {"$model": [type(value).__name__, fields]}
    if isinstance(value, pathlib.PurePath):
        return {"$path": value.as_posix()}
    if isinstance(value, bytes):
        return {"$bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, set | frozenset):
        return {"$set": sorted((canonical(item, f"{where}{{…}}") for item in value), key=_text)}
    if isinstance(value, list | tuple):
        return [canonical(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key.startswith("$"):
                raise FingerprintError(f"{where}: key {key!r} must be a string that does not start with '$'")
        return {key: canonical(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, _CLOCKS):
        raise FingerprintError(f"{where}: a time ({value}) cannot be part of a cache key; leave it out of the inputs")
    raise FingerprintError(
        f"{where}: a {type(value).__module__}.{type(value).__qualname__} has no canonical form; pass a reference, "
        "a pydantic model or plain JSON data"
    )


def _text(data: Any) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Any, where: str = "value") -> str:
    """sha256 (64 hex digits) of the canonical text of `value`. Raises `FingerprintError`."""
    return canonical_digest(canonical(value, where))


def canonical_digest(data: Any) -> str:
    """sha256 (64 hex digits) of what `canonical` returned (which, with its tags, it would refuse as input)."""
    return hashlib.sha256(_text(data).encode()).hexdigest()
