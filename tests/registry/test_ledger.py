"""The history and the alias that is a fold over it: decisions, conflicts, repeats, promotion by hand, rollback."""

from __future__ import annotations

import pytest

from tasks.registry import ledger
from tasks.registry.records import Entry
from tasks.registry.versions import versions
from tasks.runtime.errors import ConfigurationError, ContractError, MissingArtifactError, PromotionConflictError
from tasks.runtime.store import Store
from tests.registry.building import LINEAGE, decision, new_version, publish_model


def served(store: Store) -> int | None:
    version = ledger.champion(store, LINEAGE)
    return version.version if version else None


def begin(store: Store, *others: str) -> None:
    ledger.bootstrap(store, LINEAGE, publish_model(store, "base"), {"source": "embedded"})
    for name in others:
        new_version(store, name)


def test_bootstrap_once(store: Store) -> None:
    assert ledger.champion(store, LINEAGE) is None
    entry = ledger.bootstrap(store, LINEAGE, publish_model(store, "base"))
    assert (entry.seq, entry.event, entry.version, entry.previous) == (1, "bootstrap", 1, None)
    assert ledger.bootstrap(store, LINEAGE, publish_model(store, "base")) == entry
    assert ledger.bootstrap(store, LINEAGE, publish_model(store, "another base")) == entry
    assert (served(store), len(versions(store, LINEAGE)), len(ledger.history(store, LINEAGE))) == (1, 1, 1)


def test_bootstrap_goes_on_where_it_was_killed_after_registering(local: Store) -> None:
    new_version(local, "base")
    assert ledger.bootstrap(local, LINEAGE, publish_model(local, "base")).version == 1


def test_a_promotion_moves_the_alias_and_a_refusal_does_not(store: Store) -> None:
    begin(store)
    refused = ledger.record_decision(store, LINEAGE, new_version(store, "bad"), 1, decision("refuse", 1), "items", "run-1")
    assert (refused.event, refused.version, refused.previous, refused.champion) == ("refuse", 2, 1, 1)
    assert served(store) == 1
    good = new_version(store, "good")
    promoted = ledger.record_decision(store, LINEAGE, good, 1, decision("promote", 2), "other items", "run-2")
    assert (promoted.event, promoted.version, promoted.previous, promoted.model) == ("promote", 3, 1, good.model.digest)
    assert (promoted.run_id, promoted.items) == ("run-2", "other items")
    assert promoted.gate == decision("promote", 2)
    assert ledger.champion(store, LINEAGE) == good
    assert [entry.seq for entry in ledger.history(store, LINEAGE)] == [1, 2, 3]
    assert ledger.looks_spent(ledger.history(store, LINEAGE)) == 2


def test_a_decision_is_repeated_and_not_retaken(store: Store) -> None:
    begin(store)
    good = new_version(store, "good")
    first = ledger.record_decision(store, LINEAGE, good, 1, decision("promote", 1), "items")
    assert ledger.decision_for(store, LINEAGE, good.model.digest, "items") == first
    assert ledger.decision_for(store, LINEAGE, good.model.digest, "fresh items") is None
    assert ledger.record_decision(store, LINEAGE, good, 1, decision("promote", 1), "items") == first
    assert ledger.record_decision(store, LINEAGE, good, 2, decision("refuse", 2), "items") == first
    ledger.rollback(store, LINEAGE)
    assert ledger.record_decision(store, LINEAGE, good, 1, decision("promote", 1), "items") == first
    assert served(store) == 1, "a run that is repeated does not bring back what was rolled back"


def test_the_champion_moved_meanwhile(store: Store) -> None:
    begin(store, "other")
    good = new_version(store, "good")
    ledger.promote(store, LINEAGE, 2, "by hand")
    for kind in ("promote", "refuse"):
        with pytest.raises(PromotionConflictError, match="version 2 is champion now, not version 1; run again"):
            ledger.record_decision(store, LINEAGE, good, 1, decision(kind, 1), "items")
    assert (served(store), len(ledger.history(store, LINEAGE))) == (2, 2)


def test_a_look_is_spent_once(local: Store) -> None:
    begin(local)
    ledger.record_decision(local, LINEAGE, new_version(local, "a"), 1, decision("refuse", 1), "items")
    rival = new_version(local, "b")
    with pytest.raises(PromotionConflictError, match=r"look 1 .* takes look 2"):
        ledger.record_decision(local, LINEAGE, rival, 1, decision("promote", 1), "items")
    assert ledger.record_decision(local, LINEAGE, rival, 1, decision("promote", 2), "items").version == 3


def test_a_decision_without_a_look_spends_nothing_and_is_not_taken(local: Store) -> None:
    begin(local)
    single = decision("promote", 1).model_copy(update={"look": None})
    with pytest.raises(ContractError, match="needs its look"):
        ledger.record_decision(local, LINEAGE, new_version(local, "a"), 1, single, "items")


def test_no_decision_is_kept_spends_nothing_and_may_be_taken_later(local: Store) -> None:
    begin(local)
    good = new_version(local, "good")
    none = ledger.record_decision(local, LINEAGE, good, 1, decision("no_decision", 1), "items")
    assert ledger.record_decision(local, LINEAGE, good, 1, decision("no_decision", 1), "items") == none
    assert none.event == "refuse"
    assert served(local) == 1
    assert ledger.looks_spent(ledger.history(local, LINEAGE)) == 0
    assert ledger.decision_for(local, LINEAGE, good.model.digest, "items") is None
    later = ledger.record_decision(local, LINEAGE, good, 1, decision("promote", 1), "items")
    assert (later.seq, later.event, served(local)) == (3, "promote", 2)


def test_promotion_by_hand(store: Store) -> None:
    begin(store, "a")
    with pytest.raises(ConfigurationError, match="reason"):
        ledger.promote(store, LINEAGE, 2, " ")
    with pytest.raises(MissingArtifactError, match="no version 9"):
        ledger.promote(store, LINEAGE, 9, "why not")
    with pytest.raises(PromotionConflictError, match="not version 2"):
        ledger.promote(store, LINEAGE, 2, "tried it", expected=2)
    entry = ledger.promote(store, LINEAGE, 2, "tried it", expected=1)
    assert (entry.event, entry.version, entry.previous, entry.gate, entry.reason) == ("promote", 2, 1, None, "tried it")
    assert ledger.promote(store, LINEAGE, 2, "again", expected=1) == entry


def test_a_model_that_is_gone_is_not_served(local: Store) -> None:
    begin(local, "a")
    local.remove(versions(local, LINEAGE)[1].model)
    with pytest.raises(MissingArtifactError, match="version 2 of demo: its model"):
        ledger.promote(local, LINEAGE, 2, "why not")
    assert served(local) == 1


def test_rollbacks_go_back_and_never_forward(store: Store) -> None:
    begin(store, "a", "b")
    ledger.promote(store, LINEAGE, 2, "better")
    ledger.promote(store, LINEAGE, 3, "better still")
    back = ledger.rollback(store, LINEAGE)
    assert (back.event, back.version, back.previous) == ("rollback", 2, 3)
    assert ledger.rollback(store, LINEAGE).version == 1
    with pytest.raises(ConfigurationError, match="no champion to roll back to"):
        ledger.rollback(store, LINEAGE)
    assert served(store) == 1


def test_rollback_to_a_named_champion(local: Store) -> None:
    begin(local, "a", "b", "never served")
    ledger.promote(local, LINEAGE, 2, "better")
    ledger.promote(local, LINEAGE, 3, "better still")
    with pytest.raises(ConfigurationError, match="version 4 never was champion"):
        ledger.rollback(local, LINEAGE, to=4)
    with pytest.raises(PromotionConflictError):
        ledger.rollback(local, LINEAGE, to=1, expected=2)
    entry = ledger.rollback(local, LINEAGE, to=1, expected=3, reason="both were bad")
    assert (entry.version, entry.previous, entry.reason) == (1, 3, "both were bad")
    assert ledger.rollback(local, LINEAGE, to=1, expected=3) == entry
    assert ledger.rollback(local, LINEAGE, to=3).version == 3, "what was rolled back may be named, and comes back"
    assert ledger.rollback(local, LINEAGE).version == 1


def test_refusals_do_not_count_as_reigns(local: Store) -> None:
    begin(local, "a")
    ledger.promote(local, LINEAGE, 2, "better")
    ledger.record_decision(local, LINEAGE, new_version(local, "bad"), 2, decision("refuse", 1), "items")
    assert ledger.rollback(local, LINEAGE).version == 1


def test_an_entry_whose_receipt_got_lost_is_recognised(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 client that repeats a request after a broken connection is told that its own entry is in the way."""
    begin(local, "a")
    create_bytes = local.create_bytes

    def receipt_lost(name: str, data: bytes) -> bool:
        create_bytes(name, data)
        return False

    monkeypatch.setattr(local, "create_bytes", receipt_lost)
    entry = ledger.promote(local, LINEAGE, 2, "better")
    assert entry == ledger.history(local, LINEAGE)[-1]
    assert len(ledger.history(local, LINEAGE)) == 2


def test_temporary_files_of_a_killed_writer_are_no_entries(local: Store) -> None:
    begin(local)
    local.write_bytes(f"registry/{LINEAGE}/history/.part-abc", b"{")
    local.write_bytes(f"registry/{LINEAGE}/history/notes.txt", b"{")
    assert [type(entry) for entry in ledger.history(local, LINEAGE)] == [Entry]
    assert served(local) == 1
