"""An address → the files behind it, opened as streams of bytes: local or remote (fsspec), compressed or not.

Parquet and Arrow carry compression of their own; around them, and around everything else, ``.gz``, ``.bz2``, ``.xz``,
``.zst`` and ``.lz4`` are undone while reading. Arrow's decompressors are used where it has one: they read files of
several frames to their end and notice a file that was cut off, which not every Python binding does.
"""

from __future__ import annotations

import errno
import io
import itertools
import lzma
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem

from tasks.runtime.errors import ConfigurationError, DataError, PassingFaultError, WinnowError

# ending → what reads it (`tasks.data.sources.read`)
TYPES = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
}
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}
_ENDINGS = f"{', '.join(TYPES)}, or one of these with {', '.join(_CODECS)} after it"
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"{": "json", b"[": "json"}
_BLOCK = 1 << 20
_REMOTE_BLOCK = 8 << 20  # s3fs would fetch 50 MB at a time
_PASSING = (errno.EBUSY, errno.EREMOTEIO, errno.EIO)  # how s3fs spells an overloaded or failing server
_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "NoAuthTokenError")
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        fs: the fsspec file system it is on.
        path: its path there.
        name: what people call it, in places and messages.
    """

    fs: Any
    path: str
    name: str

    @property
    def endings(self) -> tuple[str, str]:
        """Lower-case: the ending that tells its type, and that of its compression (either may be empty)."""
        # A download link may go on with a query; on a local disk `?` is a letter of the name like others.
        return _endings(self.path if isinstance(self.fs, LocalFileSystem) else self.path.partition("?")[0])


def _endings(path: str) -> tuple[str, str]:
    suffixes = ["", "", *(suffix.lower() for suffix in PurePosixPath(path).suffixes)]
    return (suffixes[-2], suffixes[-1]) if suffixes[-1] in _CODECS else (suffixes[-1], "")


def source_name(address: str) -> str:
    """What the rows of an address are called after: a file without its endings, a folder, or a pattern's folder."""
    parts = [part for part in address.split("::")[0].split("/") if part not in ("", ".", "..")]
    plain = list(itertools.takewhile(lambda part: not _PATTERN.search(part), parts))
    name = plain[-1] if plain else "rows"
    kind, codec = _endings(name)
    return name.removesuffix(name[-len(kind + codec) :]) if kind in TYPES else name


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn a failure to read into an error that names the source and says what to change.

    Raises:
        DataError: it is not there, not allowed, cut off or not what its ending says. PassingFaultError: a server that
        did not answer. ConfigurationError: no credentials.
    """
    try:
        yield
    except WinnowError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name} does not exist; correct the path") from error
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if type(error).__name__ in _CREDENTIALS:
            raise ConfigurationError(f"{name}: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
        passing = isinstance(error, ConnectionError | TimeoutError) or getattr(error, "errno", None) in _PASSING
        if passing or library in ("botocore", "aiobotocore", "aiohttp"):
            raise PassingFaultError(f"{name} could not be reached ({error}); is its address right?") from error
        if isinstance(error, OSError | EOFError | ValueError | lzma.LZMAError | pa.ArrowException):
            raise DataError(f"{name} cannot be read ({error}); correct the file or its rights") from error
        raise


def file_system(address: str) -> tuple[Any, str]:
    """The file system of an address and the path on it.

    Raises:
        ConfigurationError: a protocol fsspec does not know, or one whose library is not installed.
    """
    local = "://" not in address and "::" not in address
    # Another process may have written since the last look: never answer from a remembered listing.
    options = {"use_listings_cache": False} if address.startswith(("s3:", "s3a:")) else {}
    try:
        fs, path = fsspec.core.url_to_fs(os.path.expanduser(address) if local else address, **options)
    except ImportError as error:
        raise ConfigurationError(f"{address}: {error}") from error
    except ValueError as error:
        raise ConfigurationError(f"{address}: {error}; give a path, or an address such as s3://bucket/path") from error
    return fs, path


def source_files(address: str) -> list[SourceFile]:
    """The files an address stands for, in order of their names.

    Args:
        address: a file; a folder, for the data files directly in it, which must be of one type; or a pattern with
            ``*``, ``**``, ``?`` or ``[…]``, for every file that matches.

    Raises:
        DataError: nothing there, or a folder without data files or with several types. See also `reading`.
    """
    with reading(address):
        fs, path = file_system(address)
        if not fs.exists(path) and _PATTERN.search(path):
            matches = sorted(fs.glob(path, detail=True).items())
            found = [SourceFile(fs, match, _shown(fs, match)) for match, about in matches if _is_plain(match, about)]
            if not found:
                raise DataError(f"no file matches {address}; correct the pattern")
            return found
        if fs.isdir(path):
            return _folder(address, fs, path)
        if not fs.exists(path):
            raise FileNotFoundError(path)
        return [SourceFile(fs, path, address)]


def _folder(address: str, fs: Any, path: str) -> list[SourceFile]:
    """The data files of a folder: its own ones only, for what lies deeper is often another split."""
    names = sorted(entry["name"] for entry in fs.ls(path, detail=True) if entry["type"] == "file")
    found = [SourceFile(fs, name, f"{address.rstrip('/')}/{PurePosixPath(name).name}") for name in names]
    if artifact := [file for file in found if _is_shard(file)]:
        return artifact  # ours: the manifest beside the rows is none of them
    found = [file for file in found if file.endings[0] in TYPES and PurePosixPath(file.path).name[0] not in "._"]
    if not found:
        raise DataError(
            f"{address} holds no rows: none of its files ends in {_ENDINGS}; "
            f"for those of the folders in it give {address.rstrip('/')}/**/*.jsonl"
        )
    types = sorted({file.endings[0] for file in found})
    if len({TYPES[ending] for ending in types}) > 1:
        raise DataError(f"{address} holds {', '.join(types)} files; say which are meant: {address}/*{types[0]}")
    return found


def _is_shard(file: SourceFile) -> bool:
    name = PurePosixPath(file.path).name
    return name.startswith("rows-") and name.endswith(".parquet")


def _is_plain(path: str, about: dict[str, Any]) -> bool:
    """A file, and not a hidden one: patterns mean those no more than a shell's do."""
    return about["type"] == "file" and not PurePosixPath(path).name.startswith(".")


def _shown(fs: Any, path: str) -> str:
    return path if isinstance(fs, LocalFileSystem) else str(fs.unstrip_protocol(path))


@contextmanager
def open_file(file: SourceFile) -> Iterator[io.BufferedReader]:
    """The file's bytes, decompressed, as a buffered stream; it can seek when the file is not compressed."""
    codec = _CODECS.get(file.endings[1])
    block = _BLOCK if isinstance(file.fs, LocalFileSystem) else _REMOTE_BLOCK
    with (
        file.fs.open(file.path, "rb", block_size=block) as raw,
        _unpacked(raw, codec) as plain,
        io.BufferedReader(plain, _BLOCK) as stream,
    ):
        yield stream


def _unpacked(raw: Any, codec: str | None) -> Any:
    if codec is None:
        return raw
    return lzma.LZMAFile(raw) if codec == "xz" else pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), codec)


@contextmanager
def open_seekable(file: SourceFile) -> Iterator[io.BufferedReader]:
    """Like `open_file`, and it can seek: a compressed file is unpacked to the temporary folder first."""
    with open_file(file) as stream:
        if not file.endings[1]:
            yield stream
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(stream, unpacked, _BLOCK)
            unpacked.seek(0)
            yield cast(io.BufferedReader, unpacked)


def file_type(file: SourceFile) -> str:
    """What reads the file: by its ending, or by its first bytes where that tells nothing.

    Raises:
        ConfigurationError: neither tells. See also `reading`.
    """
    if known := TYPES.get(file.endings[0]):
        return known
    with reading(file.name), open_file(file) as stream:
        first = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, kind in _MAGIC.items():
        if first.startswith(magic):
            return kind
    raise ConfigurationError(f"{file.name}: ending {file.endings[0]!r} is not known; use {_ENDINGS}")
