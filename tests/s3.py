"""A real S3 server for the tests: SeaweedFS in a process of its own, on the loopback interface only."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import s3fs

from tasks.runtime.stage import die_with_parent

KEY, SECRET = "access-key-of-the-tests", "not-a-secret-of-anyone"
_READY_SECONDS = 60
_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]
}


def free_ports(count: int) -> list[int]:
    """That many free ports of the loopback interface, all held open until each is known, so that none comes twice."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def s3_server(folder: Path) -> Iterator[dict[str, Any]]:
    """Serve S3 from `folder`; yields the options s3fs needs to reach it. Every writer has the same full rights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir()
    (folder / "identities.json").write_text(json.dumps(_IDENTITIES))
    ports = free_ports(8)
    options = {"key": KEY, "secret": SECRET, "endpoint_url": f"http://127.0.0.1:{ports[0]}"}
    log = folder / "server.log"
    with log.open("wb") as output:
        # Run in its folder: it leaves files where it is started.
        process = subprocess.Popen(
            _command(folder, ports), cwd=folder, stdout=output, stderr=output, preexec_fn=die_with_parent
        )
    try:
        _wait_until_ready(options, process, log)
        yield options
    finally:
        process.kill()
        process.wait()


def _command(folder: Path, ports: list[int]) -> list[str]:
    names = ("s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc")
    places = dict(zip(names, ports, strict=True))
    return [
        str(Path(sys.executable).with_name("weed")),
        "server",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=10",
        "-s3",
        f"-s3.config={folder / 'identities.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(f"-{name.partition('.')[0]}.port{'.grpc' * name.endswith('.grpc')}={port}" for name, port in places.items()),
    ]


def _wait_until_ready(options: dict[str, Any], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            # Ready means that it keeps what it is given: the gateway answers before there is a volume to write to.
            s3fs.S3FileSystem(skip_instance_cache=True, **options).pipe_file("ready/ready", b"ready")
            return
        except Exception as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS did not come up: {log.read_text()[-2000:]}") from error
            time.sleep(0.2)
