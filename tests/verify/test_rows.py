"""Sample rows → verdict rows, and `winnow verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.commands.verify import verify
from tasks.runtime.errors import ConfigurationError, ContractError, DataError
from tasks.runtime.rows import read_rows, write_rows
from tasks.verify.rows import prompts_by_id, verify_folder, verify_rows
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Verdict, reference_problem, verifier_versions

LIMIT, SHORT = VerifySettings(time_limit=5), VerifySettings(time_limit=0.4)
UNRULY = "tests.verify.plugins:unruly"


def prompt(name: str, reference: str = "8", verifier: str = "number", question: str = "3 + 5 =") -> dict[str, Any]:
    turns = [{"role": "user", "content": question}]
    return {"id": name, "messages": turns, "reference": reference, "verifier": verifier, "family": "sums"}


def sample(prompt_id: str, draw: int, text: str) -> dict[str, Any]:
    return {
        "sample_id": f"{prompt_id}/1/{draw}",
        "prompt_id": prompt_id,
        "draw": draw,
        "round": 1,
        "policy": "p" * 64,
        "seed": draw,
        "temperature": 1.0,
        "text": text,
        "token_count": 3,
        "logprob": -1.0,
        "finish_reason": "stop",
    }


def test_verdicts_follow_the_prompt_id_and_not_the_position_or_the_text() -> None:
    """Peers zipped answers with a filtered list, and merged prompts that read the same."""
    prompts = [prompt("a", "8"), prompt("b", "9"), prompt("c", "8", UNRULY)]  # a and b ask the same in words
    samples = [sample("b", 0, "9"), sample("c", 0, "8"), sample("a", 0, "9"), sample("a", 1, "8"), sample("b", 1, "8")]
    verdicts = list(verify_rows(samples, prompts_by_id(reversed(prompts)), LIMIT))
    assert [(row["sample_id"], row["state"]) for row in verdicts] == [
        ("b/1/0", "accepted"),
        ("c/1/0", "accepted"),
        ("a/1/0", "rejected"),
        ("a/1/1", "accepted"),
        ("b/1/1", "rejected"),
    ]
    assert [row["verifier_version"] for row in verdicts[:2]] == [verifier_versions(["number"], LIMIT)["number"], "7"]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["8", "9", "none", ""])), max_size=40))
def test_exactly_one_verdict_a_sample(drawn: list[tuple[str, str]]) -> None:
    samples = [sample(name, draw, text) for draw, (name, text) in enumerate(drawn)]
    verdicts = list(verify_rows(samples, prompts_by_id(map(prompt, "abc")), LIMIT))
    assert [row["sample_id"] for row in verdicts] == [row["sample_id"] for row in samples]


def test_a_sample_of_an_unknown_prompt_and_a_repeated_one_are_refused() -> None:
    prompts = prompts_by_id([prompt("a")])
    with pytest.raises(ContractError, match="'z'"):
        list(verify_rows([sample("z", 0, "8")], prompts, LIMIT))
    with pytest.raises(ContractError, match="two samples are called 'a/1/0'"):
        list(verify_rows([sample("a", 0, "8"), sample("a", 0, "8")], prompts, LIMIT))
    with pytest.raises(DataError, match="two prompts are called 'a'"):
        prompts_by_id([prompt("a"), prompt("a")])


def test_a_folder_is_counted_and_the_versions_must_be_those_that_run(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("samples", "prompts", "out")}
    for folder in folders.values():
        folder.mkdir()
    write_rows(folders["prompts"], "prompts", [prompt("a"), prompt("b", verifier=UNRULY)])
    texts = [("a", "8"), ("a", "9"), ("a", "?"), ("b", "hang"), ("b", "kill"), ("b", "8")]
    write_rows(folders["samples"], "samples", [sample(name, draw, text) for draw, (name, text) in enumerate(texts)])
    versions = verifier_versions(["number", UNRULY], SHORT)
    counts = verify_folder(folders["samples"], folders["prompts"], folders["out"], SHORT, versions, 6)
    assert counts == {
        "rows": 6,
        "accepted": 2,
        "rejected": 1,
        "answer_unparsable": 1,
        "reference_unparsable": 0,
        "timed_out": 1,
        "error": 1,
    }
    assert [row["state"] for row in read_rows(folders["out"])][3:] == ["timed_out", "error", "accepted"]
    with pytest.raises(ContractError, match="'7'"):
        verify_folder(folders["samples"], folders["prompts"], folders["out"], SHORT, versions | {UNRULY: "6"}, 6)


@pytest.mark.parametrize(("state", "score"), [("perhaps", 0.0), ("accepted", 2.0), ("accepted", float("nan"))])
def test_a_verdict_is_checked(state: str, score: float) -> None:
    with pytest.raises(ValueError, match="is n"):
        Verdict(state, score)


def test_references_can_be_checked_by_name() -> None:
    assert reference_problem("number", "18") == ""
    assert "0 numbers" in reference_problem("number", "abc")
    assert reference_problem(UNRULY, "anything") == ""


def test_one_verdict_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    verify(verifier="number", response="18 or [19]", reference="19", json=True)
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["sample_id", "verifier", "verifier_version", "state", "score", "reason"]
    assert (told["sample_id"], told["verifier"], told["state"]) == ("cli", "number", "rejected")
    verify(verifier="exact", response="[b]", reference="[b]")
    assert "accepted" in capsys.readouterr().out


def test_files_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples, prompts, out = tmp_path / "s.jsonl", tmp_path / "p.jsonl", tmp_path / "v.parquet"
    prompts.write_text(json.dumps(prompt("a")) + "\n")
    samples.write_text("".join(json.dumps(sample("a", draw, text)) + "\n" for draw, text in enumerate(["8", "9"])))
    verify(samples=samples, prompts=prompts, out=out, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["accepted"], told["rejected"]) == (2, 1, 1)
    with pytest.raises(ConfigurationError, match="give --samples, --prompts and --out"):
        verify(samples=samples)
