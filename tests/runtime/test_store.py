"""The store's promises, on a local disk and on a real S3 server alike."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from tasks.runtime.errors import (
    ContractError,
    CorruptArtifactError,
    FingerprintError,
    MissingArtifactError,
    StoreUnwritableError,
)
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef
from tasks.runtime.store import Store
from tests.s3 import KEY, SECRET


class Settings(BaseModel):
    rate: float = 0.5


def publish(store: Store, text: str = "hello", kind: str = "report", **said: object) -> ReportRef:
    with store.draft() as draft:
        (draft / "sub").mkdir()
        (draft / "page.html").write_text(text)
        (draft / "sub" / "empty.txt").touch()
        return store.publish(draft, kind, **said)


def put(store: Store, name: str, data: bytes) -> None:
    """Write past the store's own checks, as a broken disk or a stranger would."""
    store.fs.pipe_file(f"{store.root}/{name}", data)


def test_what_is_published_is_read_back(store: Store) -> None:
    source = publish(store, "source")
    ref = publish(store, inputs={"source": source}, config=Settings(), counts={"rows": 3}, metadata={"note": "n"})
    folder = store.open(ref)
    assert isinstance(ref, ReportRef)
    assert (ref.rows, ref.metadata) == (3, {"note": "n"})
    assert (folder / "page.html").read_text() == "hello"
    assert (folder / "sub" / "empty.txt").read_bytes() == b""
    manifest = store.manifest(ref)
    assert manifest["ref"] == ref.model_dump()
    assert manifest["inputs"]["source"]["digest"] == source.digest
    assert manifest["config"] == {"$model": ["Settings", {"rate": 0.5}]}
    assert manifest["libraries"]["pyarrow"]
    assert manifest["code"]
    assert set(manifest["files"]) == {"page.html", "sub/empty.txt"}


def test_the_kind_decides_the_class_of_the_reference(store: Store) -> None:
    assert isinstance(publish(store, kind="chat"), DatasetRef)
    assert isinstance(publish(store, kind="model"), ModelRef)


def test_equal_content_is_one_artifact(store: Store) -> None:
    first = publish(store, config=Settings(), metadata={"way": "first"})
    again = publish(store, metadata={"way": "second"})
    assert (again.digest, again.uri) == (first.digest, first.uri)
    assert store.manifest(again)["ref"]["metadata"] == {"way": "first"}
    assert publish(store, "other").digest != first.digest
    assert publish(store, kind="chat").digest != first.digest


def test_a_name_is_content_too(store: Store) -> None:
    refs = []
    for name in ("a", "b"):
        with store.draft() as draft:
            (draft / name).write_text("same")
            refs.append(store.publish(draft, "report"))
    assert refs[0].digest != refs[1].digest


def test_an_empty_draft_is_nothing_to_publish(store: Store) -> None:
    with store.draft() as draft, pytest.raises(ContractError, match="no files"):
        store.publish(draft, "report")


def test_drafts_are_gone_afterwards(store: Store) -> None:
    with store.draft() as draft:
        (draft / "half").write_text("half")
    assert list(draft.parent.iterdir()) == []

    def fail() -> None:
        with store.draft() as draft:
            (draft / "half").write_text("half")
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert list(draft.parent.iterdir()) == []


def test_without_its_manifest_an_artifact_does_not_exist(store: Store) -> None:
    ref = publish(store)
    assert store.exists(ref)
    store.fs.rm(f"{store.root}/{ref.uri}/manifest.json")
    assert not store.exists(ref)
    with pytest.raises(MissingArtifactError, match=ref.digest) as caught:
        store.open(ref)
    assert caught.value.exit_code == 2


def change(store: Store, name: str) -> None:
    put(store, name, b"jello")


def shorten(store: Store, name: str) -> None:
    put(store, name, b"hell")


def drop(store: Store, name: str) -> None:
    store.fs.rm(f"{store.root}/{name}")


@pytest.mark.parametrize("harm", [change, shorten, drop])
def test_a_harmed_file_is_named(store: Store, harm: Callable[[Store, str], None]) -> None:
    ref = publish(store)
    harm(store, f"{ref.uri}/page.html")
    with pytest.raises(CorruptArtifactError, match=r"page\.html") as caught:
        store.open(ref)
    assert caught.value.exit_code == 2
    assert "remove" in str(caught.value)
    # The advice works: what is removed is made anew, and read.
    store.remove(ref)
    store.remove(ref)
    assert not store.exists(ref)
    assert (store.open(publish(store)) / "page.html").read_text() == "hello"


def test_a_copy_harmed_after_it_was_fetched_is_fetched_again(s3_store_uri: tuple[str, dict], home: Path) -> None:
    store = Store(f"{s3_store_uri[0]}/{os.urandom(4).hex()}", s3_store_uri[1])
    ref = publish(store)
    (store.open(ref) / "page.html").write_text("jello")
    assert (store.open(ref) / "page.html").read_text() == "hello"


def test_an_added_file_is_not_read_as_part_of_an_artifact(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    ref = publish(store)
    put(store, f"{ref.uri}/rows-00009.parquet", b"planted")
    with pytest.raises(CorruptArtifactError, match=r"rows-00009\.parquet is not in the manifest"):
        store.open(ref)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"files": [], "ref": {}}',
        b'{"files": {"page.html": 3}}',
        b'{"files": {"page.html": {"sha256": "00"}}}',
        b'{"files": {"../../page.html": {"sha256": "00"}}}',
    ],
)
def test_a_tampered_manifest_is_named(store: Store, manifest: bytes) -> None:
    ref = publish(store)
    put(store, f"{ref.uri}/manifest.json", manifest)
    with pytest.raises(CorruptArtifactError, match=r"manifest\.json"):
        store.open(ref)


def test_a_manifest_that_vouches_for_a_changed_file_is_refused(store: Store) -> None:
    ref, other = publish(store), publish(store, "jello")
    put(store, f"{ref.uri}/page.html", b"jello")
    put(store, f"{ref.uri}/manifest.json", store.read_bytes(f"{other.uri}/manifest.json"))
    with pytest.raises(CorruptArtifactError, match="describes other content"):
        store.open(ref)


def test_a_reference_of_another_kind_is_refused(store: Store) -> None:
    ref = publish(store, kind="chat")
    with pytest.raises(CorruptArtifactError, match="describes other content"):
        store.open(ref.model_copy(update={"kind": "samples"}))


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/etc/passwd"])
def test_names_stay_inside_the_store(store: Store, name: str) -> None:
    for act in (store.read_bytes, store.names, lambda n: store.write_bytes(n, b""), lambda n: store.create_bytes(n, b"")):
        with pytest.raises(ContractError, match="outside"):
            act(name)
    with pytest.raises(ContractError, match="outside"):
        store.open(ReportRef(uri=name, digest="0" * 64))


def test_small_files(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read_bytes("results/key")
    assert store.names("results") == []
    store.write_bytes("results/key", b"one")
    store.write_bytes("results/key", b"two")
    store.write_bytes("results/deeper/key", b"three")
    assert store.read_bytes("results/key") == b"two"
    assert store.create_bytes("results/other", b"first")
    assert not store.create_bytes("results/other", b"second")
    assert store.read_bytes("results/other") == b"first"
    assert store.names("results") == ["key", "other"]
    assert store.names("results/key") in ([], ["key"])


def test_a_second_writer_is_seen_at_once(store: Store) -> None:
    # As another process has it: a file system of its own, with its own memory of what it listed.
    reader = Store(store.uri, {**store.options, "skip_instance_cache": True})
    ref = publish(store)
    store.write_bytes("registry/1", b"")
    assert reader.exists(ref)
    assert reader.names("registry") == ["1"]
    store.remove(ref)
    store.write_bytes("registry/2", b"")
    assert not reader.exists(ref)
    assert reader.names("registry") == ["1", "2"]
    publish(store)
    assert reader.exists(ref)


def test_secrets_stay_out_of_everything(s3_store_uri: tuple[str, dict], home: Path) -> None:
    uri, options = s3_store_uri
    store = Store(f"{uri}/secrets", options)
    ref = publish(store, config=Settings())
    texts = [repr(store), str(store), store.read_bytes(f"{ref.uri}/manifest.json").decode(), ref.model_dump_json()]
    with pytest.raises(StoreUnwritableError, match="credentials") as caught:
        Store(store.uri, {**options, "secret": "SOMETHING-ELSE"}).write_bytes("results/key", b"")
    texts.append(str(caught.value))
    for text in texts:
        assert KEY not in text
        assert SECRET not in text
        assert "SOMETHING-ELSE" not in text
    with pytest.raises(FingerprintError):
        publish(store, "text", config={"password": SecretStr("x")})


def test_sweeping_leaves_young_drafts(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with store.draft() as young, store.draft() as old:
        os.utime(old, (0, 0))
        store.sweep()
        assert young.exists()
        assert not old.exists()


def test_manifests_are_plain_json(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    ref = publish(store)
    manifest = json.loads((tmp_path / ref.uri / "manifest.json").read_text())
    assert set(manifest["files"]) == {"page.html", "sub/empty.txt"}
