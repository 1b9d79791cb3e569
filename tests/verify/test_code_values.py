"""What the tests of the `code` verifier can do with objects and errors of the program's, and what they cannot be told."""

from __future__ import annotations

import json

from tasks.verify.code import check_reference
from tests.verify.test_code import runs, verdicts

VECTOR = """
import functools
@functools.total_ordering
class Vector:
    def __init__(self, *parts): self.parts = parts
    def __add__(self, other): return Vector(*map(sum, zip(self.parts, other.parts)))
    def __eq__(self, other): return self.parts == other.parts
    def __lt__(self, other): return self.parts < other.parts
    def __hash__(self): return hash(self.parts)
    def __neg__(self): return Vector(*(-part for part in self.parts))
    def __abs__(self): return sum(part * part for part in self.parts) ** 0.5
    def __getitem__(self, place): return self.parts[place]
    def __len__(self): return len(self.parts)
    def __repr__(self): return f"Vector{self.parts}"
"""
VECTOR_TESTS = """
v = Vector(1, 2)
assert v + Vector(2, 3) == Vector(3, 5)
assert v != Vector(2, 1) and v < Vector(2, 1)
assert -v == Vector(-1, -2) and abs(Vector(3, 4)) == 5
assert v[1] == 2 and len(v) == 2 and list(v) == [1, 2] and 2 in v and 3 not in v
assert str(v) == "Vector(1, 2)" and {v: 1}[Vector(1, 2)] == 1
assert isinstance(v, Vector) and not isinstance(3, Vector) and Vector.__name__ == "Vector"
v.parts = (7,)
assert v.parts == (7,) and not Vector()
"""


@runs
def test_a_class_is_tested_with_its_operators() -> None:
    wrong = VECTOR.replace("map(sum, zip", "map(max, zip")
    first, second, third = verdicts([VECTOR, wrong, "def Vector(*x): return x"], {"tests": VECTOR_TESTS})
    assert first.state == "accepted", first
    assert (second.state, second.reason) == ("rejected", "assert v + Vector(2, 3) == Vector(3, 5)")
    assert third.state == "rejected"


@runs
def test_no_operator_of_the_programs_sees_what_is_expected() -> None:
    agreeable = """
class Agreeable(object):
    def __getattr__(self, name): return lambda *_: 0
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda *_: True
    __sub__ = __rsub__ = __mod__ = __rmod__ = __and__ = __xor__ = __pow__ = lambda *_: 0
    __hash__ = __len__ = __int__ = lambda *_: 0
    __float__ = __abs__ = lambda *_: 0.0
    __iter__ = lambda *_: iter(())
def near(x): return Agreeable()
"""
    tests = [
        "near(1) == 2",
        "abs(near(1) - 2) < 1e-6",
        "abs(2 - near(1)) < 1e-6",
        "2 in near(1)",
        "near(1) in [2, 3]",
        "near(1) < 2",
    ]
    tests += [
        "2 > near(1)",
        "near(1) % 2 == 0",
        "math.isclose(near(1), 2)",
        "near(1) & 3 == 0",
        "{near(1)} == {2}",
        "2 == near(1)",
    ]
    for test in tests:
        [verdict] = verdicts([agreeable], {"tests": f"assert {test}"})
        assert verdict.state == "rejected", (test, verdict)


@runs
def test_programs_are_read_as_python_reads_them() -> None:
    """No `from __future__ import annotations` of ours: a type that was not imported is an error, a field's type a type."""
    missing = "def add(a: List[int], b: int) -> int: return a + b"
    typed = "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n"
    typed += "def add(a, b): return dataclasses.fields(P)[0].type(a + b)"
    first, second = verdicts([missing, typed], {"tests": "assert add(1, 2) == 3"})
    assert (first.state, first.reason) == ("rejected", "NameError: name 'List' is not defined")
    assert second.state == "accepted", second


ERRORS = """
for wrong, kinds in ((-1, ValueError), (b"\\xff", UnicodeDecodeError), ("no such file", FileNotFoundError)):
    try:
        work(wrong)
    except kinds as error:
        assert True
    else:
        assert False
"""


@runs
def test_an_error_arrives_as_the_nearest_of_pythons_own() -> None:
    """Errors that extend Python's, and those that take more than a text; a program that only raises was called all the same."""
    right = """
class Negative(ValueError): pass
def work(x):
    if isinstance(x, bytes): return x.decode()
    if isinstance(x, str): return open(x)
    raise Negative("no")
"""
    for program, state in ((right, "accepted"), (right.replace("(ValueError)", "(Exception)"), "rejected")):
        [verdict] = verdicts([program], {"tests": ERRORS})
        assert verdict.state == state, (program, verdict)
    [verdict] = verdicts(["def work(x): raise type('Odd', (StopIteration,), {})"], {"tests": "assert not list(map(work, [1]))"})
    assert verdict.state == "rejected"


@runs
def test_functions_that_a_test_runner_would_call_are_called() -> None:
    tests = "def test_one():\n    assert work(1) == 2\n\ndef test_two():\n    assert work(2) == 3\n"
    right, wrong = verdicts(["def work(x): return x + 1", "def work(x): return 2"], {"tests": tests})
    assert (right.state, wrong.state, wrong.score) == ("accepted", "rejected", 0.5)
    unittest = "import unittest\nclass Tests(unittest.TestCase):\n    def test(self): self.assertEqual(work(1), 2)"
    assert "write asserts" in check_reference(json.dumps({"tests": unittest}))
