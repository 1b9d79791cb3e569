"""Where Winnow keeps what it writes: one folder, ``WINNOW_HOME`` (default: ``.winnow`` beside this checkout)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# Set before Prefect or Great Expectations are imported; a user's own value always wins.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Prefect's own server for a run without one: 20 seconds, its default, are not enough on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # Threads that wait for each other spin only briefly before they sleep. Two trainings at once on two cores: with
    # libgomp's own long spinning five times slower than alone, with this twice; alone it costs a tenth.
    "GOMP_SPINCOUNT": "10000",
}


def winnow_home() -> Path:
    """The folder everything is written under. It need not exist yet."""
    configured = os.environ.get("WINNOW_HOME")
    return Path(configured).expanduser().resolve() if configured else Path(__file__).parents[2] / ".winnow"


def default_store() -> str:
    """The store used when nothing else is said: a folder under the home."""
    return str(winnow_home() / "store")


def configure_environment() -> None:
    """Point Prefect's home into ours and turn every analytics call off. Call before importing Prefect."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(winnow_home() / "prefect"))
    with suppress(OSError):  # a home that cannot be written is reported by whoever writes first
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
