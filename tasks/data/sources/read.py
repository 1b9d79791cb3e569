"""One reader for every source: an address in, records and faults out, one at a time.

A broken record (a line that is no JSON, a row with a cell too many) is a `Fault` and the reading goes on. A broken file
(missing, cut off, not what its ending says) raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path

from tasks.data.records import Fault, Record
from tasks.data.sources.hub import HubAddress, hub_records, parse_address, saved_files
from tasks.data.sources.json_documents import document_records
from tasks.data.sources.json_lines import line_records
from tasks.data.sources.places import SourceFile, file_type, open_file, open_seekable, reading, source_files
from tasks.data.sources.tables import arrow_records, csv_records, parquet_records
from tasks.runtime.errors import ConfigurationError

_READERS: dict[str, Callable[[BufferedReader, str], Iterator[Record | Fault]]] = {
    "lines": line_records,
    "json": document_records,
    "csv": csv_records,
    "parquet": parquet_records,
    "arrow": arrow_records,
}


def read_records(address: str | Path) -> Iterator[Record | Fault]:
    """Everything an address holds, in order, streamed: memory does not grow with the number of records.

    Args:
        address: a file, a folder or a pattern, local or of any fsspec protocol (``s3://bucket/folder/*.jsonl.gz``), as
            JSON lines, JSON, CSV, Parquet or Arrow; an artifact's folder; a `save_to_disk` folder; or a data set on the
            hub (``hf:org/name?split=train``).

    Raises:
        DataError: missing, unreadable or broken. ConfigurationError: an ending nobody reads. PassingFaultError: a server
        that did not answer.
    """
    parsed = parse_address(str(address))
    with reading(str(address)):
        files = saved_files(parsed)
    if parsed.on_hub or files is not None:
        yield from hub_records(parsed, files)
        return
    _refuse_options(parsed)
    for file in source_files(parsed.base):
        yield from _file_records(file)


def _file_records(file: SourceFile) -> Iterator[Record | Fault]:
    kind = file_type(file)
    opened = open_seekable if kind in ("parquet", "arrow") else open_file
    with reading(file.name), opened(file) as stream:
        yield from _READERS[kind](stream, file.name)


def _refuse_options(address: HubAddress) -> None:
    if address.split or address.config or address.revision:
        raise ConfigurationError(
            f"{address.base} has no splits, configurations or revisions: those are a Hugging Face data set's (hf:org/name, "
            "or a folder that save_to_disk wrote); leave out what stands after the ?"
        )
