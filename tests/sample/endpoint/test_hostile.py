"""Servers that mean harm, or are badly set up: a named cause, in bounded time and memory, and no secret in it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tasks.runtime.errors import ConfigurationError, PassingFaultError
from tasks.sample.endpoint.launch import _free_port
from tests.sample.endpoint.server import choice, completion, drawn, echo, settings
from tests.verify.models.peer import Reply, peer

KEY = "sk-secret-1"


def packed(data: bytes, name: str = "gzip") -> Reply:
    return Reply([data], 200, {"content-encoding": name})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (packed(gzip.compress(b" " * 50_000_000)), "compressed"),
        (packed(b"not at all"), "compressed"),
        (packed(b"x", "br, gzip"), "compressed"),
        (Reply([b"[" * 100_000]), "no chat completion"),
        (Reply([b'{"choices": ' + b"1" * 6_000 + b"}"]), "no chat completion"),
        (Reply([b"NaN"]), "no chat completion"),
        (completion(choice("a"), usage={"completion_tokens": 10**30}), "ignores max_tokens"),
        (completion(choice("a"), usage={"completion_tokens": 33}), "ignores max_tokens"),
        (completion(choice("a", logprobs=[-1.0] * 40)), "ignores max_tokens"),
        (completion(choice("a") | {"token_ids": list(range(40))}), "ignores max_tokens"),
        (Reply([b""], 200, {"retry-after": "1"}), "no chat completion"),
    ],
)
def test_a_harmful_reply_has_a_name(fault: Reply, said: str) -> None:
    started = time.monotonic()
    with peer(lambda number, body: fault) as server, pytest.raises(PassingFaultError, match=said):
        drawn(settings(server.base_url, attempts=2), k=1, prompts=1)
    assert time.monotonic() - started < 3


def test_an_answer_to_another_address_is_not_followed() -> None:
    with peer(echo) as other:
        moved = Reply([b""], 307, {"location": f"{other.base_url}/chat/completions"})
        with peer(lambda number, body: moved) as server, pytest.raises(ConfigurationError, match="status 307"):
            drawn(settings(server.base_url), k=1, prompts=1)
        assert other.requests == []


def test_nobody_can_be_told_to_wait_for_ever() -> None:
    late = Reply([b""], 429, {"retry-after": "9" * 400})
    started = time.monotonic()
    with peer(lambda number, body: late) as server, pytest.raises(PassingFaultError, match="429"):
        drawn(settings(server.base_url, attempts=3, time_limit=0.3), k=1, prompts=1)
    assert time.monotonic() - started < 3


def test_a_server_is_left_alone_as_long_as_it_asks_for() -> None:
    times: list[float] = []

    def script(number: int, body: dict[str, Any]) -> Reply:
        times.append(time.monotonic())
        return Reply([b""], 429, {"retry-after": "1"}) if number == 0 else echo(number, body)

    with peer(script) as server:
        drawn(settings(server.base_url), k=1, prompts=1)
    assert times[1] - times[0] >= 1


@pytest.mark.parametrize("key", ["sk-secret-é", "sk-\nsecret", "sk secret"])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_ENDPOINT_KEY", key)
    with peer(echo) as server, pytest.raises(ConfigurationError, match="WINNOW_ENDPOINT_KEY") as caught:
        drawn(settings(server.base_url), k=1, prompts=1)
    assert "secret" not in str(caught.value)
    assert server.requests == []


def test_the_end_of_a_keys_line_is_not_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_ENDPOINT_KEY", f"{KEY}\n")
    with peer(echo) as server:
        drawn(settings(server.base_url), k=1, prompts=1)
    assert server.requests[0][1]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_says_the_key_aloud(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_ENDPOINT_KEY", KEY)
    loud = Reply([json.dumps({"error": f"who is {KEY}?"}).encode()], status)
    with peer(lambda number, body: loud) as server, pytest.raises(ConfigurationError, match="who is") as caught:
        drawn(settings(server.base_url), k=1, prompts=1)
    chain: BaseException | None = caught.value
    while chain:
        assert KEY not in str(chain)
        chain = chain.__cause__ or chain.__context__


def test_what_keeps_the_asking_from_starting_is_raised_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that httpx cannot use."""
    monkeypatch.setenv("all_proxy", "gopher://nowhere")
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match="proxy"):
        drawn(settings("http://192.0.2.1/v1"), k=1, prompts=1)
    assert time.monotonic() - started < 5


def test_an_answer_is_cut_before_a_stop_text_that_the_server_leaves_in() -> None:
    with peer(lambda number, body: completion(choice("The sum is 7.\nQ: and", "length", logprobs=[-1.0] * 5))) as server:
        sampling = settings(server.base_url).model_copy(update={"stop": ["Q:", "\n"]})
        (answer,) = drawn(sampling, k=1, prompts=1)
    assert (answer.text, answer.finish_reason, answer.token_count) == ("The sum is 7.", "stop", 5)


@pytest.mark.parametrize("address", ["http://[/v1", "http://xn--/v1", "http://\x01/v1", "http://a:99999999/v1"])
def test_an_address_that_is_none_has_a_name(address: str) -> None:
    with pytest.raises((ConfigurationError, PassingFaultError)):
        drawn(settings(address, attempts=1), k=1, prompts=1)


@pytest.mark.parametrize("ids", ["abc", [1, "x"], [[[]]], {"a": 1}])
def test_prompt_ids_that_are_none(ids: Any) -> None:
    strange = completion(choice("a", logprobs=[-1.0]), prompt_token_ids=ids)
    with peer(lambda number, body: strange) as server, pytest.raises(PassingFaultError, match="prompt_token_ids"):
        drawn(settings(server.base_url, attempts=1), k=1, prompts=1)


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_refuses_n_is_asked_one_by_one(status: int) -> None:
    """As llama.cpp's did: ``Only one completion choice is allowed``."""

    def single(number: int, body: dict[str, Any]) -> Reply:
        return Reply([b"only one"], status) if body.get("n", 1) > 1 else echo(number, body)

    with peer(single) as server:
        answers = drawn(settings(server.base_url, attempts=2), k=4, prompts=5)
    assert len({answer.text for answer in answers}) == 20


@pytest.mark.parametrize("broken", [Reply([b""], 500), Reply([b"<html>"]), Reply([b""], 429)], ids=["500", "html", "429"])
def test_a_broken_server_that_fails_fast_does_not_swallow_what_others_could_answer(broken: Reply) -> None:
    with (
        peer(lambda number, body: broken) as one,
        peer(lambda number, body: Reply(echo(number, body).parts, pause=0.05)) as two,
    ):
        drawn(settings(one.base_url, two.base_url, concurrency=2, attempts=3), k=1, prompts=20)
    assert len(two.requests) == 20


def test_of_many_servers_a_single_one_that_runs_is_found() -> None:
    with peer(echo) as server:
        dead = [f"http://127.0.0.1:{_free_port()}/v1" for _ in range(7)]
        drawn(settings(*dead, server.base_url, attempts=2), k=1, prompts=3)


def test_an_address_with_a_query_is_refused() -> None:
    with pytest.raises(ValueError, match="is no address"):
        settings("http://127.0.0.1:1/v1?api_key=sk-1")


@contextmanager
def raw(*parts: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that says this to whoever connects, over and over the last part if there is a pause, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    with line, suppress(OSError):
                        line.recv(65536)
                        line.sendall(b"".join(parts))
                        while pause:
                            time.sleep(pause)
                            line.sendall(parts[-1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
HALF = b'content-length: 5000\r\n\r\n{"choices": ['


@pytest.mark.parametrize(
    ("parts", "pause", "said"),
    [
        ((), 0, "disconnected"),
        ((HEAD, HALF), 0, "RemoteProtocolError"),
        ((b"no HTTP at all\r\n\r\n",), 0, "RemoteProtocolError"),
        ((HEAD, b"x-more: 1\r\n"), 0.01, r"no reply within 0\.5 s"),
        ((HEAD, b"x: " + b"y" * 200_000), 0, "RemoteProtocolError"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), 0.01, r"no reply within 0\.5 s"),
        ((HEAD, b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"), 0.01, r"no reply within 0\.5 s"),
        ((HEAD, b"transfer-encoding: chunked\r\n\r\n", b"100000\r\n" + b" " * (1 << 20) + b"\r\n"), 0.001, "longer than"),
    ],
    ids=["silent", "half", "no http", "headers for ever", "one long header", "continue for ever", "trickle", "flood"],
)
def test_a_connection_that_breaks_or_never_ends(parts: tuple[bytes, ...], pause: float, said: str) -> None:
    with raw(*parts, pause=pause) as bad:
        with pytest.raises(PassingFaultError, match=said):
            drawn(settings(bad, attempts=1, time_limit=0.5), k=1, prompts=1)
        with peer(echo) as good:
            drawn(settings(bad, good.base_url, time_limit=0.5), k=2, prompts=4)
