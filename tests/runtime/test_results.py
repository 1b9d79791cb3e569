"""Stored results: ours are found again by Prefect's engine; anything else in their place is as good as absent."""

from __future__ import annotations

import base64
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import SerializationError
from prefect.results import ResultRecord, ResultRecordMetadata, ResultStore

from tasks.runtime.references import DatasetRef, ReportRef
from tasks.runtime.results import ReferenceSerializer, StoreResults, cached_result
from tasks.runtime.store import Store


def publish(store: Store, text: str = "hello") -> ReportRef:
    with store.draft() as draft:
        (draft / "page.html").write_text(text)
        return store.publish(draft, "report", counts={"rows": 1}, metadata={"a": [1, None]})


def results(store: Store) -> ResultStore:
    """What the engine keeps results with, in a Winnow flow."""
    return ResultStore(result_storage=StoreResults(store=store), serializer=ReferenceSerializer())


def keep(store: Store, key: str, ref: Any) -> dict[str, Any]:
    results(store).write(ref, key=key)
    return json.loads(store.read_bytes(f"results/{key}"))


def test_a_reference_comes_back_by_its_key(store: Store) -> None:
    ref = publish(store)
    record = keep(store, "key", ref)
    assert cached_result(store, "key") == ref
    assert results(store).read("key").result == ref
    assert record["metadata"]["serializer"] == {"type": "winnow-reference"}
    assert json.loads(record["result"])["digest"] == ref.digest


def test_what_is_not_there_is_absent(store: Store) -> None:
    assert cached_result(store, "key") is None
    assert not results(store).exists("key")


def test_only_references_are_kept(store: Store) -> None:
    with pytest.raises(SerializationError) as caught:
        keep(store, "key", 3)
    assert "must return a reference, not a int" in str(caught.value.__cause__)
    assert cached_result(store, "key") is None


def test_a_result_whose_artifact_is_gone_is_absent(store: Store) -> None:
    ref = publish(store)
    keep(store, "key", ref)
    store.remove(ref)
    assert cached_result(store, "key") is None
    assert not results(store).exists("key")
    publish(store)
    assert cached_result(store, "key") == ref


class Planted:
    """Leaves a file behind when it is read back."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.trace,))


def as_pickle(record: dict[str, Any], trace: str) -> Any:
    record["metadata"]["serializer"] = {"type": "pickle", "picklelib": "pickle"}
    record["result"] = base64.encodebytes(pickle.dumps(Planted(trace))).decode()
    return record


def as_compressed_pickle(record: dict[str, Any], trace: str) -> Any:
    record = as_pickle(record, trace)
    record["metadata"]["serializer"] = {"type": "compressed/pickle", "compressionlib": "lzma"}
    return record


def as_exception(record: dict[str, Any], trace: str) -> Any:
    record["metadata"]["serializer"] = {"type": "json", "jsonlib": "json"}
    record["result"] = json.dumps({"__exc_type__": "os.mkdir", "message": trace})
    return record


def as_exception_of_ours(record: dict[str, Any], trace: str) -> Any:
    record["result"] = json.dumps({"__exc_type__": "os.mkdir", "message": trace})
    return record


def as_class(record: dict[str, Any], trace: str) -> Any:
    record["result"] = json.dumps({"__class__": "os.mkdir", "data": {"path": trace}})
    return record


def as_reference_to_elsewhere(record: dict[str, Any], trace: str) -> Any:
    record["result"] = json.dumps({**json.loads(record["result"]), "uri": "../../outside"})
    return record


def as_list(record: dict[str, Any], trace: str) -> Any:
    return [record]


def as_deep_nest(record: dict[str, Any], trace: str) -> Any:
    return "PLAIN" + "[" * 200_000


def as_half(record: dict[str, Any], trace: str) -> Any:
    return "PLAIN" + json.dumps(record)[:-9]


PLANTS = [
    as_pickle,
    as_compressed_pickle,
    as_exception,
    as_exception_of_ours,
    as_class,
    as_reference_to_elsewhere,
    as_list,
    as_deep_nest,
    as_half,
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_record_is_absent_and_nothing_of_it_runs(
    store: Store, tmp_path: Path, plant: Callable[[dict[str, Any], str], Any]
) -> None:
    trace = tmp_path / "it-ran"
    record = plant(keep(store, "key", publish(store)), str(trace))
    data = record.removeprefix("PLAIN") if isinstance(record, str) else json.dumps(record)
    store.write_bytes("results/key", data.encode())
    assert cached_result(store, "key") is None
    assert not results(store).exists("key")
    with pytest.raises(FileNotFoundError):
        StoreResults(store=store).read_path("key")
    assert not trace.exists()
    # The engine makes it anew and writes over it.
    ref = publish(store, "anew")
    keep(store, "key", ref)
    assert cached_result(store, "key") == ref


def test_prefect_alone_would_have_run_the_planted_pickle(store: Store, tmp_path: Path) -> None:
    """Why the check is there; if this fails, Prefect has become stricter and the check may go."""
    trace = tmp_path / "it-ran"
    record = as_pickle(keep(store, "key", publish(store)), str(trace))
    ResultRecord.deserialize(json.dumps(record).encode())
    assert trace.exists()


def test_a_record_of_the_engines_own_making_is_ours(store: Store) -> None:
    ref = publish(store)
    metadata = ResultRecordMetadata(serializer=ReferenceSerializer(), storage_key="key")
    store.write_bytes("results/key", ResultRecord(result=ref, metadata=metadata).serialize())
    assert cached_result(store, "key") == ref


def test_the_serializer_round_trips_every_kind() -> None:
    serializer = ReferenceSerializer()
    for ref in (
        DatasetRef(uri="u", digest="d", kind="samples", counts={"rows": 2}),
        ReportRef(uri="u", digest="d", metadata={"decision": "promote"}),
    ):
        assert serializer.loads(serializer.dumps(ref)) == ref
