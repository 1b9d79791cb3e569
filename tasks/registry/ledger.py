"""A lineage's history, and the alias `champion` as a fold over it.

The log is the registry's only moving part. An entry is made by creating file n + 1 exclusively after reading the n
before it: whoever loses that race reads again and decides again, so that no update is lost and an entry's `previous` is
always the champion it replaced. There is no alias file that could be half-written or disagree with the log: the
champion *is* what the last entry says. Refusals are entries too: the log is the ledger of the error budget.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from tasks.gate.decision import GateDecision
from tasks.registry.records import Entry, Version, create, file_of, folder_of, now, numbers_in, read_all, read_one
from tasks.registry.versions import register, version_of
from tasks.runtime.errors import ConfigurationError, ContractError, MissingArtifactError, PromotionConflictError
from tasks.runtime.references import ModelRef
from tasks.runtime.store import Store

_ATTEMPTS = 1000
_PAUSE_SECONDS = 0.05


def history(store: Store, lineage: str) -> list[Entry]:
    """The whole log, oldest first; empty when there is none.

    Raises:
        CorruptArtifactError: an entry is missing or unreadable. ConfigurationError: a bad lineage name.
    """
    return read_all(store, folder_of(lineage, "history"), Entry)


def champion(store: Store, lineage: str) -> Version | None:
    """The version that is served, or None in a registry that was never bootstrapped. Reads one entry, not the log."""
    folder = folder_of(lineage, "history")
    numbers = numbers_in(store, folder)
    if not numbers:
        return None
    number = read_one(store, file_of(folder, numbers[-1]), Entry).champion
    return None if number is None else version_of(store, lineage, number)


def looks_spent(log: list[Entry]) -> int:
    """How many gates have tested something: the next one is look `looks_spent + 1`. Never reset."""
    return sum(entry.decided for entry in log)


def decision_for(store: Store, lineage: str, candidate_digest: str, items_digest: str) -> Entry | None:
    """The decision already taken for this model on these items, which is to be repeated and not taken anew; or None.

    A `no_decision` is none: once what failed works, the same comparison may be made.
    """
    return _decided(history(store, lineage), candidate_digest, items_digest)


def record_decision(
    store: Store,
    lineage: str,
    candidate: Version,
    expected_champion: int,
    decision: GateDecision,
    items_digest: str,
    run_id: str | None = None,
) -> Entry:
    """Write a gate's decision into the log; with `promote` that makes the candidate champion.

    Safe to repeat: a decision already taken for the same candidate and items is returned as it stands, even when the
    champion was rolled back since.

    Args:
        expected_champion: version that the gate compared with.
        items_digest: digest of the items (prompts) that both were scored on.

    Raises:
        PromotionConflictError: the champion is another one by now, or the decision's look was spent by another gate.
        ContractError: a decision without a look, which would spend no budget.
    """
    if decision.look is None:
        raise ContractError("a decision for the registry needs its look: gate with look = looks_spent(history) + 1")

    def propose(log: list[Entry], draft: Callable[..., Entry]) -> Entry:
        taken = _decided(log, candidate.model.digest, items_digest)
        if taken is None and decision.decision == "no_decision":
            taken = _same(log, candidate.model.digest, items_digest)
        if taken is not None:
            return taken
        _check_expected(log, expected_champion, "run again: the gate then compares with the new champion")
        if decision.look is not None and decision.look <= looks_spent(log):
            raise PromotionConflictError(
                f"look {decision.look} of {lineage}'s error budget was spent by another gate meanwhile; "
                f"run again: the gate then takes look {looks_spent(log) + 1}"
            )
        event = "promote" if decision.decision == "promote" else "refuse"
        return draft(event, candidate, gate=decision, items=items_digest, reason=decision.reason)

    return _append(store, lineage, propose, run_id)


def promote(
    store: Store, lineage: str, version: int, reason: str, expected: int | None = None, run_id: str | None = None
) -> Entry:
    """Make a version champion by hand, past the gate. Safe to repeat: a champion stays one, without a new entry.

    Args:
        reason: why; it is what the history will show.
        expected: refuse unless this version is champion now.

    Raises:
        ConfigurationError: no reason. MissingArtifactError: no such version, or its model is gone.
        PromotionConflictError: another champion than `expected`.
    """
    if not reason.strip():
        raise ConfigurationError("a promotion by hand needs a reason (--reason): the history shows it")
    chosen = _servable(store, lineage, version)

    def propose(log: list[Entry], draft: Callable[..., Entry]) -> Entry:
        if _champion(log) == version:
            return _moves(log)[-1]
        _check_expected(log, expected, "look at the history, then promote with that number as --expected")
        return draft("promote", chosen, reason=reason)

    return _append(store, lineage, propose, run_id)


def rollback(
    store: Store,
    lineage: str,
    to: int | None = None,
    expected: int | None = None,
    reason: str = "",
    run_id: str | None = None,
) -> Entry:
    """Give the place back to an earlier champion.

    Args:
        to: a version that was champion before; None: the one before the present. A second rollback goes further back
            (it undoes the promotion before), never forward to what was rolled back.
        expected: refuse unless this version is champion now.

    Raises:
        ConfigurationError: there was no champion before, or `to` never was one.
        MissingArtifactError: that version's model is gone. PromotionConflictError: another champion than `expected`.
    """

    def propose(log: list[Entry], draft: Callable[..., Entry]) -> Entry:
        if to is not None and _champion(log) == to:
            return _moves(log)[-1]
        _check_expected(log, expected, "look at the history, then roll back with that number as --expected")
        target = _before(log, lineage) if to is None else to
        if all(entry.version != target for entry in _moves(log)):
            raise ConfigurationError(f"version {target} never was champion of {lineage}; use promote, with a reason")
        why = reason or f"Rolled back from version {_champion(log)} to {target}."
        return draft("rollback", _servable(store, lineage, target), reason=why)

    return _append(store, lineage, propose, run_id)


def bootstrap(
    store: Store, lineage: str, base: ModelRef, record: dict[str, Any] | None = None, run_id: str | None = None
) -> Entry:
    """Register `base` as the first version and make it champion, unless the log has begun; returns its first entry.

    Raises:
        MissingArtifactError: the model is not in the store. ConfigurationError: a bad lineage name.
    """
    if log := history(store, lineage):
        return log[0]
    first = register(store, lineage, base, record or {})
    reason = "The base model, champion until a candidate is better."

    def propose(log: list[Entry], draft: Callable[..., Entry]) -> Entry:
        return log[0] if log else draft("bootstrap", first, reason=reason)

    return _append(store, lineage, propose, run_id)


# --- inside ----------------------------------------------------------------------------------------------------------


def _append(
    store: Store, lineage: str, propose: Callable[[list[Entry], Callable[..., Entry]], Entry], run_id: str | None
) -> Entry:
    """Read the log, let `propose` make the next entry (or give an old one, or raise), create it; lost: once more."""
    folder, mine = folder_of(lineage, "history"), uuid.uuid4().hex
    for _ in range(_ATTEMPTS):
        log = history(store, lineage)
        for entry in log:
            # A store client that repeats a request whose answer got lost is told "exists" about its own entry.
            if entry.id == mine:
                return entry

        def draft(event: Any, version: Version, log: list[Entry] = log, **fields: Any) -> Entry:
            return Entry(
                seq=len(log) + 1,
                id=mine,
                event=event,
                version=version.version,
                previous=_champion(log),
                model=version.model.digest,
                run_id=run_id,
                at=now(),
                **fields,
            )

        entry = propose(log, draft)
        if entry.seq <= len(log) or create(store, folder, entry.seq, entry):
            return entry
        time.sleep(random.uniform(0, _PAUSE_SECONDS))
    raise PromotionConflictError(f"lineage {lineage}: {_ATTEMPTS} others were faster, one after another; try again later")


def _champion(log: list[Entry]) -> int | None:
    return log[-1].champion if log else None


def _moves(log: list[Entry]) -> list[Entry]:
    return [entry for entry in log if entry.event != "refuse"]


def _before(log: list[Entry], lineage: str) -> int:
    """The champion that the present one replaced, when rollbacks undo promotions like a stack."""
    reigns: list[int] = []
    for entry in _moves(log):
        if entry.event == "rollback" and entry.version in reigns:
            while reigns[-1] != entry.version:
                reigns.pop()
        else:
            reigns.append(entry.version)
    if len(reigns) < 2:
        raise ConfigurationError(f"lineage {lineage} has no champion to roll back to; `winnow registry history` shows it")
    return reigns[-2]


def _same(log: list[Entry], candidate: str, items: str) -> Entry | None:
    return next((e for e in log if e.gate is not None and (e.model, e.items) == (candidate, items)), None)


def _decided(log: list[Entry], candidate: str, items: str) -> Entry | None:
    return _same([entry for entry in log if entry.decided], candidate, items)


def _check_expected(log: list[Entry], expected: int | None, advice: str) -> None:
    if expected is not None and _champion(log) != expected:
        present = "there is no champion" if _champion(log) is None else f"version {_champion(log)} is champion"
        raise PromotionConflictError(f"{present} now, not version {expected}; {advice}")


def _servable(store: Store, lineage: str, number: int) -> Version:
    version = version_of(store, lineage, number)
    if not store.exists(version.model):
        raise MissingArtifactError(f"version {number} of {lineage}: its model {version.model.uri} is not in {store.uri}")
    return version
