"""Sampling as cached tasks, one a shard."""

from __future__ import annotations

from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.run import current_run
from tasks.runtime.task import halved, in_stage, winnow_task
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_folder


@winnow_task(version="1", label="sample {of}, shard {shard}", unkeyed=("of",))
def sample_shard(
    policy: ModelRef,
    prompts: DatasetRef,
    settings: SamplingSettings,
    shard: int,
    seed: int,
    round: int,
    dtype: str,
    of: str,
) -> DatasetRef:
    """Prompt rows → sample rows of one shard: `settings.k` draws a prompt. `of` names the work for people."""
    store = current_run().store
    smaller = settings.model_copy(update={"batch_rows": halved(settings.batch_rows)})
    with store.draft() as draft:
        counts = in_stage(
            f"sample {of}",
            sample_folder,
            store.open(policy),
            store.open(prompts),
            draft,
            smaller,
            shard=shard,
            policy=policy.digest,
            seed=seed,
            round=round,
            dtype=dtype,
        )
        ref: DatasetRef = store.publish(
            draft, "samples", inputs={"policy": policy, "prompts": prompts}, config=settings, counts=counts
        )
        return ref
