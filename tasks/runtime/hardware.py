"""What the machine offers, read without importing torch (the flow process never does)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import uuid
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tasks.runtime.home import winnow_home

# Below that, the exactness of float32 is worth more.
_WORTH = 1.3


def usable_cores() -> int:
    """Processor cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_flags() -> frozenset[str]:
    """Instruction-set flags of the first processor (Linux); empty where they cannot be read."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()


def has_cuda() -> bool:
    """Whether an NVIDIA driver is loaded and shows a device."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


@cache
def compute_dtype() -> str:
    """The number format models are kept and run in: ``bfloat16`` where the hardware multiplies it fast, else ``float32``.

    A GPU does. Of a processor it is measured once (`format_speed`, a few seconds) and written down under the home with the
    processor's name, for the format is part of cache keys and must not change from run to run. Without the instructions
    bfloat16 is emulated, and slower than float32.
    """
    if has_cuda():
        return "bfloat16"
    file = winnow_home() / "machines" / f"{_processor_digest()}.json"
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(file.read_text())["compute_dtype"])
    ratio = _bfloat16_speed()
    found = "bfloat16" if ratio >= _WORTH else "float32"
    with suppress(OSError):  # a home that cannot be written is reported by whoever writes first
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}-{uuid.uuid4().hex[:8]}")
        draft.write_text(json.dumps({"compute_dtype": found, "bfloat16_speed": round(ratio, 2)}) + "\n")
        draft.rename(file)
    return found


def _processor_digest() -> str:
    """Names the kind of processor, and the torch whose kernels were measured."""
    parts = [platform.machine(), platform.processor(), *sorted(processor_flags()), version("torch").partition("+")[0]]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _bfloat16_speed() -> float:
    """Times float32's; 0 where it cannot be measured."""
    script = Path(__file__).with_name("format_speed.py")
    done = subprocess.run([sys.executable, "-P", str(script)], capture_output=True, text=True, check=False)
    try:
        return float(done.stdout)
    except ValueError:
        return 0.0
