"""Many writers at once, and writers that are killed: no update is lost, and the alias is the old or the new one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

from tasks.registry import ledger
from tasks.registry.records import Entry
from tasks.registry.versions import versions
from tasks.runtime.stage import die_with_parent
from tasks.runtime.store import Store
from tests.registry.building import LINEAGE, new_version, publish_model

VERSIONS = 5


def start(store: Store, action: str, *arguments: Any) -> subprocess.Popen[str]:
    """A process of `tests.registry.racing`, waiting for its line."""
    command = [sys.executable, "-m", "tests.registry.racing", action, store.uri]
    return subprocess.Popen(
        [*command, json.dumps(store.options), json.dumps(arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,
    )


def go(processes: list[subprocess.Popen[str]]) -> None:
    """Wait until all are ready, then let all run."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def finish(processes: list[subprocess.Popen[str]]) -> list[Any]:
    """Everything they returned, in one list."""
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [item for text in printed for item in json.loads(text)]


def begin(store: Store) -> None:
    ledger.bootstrap(store, LINEAGE, publish_model(store, "base"))
    for number in range(2, VERSIONS + 1):
        new_version(store, f"model {number}")


def check(log: list[Entry]) -> None:
    """The history has no gap, and each entry replaced the champion that the one before it left."""
    assert [entry.seq for entry in log] == list(range(1, len(log) + 1))
    assert len({entry.id for entry in log}) == len(log)
    for before, entry in pairwise(log):
        assert entry.previous == before.champion
        assert entry.version != entry.previous


def race(store: Store, racers: int, moves: int) -> None:
    begin(store)
    processes = [start(store, "move_champion", number, moves, VERSIONS) for number in range(racers)]
    go(processes)
    written = finish(processes)
    log = ledger.history(store, LINEAGE)
    check(log)
    assert sorted(written) == sorted(entry.id for entry in log[1:]), "every update that was confirmed is there, once"
    assert len(written) > racers
    champion = ledger.champion(store, LINEAGE)
    assert champion is not None
    assert champion.version == log[-1].champion


def test_sixteen_processes_on_a_folder(local: Store) -> None:
    race(local, racers=16, moves=8)


def test_five_processes_on_s3(remote: Store) -> None:
    race(remote, racers=5, moves=4)


def test_sixteen_processes_register_the_same_models(local: Store) -> None:
    models = [publish_model(local, f"model {number}").model_dump() for number in range(6)]
    processes = [start(local, "register_models", models) for _ in range(16)]
    go(processes)
    told = {(digest, number) for digest, number in finish(processes)}
    assert sorted(number for _, number in told) == [1, 2, 3, 4, 5, 6], "all were told the same number for a model"
    assert {(version.model.digest, version.version) for version in versions(local, LINEAGE)} == told


def test_kill_9_inside_a_promotion_leaves_the_old_champion_or_the_new(local: Store) -> None:
    begin(local)
    moments, lengths = random.Random(9), [1]
    for _ in range(8):
        process = start(local, "promote_for_ever", VERSIONS)
        go([process])
        deadline = time.monotonic() + 60
        while len(ledger.history(local, LINEAGE)) == lengths[-1] and time.monotonic() < deadline:
            assert ledger.champion(local, LINEAGE) is not None, "a reader beside the writer never finds it broken"
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.communicate()
        log = ledger.history(local, LINEAGE)
        check(log)
        champion = ledger.champion(local, LINEAGE)
        assert champion is not None
        assert champion.version == log[-1].version
        lengths.append(len(log))
    assert all(before < after for before, after in pairwise(lengths))
