"""Endpoints by address, and the block that keeps one's address and key: a real Prefect."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from blocks.endpoint import WinnowEndpoint
from tasks.runtime.endpoints import KEY, Endpoint, open_endpoint
from tasks.runtime.errors import ConfigurationError
from tasks.verify.models.judge import judge
from tasks.verify.settings import JudgeSettings, VerifySettings
from tasks.verify.verdict import Answer
from tests.verify.models.peer import peer, rated

URL = "https://models.example/v1"


def test_an_address_with_the_environments_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    assert open_endpoint(f"{URL}/", "judge-1") == Endpoint(URL, "judge-1")
    monkeypatch.setenv(KEY, "sk-secret")
    assert open_endpoint(URL, "judge-1").key == "sk-secret"


@pytest.mark.parametrize(
    ("address", "model", "said"),
    [
        ("models.example", "m", "no address"),
        ("", "m", "no address"),
        ("https://me:pass@models.example", "m", "no address"),
        (URL, "", "name the model"),
    ],
)
def test_what_is_no_endpoint(address: str, model: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        open_endpoint(address, model)
    assert caught.value.exit_code == 2


@pytest.mark.usefixtures("prefect_server")
def test_a_saved_block() -> None:
    block = WinnowEndpoint(base_url=f"{URL}/", model="judge-1", api_key=SecretStr("sk-secret"), time_limit=5, concurrency=2)
    block.save("judge", overwrite=True)
    endpoint = open_endpoint("block:judge")
    assert endpoint == Endpoint(URL, "judge-1", "sk-secret", 5, 2)
    assert open_endpoint("block:judge", "judge-2").model == "judge-2"
    for text in (repr(block), str(WinnowEndpoint.load("judge")), block.model_dump_json(), repr(endpoint)):
        assert "sk-secret" not in text


@pytest.mark.usefixtures("prefect_server")
def test_a_judge_behind_a_block_is_asked_with_its_key() -> None:
    with peer(lambda number, body: rated(3)) as server:
        WinnowEndpoint(base_url=server.base_url, model="judge-1", api_key=SecretStr("sk-secret")).save("peer", overwrite=True)
        settings = VerifySettings(judge=JudgeSettings(endpoint="block:peer"))
        (verdict,) = judge([Answer("42", "judge", "", [{"role": "user", "content": "17 + 25?"}])], settings)
    assert (verdict.state, verdict.score) == ("rejected", 0.5)
    assert {headers["Authorization"] for _, headers, _ in server.requests} == {"Bearer sk-secret"}
    assert "sk-secret" not in judge.version(settings)  # type: ignore[attr-defined]


@pytest.mark.usefixtures("prefect_server")
def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no Winnow Endpoint block is called 'nobody'"):
        open_endpoint("block:nobody")


def test_a_block_checks_its_fields() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        WinnowEndpoint(base_url="https://me:pass@host/v1", model="m")
    with pytest.raises(ValidationError, match="model"):
        WinnowEndpoint(base_url=URL, model="")
