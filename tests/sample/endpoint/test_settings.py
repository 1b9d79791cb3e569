"""What is refused before anything runs, and what may change without sampling anew."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.runtime.fingerprint import fingerprint
from tasks.sample.endpoint.settings import EndpointSettings
from tasks.sample.settings import SamplingSettings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"addresses": ["http://a/v1"], "model": "m", "launch": "serve {model} {port}"}, "not both"),
        ({"addresses": ["http://a/v1"]}, "name the model"),
        ({"addresses": ["a/v1"], "model": "m"}, "is no address"),
        ({"addresses": ["http://user:password@a/v1"], "model": "m"}, "is no address"),
        ({"launch": "serve {model}"}, "has no {port}"),
        ({"launch": "serve --port {port}"}, "has no {model}"),
        ({"launch": "serve '{model} {port}"}, "cannot be split"),
        ({"adresses": []}, "adresses"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EndpointSettings(**given)


def test_the_engine_needs_a_server() -> None:
    with pytest.raises(ValidationError, match=r"give endpoint\.addresses of running servers, or endpoint\.launch"):
        SamplingSettings(engine="endpoint")


def test_a_block_brings_its_own_model() -> None:
    assert EndpointSettings(addresses=["block:farm"]).model == ""


@pytest.mark.parametrize(
    ("changed", "anew"),
    [
        ({"addresses": ["http://b/v1", "http://c/v1"]}, False),
        (
            {"concurrency": 3, "time_limit": 4, "attempts": 5, "hedge_quantile": 0.5, "hedge_seconds": 6, "start_limit": 7},
            False,
        ),
        ({"model": "n"}, True),
        ({"draws_per_request": 1}, True),
        ({"logprobs": False}, True),
        ({"extra": {"best_of": 2}}, True),
        ({"addresses": [], "launch": "serve {model} {port}"}, True),
    ],
)
def test_the_cache_key_holds_what_changes_answers(changed: dict[str, Any], anew: bool) -> None:
    given = {"addresses": ["http://a/v1"], "model": "m"}
    assert (fingerprint(EndpointSettings(**given)) != fingerprint(EndpointSettings(**given | changed))) == anew
