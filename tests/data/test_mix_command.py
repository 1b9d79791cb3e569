"""``winnow mix`` from files to files."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli import app
from flows.commands import mix
from tasks.data.load import sound_rows
from tasks.data.mix_settings import MixSettings
from tasks.runtime.errors import ConfigurationError, DataError
from tests.data.test_load import lines
from tests.validate.rows import chat, label, prompt


def run(place: Path, profile: dict[str, Any], *options: str) -> dict[str, Any]:
    path = place / "mix.yaml"
    path.write_text(yaml.safe_dump(profile))
    result = CliRunner().invoke(app, ["mix", "--profile", str(path), "--json", *options], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    made: dict[str, Any] = json.loads(result.stdout)
    return made


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    """Alpaca rows of which one asks an evaluation item, and chat rows of which two are equal and one is broken."""
    alpaca = [{"instruction": f"Name number {n}.", "input": "", "output": str(n)} for n in range(60)]
    chats = [chat(f"c{n}") for n in range(40)]
    lines(tmp_path / "alpaca.jsonl", *alpaca)
    lines(tmp_path / "chats.jsonl", *chats, chat("again", messages=chats[0]["messages"]), '{"id": "cut')
    lines(tmp_path / "items.jsonl", prompt("i", messages=[{"role": "user", "content": "name NUMBER 7."}]))
    names = [{"address": str(tmp_path / "alpaca.jsonl"), "name": "alpaca"}, {"address": str(tmp_path / "chats.jsonl")}]
    return {"sources": names, "decontamination": {"against": [str(tmp_path / "items.jsonl")]}, "held_out": {"rows": 10}}


def test_files_become_a_mix_held_out_rows_and_an_account(tmp_path: Path, sources: dict[str, Any]) -> None:
    out, held = tmp_path / "made" / "train.parquet", tmp_path / "made" / "held.jsonl"
    data = run(tmp_path, sources, "--out", str(out), "--held-out", str(held))
    train, aside = list(sound_rows(out, "chat")), list(sound_rows(held, "chat"))
    assert (data["read"], data["rows"], data["held_out"]) == (102, 89, 10) == (102, len(train), len(aside))
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "held.jsonl",
        "train.left_out.jsonl",
        "train.overlaps.jsonl",
        "train.parquet",
    ]
    account = {line["id"]: line for line in map(json.loads, (tmp_path / "made" / "train.left_out.jsonl").open())}
    assert account["alpaca/alpaca-8"]["with"] == "i"
    assert account["again"] == {"id": "again", "source": "test", "reason": "duplicate", "with": "c0", "similarity": 1.0}
    assert [line["codes"] for line in account.values() if line["reason"] == "rejected"] == [["broken_json"]]
    assert len(account) == sum(data["left_out"].values()) == 3
    assert data["read"] == data["rows"] + data["held_out"] + len(account)


def test_what_cannot_be_mixed_is_refused_at_the_start(tmp_path: Path, sources: dict[str, Any]) -> None:
    out = ("--out", str(tmp_path / "train.jsonl"))
    with pytest.raises(ConfigurationError, match="no place to go"):
        run(tmp_path, sources, *out)
    with pytest.raises(ConfigurationError, match="the same file"):
        run(tmp_path, sources, *out, "--held-out", out[1])
    del sources["held_out"]
    with pytest.raises(ConfigurationError, match="the ending decides"):
        run(tmp_path, sources, "--out", str(tmp_path / "train.csv"))
    for wrong, message in (
        ({"sources": []}, "a mix needs sources"),
        ({"sourcs": []}, "sourcs: Extra inputs"),
        ({"validation": {"max_rejected_share": 2}}, "max_rejected_share: Input should be less"),
        ({"sources": [{"address": "x", "weight": -1}]}, r"sources\.0\.weight: Input should be greater"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            run(tmp_path, {**sources, **wrong}, *out)
    lines(tmp_path / "labels.jsonl", label())
    with pytest.raises(DataError, match=r"labels\.jsonl holds labels rows, and only chat or prompt rows"):
        run(tmp_path, {"sources": [{"address": str(tmp_path / "labels.jsonl")}]}, *out)
    lines(tmp_path / "bad.jsonl", *(chat(f"c{n}") for n in range(3)), "{")
    with pytest.raises(DataError, match=r"bad\.jsonl: 4 chat rows read, 1 rejected"):
        run(tmp_path, {"sources": [{"address": str(tmp_path / "bad.jsonl")}]}, *out)
    assert not (tmp_path / "train.jsonl").exists()


def test_the_profile_in_the_help_is_one() -> None:
    shown = inspect.cleandoc(mix.mix.__doc__ or "").split("\b\n")[1]
    settings = MixSettings.model_validate(yaml.safe_load(shown))
    assert [source.weight for source in settings.sources] == [3, 1]
