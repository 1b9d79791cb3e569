"""The label masks as coloured text: green is what has a label, in the terminal and in the picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.commands.render import render

app = typer.Typer()
app.command()(render)
TURNS = ["2+2?", "It is 4.", "And 3+3?", "6 of course"]


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    messages = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(TURNS)]
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"id": "a", "messages": messages}) + "\nnot json\n")
    return path


def shown(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments), "--tokenizer", "embedded"])


def test_the_three_masks_stand_side_by_side(chat: Path) -> None:
    done = shown(chat, "--show", 1)
    assert done.exit_code == 0, done.output
    for text in ("assistant", "last", "full", *TURNS):
        assert text in done.output


def test_the_picture_colours_what_is_trained_and_needs_nothing_from_outside(chat: Path, tmp_path: Path) -> None:
    out = tmp_path / "below" / "masks.svg"
    assert shown(chat, "--show", 1, "--out", out).exit_code == 0
    picture = out.read_text()
    assert "url(http" not in picture
    assert "@import" not in picture
    assert "6&#160;of&#160;course" in picture


def test_a_picture_is_an_svg_file(chat: Path, tmp_path: Path) -> None:
    done = shown(chat, "--show", 1, "--out", tmp_path / "masks.png")
    assert "is an .svg file" in str(done.exception)


def test_nowhere_to_write_is_refused(chat: Path) -> None:
    assert "--out FILE" in str(shown(chat).exception)
