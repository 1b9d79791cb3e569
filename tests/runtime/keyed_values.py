"""Random nested data for the fingerprint, from a seed; run as a program it prints the fingerprints.

``python -m tests.runtime.keyed_values COUNT``
"""

from __future__ import annotations

import enum
import hashlib
import sys
from pathlib import Path, PurePosixPath
from random import Random
from typing import Annotated, Any

from pydantic import BaseModel

from tasks.runtime.fingerprint import Unkeyed, fingerprint
from tasks.runtime.references import DatasetRef, ModelRef


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"


class Inner(BaseModel):
    tags: frozenset[str] = frozenset()
    colour: Colour = Colour.RED


class Settings(BaseModel):
    inner: Inner = Inner()
    names: set[str] = set()
    table: dict[str, Any] = {}
    path: Path = Path("a")
    workers: Annotated[int, Unkeyed()] = 1


def _word(chance: Random) -> str:
    return "".join(chance.choice('abcxyz éß漢😀"\\\n') for _ in range(chance.randrange(6)))


def _leaf(chance: Random) -> Any:
    kind = chance.randrange(10)
    digest = hashlib.sha256(str(chance.randrange(99)).encode()).hexdigest()
    leaves = [
        None,
        chance.random() < 0.5,
        chance.randrange(-(2**70), 2**70),
        chance.uniform(-1e9, 1e9),
        _word(chance),
        chance.choice([Colour.BLUE, Level.HIGH, Mode.FAST]),
        PurePosixPath("/a") / (_word(chance) or "b"),
        chance.randbytes(4),
        DatasetRef(uri=_word(chance), digest=digest, kind="chat"),
        ModelRef(uri=_word(chance), digest=digest),
    ]
    return leaves[kind]


def value(chance: Random, depth: int = 3) -> Any:
    """Random nested data of everything that has a canonical form."""
    if depth == 0 or chance.random() < 0.3:
        return _leaf(chance)
    size, kind = chance.randrange(5), chance.randrange(5)
    if kind == 0:
        return [value(chance, depth - 1) for _ in range(size)]
    if kind == 1:
        return tuple(value(chance, depth - 1) for _ in range(size))
    if kind == 2:
        return {_word(chance): value(chance, depth - 1) for _ in range(size)}
    if kind == 3:
        return {(_word(chance), Colour.RED, chance.randrange(9)) for _ in range(size)} | {Mode.FAST, Level.LOW}
    return Settings(
        inner=Inner(tags=frozenset(_word(chance) for _ in range(size))),
        names={_word(chance) for _ in range(size)},
        table={_word(chance): value(chance, depth - 1) for _ in range(size)},
        workers=chance.randrange(9),
    )


if __name__ == "__main__":
    # Under the name it is imported by, as every task's settings are.
    from tests.runtime import keyed_values

    for seed in range(int(sys.argv[1])):
        print(fingerprint(keyed_values.value(Random(seed))))
