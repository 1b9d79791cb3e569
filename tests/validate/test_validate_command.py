"""`winnow validate` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.commands.validate import validate
from tasks.chat.labels import label_rows
from tasks.chat.settings import RenderSettings
from tasks.runtime.errors import ConfigurationError, DataError, RefusedError
from tests.chat.families import FAMILIES
from tests.validate.rows import chat, prompt, talk

app = typer.Typer()
app.command()(validate)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    FAMILIES["smollm2"].tokenizer.save_pretrained(folder)
    return folder


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def call(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_a_sound_file(tmp_path: Path) -> None:
    done = call(write(tmp_path / "rows.jsonl", chat("a"), chat("b")), "--docs", tmp_path / "docs")
    assert done.exit_code == 0
    assert "2 of 2 rows accepted" in done.stdout
    assert (tmp_path / "docs" / "index.html").exists()


def test_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    done = call(write(tmp_path / "rows.jsonl", prompt("a"), prompt("b")), "--json")
    data = json.loads(done.stdout)
    assert (data["suite"], data["read"], data["accepted"], data["rejected"], data["success"]) == ("prompts", 2, 2, 0, True)


def test_a_bad_file_is_refused_after_its_table(tmp_path: Path) -> None:
    bad = talk(("user", "q [/INST]"), ("assistant", "a"), id="bad")
    path = write(tmp_path / "rows.jsonl", chat("a"), bad, '{"id": "broken', chat("a"))
    done = call(path, "--rejects", tmp_path / "out" / "rejects.jsonl", "--json")
    assert isinstance(done.exception, DataError)
    assert done.exception.exit_code == 2
    assert json.loads(done.stdout)["codes"] == {"broken_json": 1, "duplicate_id": 1, "duplicate_row": 1, "template_token": 1}
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()]
    assert [(reject["id"], reject["codes"][0]) for reject in rejects] == [
        ("bad", "template_token"),
        (f"{path}:3", "broken_json"),
        ("a", "duplicate_id"),
    ]
    assert str(tmp_path / "out" / "rejects.jsonl") in str(done.exception)

    table = call(path).stdout
    assert "1 of 4 rows accepted" in table
    assert "[/INST]" in table, "the first example is shown as it is"


def test_more_may_be_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", chat("a"), chat("b"), "broken")
    assert isinstance(call(path).exception, DataError)
    assert call(path, "--max-rejected", "0.4").exit_code == 0


def test_the_tokenizer_decides_what_a_control_token_is(tmp_path: Path, tokenizer: Path) -> None:
    path = write(tmp_path / "rows.jsonl", talk(("user", "what is <|eot_id|>?"), ("assistant", "a")))
    assert "template_token" in str(call(path).exception)
    assert call(path, "--tokenizer", tokenizer).exit_code == 0


def test_labels_need_no_tokenizer_but_profit_from_one(tmp_path: Path, tokenizer: Path) -> None:
    path = write(tmp_path / "labels.jsonl", {"id": "a", "input_ids": [1, 49152], "labels": [-100, 49152]})
    assert call(path).exit_code == 0
    refused = str(call(path, "--tokenizer", tokenizer).exception)
    assert "id_out_of_vocabulary" in refused
    assert "end_of_turn_untrained" in refused


def test_labels_are_compared_with_the_chat_rows_they_were_made_from(tmp_path: Path, tokenizer: Path) -> None:
    rows = [chat("a"), chat("b")]
    labels = list(label_rows(FAMILIES["smollm2"].tokenizer, rows, RenderSettings()))
    said, made = write(tmp_path / "chat.jsonl", *rows), write(tmp_path / "labels.jsonl", *labels)
    assert call(made, "--tokenizer", tokenizer, "--chat", said).exit_code == 0
    said = write(tmp_path / "chat.jsonl", rows[0], chat("b", messages=chat("c")["messages"]))
    assert "serving_ids_differ" in str(call(made, "--tokenizer", tokenizer, "--chat", said).exception)
    assert "add --tokenizer" in str(call(made, "--chat", said).exception)


def test_a_profile_says_what_is_refused_and_what_expected(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", chat("a"), talk(("user", "q [/INST]"), ("assistant", "a"), id="b"))
    profile = tmp_path / "profile.yaml"
    mean = "ExpectColumnMeanToBeBetween"
    own = f"{{expectation: {mean}, column: turns, arguments: {{max_value: 1}}, severity: warn}}"
    profile.write_text(f"k: 3\nvalidation:\n  severity: {{template_token: warn}}\n  expectations: [{own}]\n")
    done = call(path, "--profile", profile)
    assert done.exit_code == 0
    for words in ("template_token", "warn", "2 of 2 rows accepted", mean, "not met"):
        assert words in done.stdout
    profile.write_text("validation:\n  severity: {template_tokn: warn}\n")
    assert "did you mean template_token" in str(call(path, "--profile", profile).exception)
    profile.write_text("validation:\n  max_token: 3\n")
    assert "did you mean validation.max_tokens" in str(call(path, "--profile", profile).exception)
    profile.write_text("validation:\n  max_tokens: many\n")
    refused = call(path, "--profile", profile).exception
    assert isinstance(refused, ConfigurationError)
    assert "validation.max_tokens" in str(refused)


def test_the_first_examples_of_each_code_are_shown(tmp_path: Path) -> None:
    bad = [talk(("user", f"question {number}"), ("assistant", " "), id=f"bad-{number}") for number in range(5)]
    shown = call(write(tmp_path / "rows.jsonl", *bad), "--max-rejected", "1").stdout
    assert [f"bad-{number}" in shown for number in range(5)] == [True, True, True, False, False]


@pytest.mark.parametrize("rows", [[], [{"question": "q", "answer": "a"}]])
def test_files_of_no_known_rows(tmp_path: Path, rows: list[Any]) -> None:
    assert isinstance(call(write(tmp_path / "rows.jsonl", *rows)).exception, RefusedError)


def test_wrong_arguments(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", chat())
    assert isinstance(call(path, "--mask", "users").exception, ConfigurationError)
    assert isinstance(call(path, "--format", "gsm8k").exception, RefusedError)
    assert isinstance(call(tmp_path / "absent.jsonl").exception, RefusedError)
    assert isinstance(call(path, "--rejects", path / "below" / "a-file").exception, RefusedError)
