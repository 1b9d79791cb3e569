"""Train and held-out parts by group: whatever shares a prompt, or a group that its maker named, stays on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from tasks.data.mix_settings import SplitSettings
from tasks.data.questions import normal_text
from tasks.runtime.errors import OverlapError
from tasks.runtime.rows import Row

_LISTED = 10
_NO_GROUP = bytes(16)


def prompt_key(row: Row) -> bytes:
    """What a conversation begins with: the digest (16 bytes) of its first user turn as `normal_text`.

    A conversation without a user turn counts by its first turn.
    """
    messages = row["messages"]
    first = next((message for message in messages if message["role"] == "user"), messages[0])
    return _digest("prompt", normal_text(first["content"]))


def named_group(row: Row) -> bytes:
    """The digest (16 bytes) of ``metadata.group`` (any text or number); zeros when the row names none."""
    name = (row.get("metadata") or {}).get("group")
    return _NO_GROUP if name is None else _digest("group", str(name))


def _digest(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).digest()


def hold_out(prompts: np.ndarray, groups: np.ndarray, settings: SplitSettings, seed: int) -> np.ndarray:
    """Which rows are held out.

    Rows of one prompt belong together, and so do rows of one named group; a group is everything that hangs together.
    It is drawn by the hash of (seed, its name), where its name is the smallest key of the named groups in it, else that
    of its prompt: so other rows, their number and their order change nothing, as long as they join no two groups.

    Args:
        prompts, groups: `prompt_key` and `named_group` of each row, as arrays [rows, 2] of uint64.
        settings: ``share``: a group is held out when its draw, uniform in [0, 1), lies below. ``rows``: groups are
            taken in the order of their draws, each that still fits.

    Returns:
        [rows] bool.
    """
    if not len(prompts):
        return np.zeros(0, bool)
    of_row, names = _together(prompts, groups)
    key = seed.to_bytes(8, "little")
    drawn = np.array(
        [int.from_bytes(hashlib.blake2b(name.tobytes(), digest_size=8, key=key).digest(), "little") for name in names],
        np.uint64,
    )
    if settings.rows:
        held = _filled(drawn, np.bincount(of_row, minlength=len(names)), settings.rows)
    else:
        held = drawn < np.uint64(int(settings.share * 2**64))
    return np.asarray(held[of_row])


def _together(prompts: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group of each row (0, 1 …), and each group's name [groups, 2]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    named = groups.any(axis=1)
    distinct, nodes = np.unique(np.concatenate([prompts, groups[named]]), axis=0, return_inverse=True)
    nodes = nodes.ravel()
    edges = (nodes[: len(prompts)][named], nodes[len(prompts) :])
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(len(distinct), len(distinct)))
    count, component = connected_components(graph, directed=False)
    # Of a group's keys: those of named groups first, the smallest of them first.
    is_name = np.zeros(len(distinct), bool)
    is_name[edges[1]] = True
    order = np.lexsort((distinct[:, 1], distinct[:, 0], ~is_name, component))
    first = order[np.searchsorted(component[order], np.arange(count))]
    return component[nodes[: len(prompts)]], distinct[first]


def _filled(drawn: np.ndarray, sizes: np.ndarray, rows: int) -> np.ndarray:
    held, left = np.zeros(len(drawn), bool), rows
    for group in np.argsort(drawn, kind="stable"):
        if sizes[group] <= left:
            held[group] = True
            left -= int(sizes[group])
    return held


def assert_apart(train: Iterable[Row], held_out: Iterable[Row]) -> dict[str, int]:
    """Proof that no prompt and no named group is on both sides; returns how many rows of each were compared.

    Memory: about 100 bytes a prompt of the held-out rows; both sides are streamed.

    Raises:
        OverlapError: listing the training rows that share one.
    """
    keys: set[bytes] = set()
    held = 0
    for row in held_out:
        held += 1
        keys |= {prompt_key(row), named_group(row)}
    keys.discard(_NO_GROUP)
    compared, shared = 0, []
    for row in train:
        compared += 1
        if not keys.isdisjoint((prompt_key(row), named_group(row))):
            shared.append(row["id"])
    if shared:
        more = f" and {len(shared) - _LISTED} more" if len(shared) > _LISTED else ""
        raise OverlapError(
            f"{len(shared)} training rows share a prompt or group with held-out rows: {', '.join(shared[:_LISTED])}{more}; "
            "split them by group (`winnow mix` does)"
        )
    return {"train": compared, "held_out": held}
