"""What an address holds right now, as one digest: what a source is known by in cache keys, wherever it lies."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlencode

from fsspec.implementations.local import LocalFileSystem

from tasks.data.sources.hub import PREFIX, HubAddress, parse_address, pinned_revision, saved_files
from tasks.data.sources.places import SourceFile, reading, source_files, source_name
from tasks.runtime.files import file_digest
from tasks.runtime.fingerprint import fingerprint

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Pinned:
    """A source as it is now.

    Attributes:
        address: reads the same records again; a data set on the hub has its commit in it.
        digest: sha256 (hex) over the name that rows are called after, and names and contents of the files. Files on S3
            count by size and ETag, a data set on the hub by its commit.
    """

    address: str
    digest: str


def pinned(address: str | Path) -> Pinned:
    """What an address holds now.

    Raises:
        DataError, ConfigurationError, PassingFaultError: see `tasks.data.sources.read.read_records`.
    """
    parsed = parse_address(str(address))
    if parsed.on_hub and not Path(parsed.name).is_dir():
        return _pinned_commit(parsed)
    with reading(str(address)):
        if parsed.on_hub:
            paths = sorted(path for path in Path(parsed.name).rglob("*") if path.is_file())
            files = [SourceFile(LocalFileSystem(), str(path), str(path)) for path in paths]
        elif (saved := saved_files(parsed)) is not None:
            files = [file for name in saved for file in source_files(name)]
        else:
            files = source_files(parsed.base)
        with ThreadPoolExecutor(max_workers=4) as pool:
            contents = list(pool.map(_content, files))
    named = [[PurePosixPath(file.path).name, content] for file, content in zip(files, contents, strict=True)]
    about = [source_name(parsed.base), parsed.split, parsed.config, named]
    return Pinned(str(address), fingerprint(about))


def _pinned_commit(address: HubAddress) -> Pinned:
    commit = pinned_revision(address)
    options = {"split": address.split, "config": address.config, "revision": commit}
    where = f"{PREFIX}{address.name}?{urlencode({name: value for name, value in options.items() if value})}"
    return Pinned(where, fingerprint([address.name, options]))


def _content(file: SourceFile) -> str:
    if isinstance(file.fs, LocalFileSystem):
        return file_digest(Path(file.path))
    about = file.fs.info(file.path)
    if tag := about.get("ETag") or about.get("etag"):
        return f"{about['size']} {tag}"
    digest = hashlib.sha256()
    with file.fs.open(file.path, "rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
