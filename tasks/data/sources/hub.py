"""Hugging Face data sets: by their id on the hub, or as `save_to_disk` left them; always streamed through `datasets`.

``hf:org/name?split=train&config=main&revision=abc`` with any of the three or none; a saved folder takes ``?split=``.
``hf:FOLDER`` reads a folder of data files by the rules of `datasets` (splits by file names).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tasks.data.records import Fault, Record
from tasks.data.sources.places import file_system, reading
from tasks.data.sources.tables import BATCH, batch_records
from tasks.runtime.errors import ConfigurationError, DataError, WinnowError

PREFIX = "hf:"
_OPTIONS = re.compile(r"\?((?:split|config|revision)=[^?]*)$")
_DEFAULT_SPLIT = "train"


@dataclass(frozen=True)
class HubAddress:
    """An address of a data set in its parts; empty: not given.

    Attributes:
        base: what stands before the options.
    """

    base: str
    split: str = ""
    config: str = ""
    revision: str = ""

    @property
    def on_hub(self) -> bool:
        return self.base.startswith(PREFIX) and not self.base.startswith(f"{PREFIX}//")

    @property
    def name(self) -> str:
        """``org/name``, or the folder."""
        return self.base.removeprefix(PREFIX) if self.on_hub else self.base


def parse_address(address: str) -> HubAddress:
    """The parts of an address. Raises `ConfigurationError` for an option there is none of, or given twice."""
    if not (found := _OPTIONS.search(address)):
        return HubAddress(address)
    options = parse_qsl(found[1], keep_blank_values=True)
    if len(dict(options)) < len(options) or set(dict(options)) - {"split", "config", "revision"}:
        raise ConfigurationError(f"{address}: after the ? may stand split=…, config=… and revision=…, each once, joined by &")
    return HubAddress(address[: found.start()], **dict(options))


def saved_files(address: HubAddress) -> list[str] | None:
    """The Arrow files of a `save_to_disk` folder, in order; None when the address is no such folder.

    Raises:
        DataError: a folder of several splits and none is chosen, or one it does not have.
    """
    if address.on_hub:
        return None
    fs, path = file_system(address.base)
    if fs.exists(f"{path}/dataset_dict.json"):
        splits = json.loads(fs.cat_file(f"{path}/dataset_dict.json"))["splits"]
        path = f"{path}/{_chosen(address, splits)}"
    if not (fs.exists(f"{path}/state.json") and fs.exists(f"{path}/dataset_info.json")):
        return None
    shards = json.loads(fs.cat_file(f"{path}/state.json"))["_data_files"]
    return [fs.unstrip_protocol(f"{path}/{shard['filename']}") for shard in shards]


def _chosen(address: HubAddress, splits: list[str]) -> str:
    split = address.split or (splits[0] if len(splits) == 1 else _DEFAULT_SPLIT)
    if split not in splits:
        raise DataError(f"{address.base} has the splits {', '.join(splits)}; choose one: {address.base}?split={splits[0]}")
    return split


def hub_records(address: HubAddress, files: list[str] | None) -> Iterator[Record | Fault]:
    """The records of a data set on the hub, or of a saved one.

    Args:
        files: what `saved_files` found.

    Raises:
        DataError: the data set, configuration, revision or split does not exist, is not public, or cannot be reached.
    """
    with reading(address.base), _explained(address):
        dataset = _saved(files) if files is not None else _streamed(address)
        # As Arrow: pictures and sounds stay bytes, nothing decodes them.
        tables = dataset.with_format("arrow").iter(batch_size=BATCH)
        yield from batch_records((batch for table in tables for batch in table.to_batches()), address.base)


def _saved(files: list[str]) -> Any:
    import datasets

    return datasets.load_dataset("arrow", data_files=files, split="train", streaming=True)


def _streamed(address: HubAddress) -> Any:
    import datasets

    about = {"name": address.config or None, "revision": address.revision or None}
    splits = datasets.load_dataset(address.name, **about, streaming=True)
    return splits[_chosen(address, list(splits))]


@contextmanager
def _explained(address: HubAddress) -> Iterator[None]:
    try:
        yield
    except WinnowError:
        raise
    except Exception as error:  # of `datasets`, `huggingface_hub`, `httpx`, `pyarrow` …, which share no base class
        raise DataError(
            f"data set {address.base} cannot be read ({type(error).__name__}: {error}); "
            "check its name, configuration, revision and split, and that you may read it (HF_TOKEN)"
        ) from error


def pinned_revision(address: HubAddress) -> str:
    """The commit (40 hex digits) that a data set on the hub stands at. Raises `DataError` when it cannot be asked."""
    from huggingface_hub import HfApi

    with _explained(address):
        return str(HfApi().dataset_info(address.name, revision=address.revision or None).sha)
