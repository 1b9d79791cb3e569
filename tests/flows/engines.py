"""Engines of the tests: what a model would say, without one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.sample.requests import Answer, Request
from tasks.sample.settings import SamplingSettings

LEADS = ("So it is", "It is", "Together", "The answer is")


def sometimes_right(
    model_folder: Path, requests: Iterable[Request], settings: SamplingSettings, *, seed: int, dtype: str
) -> Iterator[Answer]:
    """Three answers in four are right, worded by lot."""
    for request in requests:
        for draw in request.draws:
            lot = hashlib.sha256(f"{seed}/{request.prompt['id']}/{draw}".encode()).digest()
            value = request.prompt["reference"] if lot[0] % 4 else "-1"
            yield Answer(request.prompt["id"], draw, f"{LEADS[lot[1] % 4]} {value}", 5, -1.0, "stop")


def only_the_base_is_right(
    model_folder: Path, requests: Iterable[Request], settings: SamplingSettings, *, seed: int, dtype: str
) -> Iterator[Answer]:
    """A model that was trained (its folder says from what) answers nothing rightly any more."""
    trained = '"labels"' in (model_folder / "manifest.json").read_text()
    for request in requests:
        for draw in request.draws:
            yield Answer(request.prompt["id"], draw, "-1" if trained else request.prompt["reference"], 2, -1.0, "stop")
