"""What the system or an S3 server says, in our own errors: refused, full, or likely to pass."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.runtime.errors import (
    DiskFullError,
    PassingFaultError,
    StoreUnwritableError,
    WinnowError,
    is_disk_full,
)

_REFUSALS = (PermissionError, NotADirectoryError, IsADirectoryError, FileNotFoundError, FileExistsError)
# S3's "no such thing is allowed here" (a bucket's name, a key that is too long) arrives as EINVAL or ENAMETOOLONG.
_REFUSED = (errno.EROFS, errno.EPERM, errno.EINVAL, errno.ENAMETOOLONG)
# s3fs spells SlowDown and ServiceUnavailable EBUSY, InternalError EREMOTEIO, and what it does not know EIO.
_PASSING = (errno.EBUSY, errno.EREMOTEIO, errno.EIO)
_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "NoAuthTokenError")


@contextmanager
def explained(store: str, doing: str, reading: bool = False) -> Iterator[None]:
    """Turn a failure inside the block into one that says which store, what was done, and what to change.

    Args:
        store: its address.
        doing: "writing results/…", for the message.
        reading: `FileNotFoundError` is an answer then, and passes through.

    Raises:
        DiskFullError, StoreUnwritableError, PassingFaultError: with the system's error as the cause.
    """
    try:
        yield
    except Exception as error:
        if reading and isinstance(error, FileNotFoundError):
            raise
        if (known := _known(error, store, doing)) is None:
            raise
        raise known from error


def lost_race(error: OSError) -> bool:
    """Whether an exclusive create on S3 failed because the file exists.

    Where the server names the condition that failed (AWS) s3fs makes it a `FileExistsError`, elsewhere (SeaweedFS) an
    EINVAL.
    """
    response = getattr(error.__cause__, "response", None) or {}
    return isinstance(error, FileExistsError) or response.get("Error", {}).get("Code") in ("PreconditionFailed", "412")


def _known(error: Exception, store: str, doing: str) -> WinnowError | None:
    if isinstance(error, WinnowError):
        return None
    if is_disk_full(error):
        return DiskFullError(f"disk full while {doing} ({error}): free space under {store}, or set another store")
    # By name: importing botocore takes half a second that a local store need not pay.
    library = type(error).__module__.partition(".")[0]
    refused = isinstance(error, OSError) and (isinstance(error, _REFUSALS) or error.errno in _REFUSED)
    if refused or type(error).__name__ in _CREDENTIALS:
        return StoreUnwritableError(
            f"store {store} cannot be used while {doing} ({error}); "
            "correct its rights, its credentials or its address (WINNOW_HOME, or the run's store)"
        )
    if library in ("botocore", "aiobotocore", "aiohttp") or (isinstance(error, OSError) and error.errno in _PASSING):
        return PassingFaultError(f"store {store} did not answer while {doing} ({error}); is its address right?")
    return None
