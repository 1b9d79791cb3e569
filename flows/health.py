"""What `winnow doctor` looks at: one function a subject, which returns its facts and adds to a list what is wrong."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version
from typing import Any

import httpx
import psutil
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from flows.local_server import serve_folder, served
from tasks.runtime.errors import WinnowError
from tasks.runtime.hardware import bfloat16_speed, compute_dtype, free_memory, processor_flags, usable_cores
from tasks.runtime.home import winnow_home
from tasks.runtime.models import embedded_model_folder
from tasks.runtime.plugins import load_plugin
from tasks.verify.sandbox import available as sandbox

# The demo peaks below 4 GiB; its store, the converted model and Prefect's database take about 2 GB.
_MEMORY_BYTES = 4 << 30
_DISK_BYTES = 5 << 30

Problems = list[dict[str, str]]


def examine() -> dict[str, Any]:
    """All facts by subject, with ``problems: [{"what", "mend"}]`` and ``ok`` (no problem)."""
    problems: Problems = []
    home = _home(problems)
    facts = {
        "python": _python(problems),
        "packages": _packages(problems),
        "torch": _torch(problems),
        "home": home,
        "memory": _memory(problems),
        # It is converted into the home.
        "embedded_model": _embedded_model(problems) if home["writable"] else {"path": None},
        "server": _server(problems),
        "plugins": _plugins(problems),
        "sandbox": _sandbox(),
    }
    return {"ok": not problems, **facts, "problems": problems}


def _wrong(problems: Problems, what: str, mend: str) -> None:
    problems.append({"what": what, "mend": mend})


def _python(problems: Problems) -> dict[str, Any]:
    wanted = distribution("winnow").metadata["Requires-Python"]
    if platform.python_version() not in SpecifierSet(wanted, prereleases=True):
        _wrong(problems, f"Python {platform.python_version()} is outside {wanted}", "install one and run `make setup`")
    return {"version": platform.python_version(), "executable": sys.executable, "cores": usable_cores()}


def _packages(problems: Problems) -> dict[str, str]:
    """Name → version of what Winnow requires; of optional packages, those that are installed."""
    found = {"winnow": version("winnow")}
    for line in distribution("winnow").requires or []:
        requirement = Requirement(line)
        optional = requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})
        try:
            found[requirement.name] = version(requirement.name)
        except PackageNotFoundError:
            if not optional:
                _wrong(problems, f"{requirement} is not installed", "run `make setup`")
            continue
        if not requirement.specifier.contains(found[requirement.name], prereleases=True):
            _wrong(
                problems,
                f"{requirement.name} {found[requirement.name]} is installed, Winnow works with {requirement.specifier}",
                "run `make setup` (it installs the versions in constraints.txt)",
            )
    return found


def _torch(problems: Problems) -> dict[str, Any]:
    flags = sorted(processor_flags() & {"avx2", "avx512f", "avx512_bf16", "amx_bf16"})
    try:
        import torch
    except (ImportError, OSError) as error:
        _wrong(problems, f"torch does not load: {error}", "run `rm -rf .venv && make setup`")
        return {"processor_flags": flags}
    return {
        "version": torch.__version__,
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "processor_flags": flags,
        "bfloat16_speed": bfloat16_speed(),  # times float32's
        "compute_dtype": compute_dtype(),
    }


def _home(problems: Problems) -> dict[str, Any]:
    home = winnow_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"x")
    except OSError as error:
        _wrong(problems, f"{home} cannot be written: {error}", "correct its rights, or set WINNOW_HOME to another folder")
        return {"path": str(home), "writable": False, "free_bytes": None}
    free = shutil.disk_usage(home).free
    if free < _DISK_BYTES:
        _wrong(
            problems,
            f"only {_gib(free)} are free under {home}; the demo wants {_gib(_DISK_BYTES)}",
            "free space, or set WINNOW_HOME to a folder on a larger disk",
        )
    return {"path": str(home), "writable": True, "free_bytes": free}


def _memory(problems: Problems) -> dict[str, int]:
    available = free_memory()
    if available < _MEMORY_BYTES:
        _wrong(
            problems,
            f"only {_gib(available)} of memory are available; the demo peaks just below {_gib(_MEMORY_BYTES)}",
            "end other programs, raise the container's limit, or lower the batch sizes in the profile",
        )
    return {"total_bytes": psutil.virtual_memory().total, "available_bytes": available}


def _embedded_model(problems: Problems) -> dict[str, str | None]:
    try:
        return {"path": str(embedded_model_folder())}
    except WinnowError as error:
        _wrong(problems, str(error), "run `make setup`")
    except (OSError, ImportError, ValueError) as error:
        _wrong(problems, f"the embedded model could not be converted: {error}", "free space and memory; `make setup`")
    return {"path": None}


def _server(problems: Problems) -> dict[str, Any]:
    """The server that ``PREFECT_API_URL`` names, else the one `winnow serve` started, else none (which is fine)."""
    url = os.environ.get("PREFECT_API_URL")
    running = served()
    if not url and running is None:
        if (serve_folder() / "server.json").exists():
            _wrong(problems, "the server that `winnow serve` started has died", "run `make stop serve`")
        return {"api_url": None, "reachable": False, "worker": False}
    url = url or (running.api_url if running else "")
    reachable = _healthy(url)
    if not reachable:
        _wrong(problems, f"no Prefect server answers at {url}", "run `make serve`, or correct PREFECT_API_URL")
    worker = running is not None and running.runs("worker")
    if running and not worker:
        _wrong(problems, "the worker that `winnow serve` started has died", "run `make serve` again")
    return {"api_url": url, "reachable": reachable, "worker": worker}


def _healthy(api_url: str) -> bool:
    try:
        return httpx.get(f"{api_url}/health", timeout=5).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def _plugins(problems: Problems) -> dict[str, list[str]]:
    """Group → the names in it that load."""
    loaded: dict[str, list[str]] = {}
    groups = {group.removeprefix("winnow.") for group in entry_points().groups if group.startswith("winnow.")}
    for group in sorted(groups):
        loaded[group] = []
        for name in sorted(entry_points(group=f"winnow.{group}").names):
            try:
                load_plugin(group, name)
                loaded[group].append(name)
            except Exception as error:  # a plug-in is anybody's code
                _wrong(problems, str(error), "mend or uninstall the package it comes from; `make setup` for ours")
    return loaded


def _sandbox() -> dict[str, Any]:
    """Whether model-written code can be isolated here; where it cannot, why and what to do. Only `code` needs it."""
    why = sandbox.problem("strong")
    return {"isolates": not why, **({"why": why, "mend": sandbox.MEND} if why else {})}


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
