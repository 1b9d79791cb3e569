"""Parameters: read from a profile, overridden, checked against a flow's signature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from prefect import flow
from pydantic import BaseModel, Field

from flows.parameters import check_parameters, fill_group, load_profile
from tasks.runtime.errors import ConfigurationError


class Inner(BaseModel):
    rate: float = Field(0.5, ge=0, le=1)


class Group(BaseModel):
    draws: int = Field(8, ge=1, le=64)
    names: list[str] = ["a"]
    options: dict[str, int] = {}
    inner: Inner = Inner()


def some_flow(lineage: str, seed: Annotated[int, Field(ge=0)] = 0, sampling: Group = Group()) -> None:  # noqa: B008
    """The shape of a Winnow flow."""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "profile.yaml"
    path.write_text("lineage: demo\nsampling:\n  draws: 16\n  inner: {rate: 0.25}\n")
    return path


def test_overrides_are_read_as_yaml_and_may_open_a_group(profile: Path) -> None:
    read = load_profile(profile, ["sampling.draws=4", "sampling.names=[x, y]", "seed=3", "gate.alpha=0.1", "lineage="])
    assert read == {
        "lineage": None,
        "seed": 3,
        "sampling": {"draws": 4, "names": ["x", "y"], "inner": {"rate": 0.25}},
        "gate": {"alpha": 0.1},
    }


def test_checked_parameters_are_typed_and_remember_what_was_given(profile: Path) -> None:
    checked = check_parameters(some_flow, load_profile(profile, ["sampling.draws=4"]))
    assert checked == {"lineage": "demo", "sampling": Group(draws=4, inner=Inner(rate=0.25))}
    assert checked["sampling"].model_fields_set == {"draws", "inner"}


def test_a_prefect_flow_is_checked_like_its_function(profile: Path) -> None:
    assert check_parameters(flow(some_flow), load_profile(profile))["sampling"].draws == 16


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sampling.drawz=4", "sampling.drawz: there is no such parameter; did you mean sampling.draws?"),
        ("sampling.inner.rote=0", "sampling.inner.rote: there is no such parameter; did you mean sampling.inner.rate?"),
        ("zzz=1", "zzz: there is no such parameter; known: lineage, seed, sampling"),
        ("sampling.draws=0", r"sampling.draws: input should be greater than or equal to 1 \(given: 0\)"),
        ("sampling.inner.rate=high", "sampling.inner.rate: input should be a valid number"),
        ("seed=-1", "seed: input should be greater than or equal to 0"),
        ("sampling=5", "sampling: "),
    ],
)
def test_a_bad_parameter_is_named(profile: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_parameters(some_flow, load_profile(profile, [override]))


def test_a_missing_parameter_is_named_beside_every_other_problem(profile: Path) -> None:
    profile.write_text("sede: 1\nsampling: {draws: 100}\n")
    with pytest.raises(ConfigurationError) as refusal:
        check_parameters(some_flow, load_profile(profile))
    assert [line.split(":")[0] for line in str(refusal.value).splitlines()] == ["sede", "lineage", "sampling.draws"]


@pytest.mark.parametrize("override", ["sampling.draws", "=4", "lineage.x=1", "seed=[1"])
def test_an_override_that_cannot_be_read_is_refused(profile: Path, override: str) -> None:
    with pytest.raises(ConfigurationError, match="--set"):
        load_profile(profile, [override])


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n"])
def test_a_file_that_is_no_profile_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"p\.yaml"):
        load_profile(path)
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        load_profile(tmp_path / "missing.yaml")


def test_an_empty_profile_leaves_everything_to_the_flow(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("# nothing\n")
    assert load_profile(tmp_path / "p.yaml") == {}


def test_a_group_given_in_part_keeps_the_deployments_other_fields() -> None:
    stored = {"draws": 16, "names": ["x", "y"], "options": {"a": 1}, "inner": {"rate": 0.25}}
    assert fill_group("sampling", Group(), stored) == Group.model_validate(stored)
    given = Group.model_validate({"draws": 8, "options": {"b": 2}, "inner": {}})
    # 8 is the class's default, but it was given; a mapping that is a value is replaced whole, a group is not.
    assert fill_group("sampling", given, stored) == Group(draws=8, names=["x", "y"], options={"b": 2}, inner=Inner(rate=0.25))
    assert fill_group("sampling", given, None) == given


def test_stored_parameters_that_do_not_fit_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"sampling: .*\n?.*draws"):
        fill_group("sampling", Group(names=["z"]), {"draws": 1000})
