"""The artifact store: immutable folders named by their content, on a local disk or on S3 (fsspec, same code).

Layout under the store's root::

    objects/<kind>/<digest>/…files…, manifest.json     an artifact; the manifest is written last
    results/<cache key>                                a task's result (a reference, as JSON)
    registry/<lineage>/…                               versions, history, night states
    staging/<random>/                                  drafts; never read, swept when old

An artifact exists when its manifest does. Readers check every file against the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.runtime.errors import (
    ConfigurationError,
    ContractError,
    CorruptArtifactError,
    DiskFullError,
    MissingArtifactError,
    StoreUnwritableError,
    is_disk_full,
)
from tasks.runtime.fingerprint import canonical, fingerprint
from tasks.runtime.home import winnow_home
from tasks.runtime.references import Ref, ref_class
from tasks.runtime.versions import code_version, library_versions

MANIFEST = "manifest.json"
STALE_STAGING_SECONDS = 7 * 24 * 3600
_CHUNK = 1 << 22
R = TypeVar("R", bound=Ref)


class Store:
    """One artifact store.

    Args:
        uri: a folder, or any fsspec URI (``s3://bucket/prefix``).
        options: passed to fsspec for that protocol (credentials, endpoint); never written anywhere.

    Raises:
        ConfigurationError: a protocol fsspec does not know.
    """

    def __init__(self, uri: str, options: dict[str, Any] | None = None) -> None:
        self.uri = uri if "://" in uri else str(Path(uri).expanduser().absolute())
        self.options = dict(options or {})
        try:
            fs, root = fsspec.core.url_to_fs(self.uri, **self.options)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(f"store {uri!r}: {error}; use a folder or s3://bucket/prefix") from error
        self.fs: fsspec.AbstractFileSystem = fs
        self.root: str = root.rstrip("/")
        self.local = isinstance(fs, LocalFileSystem)

    def __repr__(self) -> str:  # the options may hold secrets
        return f"Store({self.uri!r})"

    # --- artifacts ---------------------------------------------------------------------------------------------

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A new empty local folder to write an artifact's files into; gone afterwards unless published.

        Local stores keep drafts on their own disk, so that publishing is a rename.

        Raises:
            StoreUnwritableError, DiskFullError: with the folder's name.
        """
        parent = Path(self.root, "staging") if self.local else winnow_home() / "staging"
        folder = parent / uuid.uuid4().hex
        with self._explained(f"creating {folder}"):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(
        self,
        folder: Path,
        kind: str,
        *,
        inputs: dict[str, Any] | None = None,
        config: Any = None,
        counts: dict[str, int] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Any:
        """Make `folder` (a draft) an artifact and return its reference (the class that `kind` asks for).

        The digest covers names and bytes of the files, and nothing else: two ways to the same content share one
        artifact, whose manifest tells the first way. Publishing again is harmless.

        Args:
            folder: holds the files; its content moves away on a local store.
            kind: a dataset kind, ``model`` or ``report``.
            inputs: references (or JSON) this was made from; goes to the manifest.
            config: settings it was made with; goes to the manifest in canonical form.
            counts, metadata: go to the reference and to the manifest.

        Raises:
            ContractError: the folder holds no file.
            StoreUnwritableError, DiskFullError: nothing readable was left behind.
        """
        files = _digests(folder)
        if not files:
            raise ContractError(f"nothing to publish as {kind!r}: the draft has no files")
        digest = fingerprint({"kind": kind, "files": {name: entry["sha256"] for name, entry in files.items()}})
        ref = ref_class(kind)(
            uri=f"objects/{kind}/{digest}", digest=digest, kind=kind, counts=counts or {}, metadata=metadata or {}
        )
        if self.exists(ref):
            return ref
        manifest = {
            "ref": ref.model_dump(),
            "files": files,
            "inputs": {name: _plain(item) for name, item in (inputs or {}).items()},
            "config": canonical(config, "config"),
            "code": code_version(),
            "libraries": library_versions(),
            "written": time.time(),
        }
        with self._explained(f"writing {ref.uri}"):
            for name in files:
                self._move_in(folder / name, f"{ref.uri}/{name}")
            self.write_bytes(f"{ref.uri}/{MANIFEST}", json.dumps(manifest, indent=1, sort_keys=True).encode())
        return ref

    def exists(self, ref: Ref) -> bool:
        """Whether the artifact's manifest is there."""
        return bool(self.fs.exists(self._path(f"{ref.uri}/{MANIFEST}")))

    def manifest(self, ref: Ref) -> dict[str, Any]:
        """The artifact's manifest. Raises `MissingArtifactError` or `CorruptArtifactError`."""
        try:
            data = self.read_bytes(f"{ref.uri}/{MANIFEST}")
        except FileNotFoundError:
            raise MissingArtifactError(
                f"{ref.uri} is not in the store {self.uri}; check the store's address, or run again to make it"
            ) from None
        try:
            manifest = json.loads(data)
            manifest["files"], manifest["ref"]["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptArtifactError(f"{ref.uri}/{MANIFEST} is not a manifest; {self._mend(ref)}") from error
        return manifest  # type: ignore[no-any-return]

    def open(self, ref: Ref) -> Path:
        """A local folder with the artifact's files, every digest checked. Treat it as read-only.

        Raises:
            MissingArtifactError: no manifest.
            CorruptArtifactError: a file is missing or differs; the message names it.
        """
        files = self.manifest(ref)["files"]
        described = fingerprint({"kind": ref.kind, "files": {n: e["sha256"] for n, e in files.items()}})  # type: ignore[attr-defined]
        if described != ref.digest:
            raise CorruptArtifactError(f"{ref.uri}/{MANIFEST} describes other content; {self._mend(ref)}")
        folder = Path(self._path(ref.uri)) if self.local else self._fetch(ref, files)
        found = _digests(folder)
        for name, entry in files.items():
            if found.get(name) != entry:
                what = "is missing" if name not in found else "differs from its digest"
                raise CorruptArtifactError(f"{ref.uri}/{name} {what}; {self._mend(ref)}")
        return folder

    def remove(self, ref: Ref) -> None:
        """Delete an artifact: its manifest first, so that no half of it is ever read."""
        self.fs.rm(self._path(f"{ref.uri}/{MANIFEST}"))
        self.fs.rm(self._path(ref.uri), recursive=True)

    def sweep(self) -> None:
        """Remove drafts that no living run can still be writing (a week old)."""
        parent = Path(self.root, "staging") if self.local else winnow_home() / "staging"
        for folder in parent.glob("*"):
            if time.time() - folder.stat().st_mtime > STALE_STAGING_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

    # --- small files -------------------------------------------------------------------------------------------

    def read_bytes(self, name: str) -> bytes:
        """A small file's content. Raises `FileNotFoundError`."""
        return self.fs.cat_file(self._path(name))  # type: ignore[no-any-return]

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a small file whole or not at all, over whatever was there."""
        path = self._path(name)
        with self._explained(f"writing {name}"):
            if not self.local:
                self.fs.pipe_file(path, data)  # one PUT is atomic
                return
            with _temporary_beside(Path(path), data) as temporary:
                os.replace(temporary, path)

    def create_bytes(self, name: str, data: bytes) -> bool:
        """Write a small file only if nobody has; whole or not at all. False: somebody was first."""
        path = self._path(name)
        with self._explained(f"writing {name}"):
            if self.local:
                with _temporary_beside(Path(path), data) as temporary:
                    try:
                        os.link(temporary, path)
                    except FileExistsError:
                        return False
                return True
            try:
                self.fs.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                # SeaweedFS's refusal of a conditional PUT arrives as EINVAL, AWS's as FileExistsError.
                if "pre-condition" in str(error).lower() or "precondition" in str(error).lower():
                    return False
                raise
            return True

    def names(self, folder: str) -> list[str]:
        """The names of the files directly in `folder`, sorted; empty when there is none."""
        self.fs.invalidate_cache()
        try:
            found = self.fs.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(PurePosixPath(path).name for path in found if not PurePosixPath(path).name.startswith("."))

    # --- inside ------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            raise ContractError(f"{name!r} leads outside the store; names are relative and without '..'")
        return f"{self.root}/{parts}"

    def _move_in(self, source: Path, name: str) -> None:
        target = self._path(name)
        if self.local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        else:
            self.fs.put_file(str(source), target)

    def _fetch(self, ref: Ref, files: dict[str, Any]) -> Path:
        """Download an artifact into the home's cache, file by file, unless it is there already."""
        folder = winnow_home() / "fetched" / ref.digest
        for name, entry in files.items():
            local = folder / name
            if local.exists() and local.stat().st_size == entry["bytes"]:
                continue
            local.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=local.parent, prefix=".part-")
            os.close(handle)
            try:
                self.fs.get_file(self._path(f"{ref.uri}/{name}"), temporary)
                os.replace(temporary, local)
            except FileNotFoundError:
                Path(temporary).unlink(missing_ok=True)  # reported by the digest check
        return folder

    def _mend(self, ref: Ref) -> str:
        where = "" if self.local else f" and {winnow_home() / 'fetched' / ref.digest}"
        return f"remove {self._path(ref.uri)}{where} and run again: what is missing is made anew"

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if is_disk_full(error):
                raise DiskFullError(
                    f"disk full while {doing}: free space under {self.uri}, or set another store"
                ) from error
            if isinstance(error, PermissionError | NotADirectoryError | FileNotFoundError) or error.errno == 30:
                raise StoreUnwritableError(
                    f"store {self.uri} cannot be written while {doing} ({error}); "
                    "correct its rights or its address (WINNOW_HOME, or the run's store)"
                ) from error
            raise


def _plain(item: Any) -> Any:
    return item.model_dump() if isinstance(item, Ref) else canonical(item, "input")


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Relative name → sha256 and size of every file below `folder`, the manifest apart; hashed side by side."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    with ThreadPoolExecutor(max_workers=4) as pool:
        digests = list(pool.map(_sha256, paths))
    return {
        path.relative_to(folder).as_posix(): {"sha256": digest, "bytes": path.stat().st_size}
        for path, digest in zip(paths, digests, strict=True)
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _temporary_beside(path: Path, data: bytes) -> Iterator[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        Path(temporary).unlink(missing_ok=True)
