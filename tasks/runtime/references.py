"""References: what tasks pass to each other instead of rows, tensors or models.

A reference names an immutable folder in the artifact store by its content. Its ``uri`` is relative to the store, so the
same reference means the same thing on another machine that mounts the store elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

DatasetKind = Literal["chat", "prompts", "labels", "samples", "verdicts", "scores", "pass_rates", "requests"]


class Ref(BaseModel):
    """What all references have.

    Attributes:
        kind: which rows, a model or a report; the classes below narrow it.
        uri: the folder, relative to the store's root.
        digest: sha256 (hex) over the names and digests of the folder's files: equal content, equal digest.
        counts: how many rows, files, tokens … (plain numbers, for tables).
        metadata: a little JSON for readers; never needed to find or check the content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    uri: str
    digest: str
    counts: dict[str, int] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.counts["rows"]


class DatasetRef(Ref):
    """Rows in zstd Parquet shards; `kind` says which of the row formats."""

    kind: DatasetKind


class ModelRef(Ref):
    """A folder that `transformers` loads: weights as safetensors, tokenizer, chat template."""

    kind: Literal["model"] = "model"


class ReportRef(Ref):
    """Something for people or for a decision: Data Docs, a gate's decision, the page of a run."""

    kind: Literal["report"] = "report"


AnyRef = Annotated[DatasetRef | ModelRef | ReportRef, Field(discriminator="kind")]
_ANY_REF: TypeAdapter[Any] = TypeAdapter(AnyRef)


def parse_ref(data: Any) -> DatasetRef | ModelRef | ReportRef:
    """JSON data → the reference it describes. Raises pydantic's `ValidationError` for anything else."""
    return _ANY_REF.validate_python(data)  # type: ignore[no-any-return]


def ref_class(kind: str) -> type[Ref]:
    """The reference class for an artifact kind."""
    special: dict[str, type[Ref]] = {"model": ModelRef, "report": ReportRef}
    return special.get(kind, DatasetRef)
