"""`winnow mix`: rows of several sources → one file to train on, and one held out to measure with.

Run: ``winnow mix --profile mix.yaml --out train.parquet --held-out held_out.parquet``
"""

from __future__ import annotations

import json as jsonlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tasks.data.mix_settings import MixSettings
    from tasks.validate.settings import ValidationSettings


def mix(
    profile: Annotated[Path, typer.Option("--profile", help="YAML: sources with weights and caps, and what is left out.")],
    out: Annotated[Path, typer.Option("--out", help="Where the mix goes: .jsonl or .parquet.")],
    held_out: Annotated[
        Path | None, typer.Option("--held-out", help="Where held-out rows go, when the profile holds some out.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Mix sources: shares and caps, no duplicates, no evaluation items; each row left out is listed with its reason.

    A profile has the fields of MixSettings, and `validation` as in other profiles:

    \b
    sources:
      - {address: chats.jsonl, weight: 3}
      - {address: "hf:org/name?split=train", name: name, weight: 1, cap: 20000}
    decontamination: {against: [gsm8k_test.jsonl]}
    held_out: {share: 0.02}
    """
    from flows.terminal import emit, progress_bar
    from tasks.data.ledger import LEFT_OUT, OVERLAPS
    from tasks.data.mixing import check_places, mix_folders
    from tasks.runtime.row_files import write_row_file
    from tasks.runtime.rows import read_rows

    settings, validation = _settings(profile)
    check_places(settings, held_out)
    outs = [path for path in (out, held_out) if path is not None]
    _check(outs)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".mix-") as scratch, progress_bar("mixing"):
        folders = [_folder(scratch, name) for name in ("mixed", "held_out")[: len(outs)]]
        kind, parts, rejects = _loaded(settings, validation, Path(scratch))
        evaluation = [_evaluation(address, _folder(scratch, "items")) for address in settings.decontamination.against]
        summary = mix_folders(parts, kind, settings, evaluation, folders[0], folders[1] if held_out else None)
        accounts = [out.with_name(f"{out.stem}.{name}") for name in (LEFT_OUT, OVERLAPS)]
        rejected = _append(rejects, folders[0] / LEFT_OUT)
        for made, wanted in zip((LEFT_OUT, OVERLAPS), accounts, strict=True):
            shutil.move(folders[0] / made, wanted)
        for folder, path in zip(folders, outs, strict=True):
            write_row_file(path, kind, read_rows(folder))
    summary["read"] += rejected
    summary["left_out"]["rejected"] = rejected
    data = {**summary, "out": str(out), "accounts": [str(path) for path in accounts]}
    emit(data, json, _table(data))


def _settings(profile: Path) -> tuple[MixSettings, ValidationSettings]:
    from pydantic import ValidationError

    from flows.parameters import load_profile
    from tasks.data.mix_settings import MixSettings
    from tasks.data.mixing import keeping_copies
    from tasks.runtime.errors import ConfigurationError
    from tasks.validate.settings import ValidationSettings

    given = load_profile(profile)
    try:
        validation = ValidationSettings.model_validate(given.pop("validation", None) or {})
        settings = MixSettings.model_validate(given)
    except ValidationError as error:
        places = (f"{'.'.join(map(str, each['loc'])) or 'sources'}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(f"{profile}: {'; '.join(places)}") from error
    if not settings.sources:
        raise ConfigurationError(f"{profile}: a mix needs sources; list at least one with its address")
    return settings, keeping_copies(validation)


def _check(outs: list[Path]) -> None:
    """What would be refused at the end is refused at the start."""
    from tasks.runtime.errors import ConfigurationError

    for path in outs:
        if path.suffix not in (".jsonl", ".parquet"):
            raise ConfigurationError(f"{path}: the ending decides the format; use .jsonl or .parquet")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written ({error}); give another place") from error
    if len({path.resolve() for path in outs}) < len(outs):
        raise ConfigurationError("--out and --held-out are the same file; give two")


def _folder(scratch: str | Path, name: str) -> Path:
    return Path(tempfile.mkdtemp(dir=scratch, prefix=f"{name}-"))


def _kind(address: str) -> str:
    from tasks.data.load import load
    from tasks.runtime.errors import DataError

    kind = load(address).kind
    if kind not in ("chat", "prompts"):
        raise DataError(f"{address} holds {kind} rows, and only chat or prompt rows can be mixed or measured with")
    return kind


def _loaded(settings: MixSettings, validation: ValidationSettings, scratch: Path) -> tuple[str, list[Path], list[Path]]:
    """The kind of the first source, which the others must be of; each source's sound rows, and its rejects."""
    from tasks.data.pools import write_pool
    from tasks.runtime.errors import DataError
    from tasks.validate.report import REJECTS, refuse_bad

    kind, parts, rejects = _kind(settings.sources[0].address), [], []
    for source in settings.sources:
        parts.append(_folder(scratch, "part"))
        report = _folder(scratch, "report")
        summary = write_pool(source.address, kind, validation, None, parts[-1], report)
        rejects.append(report / REJECTS)
        try:
            refuse_bad(summary, f"see `winnow validate {source.address}`")
        except DataError as error:
            raise DataError(f"{source.address}: {error}") from error
    return kind, parts, rejects


def _evaluation(address: str, folder: Path) -> Path:
    from tasks.data.load import sound_rows
    from tasks.runtime.rows import write_rows

    kind = _kind(address)
    write_rows(folder, kind, sound_rows(address, kind))
    return folder


def _append(rejects: list[Path], account: Path) -> int:
    """Add the rows that validation rejected to the account of those left out; returns how many."""

    def entries() -> Iterator[dict[str, Any]]:
        for path in rejects:
            with path.open(encoding="ascii") as file:
                for line in file:
                    reject = jsonlib.loads(line)
                    yield {"id": reject["id"], "reason": "rejected", "codes": reject["codes"]}

    count = 0
    with account.open("a", encoding="ascii") as file:
        for entry in entries():
            file.write(jsonlib.dumps(entry) + "\n")
            count += 1
    return count


def _table(data: dict[str, Any]) -> Any:
    from rich.table import Table

    reasons = [reason for reason, count in data["left_out"].items() if count and reason != "rejected"]
    table = Table("source", "taken", *(reason.replace("_", " ") for reason in reasons), title=data["out"])
    for source in data["sources"]:
        table.add_row(source["name"], f"{source['kept']:,}", *(f"{source['left_out'][reason]:,}" for reason in reasons))
    whole = {**data["left_out"], "kept": data["rows"] + data["held_out"]}
    table.add_row("all", f"{whole['kept']:,}", *(f"{whole[reason]:,}" for reason in reasons), style="bold")
    rejected = f"; {whole['rejected']:,} rejected by validation" if whole["rejected"] else ""
    crowded = f"; {data['crowded']:,} share their wording with too many to compare all" if data["crowded"] else ""
    table.caption = f"{data['read']:,} rows read, {data['rows']:,} mixed, {data['held_out']:,} held out{rejected}{crowded}"
    return table
