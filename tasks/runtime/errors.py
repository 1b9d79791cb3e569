"""The errors Winnow raises on purpose. Each message says what to change.

Two families matter to a caller: `RefusedError` (exit code 2: the data, the configuration or a gate said no, so trying
again changes nothing) and the rest (exit code 1). Only `PassingFaultError` is ever retried.
"""

from __future__ import annotations

import errno


class WinnowError(Exception):
    """Anything Winnow raises on purpose."""

    exit_code = 1


class RefusedError(WinnowError):
    """Bad data, bad configuration or a gate's no. Never retried."""

    exit_code = 2


class ConfigurationError(RefusedError):
    """A setting that cannot work, known before the run starts."""


class DataError(RefusedError):
    """Rows or files that cannot be used as they are."""


class ContractError(RefusedError):
    """Two parts disagree on what they promised each other (rows missing, ids not paired, kinds mixed up)."""


class OverlapError(DataError):
    """Evaluation items and training rows share a question."""


class SelfTestError(RefusedError):
    """A verifier accepts planted wrong answers, or refuses planted right ones, more often than is allowed."""


class UnknownPluginError(ConfigurationError):
    """A plug-in name that does not resolve."""


class FingerprintError(RefusedError, TypeError):
    """A value without a canonical form was about to become part of a cache key."""


class CorruptArtifactError(RefusedError):
    """A file in the store is not the file its manifest describes."""


class MissingArtifactError(RefusedError):
    """A reference points at nothing: no manifest, so it does not exist."""


class StoreUnwritableError(RefusedError):
    """The store refuses writes."""


class PromotionConflictError(RefusedError):
    """The champion moved between the gate's decision and the promotion."""


class DiskFullError(WinnowError):
    """No space left while writing."""


class PassingFaultError(WinnowError):
    """A fault that may pass by itself: I/O, a lost worker, memory. Retried by policy."""


class StageKilledError(PassingFaultError):
    """A stage process was ended by a signal, most often by the system when memory ran out."""


class RunCancelledError(WinnowError):
    """The run was cancelled while this was under way."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: BaseException) -> bool:
    """Whether `error`, or anything it was raised from, is the system saying that there is no room for the file.

    A quota and a limit on the size of files count: to whoever runs this, they are the same thing.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DiskFullError) or (isinstance(seen, OSError) and seen.errno in _FULL):
            return True
        # pyarrow, safetensors and others re-raise the system's error without its number, with its text.
        if any(text in str(seen) for text in ("No space left on device", "File too large")):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
