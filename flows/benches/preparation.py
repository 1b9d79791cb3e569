"""From a file of conversations to label rows, a million of them: the speed, and how much memory it takes."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from flows.benches.conversations import conversations
from flows.benches.rendering import two_calls
from flows.benches.workload import Workload, workload
from tasks.runtime.errors import WinnowError

LIMIT = 2 << 30
# The peer's speed does not depend on how many rows there are, and a million of them would take it a quarter of an hour.
PEER_ROWS = 20_000
_SPEAKERS = {"user": "human", "assistant": "gpt"}


def bench_preparation(count: int) -> Workload:
    """A ShareGPT file loaded, validated and rendered into Parquet shards; `ratio`: rows/s ours ÷ peer.

    The peer is `datasets`: its JSON loader, then `map` with the two calls a row (conversation, prefixes) that trainers make;
    it validates nothing, and is given the first `PEER_ROWS` rows. `peak_bytes` is ours alone, libraries included, and
    `limit_share` its share of 2 GiB.
    """
    from tasks.chat.tokenizer import load_tokenizer
    from tasks.runtime.home import winnow_home
    from tasks.runtime.memory import PeakMemory

    winnow_home().mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer("embedded")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=winnow_home()) as folder:
        source = Path(folder, "conversations.jsonl")
        _write(source, count)
        tokenizer.save_pretrained(Path(folder, "tokenizer"))
        peak = PeakMemory()
        peak.start()
        ours = _ours(source, count, Path(folder))
        peak.stop()
        peer = _peer(tokenizer, source, min(count, PEER_ROWS), Path(folder))
    return workload(
        f"load, validate, render {count:,} rows",
        ratio=(count / ours) / peer,
        ours=count / ours,
        peer=peer,
        unit="rows/s",
        limit_share=peak.peak_bytes / LIMIT,
        peak_bytes=peak.peak_bytes,
    )


def _write(path: Path, count: int) -> None:
    with path.open("w") as file:
        for row in conversations(count):
            turns = [{"from": _SPEAKERS[turn["role"]], "value": turn["content"]} for turn in row["messages"]]
            file.write(json.dumps({"id": row["id"], "conversations": turns}) + "\n")


def _ours(source: Path, count: int, folder: Path) -> float:
    """Seconds from the file to the label rows."""
    from tasks.chat.files import render_files
    from tasks.chat.settings import RenderSettings
    from tasks.chat.tokenizer import load_tokenizer
    from tasks.data.load import load
    from tasks.runtime.rows import write_rows
    from tasks.validate.facts import tokenizer_facts
    from tasks.validate.report import Inspection, refuse_bad

    chat, report, labels = (Path(folder, name) for name in ("chat", "report", "labels"))
    for made in (chat, report, labels):
        made.mkdir()
    started = time.monotonic()
    inspection = Inspection("chat", tokenizer_facts(load_tokenizer(folder / "tokenizer")), report)
    accepted = write_rows(chat, "chat", inspection.accepted(load(source).rows))
    refuse_bad(inspection.finish(), str(report))
    done = render_files([chat], accepted, folder / "tokenizer", RenderSettings(), labels)
    if done["counts"]["rows"] != count:
        raise WinnowError(f"only {done['counts']['rows']} of {count} sound rows were rendered: the figure would be wrong")
    return time.monotonic() - started


def _peer(tokenizer: Any, source: Path, count: int, folder: Path) -> float:
    """Rows/s of `datasets`."""
    import datasets

    from tasks.chat.render import end_of_turn_id

    roles = {speaker: role for role, speaker in _SPEAKERS.items()}
    end = end_of_turn_id(tokenizer)

    def prepare(record: dict[str, Any]) -> dict[str, Any]:
        turns = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in record["conversations"]]
        ids, labels = two_calls(tokenizer, {"messages": turns}, "assistant", end)
        return {"input_ids": ids, "labels": labels}

    datasets.disable_progress_bars()
    first = folder / "first.jsonl"
    with source.open() as lines, first.open("w") as out:
        out.writelines(line for _, line in zip(range(count), lines, strict=False))
    started = time.monotonic()
    rows = datasets.load_dataset("json", data_files=str(first), split="train", cache_dir=str(folder / "peer"))
    rows.map(prepare, remove_columns=rows.column_names, load_from_cache_file=False)
    return count / (time.monotonic() - started)
