"""Rows on disk: zstd Parquet shards with one schema a kind, written and read as streams.

The fields are those every plug-in may rely on (DESIGN, section 4). Free-form parts (`messages`, `metadata`) that a
columnar file would pad with nulls are kept as JSON text in the file and as data in the row.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.runtime.errors import ContractError

Row = dict[str, Any]

STATES = ("accepted", "rejected", "answer_unparsable", "reference_unparsable", "timed_out", "error")
IGNORED = -100  # the label of a token that is not trained: torch's and transformers' own number
ROWS_PER_SHARD = 50_000
_BATCH = 2_000
# A label row may be a pack of thousands of tokens, each a Python number in three or four lists.
_LABEL_BATCH = 200

_text, _int, _float = pa.string(), pa.int64(), pa.float64()
_turns = pa.list_(pa.struct([("role", _text), ("content", _text)]))
_chat = {
    "id": _text,
    "messages": _text,
    "source": _text,
    "family": _text,
    "tools": _text,
    "weight": _float,  # in the loss; 1 where there is none
    "metadata": _text,
}

SCHEMAS: dict[str, pa.Schema] = {
    kind: pa.schema(list(fields.items()))
    for kind, fields in {
        "chat": _chat,
        "prompts": {
            "id": _text,
            "messages": _text,
            "reference": _text,
            "verifier": _text,
            "family": _text,
            "metadata": _text,
        },
        "labels": {
            "id": _text,
            "input_ids": pa.list_(pa.int32()),
            "labels": pa.list_(pa.int32()),
            "position_ids": pa.list_(pa.int32()),
            "loss_weights": pa.list_(pa.float32()),
            "weight": _float,
            "members": pa.list_(_text),
        },
        "samples": {
            "sample_id": _text,
            "prompt_id": _text,
            "draw": _int,
            "round": _int,
            "policy": _text,
            "seed": _int,
            "temperature": _float,
            "text": _text,
            "token_count": _int,
            "logprob": _float,
            "sampling_logprob": _float,
            "finish_reason": _text,
        },
        "verdicts": {
            "sample_id": _text,
            "verifier": _text,
            "verifier_version": _text,
            "state": _text,
            "score": _float,
            "reason": _text,
        },
        # Decayed counts of a prompt's draws and accepted answers over the nights (tasks/select/pass_rates.py).
        # `unsolved`: its draws since the last accepted one, which do not decay.
        "pass_rates": {"prompt_id": _text, "draws": _float, "accepted": _float, "unsolved": _float},
        # The draws of one wave: `count` of a prompt, numbered from `first` (tasks/sample/budget/waves.py), at a temperature of
        # their own or the settings', by the model whose digest is `policy` or by whichever is asked.
        # `place`: the prompt's number among the prompts, where rows come in the prompts' order: a shard reads only its own.
        "requests": {
            "prompt_id": _text,
            "first": _int,
            "count": _int,
            "temperature": _float,
            "policy": _text,
            "place": _int,
        },
        # TRL's conversational preference format, whose columns are messages and not JSON text (tasks/select/pairs.py).
        "preferences": {
            "id": _text,
            "prompt": _turns,
            "chosen": _turns,
            "rejected": _turns,
            "score_chosen": _float,
            "score_rejected": _float,
            "prompt_id": _text,
            "sample_chosen": _text,
            "sample_rejected": _text,
            "family": _text,
        },
        "scores": {
            "item_id": _text,
            "family": _text,
            "score": _float,
            "state": _text,
            "sample_id": _text,
        },
    }.items()
}
JSON_FIELDS = {"messages", "tools", "metadata"}


def write_rows(folder: Path, kind: str, rows: Iterable[Mapping[str, Any]], rows_per_shard: int = ROWS_PER_SHARD) -> int:
    """Write `rows` as ``rows-00000.parquet`` … into `folder`; memory holds one batch. Returns the number of rows.

    No rows still make one empty shard, so that "nothing" is an artifact like any other.

    Raises:
        ContractError: a field the kind does not have, or a value of the wrong type, naming the row.
    """
    schema, stream, shard, total = SCHEMAS[kind], iter(rows), 0, 0
    size = _LABEL_BATCH if kind == "labels" else _BATCH
    while True:
        written = 0
        with pq.ParquetWriter(folder / f"rows-{shard:05d}.parquet", schema, compression="zstd") as writer:
            while written < rows_per_shard:
                batch = list(islice(stream, min(size, rows_per_shard - written)))
                if not batch:
                    break
                writer.write_table(_table(batch, kind, schema, total + written))
                written += len(batch)
        total += written
        if written < rows_per_shard:
            if written == 0 and shard > 0:
                (folder / f"rows-{shard:05d}.parquet").unlink()
            return total
        shard += 1


def _table(batch: list[Mapping[str, Any]], kind: str, schema: pa.Schema, first: int) -> pa.Table:
    known = set(schema.names)
    encoded = []
    for offset, row in enumerate(batch):
        if unknown := set(row) - known:
            raise ContractError(f"{kind} row {first + offset}: unknown fields {sorted(unknown)}; known: {schema.names}")
        encoded.append({name: _encoded(kind, first + offset, name, value) for name, value in row.items()})
    try:
        return pa.Table.from_pylist(encoded, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as error:
        raise ContractError(f"{kind} rows {first}–{first + len(batch) - 1}: {error}") from error


def _encoded(kind: str, index: int, name: str, value: Any) -> Any:
    if name not in JSON_FIELDS or value is None:
        return value
    try:
        # In the order given: a template writes a tool's parameters, and a call's arguments, as they come.
        return json.dumps(value, ensure_ascii=False, sort_keys=name == "metadata")
    except (TypeError, ValueError) as error:
        raise ContractError(f"{kind} row {index}: {name} is not JSON data ({error})") from error


def read_rows(folder: Path, columns: list[str] | None = None, span: tuple[int, int] | None = None) -> Iterator[Row]:
    """The rows of every shard in order, `metadata` and `messages` decoded, absent optional fields left out.

    Args:
        columns: these alone; None: all.
        span: (first, end): rows from number `first` to `end` − 1 alone, counted over all shards; what lies outside is not
            read, but for the rest of the row groups (of 2,000 rows) that it begins and ends in.
    """
    start, end = span or (0, sys.maxsize)
    for shard in sorted(folder.glob("rows-*.parquet")):
        with pq.ParquetFile(shard) as file:
            inside = _groups(file, start, end)
            size = _LABEL_BATCH if "input_ids" in file.schema_arrow.names else _BATCH
            skipped = sum(file.metadata.row_group(group).num_rows for group in range(inside.start))
            batches = file.iter_batches(batch_size=size, row_groups=inside, columns=columns) if inside else ()
            rows = (row for batch in batches for row in batch.to_pylist())
            for row in islice(rows, max(0, start - skipped), max(0, end - skipped)):
                yield {
                    name: json.loads(value) if name in JSON_FIELDS else value
                    for name, value in row.items()
                    if value is not None
                }
            start, end = start - file.metadata.num_rows, end - file.metadata.num_rows
        if end <= 0:
            return


def _groups(file: pq.ParquetFile, start: int, end: int) -> range:
    """The row groups of a file that hold a row from number `start` to `end` − 1."""
    first = last = begin = 0
    for group in range(file.metadata.num_row_groups):
        after = begin + file.metadata.row_group(group).num_rows
        if after <= start:
            first = group + 1
        if begin < end:
            last = group + 1
        begin = after
    return range(first, max(first, last))
