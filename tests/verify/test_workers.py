"""Verifying in processes that hang, crash and talk: each row gets its own verdict, whatever its neighbours do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import count, islice

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import UnknownPluginError
from tasks.verify.dispatch import CHUNK_ANSWERS, verify_answers
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer
from tasks.verify.workers import CHUNK_ROWS, REASON_CHARACTERS

UNRULY = "tests.verify.plugins:unruly"
TRIVIAL = "tests.verify.plugins:trivial"
LIMIT = VerifySettings(time_limit=0.4)

EXPECTED = {
    "ok": ("accepted", ""),
    "wrong": ("rejected", ""),
    "hang": ("timed_out", "took over 0.4 s"),
    "sleep": ("timed_out", "took over 0.4 s"),
    "segfault": ("error", "killed by SIGSEGV"),
    "kill": ("error", "killed by SIGKILL"),
    "leave": ("error", "exit code 0"),
    "exit": ("error", "SystemExit: 3"),
    "raise": ("error", "RuntimeError: no such thing"),
    "text": ("error", "returned a str, not a Verdict"),
    "close": ("error", "process"),
    "print": ("rejected", ""),
    "surrogate": ("rejected", "?"),
}


def run(words: list[str]) -> list[tuple[str, str]]:
    return [(v.state, v.reason) for v in verify_answers([Answer(word, UNRULY, "ok") for word in words], LIMIT)]


def check(words: list[str]) -> None:
    verdicts = run(words)
    assert len(verdicts) == len(words)
    for word, (state, reason) in zip(words, verdicts, strict=True):
        assert state == EXPECTED[word][0], (word, state, reason)
        assert EXPECTED[word][1] in reason


@pytest.mark.parametrize("word", EXPECTED)
def test_a_row_that_misbehaves_costs_only_itself(word: str) -> None:
    check(["ok", word, "wrong"])


def test_all_of_them_together_over_several_chunks() -> None:
    check([word for word in EXPECTED for _ in range(2)] + ["ok"] * CHUNK_ROWS + ["hang", "ok", "segfault"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(["ok", "wrong", "segfault", "leave", "raise", "exit", "close", "text"]), max_size=12))
def test_any_order(words: list[str]) -> None:
    check(words)


def test_only_the_rows_that_hang_wait() -> None:
    started = time.monotonic()
    check(["ok"] * 30 + ["hang"] + ["ok"] * 30 + ["sleep"] + ["ok"] * 30)
    assert 2 * LIMIT.time_limit <= time.monotonic() - started < 2 * LIMIT.time_limit + 5


def test_no_process_is_left_behind() -> None:
    run(["ok", "hang", "ok"])
    stream = verify_answers((Answer("ok", UNRULY, "ok") for _ in count()), LIMIT)
    assert next(stream).state == "accepted"
    stream.close()
    assert not multiprocessing.active_children()


def test_it_streams() -> None:
    """An endless input: what is read ahead is one chunk."""
    read = count()
    tasks = (Answer("ok", TRIVIAL, "ok") for _ in read)
    stream = verify_answers(tasks, LIMIT)
    assert len(list(islice(stream, 3 * CHUNK_ANSWERS))) == 3 * CHUNK_ANSWERS
    assert next(read) <= 4 * CHUNK_ANSWERS
    stream.close()


def test_a_large_text_passes() -> None:
    text = "\u00fc\ud800" * 500_000
    (verdict,) = verify_answers([Answer(text, TRIVIAL, text)], VerifySettings(time_limit=20))
    assert verdict.state == "accepted"


def test_reasons_are_short_and_can_be_written() -> None:
    ((_, reason),) = run(["surrogate"])
    assert len(reason) == REASON_CHARACTERS
    reason.encode()


def test_an_unknown_verifier_is_an_error_and_lists_the_names() -> None:
    with pytest.raises(UnknownPluginError, match=r"exact,.* number,"):
        list(verify_answers([Answer("1", "numbre", "1")], LIMIT))


def test_what_a_verifier_prints_does_not_reach_standard_output() -> None:
    code = (
        "from tasks.verify.dispatch import verify_answers\n"
        "from tasks.verify.settings import VerifySettings\n"
        "from tasks.verify.verdict import Answer\n"
        f"print([v.state for v in verify_answers([Answer('print', '{UNRULY}', 'ok')], VerifySettings(time_limit=5))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "['rejected']\n"


def test_killing_the_caller_ends_the_worker() -> None:
    code = (
        "import multiprocessing\n"
        "from tasks.verify.dispatch import verify_answers\n"
        "from tasks.verify.settings import VerifySettings\n"
        "from tasks.verify.verdict import Answer\n"
        f"answers = [Answer(word, '{UNRULY}', 'ok') for word in ['ok'] * 512 + ['sleep']]\n"
        "stream = verify_answers(answers, VerifySettings(time_limit=3000))\n"
        "next(stream)\n"
        "print(multiprocessing.active_children()[0].pid, flush=True)\n"
        "list(stream)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    worker = int(caller.stdout.readline())
    assert psutil.pid_exists(worker)
    os.kill(caller.pid, signal.SIGKILL)
    caller.wait()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its caller"
        time.sleep(0.05)
