"""Records of any format → rows, as a stream: each record becomes one row or several, or exactly one fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from tasks.data.formats.format import Convert, Format, Unconvertible, plain
from tasks.data.formats.own import OWN
from tasks.data.records import Fault, Record
from tasks.runtime.errors import ConfigurationError, UnknownPluginError
from tasks.runtime.plugins import load_plugin, plugin_names
from tasks.runtime.rows import Row


def format_names() -> list[str]:
    """The registered formats and our own kinds of rows, sorted."""
    return sorted({*plugin_names("formats"), *OWN})


def kind_of(name: str) -> str:
    """The kind of the rows that a format makes: ``chat``, ``prompts``, or an own kind's name.

    Raises:
        UnknownPluginError: no such format; the message lists those that are. ConfigurationError: a function that does not
        say what its columns are.
    """
    return about(name).kind


def about(name: str) -> Format:
    """A format's columns. Raises like `kind_of`."""
    return OWN[name] if name in OWN else _function(name)[1]


@cache
def _function(name: str) -> tuple[Convert, Format]:
    if ":" not in name and name not in plugin_names("formats"):
        raise UnknownPluginError(
            f"no format is called {name!r}; known: {', '.join(format_names())}; or give 'package.module:function'"
        )
    function = load_plugin("formats", name)
    described = getattr(function, "about", None)
    if not isinstance(described, Format):
        raise ConfigurationError(f"format {name!r} does not say what its columns are; decorate it with formats.format.columns")
    return function, described


def convert(name: str, records: Iterable[Record | Fault], source: str) -> Iterator[Row | Fault]:
    """The rows of records, in order. Nothing that stands in a record raises.

    Rows of an own kind are passed on as they are, whatever they are: their checks come later. For all others:

    - `id`: the record's own, or ``{source}-{number}``; several rows of one record: ``{id}/0``, ``{id}/1`` …
    - `source`: the record's column of that name, or `source`;
    - `metadata`: every column that the row does not say already. Nulls and NaN are left out, dates become text.

    Args:
        name: a registered format, an own kind, or ``package.module:function``.
        records: what a source yields; a fault is passed on.
        source: what the rows are called after (a file's stem, a data set's name).

    Raises:
        UnknownPluginError, ConfigurationError: at once; see `kind_of`.
    """
    if name in OWN:
        return (record if isinstance(record, Fault) else record.value for record in records)
    function, described = _function(name)
    return _converted(function, described, described.gather(records) if described.gather else records, source)


def _converted(function: Convert, described: Format, records: Iterable[Record | Fault], source: str) -> Iterator[Row | Fault]:
    for number, record in enumerate(records, 1):
        if isinstance(record, Fault):
            yield record
            continue
        try:
            rows = _rows(function, described, record.value, source, number)
        except Unconvertible as problem:
            yield Fault(problem.code, record.place, problem.detail, record.value)
        except RecursionError:
            yield Fault("field_type", record.place, "nested too deep", record.value)
        except Exception as error:  # somebody else's format may fail in any way on a record
            detail = f"the format {function.__name__} failed on it with {type(error).__name__}"
            yield Fault("broken_row", record.place, detail, record.value)
        else:
            yield from rows


def _rows(function: Convert, described: Format, record: Any, source: str, number: int) -> list[Row]:
    if not isinstance(record, dict):
        raise Unconvertible("not_an_object", f"a {type(record).__name__}")
    if missing := described.missing(record):
        if missing in described.needs:
            raise Unconvertible("format_mismatch", f"none of the columns {', '.join(sorted(missing))}")
        raise Unconvertible("field_missing", f"no {' and no '.join(sorted(missing))}")
    rows = list(function(record))
    if not rows:
        raise Unconvertible("nothing_converted", "no conversation in it")
    named, rest = _shared(described, record, source, number)
    for index, row in enumerate(rows):
        if "id" not in row:
            row["id"] = named["id"] if len(rows) == 1 else f"{named['id']}/{index}"
        if described.kind == "chat":
            row.setdefault("source", named["source"])
        if "family" in named:
            row.setdefault("family", named["family"])
        if metadata := rest | row.get("metadata", {}):
            row["metadata"] = metadata
    return rows


def _shared(described: Format, record: dict[str, Any], source: str, number: int) -> tuple[dict[str, str], Row]:
    """What all rows of a record have: their names, and the columns that nothing else says."""
    named = {"source": source}
    rest: Row = {}
    for column, value in record.items():
        if value is None or column in described.uses:
            continue
        if column in described.ids:
            if "id" not in named:
                named["id"] = _identifier(record, described)
            if str(value) != named["id"] and str(value).strip():
                rest[column] = plain(value)
        elif column == described.family and isinstance(value, str) and value.strip():
            named["family"] = value
        elif column == "source" and isinstance(value, str) and value.strip():
            named["source"] = value
        elif column == "metadata" and isinstance(value, dict):
            rest = plain(value) | rest
        elif (known := plain(value)) is not None:
            rest[column] = known
    if not named.get("id"):
        named["id"] = f"{source}-{number}"
    return named, rest


def _identifier(record: dict[str, Any], described: Format) -> str:
    for column in described.ids:
        value = record.get(column)
        if isinstance(value, str):
            if value.strip():
                return value
        elif isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        elif value is not None:
            raise Unconvertible("field_type", f"{column} is a {type(value).__name__}, not text")
    return ""
