"""The state that a night leaves for the next one: whole or not at all, one file a night."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.registry.records import file_of, folder_of, numbers_in, read_one
from tasks.runtime.errors import MissingArtifactError
from tasks.runtime.references import DatasetRef, ModelRef
from tasks.runtime.store import Store


class NightRows(BaseModel):
    """The accepted rows (kind ``chat``) that one night added."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    night: int = Field(ge=1)
    rows: list[DatasetRef]


class NightState(BaseModel):
    """Everything a later night continues from; complete by itself, so that no older state is needed beside it.

    Attributes:
        night: 1, 2, …
        lineage: its name.
        base: the model that training starts from.
        head: the lineage head, which the next night samples from.
        warm_rows: SFT rows of the warm start (kind ``chat``); None when there was none.
        window: accepted rows of past nights, this one included, oldest first.
        pass_rates: what is known of the prompts' difficulty (kind ``pass_rates``).
        training_prompts: those of all nights so far (kind ``prompts``); no later night evaluates on their questions.
        looks_spent: gates decided so far (from the history, which has the last word).
        champion: the champion's version after the night.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    night: int = Field(ge=1)
    lineage: str
    base: ModelRef
    head: ModelRef
    warm_rows: DatasetRef | None = None
    window: list[NightRows] = Field(default_factory=list)
    pass_rates: DatasetRef | None = None
    training_prompts: list[DatasetRef] = Field(default_factory=list)
    looks_spent: int = Field(default=0, ge=0)
    champion: int = Field(ge=1)

    @model_validator(mode="after")
    def _window_in_order(self) -> NightState:
        nights = [part.night for part in self.window]
        if nights != sorted(set(nights)) or any(night > self.night for night in nights):
            raise ValueError(f"the window's nights {nights} must ascend, without repeats, up to night {self.night}")
        return self


def save_night(store: Store, state: NightState) -> None:
    """Write a night's state whole or not at all; a night that is run again replaces its own.

    Raises:
        ConfigurationError: a bad lineage name. StoreUnwritableError, DiskFullError: what was there before still stands.
    """
    name = file_of(folder_of(state.lineage, "nights"), state.night)
    store.write_bytes(name, state.model_dump_json(indent=1).encode())


def load_night(store: Store, lineage: str, night: int) -> NightState:
    """The state that night `night` left. Raises `MissingArtifactError` or `CorruptArtifactError`."""
    folder = folder_of(lineage, "nights")
    try:
        return read_one(store, file_of(folder, night), NightState)
    except FileNotFoundError:
        known = ", ".join(map(str, numbers_in(store, folder))) or "none"
        raise MissingArtifactError(
            f"night {night} of lineage {lineage} has left no state in {store.uri} (nights there: {known}); run it first"
        ) from None


def last_night(store: Store, lineage: str) -> NightState | None:
    """The state of the latest night, or None before the first. Raises `CorruptArtifactError`."""
    numbers = numbers_in(store, folder_of(lineage, "nights"))
    return load_night(store, lineage, numbers[-1]) if numbers else None
