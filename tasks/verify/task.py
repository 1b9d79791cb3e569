"""Verification, the self-test of the verifiers, and the audit, as Prefect tasks."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_table_artifact

from tasks.runtime.references import DatasetRef, ReportRef
from tasks.runtime.run import current_run
from tasks.runtime.task import halved, in_stage, winnow_task
from tasks.verify.audit import audit_folders
from tasks.verify.rows import verify_folder
from tasks.verify.self_test import REPORT, refuse_failed, self_test_folders
from tasks.verify.settings import AuditSettings, VerifySettings


@winnow_task(version="2", label="verify {of}, shard {shard}", unkeyed=("of", "shard"))
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
            _affordable(settings),
            verifier_versions,
            samples.rows,
            _near(samples, prompts),
        )
        inputs = {"samples": samples, "prompts": prompts, "verifiers": verifier_versions}
        return store.publish(draft, "verdicts", inputs=inputs, config=settings, counts=counts)  # type: ignore[no-any-return]


def _near(samples: DatasetRef, prompts: DatasetRef) -> tuple[int, int] | None:
    """(first, end) of the stored prompts that the samples were drawn from, where sampling noted it; None: look among all."""
    if samples.metadata.get("prompts") != prompts.digest or "end_place" not in samples.counts:
        return None
    return samples.counts["first_place"], samples.counts["end_place"]


def _affordable(settings: VerifySettings) -> VerifySettings:
    """The settings with model batches halved after each fault, of which memory is the commonest."""
    judge = settings.judge.model_copy(update={"batch_rows": halved(settings.judge.batch_rows)})
    reward = settings.reward.model_copy(update={"batch_rows": halved(settings.reward.batch_rows)})
    return settings.model_copy(update={"judge": judge, "reward": reward})


@winnow_task(version="1", label="self-test of the verifiers")
def self_test(
    prompts: list[DatasetRef], settings: VerifySettings, audit: AuditSettings, verifier_versions: dict[str, str]
) -> ReportRef:
    """Plant right and wrong answers to the night's own prompts, and halt when a verifier errs more often than is allowed.

    Args:
        prompts: whose references are planted on: everything that the night asks.
        verifier_versions: of every verifier to test, the second one included; the others are left out.

    Returns:
        The report (`tasks.verify.self_test.REPORT`). Metadata: ``verifiers`` and ``kinds``, as `run_self_test` has them.

    Raises:
        SelfTestError: a verifier failed. The report is in the store all the same.
        DataError, ConfigurationError: the second verifier cannot judge some prompts (`tasks.verify.audit.check_second`).
    """
    store = current_run().store
    with store.draft() as draft:
        folders = [store.open(ref) for ref in prompts]
        told = in_stage("self-test", self_test_folders, folders, sorted(verifier_versions), settings, audit, draft)
        inputs: dict[str, Any] = {f"prompts {index}": ref for index, ref in enumerate(prompts)}
        report: ReportRef = store.publish(
            draft,
            "report",
            inputs=inputs | {"verifiers": verifier_versions},
            config={"verification": settings, "audit": audit},
            counts={name: sum(line[name] for line in told["verifiers"]) for name in ("wrong", "right")},
            metadata=told,
        )
    create_table_artifact(told["kinds"], key="self-test-of-the-verifiers", description=_outcomes(told))
    refuse_failed(told, f"{store.uri}/{report.uri}/{REPORT}")
    return report


def _outcomes(told: dict[str, Any]) -> str:
    return "Planted answers. " + "; ".join(f"{line['verifier']}: {line['verdict']}" for line in told["verifiers"])


@winnow_task(version="1", label="audit round {round}", unkeyed=("round",))
def audit_answers(
    samples: list[DatasetRef],
    verdicts: list[DatasetRef],
    prompts: DatasetRef,
    pass_rates: DatasetRef,
    settings: VerifySettings,
    audit: AuditSettings,
    verifier_versions: dict[str, str],
    round: int,
) -> DatasetRef:
    """The second verifier's verdicts on a round's rare successes and on a random sample of what was accepted.

    Args:
        samples, verdicts, prompts: of the round.
        pass_rates: decayed counts of each of the round's prompts, this round's draws among them.
        audit: `rows` is what this round adds to the night's audit file (`tasks.verify.audit.for_round`).
        verifier_versions: the second verifier's is part of the key.
        round: names the work for people.

    Returns:
        Verdict rows (none without a second verifier), with the audit's files beside them. Counts as `audit_folders` has
        them; metadata: ``deciles``.

    Raises:
        ContractError: samples, verdicts, prompts and pass rates do not belong together.
    """
    store = current_run().store
    with store.draft() as draft:
        folders = [[store.open(ref) for ref in refs] for refs in (samples, verdicts)]
        beside = store.open(prompts), store.open(pass_rates)
        told = in_stage(f"audit round {round}", audit_folders, *folders, *beside, settings, audit, draft)
        inputs: dict[str, Any] = {"prompts": prompts, "pass rates": pass_rates, "verifiers": verifier_versions}
        for role, refs in (("samples", samples), ("verdicts", verdicts)):
            inputs |= {f"{role} {index}": ref for index, ref in enumerate(refs)}
        return store.publish(  # type: ignore[no-any-return]
            draft,
            "verdicts",
            inputs=inputs,
            config={"verification": settings, "audit": audit},
            counts=told["counts"],
            metadata={"deciles": told["deciles"]},
        )
