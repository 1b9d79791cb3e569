"""Verification as a Prefect task."""

from __future__ import annotations

from tasks.runtime.references import DatasetRef
from tasks.runtime.run import current_run
from tasks.runtime.task import in_stage, winnow_task
from tasks.verify.rows import verify_folder
from tasks.verify.settings import VerifySettings


@winnow_task(version="1", label="verify {of}, shard {shard}", unkeyed=("of", "shard"))
def verify_samples(
    samples: DatasetRef,
    prompts: DatasetRef,
    settings: VerifySettings,
    verifier_versions: dict[str, str],
    shard: int,
    of: str,
) -> DatasetRef:
    """Verdict rows for a shard of sample rows, one for each sample, in the samples' order.

    Args:
        verifier_versions: of every verifier the prompts name (`tasks.verify.verdict.verifier_versions`): part of the
            key, so that a new version verifies again, and generates nothing again.
        of, shard: name the work for people.

    Returns:
        Counts: ``rows`` and one for each state.

    Raises:
        ContractError: a sample of another prompt set; versions that are not those of the verifiers installed.
    """
    store = current_run().store
    with store.draft() as draft:
        counts = in_stage(
            f"verify {of}",
            verify_folder,
            store.open(samples),
            store.open(prompts),
            draft,
            settings.time_limit,
            verifier_versions,
            samples.rows,
        )
        inputs = {"samples": samples, "prompts": prompts, "verifiers": verifier_versions}
        return store.publish(draft, "verdicts", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]
