"""Expectations of one's own: Great Expectations classes by name, over the columns of the suites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.plugins import load_plugin
from tasks.validate.codes import ROW_CODES, WHOLE_CODES
from tasks.validate.measures import MEASURES
from tasks.validate.settings import ExpectationSettings, ValidationSettings, known

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

ACCEPTED = "accepted"
_ONE_COLUMN, _SEVERAL_COLUMNS = ("column", "column_A", "column_B"), ("column_list", "column_set")
# Fields of every expectation that are not for a profile to set: bookkeeping, and how much of a column's values is shown.
_OURS = {"id", "meta", "result_format", "catch_exceptions", "rendered_content", "severity", "windows", "batch_id"}


def suite_columns(kind: str) -> list[str]:
    """The columns of a suite: a verdict a code (true: the row passes), `accepted`, and what can be measured."""
    return [*ROW_CODES[kind], *WHOLE_CODES[kind], ACCEPTED, *MEASURES[kind]]


def own_expectations(settings: ValidationSettings, kind: str) -> list[ExpectationSettings]:
    """The expectations of a profile that belong to the suite of a kind."""
    return [wish for wish in settings.expectations if kind in _kinds(wish)]


def wanted_measures(settings: ValidationSettings, kind: str) -> list[str]:
    """The columns that must be measured for them."""
    named = {column for wish in own_expectations(settings, kind) for column in _columns(wish)}
    return [column for column in MEASURES[kind] if column in named]


def check_expectation(wish: ExpectationSettings) -> None:
    """Raise `ConfigurationError` when an expectation could not run, with the nearest name of what is unknown in it."""
    columns = _columns(wish)
    for column in columns:
        known("column", column, {name for kind in _asked(wish) for name in suite_columns(kind)})
    if not _kinds(wish):
        raise ConfigurationError(f"{wish.expectation}: no suite has all of the columns {', '.join(sorted(columns))}")


def build_expectation(wish: ExpectationSettings, meta: Mapping[str, Any] | None = None) -> Expectation:
    """The Great Expectations object. Raises `ConfigurationError`: an unknown class or argument, or a bad value."""
    found = _class(wish.expectation)
    fields = sorted(set(found.__fields__) - _OURS)
    given = wish.arguments | ({"column": wish.column} if wish.column else {})
    for name in given:
        known(f"argument of {wish.expectation}", name, fields)
    severity = "warning" if wish.severity == "warn" else "critical"
    try:
        return found(**given, severity=severity, meta=dict(meta or {}))
    except Exception as error:  # pydantic's own, and whatever somebody else's class raises
        raise ConfigurationError(f"{wish.expectation} does not take these arguments: {error}") from error


def _class(name: str) -> Any:
    import great_expectations.expectations as gxe

    if ":" in name:
        found = load_plugin("expectations", name)
    else:
        known("expectation", name, [each for each in dir(gxe) if _is_expectation(getattr(gxe, each))])
        found = getattr(gxe, name)
    if not _is_expectation(found):
        raise ConfigurationError(f"{name} is no subclass of great_expectations' Expectation; derive it from one")
    return found


def _is_expectation(found: Any) -> bool:
    import great_expectations.expectations as gxe

    return isinstance(found, type) and issubclass(found, gxe.Expectation) and found is not gxe.Expectation


def _asked(wish: ExpectationSettings) -> list[str]:
    return list(ROW_CODES) if wish.rows == "any" else [wish.rows]


def _kinds(wish: ExpectationSettings) -> list[str]:
    columns = _columns(wish)
    return [kind for kind in _asked(wish) if columns <= set(suite_columns(kind))]


def _columns(wish: ExpectationSettings) -> set[str]:
    """The columns an expectation is about; its class may name them by itself."""
    built = build_expectation(wish)
    named = [getattr(built, name, None) for name in _ONE_COLUMN]
    for name in _SEVERAL_COLUMNS:
        several = getattr(built, name, None)
        named += several if isinstance(several, list | tuple | set) else []
    return {column for column in named if isinstance(column, str)}
