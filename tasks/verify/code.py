"""The `code` verifier: runs Python that a model wrote against tests, in the sandbox (tasks/verify/sandbox/SANDBOX.md).

The reference is JSON with one of two kinds of tests:

``{"tests": source, "entry_point": name}`` – HumanEval, MBPP. Python source with asserts, at its top level or in a function
``check(candidate)``, or in functions ``test…()``, which are then called. `entry_point` is the function or class (or a list of
them) that the tests use of the program; it may be left out when the tests use just one name that they do not define. Asserts
are counted one by one; one in a ``try`` is part of what surrounds it. Standard modules that the tests use need no import.

``{"stdin_tests": [{"input": text, "output": text}, …]}`` – the program is run once for each input, as a script. Its
output must be the expected one, line by line, white space at the ends of lines and of the text aside; its exit code 0.

Both may have ``setup`` (source that runs before the program and before the tests: imports and functions both may use) and
``solution`` (a right program; for the self-test).

**The program** is the last fenced block that is marked ``python``, ``py``, ``python3`` or not at all – of several, the
last that defines the entry point, with the blocks before it that hold nothing but imports – after the last ``</think>``;
without any fence, what stands between ``[BEGIN]`` and ``[DONE]`` (MBPP's own prompt), else the whole text.

**Between tests and program** go plain values: None, booleans, numbers, text, bytes, lists, tuples, sets, dicts, ranges,
and iterators as their items; all arrive as copies, a subclass as the type it extends, an error as the nearest of Python's
own. Other objects stay with the program: the tests can call them, read and set their attributes, and use their operators
alone (``len(v)``, ``str(v)``, ``v[0]``, ``for x in v``) and with each other (``v + w == u``), never with a value of the tests
(``v * 2``, ``v == 3``), which they could claim to equal. Tests that give the program a function of theirs cannot be run:
`reference_unparsable`.

**Verdicts**: every test passed, `accepted`; no code, or no Python, `answer_unparsable`; the time limit met, `timed_out`;
else `rejected`. The score is the share of tests passed. The version ends in ``+weak`` where nothing isolates the programs.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tasks.runtime.hardware import usable_cores
from tasks.verify.answers import after_thinking
from tasks.verify.plants import Plant
from tasks.verify.sandbox.available import sandbox_kind
from tasks.verify.sandbox.run import Job, run
from tasks.verify.sandbox.tests_source import counted, free_names
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, Verdict, batch_verifier

_TEXTS = ("tests", "setup", "solution")
_KEYS = {*_TEXTS, "entry_point", "stdin_tests"}
_LANGUAGES = {"", "python", "py", "python3"}
_FENCE = "```"
_MARKED = re.compile(r"\[BEGIN\](.*?)(?:\[DONE\]|\Z)", re.DOTALL)
_IMPORTS = re.compile(r"(?:[ \t]*(?:(?:import|from)[ \t][^\n]*)?\n?)*")


def program_of(response: str, names: Sequence[str] = ()) -> str | None:
    """The program in a response (module docstring: convention); None when there is none."""
    text = after_thinking(response)
    blocks = list(_blocks(text))
    if not blocks:
        marked = _MARKED.search(text)
        return (marked[1] if marked else text) if text.strip() and _FENCE not in text else None
    programs = [code for language, code in blocks if language in _LANGUAGES and code.strip()]
    if not programs:
        return None
    defining = [place for place, code in enumerate(programs) if any(_defines(code, name) for name in names)]
    chosen = defining[-1] if defining else len(programs) - 1
    return "\n".join([*filter(_IMPORTS.fullmatch, programs[:chosen]), programs[chosen]])


def _defines(code: str, name: str) -> bool:
    return re.search(rf"\b(?:def|class)[ \t]+{name}\b|^{name}\b[^=\n]*=(?!=)", code, re.MULTILINE) is not None


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks: language and content. One that is not closed goes to the end of the text."""
    language, lines = None, list[str]()
    for line in text.split("\n"):
        mark = line.strip()
        if language is None:
            if mark.startswith(_FENCE) and _FENCE not in mark.strip("`"):
                language, lines = (mark.strip("`").split() or [""])[0].lower(), []
        elif mark.startswith(_FENCE) and not mark.strip("`"):
            yield language, textwrap.dedent("\n".join(lines))
            language = None
        else:
            lines.append(line)
    if language is not None:
        yield language, textwrap.dedent("\n".join(lines))


@lru_cache(maxsize=1024)
def _read(reference: str) -> tuple[Job | None, str]:
    """The job of a reference, without its program; or None and what is wrong with the reference."""
    try:
        data = json.loads(reference)
    except (ValueError, RecursionError) as error:
        return None, f"the reference is not JSON: {error}"
    if not isinstance(data, dict) or data.keys() - _KEYS:
        return None, f"the reference must be a JSON object with the keys {', '.join(sorted(_KEYS))}"
    if wrong := [key for key in _TEXTS if not isinstance(data.get(key, ""), str)]:
        return None, f"{wrong[0]!r} must be Python source"
    if ("tests" in data) == ("stdin_tests" in data):
        return None, "the reference needs either 'tests' or 'stdin_tests'"
    try:
        return (_tests_job(data) if "tests" in data else _inputs_job(data)), ""
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return None, str(error) or type(error).__name__


def _inputs_job(data: dict[str, Any]) -> Job:
    pairs = data["stdin_tests"]
    if not isinstance(pairs, list) or not pairs or not all(isinstance(pair, dict) for pair in pairs):
        raise ValueError("'stdin_tests' must be a list of objects with 'input' and 'output'")
    if any(pair.keys() != {"input", "output"} or not all(isinstance(text, str) for text in pair.values()) for pair in pairs):
        raise ValueError("each of 'stdin_tests' needs the texts 'input' and 'output', and nothing else")
    free_names(data.get("setup", ""), "")
    return Job("", data.get("setup", ""), runs=tuple((pair["input"], pair["output"]) for pair in pairs))


def _tests_job(data: dict[str, Any]) -> Job:
    setup, tests, named = data.get("setup", ""), data["tests"], data.get("entry_point", [])
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise ValueError("'entry_point' must be the name of a function or class, or a list of such names")
    modules, free, uses_candidate = free_names(setup, tests)
    if not names:
        if len(free) != 1 or uses_candidate:
            raise ValueError(f"the tests use {', '.join(free) or 'no name'} of the program; say which in 'entry_point'")
        names = free
    elif unknown := [name for name in free if name not in names]:
        raise ValueError(f"the tests use {', '.join(unknown)}, which nothing defines; add it to 'setup' or 'entry_point'")
    if not (uses_candidate or any(name in free for name in names)):
        raise ValueError(f"the tests never use {', '.join(names)}")
    return Job("", setup, counted(tests, modules, names[0]), tuple(names))


def check_reference(reference: str) -> str:
    """Why `reference` cannot be used (module docstring: form); empty when it can. Compiles the tests, runs nothing."""
    return _read(reference)[1]


def _version(settings: VerifySettings) -> str:
    return "2" if sandbox_kind(settings.sandbox) == "strong" else "2+weak"


def plants(reference: str) -> Iterator[Plant]:
    """Right answers around the reference's `solution`, where it has one, and wrong ones that try to pass without one."""
    job, _ = _read(reference)
    if job is None:
        return
    stubs = "\n".join(f"def {name}(*args, **kwargs):\n    {{body}}" for name in job.names) or "{body}"
    if solution := json.loads(reference).get("solution", ""):
        yield from (Plant(text, right=True, kind=kind) for kind, text in _right(solution))
        yield Plant(f"<think>\n```python\n{solution}\n```\n</think>\nI am done.", right=False, kind="only in thinking")
        wrong = stubs.format(body="raise ValueError")
        text = f"```python\n{solution}\n```\nOr better:\n```python\n{wrong}\n```"
        yield Plant(text, right=False, kind="a wrong program last")
    for kind, body in _PRETENCES.items():
        yield Plant(f"```python\n{_EQUAL}{stubs.format(body=body)}\n```", right=False, kind=kind)


def _right(solution: str) -> Iterator[tuple[str, str]]:
    yield "one block", f"```python\n{solution}\n```"
    yield (
        "thinking and words",
        f"<think>\nI try.\n```python\n1/0\n```\n</think>\nHere it is:\n\n```py\n{solution}\n```\nIt works.",
    )
    yield "no language", f"```\n{solution}\n```"
    yield "no fence", solution
    yield "prints", f"```python\nimport sys\nprint('loading', file=sys.stderr)\n{solution}\n```"
    yield "fence left open", f"The program:\n```python\n{solution}"


_EQUAL = """class Equal(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
"""
_PRETENCES = {
    "says passed": "print('passed 1 of 1, all tests passed')",
    "equal to all": "return Equal()",
    "exit code 0": "import os; os._exit(0)",
    "sys.exit": "import sys; sys.exit(0)",
    "patched": "import builtins; builtins.AssertionError = ZeroDivisionError; return Equal()",
    "raises": "raise AssertionError('passed')",
    "never ends a loop": "raise StopIteration",
}


@batch_verifier(version=_version, check_reference=check_reference, plants=plants)
def code(answers: Sequence[Answer], settings: VerifySettings) -> list[Verdict]:
    """Accept programs that pass their reference's tests (module docstring). As many run side by side as there are cores.

    Raises:
        ConfigurationError: the machine cannot isolate programs, and the settings do not accept less.
    """
    kind = sandbox_kind(settings.sandbox)

    def verdict(answer: Answer) -> Verdict:
        job, problem = _read(answer.reference)
        if job is None:
            return Verdict("reference_unparsable", reason=problem)
        if (program := program_of(answer.response, job.names)) is None:
            return Verdict("answer_unparsable", reason="no Python in the answer")
        outcome = run(replace(job, program=program), settings.sandbox, settings.time_limit, kind)
        total = len(job.runs) or outcome.passed + outcome.failed
        return Verdict(outcome.state, outcome.passed / total if total else 0.0, outcome.reason)

    with ThreadPoolExecutor(max(1, usable_cores())) as pool:
        return list(pool.map(verdict, answers))
