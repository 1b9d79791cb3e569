"""``winnow registry``: the versions of a lineage, which one is champion, and moving that by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import emit

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.registry.records import Entry
    from tasks.runtime.store import Store

app = typer.Typer(help="The registry: versions, champion, history, promotion by hand, rollback.", no_args_is_help=True)

Lineage = Annotated[str | None, typer.Option(help="The lineage; may be left out when the registry has one only.")]
StoreUri = Annotated[str | None, typer.Option(help="A folder or s3://bucket/prefix; default: the store under the home.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Expected = Annotated[int | None, typer.Option(min=1, help="Refuse unless this version is champion now.")]


@app.command("list")
def list_(lineage: Lineage = None, store: StoreUri = None, json: Json = False) -> None:
    """All versions of a lineage (or of every lineage), and which is champion."""
    from tasks.registry.ledger import champion
    from tasks.registry.versions import lineages, versions

    place = _store(store)
    found: list[dict[str, Any]] = []
    rows: list[tuple[Any, ...]] = []
    for name in [lineage] if lineage else lineages(place):
        served = champion(place, name)
        number = served.version if served else None
        known = versions(place, name)
        rows += [(name, "★" * (v.version == number), v.version, v.model.digest[:12], v.at) for v in known]
        listed = [version.model_dump(mode="json") for version in known]
        found.append({"lineage": name, "champion": number, "versions": listed})
    columns = ("lineage", "champion", "version", "model", "registered")
    emit({"lineages": found}, json, _table(columns, rows) if rows else "The registry is empty: run a flow first.")


@app.command()
def show(
    version: Annotated[int | None, typer.Argument(help="The version; default: the champion.")] = None,
    lineage: Lineage = None,
    store: StoreUri = None,
    json: Json = False,
) -> None:
    """One version: its model, where it lies and where it comes from."""
    from tasks.registry.ledger import champion
    from tasks.registry.versions import version_of
    from tasks.runtime.errors import MissingArtifactError

    place, name = _place(store, lineage)
    served = champion(place, name)
    found = served if version is None else version_of(place, name, version)
    if found is None:
        raise MissingArtifactError(f"lineage {name} has no champion yet; run a flow, or name a version")
    data = found.model_dump(mode="json")
    data |= {"lineage": name, "champion": served is not None and served.version == found.version}
    data["path"] = f"{place.uri}/{found.model.uri}"
    emit(data, json)


@app.command()
def history(lineage: Lineage = None, store: StoreUri = None, json: Json = False) -> None:
    """Everything that happened to the champion, refusals included, and how often the error budget was drawn on."""
    from tasks.registry import ledger

    place, name = _place(store, lineage)
    log = ledger.history(place, name)
    rows = [(e.seq, e.at, e.event, e.version, "" if e.previous is None else e.previous, e.reason) for e in log]
    entries = [entry.model_dump(mode="json") for entry in log]
    columns = ("#", "when", "event", "version", "champion before", "why")
    emit({"lineage": name, "looks_spent": ledger.looks_spent(log), "entries": entries}, json, _table(columns, rows))


@app.command()
def promote(
    version: Annotated[int, typer.Argument(help="The version to make champion.")],
    reason: Annotated[str, typer.Option(help="Why; the history shows it.")],
    expected: Expected = None,
    lineage: Lineage = None,
    store: StoreUri = None,
    json: Json = False,
) -> None:
    """Make a version champion by hand, past the gate."""
    from tasks.registry import ledger

    place, name = _place(store, lineage)
    _say(ledger.promote(place, name, version, reason, expected), name, json)


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option(min=1, help="An earlier champion; default: the one before.")] = None,
    reason: Annotated[str, typer.Option(help="Why; the history shows it.")] = "",
    expected: Expected = None,
    lineage: Lineage = None,
    store: StoreUri = None,
    json: Json = False,
) -> None:
    """Give the place back to an earlier champion."""
    from tasks.registry import ledger

    place, name = _place(store, lineage)
    _say(ledger.rollback(place, name, to, expected, reason), name, json)


def _store(uri: str | None) -> Store:
    from tasks.runtime.home import default_store
    from tasks.runtime.store import Store

    return Store(uri or default_store())


def _place(uri: str | None, lineage: str | None) -> tuple[Store, str]:
    from tasks.registry.versions import lineages
    from tasks.runtime.errors import ConfigurationError

    store = _store(uri)
    known = lineages(store)
    if lineage is None and len(known) == 1:
        return store, known[0]
    if lineage not in known:
        have = f"it has {', '.join(known)}" if known else "it has none yet: run a flow first, or give another --store"
        asked = f"no lineage {lineage!r}" if lineage else "--lineage is needed"
        raise ConfigurationError(f"{asked} in the registry of {store.uri}; {have}")
    return store, lineage


def _say(entry: Entry, lineage: str, as_json: bool) -> None:
    text = f"Version {entry.version} is champion of {lineage} (history entry {entry.seq}, {entry.event})."
    emit({"lineage": lineage, **entry.model_dump(mode="json")}, as_json, text)


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row))
    return table
