"""Drawing the rows of one role, and mixing rows for training: plain functions over artifact folders."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.data.pools import pool_chat_rows, pool_prompts
from tasks.data.procedural import Draw, procedural_prompts, warm_row
from tasks.data.questions import all_questions, assert_disjoint
from tasks.data.settings import DataSettings
from tasks.runtime.errors import ContractError
from tasks.runtime.plugins import load_plugin
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.validate.messages import said_bytes
from tasks.verify.verdict import verifiers_of


def role_source(settings: DataSettings, role: str) -> str:
    """The address that a role's rows come from; empty when the settings' source makes them."""
    return {"evaluation": settings.evaluation_file, "train": settings.train_file, "warm": settings.warm_file}[role]


def write_prompts(
    settings: DataSettings, draw: Draw, exclude: list[Path], pool: Path | None, out: Path
) -> tuple[dict[str, int], list[str]]:
    """Draw the prompt rows of a role (evaluation or train) into `out`.

    Args:
        exclude: folders of rows whose questions must not be asked again.
        pool: a folder of prompt rows to draw from; None: from the source.

    Returns:
        Counts (``rows``), and the names of the verifiers that the rows use.

    Raises:
        DataError, ConfigurationError, UnknownPluginError: see the sources and `pool_prompts`.
    """
    count = settings.evaluation_items if draw.role == "evaluation" else settings.train_prompts
    asked = _questions(exclude)
    if pool:
        drawn = pool_prompts(pool, draw, count, asked)
    else:
        drawn = load_plugin("sources", settings.source)(settings, draw, count, asked)
    verifiers: set[str] = set()

    def noted(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            verifiers.update(verifiers_of(row["verifier"], row["reference"]))
            yield row

    rows = write_rows(out, "prompts", noted(drawn))
    return {"rows": rows}, sorted(verifiers)


def write_warm_rows(settings: DataSettings, draw: Draw, exclude: list[Path], pool: Path | None, out: Path) -> dict[str, int]:
    """Draw the chat rows of the warm start into `out`; see `write_prompts`."""
    asked = _questions(exclude)
    if pool:
        rows = pool_chat_rows(pool, settings.warm_rows, asked)
    else:
        rows = (warm_row(row) for row in procedural_prompts(settings, draw, settings.warm_rows, asked))
    return {"rows": write_rows(out, "chat", rows)}


def mix_rows(parts: list[Path], out: Path) -> dict[str, int]:
    """Put chat rows together: part after part, each conversation once (its first row stays).

    Returns:
        Counts: ``rows`` and ``duplicates``.

    Raises:
        ContractError: two different conversations share an id.
    """
    seen: dict[str, str] = {}
    conversations: set[str] = set()
    duplicates = 0

    def distinct() -> Iterator[Row]:
        nonlocal duplicates
        for row in itertools.chain.from_iterable(map(read_rows, parts)):
            digest = hashlib.sha256(said_bytes("chat", row)).hexdigest()
            if seen.setdefault(row["id"], digest) != digest:
                raise ContractError(f"two different conversations are called {row['id']!r}; ids must be unique")
            if digest in conversations:
                duplicates += 1
                continue
            conversations.add(digest)
            yield row

    rows = write_rows(out, "chat", distinct())
    return {"rows": rows, "duplicates": duplicates}


def check_folders(evaluation: Path, others: list[Path], out: Path) -> dict[str, int]:
    """`assert_disjoint` over artifact folders; writes what was compared to ``disjoint.json`` in `out`."""
    compared = assert_disjoint(read_rows(evaluation), itertools.chain.from_iterable(map(read_rows, others)))
    (out / "disjoint.json").write_text(json.dumps(compared | {"shared": 0}))
    return compared


def _questions(folders: list[Path]) -> set[str]:
    return set().union(*(all_questions(read_rows(folder, ["messages"])) for folder in folders))
