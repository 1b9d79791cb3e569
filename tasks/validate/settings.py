"""Settings of the validation; they become the form in the Prefect UI."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tasks.runtime.errors import ConfigurationError
from tasks.validate.codes import CODES, SEVERITIES, UNUSABLE

Severity = Literal["refuse", "warn"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]


class ExpectationSettings(BaseModel):
    """An expectation of one's own, on the verdict and measured columns of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expectation: str = Field(
        min_length=1,
        max_length=200,
        description="A class of great_expectations.expectations by its name, or 'package.module:Class'.",
    )
    column: str = Field(
        "", max_length=64, description="The column it is about; empty for one about the table, or several columns."
    )
    arguments: dict[str, Any] = Field({}, description="Its other arguments (min_value, value_set, mostly …).")
    rows: Literal["any", "chat", "prompts", "labels", "samples"] = Field(
        "any", description="The suite it belongs to; any: each suite that has its columns."
    )
    severity: Severity = Field("refuse", description="refuse: it stops the run when not met; warn: it is only shown.")


class ValidationSettings(BaseModel):
    """What counts as a bad row, and how many of them a dataset may have before the run stops.

    Raises:
        ConfigurationError: a code, language, expectation, column or argument that does not exist, with the nearest one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rejected_share: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="Rejected rows are put aside; when more than this share of a dataset is rejected, the run stops.",
    )
    severity: dict[str, Severity] = Field(
        {}, description="Code → refuse (such rows are rejected, the default) or warn (counted and shown, but kept)."
    )
    allowed: dict[str, Share] = Field(
        {}, description="Code → share of rows that may have it, where it is not max_rejected_share (0 for a warning)."
    )
    max_tokens: int = Field(0, ge=0, le=1_048_576, description="Rows with more tokens are rejected; 0: of any length.")
    min_tokens: int = Field(0, ge=0, le=1_048_576, description="Rows with fewer tokens are rejected.")
    languages: list[Language] = Field(
        [],
        max_length=140,
        description="ISO 639 codes (en, de …): text clearly in another language is rejected; empty: any language.",
    )
    min_trained_share: float = Field(0.0, ge=0.0, le=1.0, description="Least share of a label row's tokens that are trained.")
    max_trained_share: float = Field(1.0, ge=0.0, le=1.0, description="Largest share of a label row's tokens that are trained.")
    expectations: list[ExpectationSettings] = Field(
        [], max_length=100, description="Great Expectations of your own, beside those of the suites."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for code in {**self.severity, **self.allowed}:
            known("code", code, CODES)
        for code, severity in self.severity.items():
            if severity == "warn" and code in UNUSABLE:
                raise ConfigurationError(f"rows with {code} cannot be used, so it cannot be a warning; allow a share instead")
        for low, high in (("min_tokens", "max_tokens"), ("min_trained_share", "max_trained_share")):
            if getattr(self, high) and getattr(self, low) > getattr(self, high):
                raise ConfigurationError(f"{low} is larger than {high}; no row could pass")
        if self.languages:
            from tasks.validate.languages import known_languages

            for language in self.languages:
                known("language", language, known_languages())
        if self.expectations:
            from tasks.validate.expectations import check_expectation

            for expectation in self.expectations:
                check_expectation(expectation)
        return self

    def severity_of(self, code: str) -> str:
        """``refuse`` or ``warn``."""
        return self.severity.get(code) or SEVERITIES.get(code, "refuse")

    def allowed_share(self, code: str) -> float:
        """The share of rows, 0–1, that may have a code before the run stops, or before the warning shows."""
        return self.allowed.get(code, 0.0 if self.severity_of(code) == "warn" else self.max_rejected_share)


def known(what: str, name: str, names: Iterable[str]) -> None:
    """Raise `ConfigurationError` with the nearest name unless `name` is one of `names`."""
    choices = sorted(names)
    if name not in choices:
        near = get_close_matches(name, choices, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(choices)}"
        raise ConfigurationError(f"{what} {name!r} is unknown; {hint}")
