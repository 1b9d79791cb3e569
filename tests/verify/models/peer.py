"""A real HTTP server that answers like an endpoint, well or badly, as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the peer sends: `parts`, with `pause` seconds before each."""

    parts: list[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0


Script = Callable[[int, dict[str, Any]], Reply]  # (how many requests came before, the request's body) → reply


def content(text: str) -> Reply:
    """A chat completion with this text."""
    message = {"role": "assistant", "content": text}
    return Reply([json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()])


def rated(rating: Any) -> Reply:
    return content(json.dumps({"reason": "so it is", "rating": rating}))


@dataclass
class Peer:
    """A running server: its address, and what it was sent."""

    base_url: str
    requests: list[tuple[str, dict[str, str], dict[str, Any]]]
    at_once: int = 0


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with five, a sixth asker of one moment waits a second, or fifteen, for its connection


@contextmanager
def peer(script: Script, port: int = 0) -> Iterator[Peer]:
    """Serve on the loopback address, on any free port or on `port`, until the block ends."""
    lock, open_now = threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(about.requests)
                about.requests.append((self.path, dict(self.headers.items()), body))
                open_now[0] += 1
                about.at_once = max(about.at_once, open_now[0])
            try:
                self._send(script(number, body))
            except OSError:  # the asker gave up
                self.close_connection = True
            finally:
                with lock:
                    open_now[0] -= 1

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(sum(map(len, reply.parts))))
            self.end_headers()
            for part in reply.parts:
                time.sleep(reply.pause)
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = _Server(("127.0.0.1", port), Handler)
    about = Peer(f"http://127.0.0.1:{server.server_port}/v1", [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield about
    finally:
        server.shutdown()
        thread.join()
        server.socket.close()
