"""What the registry keeps, and how its numbered files are read and made.

Versions and history are small JSON files under ``registry/<lineage>/``, numbered from 1 and created exclusively: number
n + 1 can be made once only, which is the registry's one compare-and-set, the same on a local folder and on S3. They are
never rewritten. Night states are files of the same kind, replaced whole when a night is run again.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.gate.decision import GateDecision
from tasks.runtime.errors import ConfigurationError, CorruptArtifactError
from tasks.runtime.references import ModelRef
from tasks.runtime.store import Store

_LINEAGE = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NUMBERED = re.compile(r"(\d{6,})\.json")
_READERS = 8


class Version(BaseModel):
    """An immutable numbered version of a lineage's model.

    Attributes:
        version: 1, 2, …
        model: the model's reference.
        record: where it comes from: digests of data, prompts, samples and config, library versions, code version, gate
            report (plain JSON, as the caller gave it).
        at: when it was registered (ISO 8601, UTC).
    """

    model_config = ConfigDict(frozen=True)

    version: int = Field(ge=1)
    model: ModelRef
    record: dict[str, Any] = Field(default_factory=dict)
    at: str


class Entry(BaseModel):
    """One line of a lineage's history.

    Attributes:
        seq: 1, 2, … without gaps.
        id: random; tells a writer whether an entry it finds is its own.
        event: what happened; `refuse` also stands for a gate's `no_decision`.
        version: the version that became champion, or (`refuse`) the candidate that did not.
        previous: the champion's version before this entry; None when there was none.
        model: digest of `version`'s model.
        gate: the gate's decision, where one was made.
        items: digest of the items that the gate compared on.
        run_id: the run that wrote it; None when done by hand.
        at: when (ISO 8601, UTC).
        reason: why, in words.
    """

    model_config = ConfigDict(frozen=True)

    seq: int = Field(ge=1)
    id: str
    event: Literal["bootstrap", "promote", "refuse", "rollback"]
    version: int
    previous: int | None
    model: str
    gate: GateDecision | None = None
    items: str | None = None
    run_id: str | None = None
    at: str
    reason: str = ""

    @property
    def champion(self) -> int | None:
        """The champion's version after this entry."""
        return self.previous if self.event == "refuse" else self.version

    @property
    def decided(self) -> bool:
        """Whether a gate tested something here, which is what spends the error budget."""
        return self.gate is not None and self.gate.decision != "no_decision"


Record = TypeVar("Record", bound=BaseModel)


def folder_of(lineage: str, part: Literal["versions", "history", "nights"]) -> str:
    """The folder of a lineage's files in the store. Raises `ConfigurationError` for a name that cannot be one."""
    if not _LINEAGE.fullmatch(lineage):
        raise ConfigurationError(
            f"lineage {lineage!r}: use lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return f"registry/{lineage}/{part}"


def file_of(folder: str, number: int) -> str:
    """The name of file `number` (1, 2, …) in `folder`."""
    return f"{folder}/{number:06d}.json"


def numbers_in(store: Store, folder: str) -> list[int]:
    """The numbers of the files in `folder`, ascending; other files (a killed writer's temporary ones) do not count."""
    return sorted(int(found[1]) for name in store.names(folder) if (found := _NUMBERED.fullmatch(name)))


def read_one(store: Store, name: str, model: type[Record]) -> Record:
    """One file's record. Raises `FileNotFoundError`, or `CorruptArtifactError` naming the file."""
    try:
        return model.model_validate_json(store.read_bytes(name))
    except ValidationError as error:
        raise CorruptArtifactError(
            f"{name} in {store.uri} is not what Winnow wrote ({error.error_count()} faults, the first: "
            f"{error.errors()[0]['msg']}); restore it from a backup: registry files are never rewritten"
        ) from error


def read_all(store: Store, folder: str, model: type[Record]) -> list[Record]:
    """Every record in `folder`, by number.

    Raises:
        CorruptArtifactError: a number is missing below the last one, or a file cannot be read.
    """
    numbers = numbers_in(store, folder)
    if missing := sorted(set(range(1, len(numbers) + 1)) - set(numbers)):
        raise CorruptArtifactError(f"{file_of(folder, missing[0])} is missing in {store.uri}; restore it from a backup")
    with ThreadPoolExecutor(max_workers=_READERS) as pool:  # one request a file: S3 is slow one by one
        return list(pool.map(lambda number: read_one(store, file_of(folder, number), model), numbers))


def create(store: Store, folder: str, number: int, record: BaseModel) -> bool:
    """Write file `number` unless somebody has. False: somebody was first."""
    return store.create_bytes(file_of(folder, number), record.model_dump_json(indent=1).encode())


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
