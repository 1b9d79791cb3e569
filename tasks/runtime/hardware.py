"""What the machine offers, read without importing torch (the flow process never does)."""

from __future__ import annotations

import os
from pathlib import Path


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


def compute_dtype() -> str:
    """The number format models are kept and run in: ``bfloat16`` where the hardware multiplies it fast, else ``float32``.

    On two Sapphire Rapids cores the 135M model generates four times faster in bfloat16; on a processor without the
    instructions bfloat16 is emulated, and slower than float32.
    """
    return "bfloat16" if has_cuda() or processor_flags() & {"amx_bf16", "avx512_bf16"} else "float32"
