"""Files of an artifact on a local disk: their digests, and writing one whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.runtime.fingerprint import fingerprint

MANIFEST = "manifest.json"
PART = ".part-"  # begins the name of a file still being written; what a kill leaves of it is never read
_CHUNK = 1 << 22


def file_digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Relative name → ``{"sha256", "bytes"}`` of every file below `folder`; hashed side by side.

    The manifest and unfinished files are not content and left out.
    """
    paths = sorted(
        path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST and not path.name.startswith(PART)
    )
    with ThreadPoolExecutor(max_workers=4) as pool:
        digests = list(pool.map(file_digest, paths))
    return {
        path.relative_to(folder).as_posix(): {"sha256": digest, "bytes": path.stat().st_size}
        for path, digest in zip(paths, digests, strict=True)
    }


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes, read in pieces: once in a process, unless the file has changed since.

    A pool of prompts, or a model, is opened for every shard that is drawn from it.
    """
    about = path.stat()
    return _digest(path, (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))


@lru_cache(maxsize=4096)
def _digest(path: Path, state: tuple[int, ...]) -> str:
    """`state` tells a file that was written to, or replaced, from the one before."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def content_digest(kind: str, files: dict[str, dict[str, Any]]) -> str:
    """The digest of an artifact: over its kind and the names and digests of its files (from `file_digests`)."""
    return fingerprint({"kind": kind, "files": {name: entry["sha256"] for name, entry in files.items()}})


@contextmanager
def temporary_beside(path: Path, data: bytes = b"") -> Iterator[str]:
    """A file holding `data`, on the disk already, in the folder of `path`: move or link it there. Gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        Path(temporary).unlink(missing_ok=True)
