"""How answers are drawn."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tasks.runtime.fingerprint import Unkeyed
from tasks.runtime.models import Quantization
from tasks.sample.endpoint.settings import EndpointSettings


class SamplingSettings(BaseModel):
    """The engine, the sampling distribution, and how the work is cut; how many draws a prompt gets is the budget's."""

    model_config = ConfigDict(extra="forbid")

    engine: str = Field("transformers", description="Engine: a registered name, or 'package.module:function'.")
    adapter: Literal["merged", "unmerged"] = Field(
        "merged",
        description="Engine transformers, a policy that is an adapter: sample its base with the adapter in the weights, or "
        "beside them, as always on a quantised base.",
    )
    quantization: Quantization = Field(
        "none",
        description="Engine transformers: sample from the policy in 4 bits (nf4) or 8 (int8), by bitsandbytes; the "
        "log-probabilities are the quantised policy's. Training and evaluation use the whole one.",
    )
    temperature: float = Field(1.0, ge=0, le=5, description="Sampling temperature; 0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Keep the likeliest tokens up to this share of probability.")
    top_k: int = Field(0, ge=0, le=1_000_000, description="Keep only this many likeliest tokens; 0 keeps all.")
    min_p: float = Field(0.0, ge=0, lt=1, description="Drop tokens below this share of the likeliest one's probability.")
    stop: list[Annotated[str, StringConstraints(min_length=1, max_length=256)]] = Field(
        default_factory=list, max_length=16, description="Texts that end an answer; it is cut before the first of them."
    )
    min_tokens: int = Field(
        0, ge=0, le=131_072, description="Shortest answer, in tokens: before that, neither the model nor `stop` can end it."
    )
    max_tokens: int = Field(32, ge=1, le=131_072, description="Longest answer, in tokens; a longer one is cut.")
    shard_prompts: int = Field(
        128, ge=1, le=100_000, description="Prompts per shard: the unit that is cached, and lost when a run is killed."
    )
    batch_rows: Annotated[int, Unkeyed()] = Field(
        256, ge=1, le=65_536, description="Answers generated side by side, at most; halved when memory runs out."
    )
    batch_memory: Annotated[int, Unkeyed()] = Field(
        0,
        ge=0,
        le=10_000_000,
        description="MB for the keys and values of answers side by side, each at its longest; 0: half of what is free.",
    )

    @model_validator(mode="after")
    def _lengths_fit(self) -> SamplingSettings:
        if self.min_tokens > self.max_tokens:
            raise ValueError(f"min_tokens {self.min_tokens} is above max_tokens {self.max_tokens}; lower it")
        return self

    endpoint: EndpointSettings = Field(default=EndpointSettings(), description="The servers of the engine `endpoint`.")

    @model_validator(mode="after")
    def _endpoint_is_somewhere(self) -> Self:
        if self.engine == "endpoint" and not (self.endpoint.addresses or self.endpoint.launch):
            raise ValueError("engine 'endpoint': give endpoint.addresses of running servers, or endpoint.launch")
        if self.engine == "endpoint" and (self.quantization != "none" or self.adapter != "merged"):
            raise ValueError("engine 'endpoint': its servers quantise, or put an adapter beside; say so in endpoint.launch")
        return self
