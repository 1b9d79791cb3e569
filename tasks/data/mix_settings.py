"""What a mix is made of: its sources, which rows are left out of it, and which part is held out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.runtime.fingerprint import Unkeyed

# An address says where, not what: what it holds is loaded into an artifact first, whose digest is in the tasks' keys.
Address = Annotated[str, Unkeyed()]
Scope = Literal["off", "prompt", "conversation"]


class MixSource(BaseModel):
    """One source, and how much of it."""

    model_config = ConfigDict(extra="forbid")

    address: Address = Field(
        min_length=1, description="A file, folder or pattern, local or s3://, or hf:org/name, in any known format."
    )
    name: str = Field(
        "",
        max_length=100,
        pattern=r"^[\w.-]*$",
        description="Its rows are called name/id, and get this name as their source; empty: as they are called already.",
    )
    weight: float = Field(
        0, ge=0, le=1e6, description="Its share of the rows, relative to the others' weights; 0 for all sources: no shares."
    )
    cap: int = Field(0, ge=0, le=1_000_000_000, description="Most rows from it; 0: no limit.")


class DuplicateSettings(BaseModel):
    """Which rows count as said already. Equal conversations always do; the first source's row stays."""

    model_config = ConfigDict(extra="forbid")

    near: Scope = Field(
        "conversation",
        description="Leave out near duplicates by what whole conversations say, or by what the user says (prompt); or off.",
    )
    threshold: float = Field(0.8, ge=0.3, le=1, description="Jaccard similarity from which two rows are near duplicates.")
    ngram: int = Field(5, ge=1, le=20, description="Words in a row that are compared; single characters in Chinese, Thai ….")


class DecontaminationSettings(BaseModel):
    """When a row gives an evaluation item away. The defaults are GPT-3's; Tulu 3 has ngram 8 and covered 0.5."""

    model_config = ConfigDict(extra="forbid")

    against: list[Address] = Field([], max_length=100, description="Evaluation sets: addresses of prompt or chat rows.")
    ngram: int = Field(13, ge=5, le=50, description="Words in a row that a row and a question must share.")
    covered: float = Field(
        0, ge=0, lt=1, description="Leave a row out when it shares more than this share of the question's words."
    )
    common: int = Field(
        10, ge=1, le=1_000_000, description="Words in a row that more questions than this have are no question's own."
    )


class SplitSettings(BaseModel):
    """What is held out: whole groups, so that no prompt is on both sides."""

    model_config = ConfigDict(extra="forbid")

    share: float = Field(0, ge=0, lt=1, description="Share of the groups; a group never moves when rows are added.")
    rows: int = Field(0, ge=0, le=100_000_000, description="Or a number of rows, at most, as near as whole groups come.")

    @model_validator(mode="after")
    def _one_of_both(self) -> SplitSettings:
        if self.share and self.rows:
            raise ValueError("give a share or a number of rows to hold out, not both")
        return self

    @property
    def wanted(self) -> bool:
        return bool(self.share or self.rows)


class MixSettings(BaseModel):
    """A mix. The order of the sources is the order of preference: of equal rows, the first source's stays."""

    model_config = ConfigDict(extra="forbid")

    sources: list[MixSource] = Field([], max_length=1000, description="Where the rows come from.")
    rows: int = Field(
        0, ge=0, le=1_000_000_000, description="Most rows; 0: as many as the shares allow, until a source is used up."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Fixes which rows are taken, their order and what is held out.")
    duplicates: DuplicateSettings = Field(DuplicateSettings(), description="Which rows count as said already.")
    decontamination: DecontaminationSettings = Field(
        DecontaminationSettings(), description="When a row gives an evaluation item away."
    )
    held_out: SplitSettings = Field(SplitSettings(), description="What is put aside for measuring.")

    @model_validator(mode="after")
    def _weights_for_all_or_none(self) -> MixSettings:
        weighted = [source.weight > 0 for source in self.sources]
        if any(weighted) and not all(weighted):
            raise ValueError("give every source a weight, or none")
        names = [source.name for source in self.sources if source.name]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        return self
