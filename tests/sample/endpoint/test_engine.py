"""Draws from servers that answer well: what they are asked, and what becomes of what they say."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.errors import ConfigurationError
from tasks.sample.endpoint.engine import draw
from tasks.sample.requests import Request, uniform_requests
from tasks.sample.settings import SamplingSettings
from tests.sample.endpoint.server import choice, completion, drawn, echo, settings
from tests.sample.rows import prompt
from tests.verify.models.peer import Reply, peer


def test_it_asks_for_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_ENDPOINT_KEY", "sk-1")
    row = prompt(1) | {"messages": [{"role": "user", "content": "Hello", "train": False}]}
    with peer(echo) as server:
        sampling = settings(server.base_url, extra={"chat_template_kwargs": {"enable_thinking": False}}).model_copy(
            update={
                "temperature": 0.7,
                "top_p": 0.9,
                "top_k": 20,
                "min_p": 0.05,
                "min_tokens": 3,
                "max_tokens": 11,
                "stop": ["."],
            }
        )
        list(draw(Path(), uniform_requests([row], 2), sampling, seed=1, dtype="float32"))
    ((path, headers, body),) = server.requests
    assert (path, headers["Authorization"]) == ("/v1/chat/completions", "Bearer sk-1")
    assert 0 <= body.pop("seed") < 2**31
    assert body == {
        "model": "policy-1",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "min_p": 0.05,
        "min_tokens": 3,
        "max_tokens": 11,
        "stop": ["."],
        "chat_template_kwargs": {"enable_thinking": False},
        "n": 2,
        "logprobs": True,
    }


def test_what_openai_does_not_know_is_left_out_where_it_is_not_set() -> None:
    with peer(echo) as server:
        drawn(settings(server.base_url, logprobs=False), k=1, prompts=1)
    assert server.requests[0][2].keys() == {"model", "messages", "temperature", "top_p", "max_tokens", "seed"}


def test_a_draw_has_the_same_seed_in_any_round_and_order() -> None:
    with peer(echo) as server:
        alone = drawn(settings(server.base_url, draws_per_request=1), prompts=3)
        again = drawn(settings(server.base_url, draws_per_request=1, concurrency=1), prompts=3)
        other = drawn(settings(server.base_url, draws_per_request=1), prompts=3, seed=8)
        later = list(
            draw(Path(), [Request(prompt(1), range(2, 5))], settings(server.base_url, draws_per_request=1), seed=7, dtype="x")
        )
    seeds = [[answer.text.split("|")[1] for answer in answers] for answers in (alone, again, other, later)]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0] + seeds[2])) == 18
    assert [answer.draw for answer in later] == [2, 3, 4]
    assert seeds[3][0] == seeds[0][5]


def test_many_draws_come_in_requests_of_the_size_that_is_set() -> None:
    with peer(echo) as server:
        drawn(settings(server.base_url, draws_per_request=3), k=7, prompts=2)
    assert sorted(body.get("n", 1) for _, _, body in server.requests) == [1, 1, 3, 3, 3, 3]


def test_tokens_and_log_probabilities_are_the_servers() -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        one = choice("Yes.", "length", logprobs=[-0.25, -1.5, 0.0])
        return completion(one, usage={"completion_tokens": 4})

    with peer(script) as server:
        (answer,) = drawn(settings(server.base_url), k=1, prompts=1)
    assert (answer.text, answer.token_count, answer.logprob, answer.finish_reason) == ("Yes.", 4, -1.75, "length")


def test_usage_of_several_answers_is_not_that_of_one() -> None:
    def script(number: int, body: dict[str, Any]) -> Reply:
        return completion(choice("a", logprobs=[-1.0]), choice("b", logprobs=[-1.0, -1.0]), usage={"completion_tokens": 99})

    with peer(script) as server:
        assert [answer.token_count for answer in drawn(settings(server.base_url), k=2, prompts=1)] == [1, 2]


def test_tokens_are_counted_where_the_server_does_not_tell(embedded_model: Path) -> None:
    with peer(lambda number, body: completion(choice("The answer is 12."), choice("The answer is", "length"))) as server:
        whole, cut = drawn(settings(server.base_url), k=2, prompts=1, folder=embedded_model)
    assert (whole.token_count, cut.token_count) == (8, 3)
    assert whole.logprob is None


def test_token_ids_are_counted_and_the_prompts_compared(embedded_model: Path) -> None:
    from transformers import AutoTokenizer

    from tasks.chat.render import render_prompt

    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    ids = render_prompt(tokenizer, prompt(0)["messages"])

    def script(number: int, body: dict[str, Any]) -> Reply:
        return completion(choice("a") | {"token_ids": [5, 6, 2]}, prompt_token_ids=ids)

    with peer(script) as server:
        sampling = settings(server.base_url, extra={"return_token_ids": True})
        assert drawn(sampling, prompts=1, folder=embedded_model, k=1)[0].token_count == 3
        ids.insert(0, 1)  # a second BOS
        with pytest.raises(ConfigurationError, match="with its own chat template"):
            drawn(sampling, prompts=1, folder=embedded_model, k=1)


def test_a_model_without_a_tokenizer_cannot_count(tmp_path: Path) -> None:
    with (
        peer(lambda number, body: completion(choice("a"))) as server,
        pytest.raises(ConfigurationError, match="no tokenizer to count"),
    ):
        drawn(settings(server.base_url), k=1, prompts=1, folder=tmp_path)


def test_requests_are_read_only_a_little_ahead_of_the_servers() -> None:
    read = []

    def requests() -> Any:
        for number in range(1000):
            read.append(number)
            yield Request(prompt(number), range(1))

    with peer(echo) as server:
        answers = draw(Path(), requests(), settings(server.base_url, concurrency=2), seed=1, dtype="float32")
        for _ in range(10):
            next(answers)
        assert len(read) < 30
        answers.close()


def test_nothing_is_asked_and_nothing_started_for_no_requests() -> None:
    sampling = SamplingSettings(engine="endpoint", endpoint={"launch": "no-such-command {model} {port}"})  # type: ignore[arg-type]
    assert list(draw(Path(), [], sampling, seed=1, dtype="float32")) == []


def test_no_more_at_once_than_allowed_and_the_less_loaded_server_first() -> None:
    def slow(number: int, body: dict[str, Any]) -> Reply:
        return Reply(echo(number, body).parts, pause=0.03)

    with peer(slow) as one, peer(slow) as two:
        drawn(settings(one.base_url, two.base_url, concurrency=3), k=1, prompts=24)
    assert (one.at_once, two.at_once) == (3, 3)
    assert min(len(one.requests), len(two.requests)) >= 8


def test_abandoning_the_draws_ends_what_is_under_way() -> None:
    def only_the_first(number: int, body: dict[str, Any]) -> Reply:
        return echo(number, body) if "0 + 3" in body["messages"][0]["content"] else Reply([b"x"], pause=3)

    with peer(only_the_first) as server:
        answers = draw(
            Path(), uniform_requests([prompt(n) for n in range(9)], 1), settings(server.base_url), seed=1, dtype="float32"
        )
        next(answers)
        started = time.monotonic()
        answers.close()
        assert time.monotonic() - started < 1
        assert not [thread for thread in threading.enumerate() if thread.name == "winnow-endpoint"]


def test_it_works_where_an_event_loop_runs_already() -> None:
    import asyncio

    async def notebook(address: str) -> int:
        return len(drawn(settings(address)))

    with peer(echo) as server:
        assert asyncio.run(notebook(server.base_url)) == 12


def test_the_key_is_said_nowhere(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("WINNOW_ENDPOINT_KEY", "sk-secret")
    with (
        caplog.at_level(logging.DEBUG),
        peer(lambda number, body: Reply([b""], 401)) as server,
        pytest.raises(ConfigurationError, match="check the key") as caught,
    ):
        drawn(settings(server.base_url))
    assert "sk-secret" not in caplog.text + str(caught.value)


def test_a_proxy_of_the_environment_does_not_stand_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with peer(echo) as server:
        drawn(settings(server.base_url), prompts=1)


def test_text_that_utf8_cannot_say_becomes_text_that_it_can() -> None:
    raw = json.dumps({"choices": [choice("half \ud800 a pair", logprobs=[-1.0])]}).encode()
    with peer(lambda number, body: Reply([raw])) as server:
        (answer,) = drawn(settings(server.base_url), k=1, prompts=1)
    assert answer.text == "half ? a pair"
