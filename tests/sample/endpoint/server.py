"""What a sampling server says, and such a server as a process of its own, which can be killed.

``python -m tests.sample.endpoint.server PORT [SECONDS] [--child FILE]``: it takes SECONDS for each reply, and with a file it
starts a process that would sleep for ten minutes, and writes its number there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tasks.sample.requests import Answer, uniform_requests
from tasks.sample.settings import SamplingSettings
from tests.sample.rows import prompt
from tests.verify.models.peer import Reply, peer

ROOT = Path(__file__).parents[3]


def choice(text: str, finish_reason: str = "stop", logprobs: list[float] | None = None) -> dict[str, Any]:
    tokens = {"content": [{"token": "t", "logprob": number} for number in logprobs]} if logprobs is not None else None
    message = {"role": "assistant", "content": text}
    return {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": tokens}


def completion(*choices: dict[str, Any], **more: Any) -> Reply:
    return Reply([json.dumps({"object": "chat.completion", "choices": choices, **more}).encode()])


def echo(number: int, body: dict[str, Any]) -> Reply:
    """As many answers as were asked for; each says the prompt, the seed, and which answer of which request it is."""
    said = f"{body['messages'][-1]['content']}|{body.get('seed')}"
    return completion(*(choice(f"{said}|{number}|{index}", logprobs=[-0.5, -1.0]) for index in range(body.get("n", 1))))


def settings(*addresses: str, **endpoint: Any) -> SamplingSettings:
    about = {"addresses": list(addresses), "model": "policy-1", "hedge_quantile": 0, "time_limit": 5, **endpoint}
    return SamplingSettings(engine="endpoint", endpoint=about)  # type: ignore[arg-type]


def drawn(
    sampling: SamplingSettings, prompts: int = 4, seed: int = 7, folder: Path = Path("no-model"), k: int = 3
) -> list[Answer]:
    """All answers, of which every draw of every prompt must be there once."""
    from tasks.sample.endpoint.engine import draw

    rows = [prompt(number) for number in range(prompts)]
    answers = list(draw(folder, uniform_requests(rows, k), sampling, seed=seed, dtype="float32"))
    expected = [(row["id"], number) for row in rows for number in range(k)]
    assert [(answer.prompt_id, answer.draw) for answer in answers] == expected
    return answers


@contextmanager
def process(port: int, seconds: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """This server, running and ready."""
    server = subprocess.Popen([sys.executable, "-m", __name__, str(port), str(seconds)], cwd=ROOT)
    try:
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            except httpx.TransportError:
                assert server.poll() is None
                time.sleep(0.02)
        yield server
    finally:
        server.kill()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float, nargs="?", default=0.0)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--model")
    about = parser.parse_args()
    if about.child:
        about.child.write_text(f"{os.getpid()} {subprocess.Popen(['sleep', '600']).pid}")

    def script(number: int, body: dict[str, Any]) -> Reply:
        time.sleep(about.seconds)
        return echo(number, body)

    print("serving", flush=True)
    with peer(script, about.port):
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
