"""Night states: whole or not at all, complete by themselves."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tasks.registry.nights import NightRows, NightState, last_night, load_night, save_night
from tasks.runtime.errors import ConfigurationError, CorruptArtifactError, MissingArtifactError
from tasks.runtime.store import Store
from tests.registry.building import LINEAGE, publish_model, publish_prompts


def state(store: Store, night: int) -> NightState:
    prompts = [publish_prompts(store, f"prompt {number}") for number in range(night)]
    return NightState(
        night=night,
        lineage=LINEAGE,
        base=publish_model(store, "base"),
        head=publish_model(store, f"head {night}"),
        window=[NightRows(night=number + 1, rows=[rows]) for number, rows in enumerate(prompts)],
        training_prompts=prompts,
        looks_spent=night,
        champion=1,
    )


def test_a_night_comes_back_as_it_was_saved(store: Store) -> None:
    assert last_night(store, LINEAGE) is None
    for night in (1, 2):
        save_night(store, state(store, night))
    assert load_night(store, LINEAGE, 1) == state(store, 1)
    assert last_night(store, LINEAGE) == state(store, 2)


def test_a_night_run_again_replaces_its_own_state(store: Store) -> None:
    save_night(store, state(store, 1))
    changed = state(store, 1).model_copy(update={"champion": 2})
    save_night(store, changed)
    assert last_night(store, LINEAGE) == changed


def test_a_night_that_was_never_run_names_those_that_were(local: Store) -> None:
    save_night(local, state(local, 1))
    with pytest.raises(MissingArtifactError, match=r"night 2 .* \(nights there: 1\)"):
        load_night(local, LINEAGE, 2)


def test_half_a_state_is_named_and_not_used(local: Store) -> None:
    save_night(local, state(local, 1))
    file = f"registry/{LINEAGE}/nights/000001.json"
    local.write_bytes(file, local.read_bytes(file)[:-20])
    with pytest.raises(CorruptArtifactError, match=r"nights/000001\.json"):
        last_night(local, LINEAGE)


@pytest.mark.parametrize("nights", [[2, 1], [1, 1], [1, 3]])
def test_the_window_is_in_order(local: Store, nights: list[int]) -> None:
    data = state(local, 2).model_dump() | {"window": [{"night": night, "rows": []} for night in nights]}
    with pytest.raises(ValidationError, match="must ascend"):
        NightState.model_validate(data)


def test_a_bad_lineage_name_is_refused(local: Store) -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        save_night(local, state(local, 1).model_copy(update={"lineage": "../escape"}))
