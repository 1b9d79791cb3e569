"""A run that only verifies, for a test that kills it: ``python -m tests.verify.killed STORE PROMPTS SHARD…``."""

from __future__ import annotations

import json
import sys

from prefect import flow

from tasks.runtime.home import configure_environment
from tasks.runtime.references import DatasetRef, parse_ref
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.verify.settings import VerifySettings
from tasks.verify.task import verify_samples

VERSIONS = {"tests.verify.plugins:slow": "1"}


def verify_shards(prompts: DatasetRef, shards: list[DatasetRef]) -> None:
    for shard, samples in enumerate(shards):
        verify_samples(samples, prompts, VerifySettings(), VERSIONS, shard=shard, of="round 1")


@flow(name="verify-only", persist_result=False)
def verify_only(store: str, prompts: str, shards: list[str]) -> None:
    run = Run("test/verify", Store(store))
    with running(run), results_in(run):
        verify_shards(_dataset(prompts), [_dataset(shard) for shard in shards])


def _dataset(text: str) -> DatasetRef:
    ref = parse_ref(json.loads(text))
    assert isinstance(ref, DatasetRef)
    return ref


if __name__ == "__main__":
    configure_environment()
    verify_only(sys.argv[1], sys.argv[2], sys.argv[3:])
