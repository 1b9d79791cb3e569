"""The artifact store: immutable folders named by their content, on a local disk or on S3 (fsspec, same code).

Layout under the store's root::

    objects/<kind>/<digest>/…files…, manifest.json     an artifact; the manifest is written last
    results/<cache key>                                a task's result (a reference, as JSON)
    registry/<lineage>/…                               versions, history, night states
    staging/<random>/                                  drafts; never read, swept when old

An artifact exists when its manifest does. Readers check every file against the manifest.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.runtime.errors import (
    ConfigurationError,
    ContractError,
    CorruptArtifactError,
    DiskFullError,
    MissingArtifactError,
    is_disk_full,
)
from tasks.runtime.faults import explained, lost_race
from tasks.runtime.files import MANIFEST, PART, content_digest, file_digest, file_digests, temporary_beside
from tasks.runtime.fingerprint import canonical
from tasks.runtime.home import winnow_home
from tasks.runtime.references import Ref, ref_class
from tasks.runtime.versions import code_version, library_versions

STALE_STAGING_SECONDS = 7 * 24 * 3600


class Store:
    """One artifact store.

    Args:
        uri: a folder, or any fsspec URI (``s3://bucket/prefix``).
        options: passed to fsspec for that protocol (credentials, endpoint); never written anywhere.
        address: by which `tasks.runtime.stores.open_store` finds the same store in another process; empty: the URI.

    Raises:
        ConfigurationError: a protocol fsspec does not know.
    """

    def __init__(self, uri: str, options: dict[str, Any] | None = None, address: str = "") -> None:
        self.uri = uri if "://" in uri else str(Path(uri).expanduser().absolute())
        self.address = address or self.uri
        # Another process may have written since the last look: never answer from a remembered listing.
        remote = {"use_listings_cache": False} if self.uri.startswith("s3") else {}
        self.options = {**remote, **(options or {})}
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
        with explained(self.uri, f"creating {folder}"):
            folder.mkdir(parents=True)
        try:
            yield folder
        except Exception as error:
            # Whatever library was writing, and however it spells it.
            if is_disk_full(error) and not isinstance(error, DiskFullError):
                raise DiskFullError(f"disk full while writing into {folder}: free space there ({error})") from error
            raise
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
        files = file_digests(folder)
        if not files:
            raise ContractError(f"nothing to publish as {kind!r}: the draft has no files")
        digest = content_digest(kind, files)
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
        with explained(self.uri, f"writing {ref.uri}"):
            for name in files:
                self._move_in(folder / name, f"{ref.uri}/{name}")
            self.write_bytes(f"{ref.uri}/{MANIFEST}", json.dumps(manifest, indent=1, sort_keys=True).encode())
        return ref

    def exists(self, ref: Ref) -> bool:
        """Whether the artifact's manifest is there."""
        with explained(self.uri, f"looking for {ref.uri}", reading=True):
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
            described = content_digest(ref.kind, {_inside(name): entry for name, entry in manifest["files"].items()})
        except (ValueError, KeyError, TypeError, AttributeError, ContractError) as error:
            raise CorruptArtifactError(f"{ref.uri}/{MANIFEST} is not a manifest; {self._mend(ref)}") from error
        if described != ref.digest:
            raise CorruptArtifactError(f"{ref.uri}/{MANIFEST} describes other content; {self._mend(ref)}")
        return manifest  # type: ignore[no-any-return]

    def open(self, ref: Ref) -> Path:
        """A local folder with the artifact's files, every digest checked. Treat it as read-only.

        Raises:
            MissingArtifactError: no manifest.
            CorruptArtifactError: a file is missing, differs or was added; the message names it.
        """
        wanted = {name: entry["sha256"] for name, entry in self.manifest(ref)["files"].items()}
        folder = Path(self._path(ref.uri)) if self.local else self._fetch(ref, wanted)
        found = {name: entry["sha256"] for name, entry in file_digests(folder).items()}
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                what = "is missing" if name not in found else "differs from its digest"
                what = what if name in wanted else "is not in the manifest"
                raise CorruptArtifactError(f"{ref.uri}/{name} {what}; {self._mend(ref)}")
        return folder

    def remove(self, ref: Ref) -> None:
        """Delete an artifact, if it is there: its manifest first, so that no half of it is ever read."""
        for path, recursive in ((f"{ref.uri}/{MANIFEST}", False), (ref.uri, True)):
            with suppress(FileNotFoundError), explained(self.uri, f"removing {path}", reading=True):
                self.fs.rm(self._path(path), recursive=recursive)

    def sweep(self) -> None:
        """Remove drafts that no living run can still be writing (a week old)."""
        parent = Path(self.root, "staging") if self.local else winnow_home() / "staging"
        for folder in parent.glob("*"):
            if time.time() - folder.stat().st_mtime > STALE_STAGING_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

    # --- small files -------------------------------------------------------------------------------------------

    def read_bytes(self, name: str) -> bytes:
        """A small file's content. Raises `FileNotFoundError`."""
        path = self._path(name)
        with explained(self.uri, f"reading {name}", reading=True):
            try:
                return self.fs.cat_file(path)  # type: ignore[no-any-return]
            except NotADirectoryError as error:
                raise FileNotFoundError(path) from error

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a small file whole or not at all, over whatever was there."""
        path = self._path(name)
        with explained(self.uri, f"writing {name}"):
            if not self.local:
                self.fs.pipe_file(path, data)  # one PUT is atomic
                return
            with temporary_beside(Path(path), data) as temporary:
                os.replace(temporary, path)

    def create_bytes(self, name: str, data: bytes) -> bool:
        """Write a small file only if nobody has; whole or not at all. False: somebody was first."""
        path = self._path(name)
        with explained(self.uri, f"writing {name}"):
            if self.local:
                with temporary_beside(Path(path), data) as temporary:
                    try:
                        os.link(temporary, path)
                    except FileExistsError:
                        return False
                return True
            try:
                self.fs.pipe_file(path, data, mode="create")
            except OSError as error:
                if lost_race(error):
                    return False
                raise
            return True

    def names(self, folder: str) -> list[str]:
        """The names of the files directly in `folder`, sorted; empty when there is none."""
        path = self._path(folder)
        with explained(self.uri, f"listing {folder}", reading=True):
            try:
                found = self.fs.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = [PurePosixPath(entry["name"]).name for entry in found if entry["type"] == "file"]
        return sorted(name for name in names if not name.startswith(PART))

    # --- inside ------------------------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return f"{self.root}/{_inside(name)}"

    def _move_in(self, source: Path, name: str) -> None:
        target = self._path(name)
        if self.local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        else:
            self.fs.put_file(str(source), target)

    def _fetch(self, ref: Ref, wanted: dict[str, str]) -> Path:
        """Download an artifact into the home's cache, file by file, unless it is there already and whole."""
        folder = winnow_home() / "fetched" / ref.digest
        for name, digest in wanted.items():
            local = folder / name
            if local.is_file() and file_digest(local) == digest:
                continue
            with explained(str(folder), f"fetching {name}"), temporary_beside(local) as temporary:
                try:
                    self.fs.get_file(self._path(f"{ref.uri}/{name}"), temporary)
                except FileNotFoundError:  # reported by the digest check
                    local.unlink(missing_ok=True)
                    continue
                os.replace(temporary, local)
        return folder

    def _mend(self, ref: Ref) -> str:
        return f"remove {self._path(ref.uri)} and run again: what is missing is made anew"


def _inside(name: str) -> str:
    """`name` as a path below a root. Raises `ContractError` for one that leads elsewhere."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise ContractError(f"{name!r} leads outside the store; names are relative and without '..'")
    return str(parts)


def _plain(item: Any) -> Any:
    return item.model_dump() if isinstance(item, Ref) else canonical(item, "input")
