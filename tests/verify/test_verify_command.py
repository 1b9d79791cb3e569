"""`winnow verify` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.commands.verify import verify
from tasks.runtime.errors import ConfigurationError, ContractError, UnknownPluginError

CASES = {
    "number": ("It is 18.", "#### 18"),
    "math": ("\\boxed{\\frac{1}{2}}", "0.5"),
    "choice": ("(B)", "B"),
    "exact": (" a b ", "a b"),
    "regex": ("aab", "a+b"),
    "json_schema": ('{"a": 1}', '{"type": "object"}'),
    "instruction": ("no comma", '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}'),
    "reasoning_gym": ("84", '{"dataset": "chain_sum", "entry": {"question": "?", "answer": "84", "metadata": {}}}'),
    "all_of": ("18", '{"of": [{"verifier": "number", "reference": "18"}, {"verifier": "exact", "reference": "18"}]}'),
}


def one(name: str, response: str, *more: str) -> Any:
    return CliRunner().invoke(app, ["verify", "--verifier", name, "--response", response, *more])


@pytest.mark.parametrize("name", CASES)
def test_one_verdict_of_each_verifier(name: str) -> None:
    response, reference = CASES[name]
    done = one(name, response, "--reference", reference, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["state"] == "accepted"
    assert json.loads(one(name, "", "--reference", reference, "--json").stdout)["state"] == "answer_unparsable"


def test_a_reference_is_asked_for_where_it_is_needed_and_nowhere_else() -> None:
    for name in CASES:
        with pytest.raises(ConfigurationError, match="give it with --reference"):
            verify(verifier=name, response="18")
    with pytest.raises(ConfigurationError, match=r"give reward\.model"):
        verify(verifier="reward_model", response="18")
    with pytest.raises(ConfigurationError, match=r"give judge\.model"):
        verify(verifier="judge", response="18")
    with pytest.raises(UnknownPluginError, match="nosuch"):
        verify(verifier="nosuch", response="18")
    for given in ({}, {"verifier": "number"}, {"response": "18"}, {"verifier": "number", "samples": "x", "response": "18"}):
        with pytest.raises(ConfigurationError, match="to verify files, or"):
            verify(**given)  # type: ignore[arg-type]


def test_a_reference_that_cannot_be_read_is_a_verdict() -> None:
    assert json.loads(one("number", "18", "--reference", "a", "--json").stdout)["state"] == "reference_unparsable"


def test_files(tmp_path: Path) -> None:
    prompts, samples, out = (tmp_path / f"{name}.jsonl" for name in ("prompts", "samples", "verdicts"))
    messages = [{"role": "user", "content": "9 * 2?"}]
    prompts.write_text(json.dumps({"id": "a", "messages": messages, "verifier": "number", "reference": "18"}))
    rows = [
        {"sample_id": str(draw), "prompt_id": "a", "text": text, "finish_reason": "stop"}
        for draw, text in enumerate(("18", "9"))
    ]
    samples.write_text("\n".join(map(json.dumps, rows)))
    words = ["verify", "--samples", str(samples), "--prompts", str(prompts), "--out", str(out), "--json"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, json.loads(done.stdout)["accepted"], json.loads(done.stdout)["rejected"]) == (0, 1, 1)
    assert [json.loads(line)["state"] for line in out.read_text().splitlines()] == ["accepted", "rejected"]
    samples.write_text(json.dumps(rows[0] | {"prompt_id": "b"}))
    with pytest.raises(ContractError, match="not among the prompts"):
        verify(samples=str(samples), prompts=str(prompts), out=out)
    with pytest.raises(ConfigurationError, match=r"use \.jsonl or \.parquet"):
        verify(samples=str(samples), prompts=str(prompts), out=tmp_path / "verdicts.txt")
