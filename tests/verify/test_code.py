"""The `code` verifier: references, where the program stands, what passes, and what the verdicts say."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import ConfigurationError
from tasks.verify.code import check_reference, code, plants, program_of
from tasks.verify.sandbox.available import problem
from tasks.verify.settings import SandboxSettings, VerifySettings
from tasks.verify.verdict import Answer, Verdict, version_of

ADD = {
    "tests": "assert add(1, 2) == 3\nassert math.isclose(add(0.5, 0.25), 0.75)",
    "solution": "def add(a, b):\n    return a + b",
}
REVERSE = {
    "setup": "from typing import List\ndef same(a, b):\n    return a == b",
    "tests": "DATA = {}\n\ndef check(candidate):\n    assert same(candidate([1, 2]), [2, 1])\n    assert candidate([]) == []\n",
    "entry_point": "backwards",
    "solution": "def backwards(items: List[int]) -> List[int]:\n    return items[::-1]",
}
SUM = {
    "stdin_tests": [{"input": "2 3\n", "output": "5\n"}, {"input": "1 1\n", "output": "2"}],
    "solution": "a, b = map(int, input().split())\nprint(a + b)",
}
STACK = {
    "tests": """
stack = Stack()
stack.push(3)
assert stack.size == 1
assert sorted(stack.items()) == [3]
assert stack.pop() == 3
try:
    stack.pop()
    assert False
except IndexError:
    pass
""",
    "solution": """
class Stack:
    def __init__(self):
        self.held = []
    def push(self, item):
        self.held.append(item)
    def pop(self):
        return self.held.pop()
    def items(self):
        yield from self.held
    @property
    def size(self):
        return len(self.held)
""",
}
REFERENCES = [ADD, REVERSE, SUM, STACK]


def runs(test: Callable[..., None]) -> Callable[..., None]:
    """A test that runs programs; on a machine where not even the weak kind does, of the refusal."""

    @functools.wraps(test)
    def either(*values: Any, **named: Any) -> None:
        if problem("strong") and problem("weak"):
            with pytest.raises(ConfigurationError, match="not even unprotected"):
                code([], VerifySettings(sandbox=SandboxSettings(accept_weak=True)))
        else:
            test(*values, **named)

    return either


def found(answers: list[Answer], limit: float = 5.0) -> list[Verdict]:
    """The verdicts; where nothing can isolate programs, of the weak kind, which is right about programs that mean well."""
    weak = SandboxSettings(accept_weak=bool(problem("strong")))
    return code(answers, VerifySettings(time_limit=limit, sandbox=weak))


def verdicts(programs: list[str], reference: dict[str, Any], limit: float = 5.0) -> list[Verdict]:
    return found([Answer(f"```python\n{program}\n```", "code", json.dumps(reference)) for program in programs], limit)


@runs
@pytest.mark.parametrize("reference", REFERENCES, ids=["add", "reverse", "sum", "stack"])
def test_planted_answers_get_their_verdict(reference: dict[str, Any]) -> None:
    text = json.dumps(reference)
    assert check_reference(text) == ""
    planted = list(plants(text))
    assert sum(plant.right for plant in planted) >= 6
    assert sum(not plant.right for plant in planted) >= 9
    for plant, verdict in zip(planted, found([Answer(plant.text, "code", text) for plant in planted]), strict=True):
        assert (verdict.state == "accepted") == plant.right, (plant, verdict)
        assert verdict.state != "error"


@runs
def test_each_verdict_says_what_happened() -> None:
    programs = {
        "def add(a, b): return a + b": ("accepted", 1.0, ""),
        "def add(a, b): return 3": ("rejected", 0.5, "assert math.isclose(add(0.5, 0.25), 0.75)"),
        "def add(a, b): return a - b": ("rejected", 0.0, "assert add(1, 2) == 3"),
        "def add(a, b): return {}[a]": ("rejected", 0.0, "assert add(1, 2) == 3: KeyError: '1'"),
        "def add(a): return a": ("rejected", 0.0, "TypeError"),
        "def sub(a, b): return a - b": ("rejected", 0.0, "no attribute 'add'"),
        "def add(a, b) return a + b": ("answer_unparsable", 0.0, "SyntaxError"),
        "x = 1 / 0\ndef add(a, b): return a + b": ("rejected", 0.0, "ZeroDivisionError"),
        "def add(a, b):\n    while True: pass": ("timed_out", 0.0, "took over 2 s"),
        "def add(a, b): return input()": ("rejected", 0.0, "EOFError"),
        "add = 3": ("rejected", 0.0, "TypeError"),
        "": ("answer_unparsable", 0.0, "no Python in the answer"),
        "\0": ("answer_unparsable", 0.0, "null bytes"),
        "\ud800": ("answer_unparsable", 0.0, "Error"),
        "(" * 10_000: ("answer_unparsable", 0.0, "Error"),
    }
    for program, verdict in zip(programs, verdicts(list(programs), ADD, limit=2.0), strict=True):
        state, score, reason = programs[program]
        assert (verdict.state, verdict.score) == (state, score), (program, verdict)
        assert reason in verdict.reason, (program, verdict)


@runs
def test_each_output_is_compared_as_the_convention_says() -> None:
    reference = {"stdin_tests": [{"input": "3\n", "output": "1\n2\n3\n"}]}
    programs = {
        "for i in range(int(input())): print(i + 1)": "accepted",
        "import sys\nn = int(sys.stdin.read())\nprint('\\n'.join(map(str, range(1, n + 1))), end='')": "accepted",
        "print('1  \\n2\\n3\\n\\n')": "accepted",
        "if __name__ == '__main__': print('1\\n2\\n3'); exit()": "accepted",
        "import threading\nthreading.Thread(target=lambda: print('1\\n2\\n3')).start()": "accepted",
        "import atexit\natexit.register(print, '1\\n2\\n3')": "accepted",
        "print('1\\n2\\n3'); exit(1)": "rejected",
        "print('1\\n2\\n3'); 1 / 0": "rejected",
        "print('1 2 3')": "rejected",
        "print(' 1\\n2\\n3')": "rejected",
        "print('1\\n2\\n3'); print('x' * 100_000)": "rejected",
        "print(1": "answer_unparsable",
    }
    for program, verdict in zip(programs, verdicts(list(programs), reference), strict=True):
        assert verdict.state == programs[program], (program, verdict)


@runs
def test_inputs_are_counted_and_do_not_meet() -> None:
    """Each input has a fresh process: what a program left in a variable or a file of its own is its own affair."""
    reference = {"stdin_tests": [{"input": str(n), "output": str(n * n)} for n in range(4)]}
    right, half = verdicts(["n = int(input())\nprint(n * n)", "n = int(input())\nprint(n * 2)"], reference)
    assert (right.state, right.score) == ("accepted", 1.0)
    assert (half.state, half.score, half.reason) == ("rejected", 0.5, "input 2: prints something else")


@runs
def test_values_come_back_as_what_they_are() -> None:
    values = ["None", "True", "-7", "2**70", "-(10**5000)", "1.5", "float('inf')", "'é\\ud800'", "b'x'", "(1, [2], {3})"]
    values += ["{'a': {1: (2,)}}", "frozenset({1})", "1j", "range(3)", "[]", "()", "set()", "[True, 1, 1.0]"]
    tests = "\n".join(f"assert repr(echo({value})) == repr({value})" for value in values)
    tests += "\nassert list(echo(iter([1, 2]))) == [1, 2]\nassert (lambda x: x != x)(echo(float('nan')))"
    tests += "\nassert echo((1, 2)) != [1, 2]\nimport sys\nsys.set_int_max_str_digits(0)"
    [verdict] = verdicts(["def echo(x): return x"], {"tests": "import sys\nsys.set_int_max_str_digits(0)\n" + tests})
    assert verdict.state == "accepted", verdict


@runs
def test_tests_see_arguments_changed_in_place_and_errors_raised() -> None:
    tests = """
items, table, seen = [3, 1, 2], {}, set()
assert work(items, table, seen) is None
assert items == [1, 2, 3] and table == {"a": 1} and seen == {1}
for wrong in (None, 3):
    try:
        work(wrong, {}, set())
    except (TypeError, AttributeError) as error:
        assert "sort" in str(error)
    else:
        assert False
"""
    right = "def work(a, b, c):\n    a.sort()\n    b['a'] = 1\n    c.add(1)"
    wrong = "def work(a, b, c):\n    sorted(a)"
    first, second = verdicts([right, wrong], {"tests": tests})
    assert first.state == "accepted", first
    assert second.state == "rejected"


@runs
def test_an_error_that_ends_loops_does_not_make_tests_vacuous() -> None:
    tests = "assert all(map(even, [2, 4]))\nassert not [n for n in map(even, [1, 3]) if n]"
    [verdict] = verdicts(["def even(n): raise StopIteration"], {"tests": tests})
    assert (verdict.state, verdict.score) == ("rejected", 0.0)


@runs
def test_tests_that_never_call_the_program_accept_nothing() -> None:
    [verdict] = verdicts(["def add(a, b): return a + b"], {"tests": "if False:\n    assert add(1, 2) == 3"})
    assert (verdict.state, verdict.reason) == ("rejected", "the tests never called the program")


@runs
def test_what_the_tests_print_does_not_mix_with_the_result() -> None:
    [verdict] = verdicts([str(ADD["solution"])], {"tests": "print('x' * 20_000)\nassert add(1, 2) == 3"})
    assert verdict.state == "accepted"


@runs
def test_a_test_that_hands_over_a_function_is_the_references_fault() -> None:
    [verdict] = verdicts(["def apply(f, x): return f(x)"], {"tests": "assert apply(lambda x: x, 1) == 1"})
    assert verdict.state == "reference_unparsable"
    assert "give the program a function" in verdict.reason


REFUSED = {
    "": "not JSON",
    "[1]": "must be a JSON object",
    '{"tests": "assert f() == 1", "test": ""}': "must be a JSON object with the keys",
    "{}": "either 'tests' or 'stdin_tests'",
    '{"tests": "assert f() == 1", "stdin_tests": []}': "either 'tests' or 'stdin_tests'",
    '{"tests": 3}': "'tests' must be Python source",
    '{"tests": "assert f( == 1"}': "the tests do not compile",
    '{"tests": "return f()"}': "the tests do not compile",
    '{"tests": "assert f() == 1", "setup": "def"}': "the setup do",
    '{"tests": "assert f() == g()"}': "f, g of the program; say which in 'entry_point'",
    '{"tests": "assert True"}': "no name of the program",
    '{"tests": "assert f() == g()", "entry_point": "f"}': "use g, which nothing defines",
    '{"tests": "assert 1 == 1", "entry_point": "f"}': "never use f",
    '{"tests": "assert f() == 1", "entry_point": "f()"}': "must be the name",
    '{"tests": "def check(candidate): assert candidate() == 1"}': "'entry_point'",
    '{"stdin_tests": []}': "must be a list of objects",
    '{"stdin_tests": [{"input": "1"}]}': "needs the texts 'input' and 'output'",
    '{"stdin_tests": [{"input": "1", "output": 1}]}': "needs the texts",
}


@runs
@pytest.mark.parametrize("reference", REFUSED)
def test_a_reference_that_cannot_be_used_is_refused_before_anything_runs(reference: str) -> None:
    assert REFUSED[reference] in check_reference(reference)
    [verdict] = found([Answer("```python\ndef f(): return 1\n```", "code", reference)])
    assert verdict.state == "reference_unparsable"


PLACES = {
    "```python\nx\n```": "x",
    "words\n```py\nx\n```\nwords": "x",
    "```\nx\n```": "x",
    "```Python3 title=a\nx\n```": "x",
    "```python\na\n```\n```python\nb\n```": "b",
    "```python\ndef f(): 1\n```\nUse:\n```python\nprint(f())\n```": "def f(): 1",
    "```python\nx\n```\n```text\n3\n```": "x",
    "- so:\n  ```python\n  if x:\n      y\n  ```": "if x:\n    y",
    "```python\nx": "x",
    "x = 1\ny = 2": "x = 1\ny = 2",
    "<think>```python\na\n```</think>x": "x",
    "```python\nimport a\nfrom b import c\n```\nthen\n```python\ndef f(): c\n```": "import a\nfrom b import c\ndef f(): c",
    "```python\nf = lambda: 1\n```\nso\n```python\nprint(f() == 1)\n```": "f = lambda: 1",
    "[BEGIN]\ndef f(): 1\n[DONE]\n[BEGIN]\nx\n[DONE]": "\ndef f(): 1\n",
    "```bash\nls\n```": None,
    "``` x ```": None,
    "": None,
    "  \n": None,
}


@pytest.mark.parametrize("response", PLACES)
def test_where_the_program_stands(response: str) -> None:
    assert program_of(response, ["f"]) == PLACES[response]


@given(st.text(), st.sampled_from(["", "```python\n", "```"]))
@settings(max_examples=100, deadline=None)
def test_finding_a_program_never_raises(text: str, fence: str) -> None:
    program_of(fence + text + fence, ["f"])


@runs
@given(st.lists(st.text(), min_size=4, max_size=4))
@settings(max_examples=10, deadline=None)
def test_no_text_makes_it_raise_or_pass(texts: list[str]) -> None:
    answers = [Answer(text, "code", json.dumps(ADD)) for text in texts]
    assert {verdict.state for verdict in found(answers)} <= {"rejected", "answer_unparsable"}


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(st.text() | st.fixed_dictionaries({}, optional=dict.fromkeys(["tests", "setup", "entry_point", "stdin_tests"], JSON)))
@settings(max_examples=100, deadline=None)
def test_checking_a_reference_never_raises(reference: Any) -> None:
    text = reference if isinstance(reference, str) else json.dumps(reference)
    assert isinstance(check_reference(text), str)
    list(plants(text))


def test_deep_sources_are_refused_and_not_fatal() -> None:
    for tests in ("assert " + "(" * 5_000, "assert f() == " + "-" * 50_000 + "1", "assert f() == " + "+".join("1" * 50_000)):
        assert check_reference(json.dumps({"tests": tests}))


@runs
def test_the_version_tells_the_kind() -> None:
    if not problem("strong"):
        assert version_of(code, VerifySettings()) == "2"
    assert version_of(code, VerifySettings(sandbox=SandboxSettings(accept_weak=True))) in ("2", "2+weak")
