"""The store under kill -9, races and full disks: nothing half-written is ever readable."""

from __future__ import annotations

import json
import multiprocessing
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.runtime.references import ReportRef, parse_ref
from tasks.runtime.store import Store
from tests.runtime.publish_forever import FILES, fill

RACERS, KEYS = 6, 8


def publisher(store: Store, *arguments: str) -> subprocess.Popen[bytes]:
    """A publishing process that has begun."""
    command = [sys.executable, "-m", "tests.runtime.publish_forever", store.uri, json.dumps(store.options), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def half_and_whole(store: Store) -> tuple[list[str], list[ReportRef]]:
    """Digests of folders without a manifest, and the references of those that have one."""
    store.fs.invalidate_cache()
    files = store.fs.find(f"{store.root}/objects")
    folders = {path.split("/objects/report/")[1].split("/")[0] for path in files}
    whole = [digest for digest in folders if store.exists(ReportRef(uri=f"objects/report/{digest}", digest=digest))]
    manifests = [json.loads(store.read_bytes(f"objects/report/{digest}/manifest.json")) for digest in whole]
    return sorted(folders.difference(whole)), [parse_ref(manifest["ref"]) for manifest in manifests]


def test_kill_9_at_random_moments_leaves_nothing_half_readable(store: Store) -> None:
    chance, seen = random.Random(7), 0
    for _ in range(10 if store.local else 5):
        process = publisher(store)
        time.sleep(chance.uniform(0.0, 0.15 if store.local else 1.0))
        process.kill()
        process.wait()
        _, whole = half_and_whole(store)
        for ref in whole:
            assert len(list(store.open(ref).glob("part-*.bin"))) == FILES
        seen = max(seen, len(whole))
    assert seen > 0


@pytest.mark.parametrize("files", [1, FILES // 2, FILES - 1])
def test_kill_9_between_two_files(store: Store, files: int) -> None:
    publisher(store, str(files)).wait()
    half, whole = half_and_whole(store)
    assert len(half) == 1
    assert whole == []
    # The next run makes it whole.
    with store.draft() as draft:
        fill(draft, 0)
        ref = store.publish(draft, "report")
    assert ref.digest == half[0]
    assert len(list(store.open(ref).iterdir())) >= FILES


def race(uri: str, options: dict[str, Any], racer: int, start: Any, won: Any) -> None:
    """Try to create every key at the same moment as the others; tells which it got."""
    store = Store(uri, options)
    store.names("race")  # connected before the start
    for key in range(KEYS):
        start.wait()
        if store.create_bytes(f"race/{key}", str(racer).encode()):
            won.put((key, racer))
    won.put(None)


def test_of_six_racing_processes_one_creates_a_file(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    start, won = context.Barrier(RACERS), context.Queue()
    racers = [context.Process(target=race, args=(store.uri, store.options, n, start, won)) for n in range(RACERS)]
    for racer in racers:
        racer.start()
    results: list[tuple[int, int] | None] = []
    ended = 0
    while ended < RACERS:
        result = won.get(timeout=120)
        ended += result is None
        results.append(result)
    for racer in racers:
        racer.join()
    winners = dict(filter(None, results))
    assert len(results) - RACERS == len(winners) == KEYS  # one winner each, no more
    assert {key: store.read_bytes(f"race/{key}").decode() for key in winners} == {k: str(r) for k, r in winners.items()}
    assert len(store.names("race")) == KEYS  # and nothing of the losers' is left


def run_out_of_room(folder: Path, how: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.runtime.fill_disk", str(folder), how]
    if how == "tmpfs":
        command = ["unshare", "--mount", "--map-root-user", *command]
    process = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def assert_reported(seen: dict[str, Any], acts: list[str]) -> None:
    for act in acts:
        assert seen[act]["error"] == "DiskFullError", seen
        assert seen[act]["exit_code"] == 1
        assert "free space" in seen[act]["text"]


def may_mount() -> bool:
    """Whether this user may mount a small disk in a namespace of its own; containers often may not."""
    attempt = ["unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(attempt, capture_output=True).returncode == 0


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    how = "tmpfs" if may_mount() else "limit"
    seen = run_out_of_room(tmp_path, how)
    assert_reported(seen, ["many_rows", "a_model", "large_file"])
    assert seen["artifacts"] == seen["drafts"] == []
    assert seen["old"] == "old"
    assert seen["names"] == ["old"]
    if how == "tmpfs":
        assert_reported(seen, ["write_bytes", "overwrite", "create_bytes", "publish"])
        assert seen["readable"] == []
        assert seen["again"] == {"error": None}


def test_a_limit_on_file_sizes_is_reported_like_a_full_disk(tmp_path: Path) -> None:
    seen = run_out_of_room(tmp_path, "limit")
    assert_reported(seen, ["many_rows", "a_model", "large_file"])
    assert seen["artifacts"] == seen["drafts"] == []
