"""What the machine offers. Nothing here imports torch into a process that has not done so itself (the flow never does)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tasks.runtime.files import temporary_beside
from tasks.runtime.home import winnow_home
from tasks.runtime.run import is_planning
from tasks.runtime.stage import run_stage

# Below that, float32's exactness is worth more. With the instructions it is two to ten, without them below one.
_WORTH = 1.3
_SECONDS = 0.4  # of processor time
# Rows of a batch through a small model's widest layer: what generation does most.
_ROWS, _IN, _OUT = 128, 576, 1536


def usable_cores() -> int:
    """Processor cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_flags() -> frozenset[str]:
    """Instruction-set flags of the first processor (Linux); empty where they cannot be read."""
    told = _processor()
    return frozenset((told.get("flags") or told.get("Features") or "").split())  # x86, ARM


def _processor() -> dict[str, str]:
    """What Linux tells of the first processor."""
    try:
        first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def free_memory() -> int:
    """Bytes that this process may still take: what the system has, or what a container's limit leaves."""
    import psutil

    available = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")  # control groups, version 2
    try:
        limit, used = (group / "memory.max").read_text(), (group / "memory.current").read_text()
        told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        # Files read a while ago count as used, and make room when it is wanted.
        return min(available, max(0, int(limit) - int(used) + int(told.get("inactive_file", 0))))
    except (OSError, ValueError):  # no group, or "max": no limit
        return available


def has_cuda() -> bool:
    """Whether an NVIDIA driver is loaded and shows a device."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def compute_dtype() -> str:
    """The number format models are kept and run in: ``bfloat16`` where the hardware multiplies it fast, else ``float32``.

    A GPU does; a processor's `bfloat16_speed` tells. Without the instructions bfloat16 is emulated, slower than float32.
    """
    return "bfloat16" if has_cuda() or bfloat16_speed() >= _WORTH else "float32"


def bfloat16_speed() -> float:
    """How many times faster this processor multiplies in bfloat16 than in float32.

    Measured once and written under the home, for each kind of processor and version of torch: the format is part of cache
    keys, and must not change from run to run. Whoever writes first is right. A planning run, which is quick and changes
    nothing, supposes what the processor's flags promise where nothing has been measured yet.
    """
    file = winnow_home() / "machines" / f"{_machine()}.json"
    if (known := _written(file)) is not None:
        return known
    if is_planning():
        return _WORTH if processor_flags() & {"amx_bf16", "avx512_bf16", "bf16"} else 1.0
    found = measure_bfloat16() if "torch" in sys.modules else run_stage("number format", measure_bfloat16)[0]
    # A home that cannot be written is reported by whoever has a result to write.
    with suppress(OSError), temporary_beside(file, json.dumps({"bfloat16_speed": round(found, 2)}).encode()) as draft:
        os.link(draft, file)
    return found if (first := _written(file)) is None else first


def measure_bfloat16() -> float:
    """As `bfloat16_speed`, measured now, in half a second.

    Processor time of one thread, the best of several turns of each format: the same on a busy machine.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        layers = {}
        for dtype in (torch.float32, torch.bfloat16):
            layers[dtype] = torch.randn(_ROWS, _IN).to(dtype), torch.randn(_OUT, _IN).to(dtype)
        best = dict.fromkeys(layers, float("inf"))
        until, turns = time.process_time() + _SECONDS, 0
        while turns < 2 or time.process_time() < until:  # the first turn sets the kernels up
            turns += 1
            for dtype, (rows, weight) in layers.items():
                started = time.process_time()
                torch.nn.functional.linear(rows, weight)
                best[dtype] = min(best[dtype], time.process_time() - started)
        return best[torch.float32] / best[torch.bfloat16]
    finally:
        torch.set_num_threads(threads)


def _written(file: Path) -> float | None:
    try:
        return float(json.loads(file.read_text())["bfloat16_speed"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        with suppress(OSError):
            file.unlink()  # so that it can be written anew
        return None


@cache
def _machine() -> str:
    """Names the kind of processor, and the torch whose kernels are measured."""
    parts = [
        platform.machine(),
        _processor().get("model name", ""),
        *sorted(processor_flags()),
        version("torch").partition("+")[0],
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
