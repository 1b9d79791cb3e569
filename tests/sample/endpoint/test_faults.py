"""Servers that fail in every way they can: each draw comes once, or the round fails and says why."""

from __future__ import annotations

import itertools
import random
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tasks.runtime.errors import ConfigurationError, PassingFaultError
from tasks.sample.endpoint.launch import _free_port
from tests.sample.endpoint.server import choice, completion, drawn, echo, process, settings
from tests.verify.models.peer import Reply, peer

TRUNCATED = Reply([b'{"choices": [{"index": 0, "message": {"role": "assistant", "cont'])


def test_a_server_that_ignores_n_is_asked_for_the_rest() -> None:
    def one(number: int, body: dict[str, Any]) -> Reply:
        return echo(number, body | {"n": 1})

    with peer(one) as server:
        answers = drawn(settings(server.base_url, concurrency=1), k=4, prompts=3)
    assert len({answer.text for answer in answers}) == 12
    # The ignorant one is found out by the first two requests, sent ahead; then nobody asks for several.
    assert sum(body.get("n", 1) > 1 for _, _, body in server.requests) <= 2
    assert len(server.requests) == 12


@pytest.mark.parametrize("given", [1, 2, 5])
def test_fewer_or_more_answers_than_asked_for(given: int) -> None:
    def some(number: int, body: dict[str, Any]) -> Reply:
        return echo(number, body | {"n": given if body.get("n", 1) > 1 else 1})

    with peer(some) as server:
        drawn(settings(server.base_url), k=4, prompts=3)


def test_no_answer_in_a_reply_is_asked_again_and_named() -> None:
    with peer(lambda number, body: completion()) as server, pytest.raises(PassingFaultError, match="no answer in it"):
        drawn(settings(server.base_url, attempts=2))


@pytest.mark.parametrize(
    "fault",
    [
        Reply([b""], 429, {"retry-after": "0"}),
        Reply([b"busy"], 503, {"retry-after": "soon"}),
        Reply([b"oops"], 500),
        TRUNCATED,
        Reply([b"<html>"]),
        completion(choice("filtered", "content_filter")),
        completion(choice("gone", "abort")),
    ],
    ids=["429", "503", "500", "truncated", "html", "filtered", "aborted"],
)
def test_a_storm_passes(fault: Reply) -> None:
    seen: dict[int, int] = {}

    def stormy(number: int, body: dict[str, Any]) -> Reply:
        seen[body["seed"]] = seen.get(body["seed"], 0) + 1
        return fault if seen[body["seed"]] <= 2 else echo(number, body)

    with peer(stormy) as server:
        answers = drawn(settings(server.base_url), prompts=6)
    assert len({answer.text for answer in answers}) == 18


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Reply([b""], 429), "status 429"),
        (Reply([b""], 500), "status 500"),
        (TRUNCATED, "no chat completion"),
        (completion(choice("x", "content_filter")), "an answer ended with 'content_filter'"),
    ],
    ids=["429", "500", "truncated", "filtered"],
)
def test_a_storm_without_end_has_a_name(fault: Reply, said: str) -> None:
    with peer(lambda number, body: fault) as server, pytest.raises(PassingFaultError, match=said) as caught:
        drawn(settings(server.base_url, attempts=3))
    assert "'p" in str(caught.value)  # the prompt


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Reply([b""], 401), "check the key"),
        (Reply([b""], 404), "check address and model"),
        (Reply([b'{"error": "context length exceeded"}'], 400), "prompt 'p0': .*status 400.*context length exceeded"),
    ],
    ids=["401", "404", "400"],
)
def test_what_asking_again_does_not_change_stops_at_once(fault: Reply, said: str) -> None:
    with peer(lambda number, body: fault) as server, pytest.raises(ConfigurationError, match=said):
        drawn(settings(server.base_url, concurrency=1))
    # Two are asked ahead, and once more without `n`, in case it was that.
    assert len(server.requests) <= 4


@pytest.mark.parametrize("part", ["reasoning_content", "reasoning", "tool_calls"])
def test_an_answer_with_a_part_taken_out_is_no_answer(part: str) -> None:
    def parsed(number: int, body: dict[str, Any]) -> Reply:
        one = choice("rest")
        one["message"][part] = ["taken out"]
        return completion(one)

    with peer(parsed) as server, pytest.raises(ConfigurationError, match=part):
        drawn(settings(server.base_url))


def test_a_server_killed_in_mid_round_loses_nothing() -> None:
    port = _free_port()
    with process(port, seconds=0.05) as doomed, peer(echo) as other:
        killer = threading.Timer(0.15, doomed.kill)
        killer.start()
        answers = drawn(settings(f"http://127.0.0.1:{port}/v1", other.base_url, concurrency=2), k=2, prompts=60)
        killer.join()
    assert len({answer.text for answer in answers}) == 120
    assert len(other.requests) > 30


def test_a_server_that_comes_back_is_asked_again() -> None:
    down = threading.Event()
    down.set()

    def sick(number: int, body: dict[str, Any]) -> Reply:
        if number == 3:
            down.clear()
        return Reply([b""], 503) if down.is_set() else Reply(echo(number, body).parts, pause=0.01)

    with peer(sick) as one, peer(lambda number, body: Reply(echo(number, body).parts, pause=0.03)) as two:
        drawn(settings(one.base_url, two.base_url, concurrency=2), k=1, prompts=80)
    assert len(one.requests) > 10


def test_all_servers_down_has_a_name() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        addresses = [f"http://127.0.0.1:{held.getsockname()[1]}/v1", "http://127.0.0.1:9/v1"]
        with pytest.raises(PassingFaultError, match=r"no answer to prompt 'p.' in 3 attempts") as caught:
            drawn(settings(*addresses, attempts=3))
    assert all(f"{address}: ConnectError" in str(caught.value) for address in addresses)


def test_a_hung_connection_is_overtaken_by_a_second_request() -> None:
    hung = itertools.count()

    def script(number: int, body: dict[str, Any]) -> Reply:
        # One prompt's first request never ends.
        if "9 + 12" in body["messages"][0]["content"] and next(hung) == 0:
            return Reply([b" "] * 400, pause=0.05)
        return echo(number, body)

    with peer(script) as server:
        started = time.monotonic()
        sampling = settings(server.base_url, hedge_quantile=0.95, hedge_seconds=1.0, time_limit=60)
        answers = drawn(sampling.model_copy(update={"max_tokens": 4}), prompts=30)
        assert time.monotonic() - started < 15  # of the twenty it would take
    assert len({answer.text for answer in answers}) == 90
    assert 30 < len(server.requests) < 60


def test_a_hung_connection_is_given_up_and_asked_again() -> None:
    with peer(lambda number, body: Reply([b" "], pause=2) if number == 1 else echo(number, body)) as server:
        drawn(settings(server.base_url, time_limit=0.3))


def test_a_server_that_trickles_is_named() -> None:
    trickle = Reply([b" "] * 100, pause=0.05)
    with peer(lambda number, body: trickle) as server, pytest.raises(PassingFaultError, match=r"no reply within 0\.2 s"):
        drawn(settings(server.base_url, time_limit=0.2, attempts=2), prompts=1)


def test_a_reply_without_end_is_not_read_to_its_end() -> None:
    with (
        peer(lambda number, body: Reply([b" " * 500_000] * 100)) as server,
        pytest.raises(PassingFaultError, match="longer than"),
    ):
        drawn(settings(server.base_url, attempts=1), prompts=1)


Fault = st.sampled_from(["fine", "fine", "fine", "500", "429", "truncated", "fewer", "more", "closed"])


@examples(max_examples=10, deadline=None)
@given(st.lists(Fault, min_size=1, max_size=30), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
def test_whatever_happens_each_draw_comes_once_or_there_is_a_named_failure(
    faults: list[str], servers: int, k: int, size: int
) -> None:
    order = random.Random(len(faults))

    def script(number: int, body: dict[str, Any]) -> Reply:
        fault = faults[number] if number < len(faults) else "fine"
        count = body.get("n", 1)
        return {
            "500": Reply([b""], 500),
            "429": Reply([b""], 429),
            "truncated": TRUNCATED,
            "closed": Reply([b"{"], 200, {"connection": "close"}, pause=0.01),
        }.get(fault) or echo(number, body | {"n": max(1, count + {"fewer": -order.randint(1, 3), "more": 2}.get(fault, 0))})

    with ExitStack() as stack:
        addresses = [stack.enter_context(peer(script)).base_url for _ in range(servers)]
        with suppress(PassingFaultError):
            answers = drawn(settings(*addresses, draws_per_request=size, attempts=5), k=k, prompts=4)
            # Two servers number their requests alike; what they were asked differs.
            assert len({answer.text for answer in answers}) == 4 * k
