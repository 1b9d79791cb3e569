"""Which code and which libraries made an artifact: part of every manifest and of a version's lineage."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The libraries that can change a result.
LIBRARIES = (
    "accelerate",
    "datasets",
    "great-expectations",
    "numpy",
    "peft",
    "pyarrow",
    "reasoning-gym",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
    "winnow",
)


@cache
def library_versions() -> dict[str, str]:
    """Name → installed version; a library that is not installed is left out."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def code_version() -> str:
    """The checkout's commit (``-dirty`` when it has uncommitted changes); the package's version outside a checkout."""
    here = Path(__file__).parents[2]
    try:
        return subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return library_versions().get("winnow", "unknown")
