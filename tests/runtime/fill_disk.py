"""A process that runs out of room while writing to a store; prints what it saw as JSON.

``python -m tests.runtime.fill_disk FOLDER tmpfs`` mounts a small file system on FOLDER (run it under ``unshare --mount``, so
that the mount ends with it); ``… FOLDER limit`` limits the size of its files instead.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import safetensors.numpy

from tasks.runtime.errors import WinnowError
from tasks.runtime.rows import write_rows
from tasks.runtime.store import Store

SIZE = 4 << 20


def outcome(act: Callable[[], Any]) -> dict[str, Any]:
    """What became of an attempt: the error's name, exit code and text, or nothing."""
    try:
        act()
    except WinnowError as error:
        return {"error": type(error).__name__, "exit_code": error.exit_code, "text": str(error)}
    return {"error": None}


def fill(folder: Path) -> None:
    """Take all the room there is, to the last byte."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        block = 1 << 16
        while block:
            try:
                file.write(b"\0" * block)
            except OSError:
                block //= 2


def draft(store: Store, write: Callable[[Path], Any]) -> None:
    with store.draft() as folder:
        write(folder)
        store.publish(folder, "report")


def many_rows(folder: Path) -> None:
    row = {"messages": [], "source": "test"}
    write_rows(folder, "chat", ({"id": numpy.random.bytes(4000).hex(), **row} for _ in range(5000)))


def a_model(folder: Path) -> None:
    safetensors.numpy.save_file({"w": numpy.zeros(SIZE * 2, numpy.uint8)}, folder / "model.safetensors")


def large_file(folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * (SIZE * 2))


def on_full_disk(store: Store, root: Path) -> dict[str, Any]:
    """Attempts with no room at all, and again after room was made."""

    def a_page(folder: Path) -> None:
        (folder / "page.html").write_text("late")

    with store.draft() as folder:
        a_page(folder)
        fill(root)
        seen = {
            "write_bytes": outcome(lambda: store.write_bytes("results/new", b"x" * 50_000)),
            "overwrite": outcome(lambda: store.write_bytes("results/old", b"x" * 50_000)),
            "create_bytes": outcome(lambda: store.create_bytes("results/created", b"x" * 50_000)),
            "publish": outcome(lambda: store.publish(folder, "report", config={"long": "x" * 50_000})),
        }
        seen["readable"] = sorted(path.name for path in root.rglob("manifest.json"))
        (root / "ballast").unlink()
    seen["again"] = outcome(lambda: draft(store, a_page))
    return seen


def main(place: str, how: str) -> None:
    root = Path(place)
    if how == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], check=True)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, SIZE))
    store = Store(str(root / "store"))
    store.write_bytes("results/old", b"old")
    seen = {write.__name__: outcome(lambda write=write: draft(store, write)) for write in (many_rows, a_model, large_file)}
    seen["artifacts"] = [str(path) for path in root.rglob("manifest.json")]
    seen["drafts"] = [str(path) for path in (root / "store" / "staging").iterdir()]
    if how == "tmpfs":
        seen |= on_full_disk(store, root)
    seen["old"] = store.read_bytes("results/old").decode()
    seen["names"] = store.names("results")
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
