"""What the README shows works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.verify.verdict import Verdict

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [text for named, text in fenced if named == language]


def test_the_profile_fits_the_flow() -> None:
    from flows.nightly import nightly_rsf
    from flows.parameters import check_parameters

    (profile,) = blocks("yaml")
    checked = check_parameters(nightly_rsf, yaml.safe_load(profile))
    assert checked["data"].warm_file == "warm.jsonl"


@pytest.mark.parametrize(("line", "kind"), [(0, "prompts"), (1, "chat")])
def test_the_rows_pass_validation(tmp_path: Path, line: int, kind: str) -> None:
    from tasks.validate.facts import Facts
    from tasks.validate.report import Inspection

    row = json.loads(blocks("json")[0].splitlines()[line])
    inspection = Inspection(kind, Facts(), tmp_path)
    assert list(inspection.accepted([row])), inspection.codes


def test_the_verifier_verifies() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    assert names["last_word"]("It is Paris.", "Paris") == Verdict("accepted", 1.0)
    assert names["last_word"]("It is Rome.", "Paris").state == "rejected"
    assert names["last_word"](" .", "Paris").state == "answer_unparsable"


def test_the_tree_is_the_tree() -> None:
    folder = ""
    listed = set()
    for line in blocks("")[-1].splitlines():
        name = line.split("/")[0].strip()
        folder = name if not line.startswith(" ") else folder
        path = ROOT / name if folder == name else ROOT / folder / name
        assert path.is_dir(), line
        listed.add(path)
    rooms = {path for path in (ROOT / "tasks").iterdir() if (path / "__init__.py").exists()}
    assert rooms - listed == set()


def test_commands_and_targets_exist() -> None:
    from typer.main import get_command

    from flows.cli import app

    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"\.venv/bin/winnow ([a-z]+)", TEXT)) <= known
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", TEXT, re.MULTILINE)) <= targets


def test_the_picture_of_the_masks_is_what_the_command_draws(tmp_path: Path) -> None:
    from flows.masks import mask_table, save_picture
    from tasks.chat.settings import RenderSettings
    from tasks.chat.tokenizer import load_tokenizer

    turns = ["What is 2 + 3?", "It is 5.", "And twice that?", "Twice 5 is 10."]
    messages = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(turns)]
    row = {"id": "a", "messages": messages, "source": "readme"}
    save_picture(mask_table(load_tokenizer("embedded"), [row], RenderSettings()), tmp_path / "masks.svg")
    assert (tmp_path / "masks.svg").read_text() == (ROOT / "tasks/chat/masks.svg").read_text()
