"""Stages: results, events and errors cross; deaths are named; nothing hangs."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.runtime.errors import ContractError, PassingFaultError, StageKilledError, WinnowError
from tasks.runtime.progress import Progress
from tasks.runtime.stage import LogLine, run_stage
from tests.runtime import stage_functions as functions

pytestmark = pytest.mark.timeout(180)  # a hang is a failure of these tests


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within that time; a zombie nobody has collected yet is gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_a_result_comes_with_its_cost() -> None:
    result, usage = run_stage("add", functions.add, 2, right=3)
    assert result == 5
    assert 0 <= usage.seconds < 5
    assert usage.peak_bytes > 50e6  # the libraries are in it


def test_log_lines_and_progress_arrive_in_order() -> None:
    events: list[Any] = []
    assert run_stage("chatter", functions.chatter, 30, on_event=events.append)[0] == "done"
    lines = [event for event in events if isinstance(event, LogLine)]
    assert [line.text for line in lines] == [f"line {number}" for number in range(30)]
    assert {(line.level, line.logger) for line in lines} == {(logging.INFO, "winnow.tests")}
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[0] == Progress(1, 30, "lines", "n")
    assert progress[-1] == Progress(30, 30, "lines", "n")
    assert events[-1] is progress[-1]


def test_many_threads_do_not_garble_the_line() -> None:
    events: list[Any] = []
    result, _ = run_stage("chatter", functions.chatter_from_threads, 8, 200, on_event=events.append)
    assert len(result) == 1_000_000
    assert sum(isinstance(event, LogLine) for event in events) == 8 * 200


def test_a_typed_error_crosses_with_the_stages_traceback() -> None:
    with pytest.raises(ContractError, match="rows are missing: run again") as caught:
        run_stage("refuse", functions.refuse)
    notes = "\n".join(caught.value.__notes__)
    assert "in stage 'refuse'" in notes
    assert "stage_functions.py" in notes
    assert "KeyError: 'inner'" in notes


def test_an_error_that_does_not_pickle_crosses_as_text() -> None:
    with pytest.raises(WinnowError, match="OddError: odd 1 2"):
        run_stage("odd", functions.odd)


def test_a_result_that_cannot_cross_is_a_clear_error() -> None:
    with pytest.raises(ContractError, match="returned a generator that cannot leave its process"):
        run_stage("generator", functions.give_generator)
    with pytest.raises(ContractError, match="'unreadable' returned what cannot be read back here"):
        run_stage("unreadable", functions.unreadable)


def test_arguments_that_cannot_cross_are_a_clear_error() -> None:
    with pytest.raises(ContractError, match="module's function and plain arguments"):
        run_stage("lambda", lambda: 1)
    with pytest.raises(ContractError, match="module's function and plain arguments"):
        run_stage("lock", functions.add, threading.Lock())
    assert run_stage("add", functions.add, 1)[0] == 1


def test_a_result_larger_than_the_pipe_arrives() -> None:
    assert run_stage("large", functions.give_bytes, 64 << 20)[0] == b"x" * (64 << 20)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_stage_is_said_to_be_killed(number: signal.Signals) -> None:
    with pytest.raises(StageKilledError, match=f"'die' was killed by {number.name}") as caught:
        run_stage("die", functions.die_of, number)
    assert isinstance(caught.value, PassingFaultError)
    assert ("memory" in str(caught.value)) == (number == signal.SIGKILL)


def test_a_stage_that_dies_within_a_message_is_said_to_be_killed() -> None:
    with pytest.raises(StageKilledError, match="SIGKILL"):
        run_stage("sending", functions.die_while_sending, on_event=lambda event: time.sleep(0.01))


def test_a_stage_cannot_end_the_flow() -> None:
    with pytest.raises(WinnowError, match=r"its own end: SystemExit\(0\)"):
        run_stage("leave", functions.leave, 0)
    with pytest.raises(WinnowError, match="exit code 7 and no result"):
        run_stage("leave", functions.leave_at_once, 7)


def test_a_memory_error_may_pass() -> None:
    with pytest.raises(PassingFaultError, match="lower the batch size") as caught:
        run_stage("memory", functions.raise_memory_error)
    assert not isinstance(caught.value, StageKilledError)


@pytest.mark.parametrize("how", ["python", "torch"])
def test_memory_that_really_runs_out_may_pass(how: str) -> None:
    with pytest.raises(PassingFaultError, match="out of memory"):
        run_stage("outgrow", functions.outgrow, 200 << 20, how)


def test_an_error_in_the_listener_ends_the_stage(tmp_path: Path) -> None:
    def stop(event: Any) -> None:
        raise RuntimeError("the listener failed")

    with pytest.raises(RuntimeError, match="the listener failed"):
        run_stage("chatter", functions.chatter, 30, on_event=stop)


@pytest.mark.parametrize("die", [False, True])
def test_what_a_stage_leaves_behind_is_ended(tmp_path: Path, die: bool) -> None:
    if die:
        with pytest.raises(StageKilledError):  # and not a wait for the worker that was forked from it
            run_stage("leaver", functions.start_sleepers_and_return, str(tmp_path), die)
    else:
        assert run_stage("leaver", functions.start_sleepers_and_return, str(tmp_path), die)[0] == "done"
    for name in ("sleeper", "worker"):
        assert gone(int((tmp_path / name).read_text())), name


def test_the_libraries_are_there_already() -> None:
    assert run_stage("look", functions.torch_is_here)[0]
    started = time.monotonic()
    run_stage("add", functions.add, 1)
    stage = time.monotonic() - started
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "import torch, transformers"], check=True)
    assert stage < (time.monotonic() - started) / 4


def test_stages_run_side_by_side() -> None:
    results: dict[int, int] = {}

    def one(number: int) -> None:
        results[number] = run_stage(f"add-{number}", functions.add, number, 1)[0]

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: number + 1 for number in range(6)}


# --- the flow's own end --------------------------------------------------------------------------------------------


def start_flow(folder: Path, function: str = "sleep_and_tell", *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.runtime.stage_functions", function, str(folder), *arguments]
    # A shell starts what it puts into the background with Ctrl-C ignored, and that is inherited.
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[2], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )


def told(folder: Path, *names: str) -> dict[str, int]:
    """The process ids that the stage told, once it has told all."""
    deadline = time.monotonic() + 120
    while not all((folder / name).exists() for name in names):
        assert time.monotonic() < deadline, "the stage did not start"
        time.sleep(0.05)
    return {name: int((folder / name).read_text()) for name in names}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("arguments", [(), (functions.NO_GROUP_OF_OURS,)], ids=["in the group", "in its own group"])
def test_nothing_outlives_the_flow(tmp_path: Path, number: signal.Signals, arguments: tuple[str, ...]) -> None:
    process = start_flow(tmp_path, "sleep_and_tell", *arguments)
    pids = told(tmp_path, "stage", "server", "sleeper", "worker")
    others = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(number)
    process.wait(timeout=20)
    assert (tmp_path / "interrupted").exists() == (number == signal.SIGINT)
    for name, pid in pids.items():
        assert gone(pid), name
    assert all(gone(pid) for pid in others)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stage_that_lets_no_thread_run_is_ended_too(tmp_path: Path, number: signal.Signals) -> None:
    process = start_flow(tmp_path, "hold_the_interpreter")
    stage = told(tmp_path, "stage")["stage"]
    process.send_signal(number)
    process.wait(timeout=20)
    assert gone(stage)
