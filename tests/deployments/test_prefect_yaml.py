"""prefect.yaml and the profiles against the flow they are for."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import yaml

from flows.nightly import nightly_rsf
from flows.parameters import check_parameters, deployment_parameters, load_profile

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
PROFILES = sorted((ROOT / "deployments" / "profiles").glob("*.yaml"))
PARAMETERS = inspect.signature(nightly_rsf.fn).parameters


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_profile_fits_the_flow(profile: Path) -> None:
    check_parameters(nightly_rsf, load_profile(profile))


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_a_deployment_takes_every_parameter_from_its_profile(deployment: dict) -> None:
    assert deployment["parameters"] == {name: f"{{{{ profile.{name} }}}}" for name in PARAMETERS}
    (step,) = (build["flows.parameters.deployment_parameters"] for build in deployment["build"][1:])
    assert (ROOT / step["profile"]).is_file()
    assert step["flow"].split(":")[1] == deployment["entrypoint"].split(":")[1]
    assert set(deployment_parameters(str(ROOT / step["profile"]), step["flow"])) == set(PARAMETERS)
