"""Which servers the `endpoint` engine asks, or how it starts one."""

from __future__ import annotations

import shlex
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.runtime.endpoints import check_address
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.fingerprint import Unkeyed


class EndpointSettings(BaseModel):
    """OpenAI-compatible servers: running ones, or a command that starts one for each model version."""

    model_config = ConfigDict(extra="forbid")

    # Where they run changes no answer; which model answers does.
    addresses: Annotated[list[str], Unkeyed()] = Field(
        default=[],
        max_length=256,
        description="Running servers of one model: https://host/v1 (its key, if any, in WINNOW_ENDPOINT_KEY) or block:NAME.",
    )
    model: str = Field("", description="Name of the model there; empty: the block's, or the folder of a launched one.")
    launch: str = Field(
        "",
        description="Instead of addresses, the command that serves a model: 'vllm serve {model} --host {host} --port {port}'. "
        "{model} is its folder, {host} an address that only this machine reaches; {dtype} is known too. Each model version has "
        "its own server, stopped afterwards. A secret belongs in the environment, which the server has too, and not here.",
    )
    extra: dict[str, Any] = Field(
        default={}, description="More fields for every request, such as a server's own parameters; they replace ours."
    )
    draws_per_request: int = Field(
        16, ge=1, le=256, description="Answers asked for at once (`n`); with 1 each draw has a seed of its own."
    )
    logprobs: bool = Field(True, description="Ask for log-probabilities; off for a server that refuses them.")
    start_limit: Annotated[float, Unkeyed()] = Field(
        600.0, ge=1, le=7200, description="Seconds a launched server may take until it answers."
    )
    concurrency: Annotated[int, Unkeyed()] = Field(
        32, ge=1, le=4096, description="Requests under way at once on a server; a block has its own number."
    )
    time_limit: Annotated[float, Unkeyed()] = Field(
        600.0, ge=0.1, le=7200, description="Seconds one request may take before it is given up; a block has its own limit."
    )
    attempts: Annotated[int, Unkeyed()] = Field(
        6, ge=1, le=20, description="How often a request is tried, and once at least on each server, before the round fails."
    )
    hedge_quantile: Annotated[float, Unkeyed()] = Field(
        0.95,
        ge=0,
        lt=1,
        description="A request slower than this share of the others, allowing for its length, is sent a second time; 0: never.",
    )
    hedge_seconds: Annotated[float, Unkeyed()] = Field(
        2.0, ge=0, le=3600, description="No second request sooner than this many seconds after the first."
    )

    @model_validator(mode="after")
    def _launch_or_addresses(self) -> Self:
        if self.launch and self.addresses:
            raise ValueError("endpoint: give addresses of running servers, or a command to launch one, not both")
        try:
            for address in self.addresses:
                check_address(address, self.model)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        if self.launch:
            _check_command(self.launch)
        return self


def _check_command(launch: str) -> None:
    try:
        shlex.split(launch)
    except ValueError as error:
        raise ValueError(f"endpoint: launch {launch!r} cannot be split into words ({error})") from error
    for part in ("{model}", "{port}"):
        if part not in launch:
            raise ValueError(f"endpoint: launch {launch!r} has no {part}; write where it belongs")
