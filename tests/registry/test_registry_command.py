"""``winnow registry`` on a real store."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.commands.registry import app
from tasks.registry import ledger
from tasks.runtime.errors import ConfigurationError, PromotionConflictError
from tasks.runtime.store import Store
from tests.registry.building import LINEAGE, decision, new_version, publish_model


def run(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", store.uri])


def printed(store: Store, *arguments: str) -> dict[str, Any]:
    result = run(store, *arguments, "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert isinstance(data, dict)
    return data


@pytest.fixture
def filled(local: Store) -> Store:
    ledger.bootstrap(local, LINEAGE, publish_model(local, "base"))
    good, bad = new_version(local, "good"), new_version(local, "bad")
    ledger.record_decision(local, LINEAGE, good, 1, decision("promote", 1), "items")
    ledger.record_decision(local, LINEAGE, bad, 2, decision("refuse", 2), "items")
    return local


def test_list_show_and_history(filled: Store) -> None:
    (listed,) = printed(filled, "list")["lineages"]
    assert (listed["lineage"], listed["champion"], len(listed["versions"])) == (LINEAGE, 2, 3)
    shown = printed(filled, "show")
    assert (shown["version"], shown["champion"]) == (2, True)
    assert shown["path"] == f"{filled.root}/{shown['model']['uri']}"
    assert printed(filled, "show", "3", "--lineage", LINEAGE)["champion"] is False
    log = printed(filled, "history")
    assert [entry["event"] for entry in log["entries"]] == ["bootstrap", "promote", "refuse"]
    assert log["looks_spent"] == 2
    for command in ("list", "show", "history"):
        assert run(filled, command).exit_code == 0


def test_promote_and_rollback(filled: Store) -> None:
    entry = printed(filled, "promote", "3", "--reason", "measured elsewhere", "--expected", "2")
    assert (entry["version"], entry["previous"], entry["reason"]) == (3, 2, "measured elsewhere")
    conflict = run(filled, "promote", "1", "--reason", "late", "--expected", "2").exception
    assert isinstance(conflict, PromotionConflictError)
    assert conflict.exit_code == 2
    assert printed(filled, "rollback")["version"] == 2
    assert printed(filled, "rollback", "--to", "1", "--expected", "2")["version"] == 1
    assert "Version 3 is champion of demo" in run(filled, "promote", "3", "--reason", "[red]again").stdout


def test_a_promotion_by_hand_needs_a_reason(filled: Store) -> None:
    assert run(filled, "promote", "3").exit_code == 2


def test_which_lineage(filled: Store) -> None:
    new_version(filled, "x", "other")
    with pytest.raises(ConfigurationError, match=r"--lineage is needed .* it has demo, other"):
        raise run(filled, "history").exception or AssertionError
    with pytest.raises(ConfigurationError, match="no lineage 'third'"):
        raise run(filled, "show", "--lineage", "third").exception or AssertionError
    assert printed(filled, "list", "--lineage", "other")["lineages"][0]["champion"] is None


def test_an_empty_registry(local: Store) -> None:
    assert printed(local, "list") == {"lineages": []}
    assert "empty" in run(local, "list").stdout
    with pytest.raises(ConfigurationError, match="run a flow first"):
        raise run(local, "history").exception or AssertionError
