"""``winnow sample`` with servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from tasks.runtime.errors import ConfigurationError
from tests.sample.endpoint.server import echo
from tests.sample.rows import prompt
from tests.verify.models.peer import peer


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(prompt(number)) + "\n" for number in range(3)))
    places = {"model": "model", "prompts": "prompts.jsonl", "out": "samples.jsonl"}
    return [part for name, file in places.items() for part in (f"--{name}", str(tmp_path / file))]


def sample(*options: str) -> Result:
    return CliRunner().invoke(app, ["sample", *options, "--k", "2", "--json"])


def test_it_asks_every_server(options: list[str], tmp_path: Path) -> None:
    with peer(echo) as one, peer(echo) as two:
        where = ["--endpoint", one.base_url, "--endpoint", two.base_url, "--endpoint-model", "policy-1"]
        done = sample(*options, "--engine", "endpoint", *where)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == 6
    assert (len(one.requests), len(two.requests)) in [(1, 2), (2, 1)]
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [(row["prompt_id"], row["draw"], row["logprob"]) for row in rows] == [
        (f"p{number}", draw, -1.5) for number in range(3) for draw in range(2)
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--endpoint", "http://a/v1", "--endpoint-model", "m"], "--engine endpoint; add it"),
        (["--engine", "endpoint"], "give endpoint.addresses of running servers, or endpoint.launch"),
        (["--engine", "endpoint", "--endpoint", "http://a/v1"], "name the model"),
        (["--engine", "endpoint", "--launch", "serve"], r"has no \{model\}"),
    ],
)
def test_what_cannot_work_is_refused(options: list[str], more: list[str], said: str) -> None:
    done = sample(*options, *more)
    assert done.exit_code != 0
    with pytest.raises(ConfigurationError, match=said):
        raise done.exception or AssertionError(done.output)
