"""The Prefect block of a model endpoint: where it is, which model answers there, and who may ask."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class WinnowEndpoint(Block):
    """An OpenAI-compatible endpoint. Save one, and give a setting that asks for an endpoint ``block:NAME``.

    Prefect keeps the key encrypted; it is shown nowhere, and reaches no cache key and no manifest.
    """

    _block_type_name = "Winnow Endpoint"
    _block_type_slug = "winnow-endpoint"

    # No '@' and no query: a password or key in an address would be shown wherever the address is.
    base_url: str = Field(description="Address up to the version: https://host/v1.", pattern=r"^https?://[^\s@?#]+$")
    model: str = Field(description="Name of the model there.", min_length=1)
    api_key: SecretStr | None = Field(default=None, description="Key; empty where the endpoint asks for none.")
    time_limit: float = Field(default=60.0, ge=0.1, le=3600, description="Seconds one question may take.")
    concurrency: int = Field(default=8, ge=1, le=256, description="Questions under way at once.")
