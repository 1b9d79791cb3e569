"""A process to be killed: publishes one artifact after another, of many small files each.

``python -m tests.runtime.publish_forever URI OPTIONS [DIE_AFTER]``: with DIE_AFTER it kills itself after that many files
of the first artifact.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tasks.runtime.store import Store

FILES = 12


def fill(folder: Path, number: int) -> None:
    """The content of artifact `number`."""
    for index in range(FILES):
        (folder / f"part-{index:02d}.bin").write_bytes(f"{number}/{index} ".encode() * 2_000)


class DyingStore(Store):
    """Killed by SIGKILL once it has moved so many files in."""

    die_after: int

    def _move_in(self, source: Path, name: str) -> None:
        if self.die_after == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.die_after -= 1
        super()._move_in(source, name)


def main(uri: str, options: str, die_after: int = -1) -> None:
    store = DyingStore(uri, json.loads(options))
    store.die_after = die_after
    print("ready", flush=True)
    for number in range(1_000_000):
        with store.draft() as draft:
            fill(draft, number)
            store.publish(draft, "report")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
