"""A lineage's versions: immutable, numbered from 1, one a model."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from tasks.registry.records import Version, create, file_of, folder_of, now, numbers_in, read_all, read_one
from tasks.runtime.errors import ContractError, MissingArtifactError
from tasks.runtime.faults import explained
from tasks.runtime.references import ModelRef
from tasks.runtime.store import Store


def lineages(store: Store) -> list[str]:
    """The lineages that the store's registry has, sorted."""
    with explained(store.uri, "listing registry", reading=True):
        try:
            found = store.fs.ls(f"{store.root}/registry", detail=True)
        except FileNotFoundError:
            return []
    return sorted(PurePosixPath(entry["name"]).name for entry in found if entry["type"] == "directory")


def register(store: Store, lineage: str, model: ModelRef, record: dict[str, Any]) -> Version:
    """Give `model` the lineage's next version number; a model that has one already keeps it, and its first record.

    Args:
        record: where the model comes from, as plain JSON (see `Version`).

    Raises:
        MissingArtifactError: the model is not in the store.
        ContractError: the record is not plain JSON.
        ConfigurationError: a lineage name that cannot be one.
        StoreUnwritableError, DiskFullError: nothing was written.
    """
    folder = folder_of(lineage, "versions")
    if not store.exists(model):
        raise MissingArtifactError(f"{model.uri} is not in the store {store.uri}; publish the model there first")
    try:
        plain = json.loads(json.dumps(record, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ContractError(f"the lineage record of {model.uri} is not plain JSON: {error}") from error
    while True:
        known = read_all(store, folder, Version)
        for version in known:
            if version.model.digest == model.digest:
                return version
        version = Version(version=len(known) + 1, model=model, record=plain, at=now())
        # Lost the number to somebody else: theirs may be the same model, so look again.
        if create(store, folder, version.version, version):
            return version


def versions(store: Store, lineage: str) -> list[Version]:
    """All versions of a lineage, ascending; empty when there is none. Raises as `read_all` does."""
    return read_all(store, folder_of(lineage, "versions"), Version)


def version_of(store: Store, lineage: str, number: int) -> Version:
    """One version. Raises `MissingArtifactError` with the numbers that there are, or `CorruptArtifactError`."""
    folder = folder_of(lineage, "versions")
    try:
        return read_one(store, file_of(folder, number), Version)
    except FileNotFoundError:
        known = numbers_in(store, folder)
        have = f"it has 1 to {known[-1]}" if known else f"it has none in {store.uri}; run a flow that registers one"
        raise MissingArtifactError(f"lineage {lineage} has no version {number}; {have}") from None
