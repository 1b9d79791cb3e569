"""Versions: numbered, immutable, one a model; bad names and bad files are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.registry.records import Version, create
from tasks.registry.versions import lineages, register, version_of, versions
from tasks.runtime.errors import ConfigurationError, ContractError, CorruptArtifactError, MissingArtifactError
from tasks.runtime.store import Store
from tests.registry.building import LINEAGE, new_version, publish_model


def test_numbers_count_up_and_a_model_keeps_its_own(store: Store) -> None:
    first, second = new_version(store, "a"), new_version(store, "b")
    again = register(store, LINEAGE, publish_model(store, "a"), {"made from": "elsewhere"})
    assert [first.version, second.version] == [1, 2]
    assert again == first
    assert versions(store, LINEAGE) == [first, second]
    assert version_of(store, LINEAGE, 2).record == {"made from": "b"}


def test_lineages_do_not_share_numbers(store: Store) -> None:
    assert lineages(store) == []
    one, other = new_version(store, "a", "one"), new_version(store, "a", "other")
    assert (one.version, other.version) == (1, 1)
    assert lineages(store) == ["one", "other"]


def test_a_version_is_never_written_twice(local: Store) -> None:
    first = new_version(local, "a")
    folder = f"registry/{LINEAGE}/versions"
    assert not create(local, folder, 1, Version(version=1, model=publish_model(local, "b"), at=first.at))
    assert versions(local, LINEAGE) == [first]


@pytest.mark.parametrize("name", ["", "../up", "a/b", "..", ".hidden", "Upper", "-dash", "a b", "a\n", "ä"])
def test_names_that_cannot_be_a_lineage(local: Store, name: str) -> None:
    model = publish_model(local, "a")
    with pytest.raises(ConfigurationError, match="lower-case letters"):
        register(local, name, model, {})
    assert lineages(local) == []


def test_a_version_that_is_not_there_names_those_that_are(local: Store) -> None:
    with pytest.raises(MissingArtifactError, match="it has none"):
        version_of(local, LINEAGE, 1)
    new_version(local, "a")
    with pytest.raises(MissingArtifactError, match="no version 7; it has 1 to 1"):
        version_of(local, LINEAGE, 7)


def test_a_model_outside_the_store_is_not_registered(local: Store, remote: Store) -> None:
    with pytest.raises(MissingArtifactError, match="publish the model there first"):
        register(local, LINEAGE, publish_model(remote, "elsewhere"), {})


@pytest.mark.parametrize("record", [{"x": {1}}, {"x": float("nan")}])
def test_a_record_must_be_plain_json(local: Store, record: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match="plain JSON"):
        register(local, LINEAGE, publish_model(local, "a"), record)


def test_damage_is_named_and_not_read_around(local: Store) -> None:
    for name in "abc":
        new_version(local, name)
    file = f"registry/{LINEAGE}/versions/000002.json"
    local.write_bytes(file, b'{"version": 2')
    with pytest.raises(CorruptArtifactError, match=r"000002\.json"):
        versions(local, LINEAGE)
    local.fs.rm(f"{local.root}/{file}")
    with pytest.raises(CorruptArtifactError, match=r"000002\.json is missing"):
        new_version(local, "d")
