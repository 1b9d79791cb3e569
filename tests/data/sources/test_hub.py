"""A data set on a hub: the real clients against a server on this machine that answers as the hub does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "README.md": b"---\nlicense: mit\n---\n",
    "train.jsonl": b'{"question": "1 + 1", "answer": "#### 2"}\n{"question": "1 + 2", "answer": "#### 3"}\n',
    "test.jsonl": b'{"question": "2 + 2", "answer": "#### 4"}\n',
}


class Hub(BaseHTTPRequestHandler):
    """One data set, ``org/name``, at one commit."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = self.path.partition("?")[0]
        file = path.removeprefix(f"/datasets/org/name/resolve/{COMMIT}/")
        if path in (f"/api/datasets/org/name{at}" for at in ("", "/revision/main", f"/revision/{COMMIT}")):
            siblings = [{"rfilename": name} for name in FILES]
            self.send(200, json.dumps({"id": "org/name", "sha": COMMIT, "siblings": siblings}).encode())
        elif path == f"/api/datasets/org/name/tree/{COMMIT}":
            tree = [{"type": "file", "oid": COMMIT, "size": len(data), "path": name} for name, data in FILES.items()]
            self.send(200, json.dumps(tree).encode())
        elif file in FILES:
            self.send(200, FILES[file], {"ETag": f'"{file}"', "X-Repo-Commit": COMMIT})
        else:
            code = "EntryNotFound" if "org/name" in path else "RepoNotFound"
            self.send(404, b"{}", {"X-Error-Code": code})

    def send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Not on the tests' output."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


READ = """
import json, sys
from tasks.data.sources.digest import pinned
from tasks.data.sources.read import read_records
from tasks.runtime.errors import DataError
found = []
for address in sys.argv[1:]:
    try:
        source = pinned(address)
        found.append([source.address, source.digest, [record.value for record in read_records(source.address)]])
    except DataError as error:
        found.append(str(error))
print(json.dumps(found))
"""


def test_a_data_set_is_pinned_to_its_commit_and_streamed(endpoint: str, tmp_path: Path) -> None:
    """In a process of its own: the clients take the hub's address when they are imported."""
    addresses = ["hf:org/name", "hf:org/name?split=test", "hf:org/name?split=dev", "hf:org/other"]
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", READ, *addresses]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    train, test, dev, other = json.loads(done.stdout)
    assert train[0] == f"hf:org/name?revision={COMMIT}"
    assert test[0] == f"hf:org/name?split=test&revision={COMMIT}"
    assert train[1] != test[1]
    assert [train[2], test[2]] == [
        [json.loads(line) for line in FILES[name].splitlines()] for name in ("train.jsonl", "test.jsonl")
    ]
    assert "hf:org/name has the splits train, test; choose one" in dev
    assert "hf:org/other cannot be read" in other
    assert "check its name, configuration, revision and split" in other
