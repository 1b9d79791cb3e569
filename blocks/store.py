"""The Prefect block of an artifact store: where it is, and who may reach it."""

from __future__ import annotations

from typing import Any

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class WinnowStore(Block):
    """Where Winnow keeps its artifacts. Save one, and give a run the store ``block:NAME``.

    Prefect keeps the secrets encrypted; they are shown nowhere and reach no manifest.
    """

    _block_type_name = "Winnow Store"
    _block_type_slug = "winnow-store"

    uri: str = Field(description="A folder, or s3://bucket/prefix.", min_length=1)
    endpoint_url: str | None = Field(
        default=None, description="Address of an S3 server other than AWS: http://host:port.", pattern="^https?://"
    )
    key: SecretStr | None = Field(default=None, description="Access key id; empty: from the environment.")
    secret: SecretStr | None = Field(default=None, description="Secret access key; empty: from the environment.")
    region: str | None = Field(default=None, description="Region; empty: from the environment.")

    def fsspec_options(self) -> dict[str, Any]:
        """What `fsspec.filesystem` takes for this address, secrets in plain text: for calling it, not for keeping."""
        options: dict[str, Any] = {"endpoint_url": self.endpoint_url}
        options["key"] = self.key.get_secret_value() if self.key else None
        options["secret"] = self.secret.get_secret_value() if self.secret else None
        options["client_kwargs"] = {"region_name": self.region} if self.region else None
        return {name: value for name, value in options.items() if value}
