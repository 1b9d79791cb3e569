"""The `json_schema` verifier."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.dispatch import verify_answers
from tasks.verify.json_schema import check_reference, json_schema, plants
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer

SCHEMA = json.dumps(
    {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "born": {"type": "string", "format": "date"},
            "mail": {"type": "string", "format": "email"},
            "parent": {"$ref": "#"},
        },
        "examples": [{"name": "Ann"}, {"name": "Bo", "born": "2001-02-03", "parent": {"name": "Ann"}}],
    }
)


@pytest.mark.parametrize(
    ("response", "state"),
    [
        ('{"name": "Ann"}', "accepted"),
        ('```json\n{"name": "Ann"}\n```', "accepted"),
        ('A try:\n```\n{}\n```\nBetter:\n```json\n{"name": "Ann"}\n```\nDone.', "accepted"),  # the last block
        ('```{"name": "Ann"}```', "accepted"),
        ('<answer>{"name": "Ann"}</answer>', "accepted"),
        ('<think>{"x": 1}</think>{"name": "Ann", "parent": {"name": "Bo"}}', "accepted"),
        ('{"name": "Ann", "born": "2001-02-30"}', "rejected"),
        ('{"name": "Ann", "mail": "nobody"}', "rejected"),
        ('{"name": "Ann", "parent": {"name": ""}}', "rejected"),
        ('{"name": 3}', "rejected"),
        ("[]", "rejected"),
        ("3", "rejected"),
        ('{"name": "Ann", "name": "Bo"}', "answer_unparsable"),  # two readings
        ('{"name": "Ann"} {"name": "Bo"}', "answer_unparsable"),
        ('Here: {"name": "Ann"}', "answer_unparsable"),
        ("{'name': 'Ann'}", "answer_unparsable"),
        ('{"name": NaN}', "answer_unparsable"),
        ('```json\n{"name": "Ann"}', "answer_unparsable"),  # cut off
        ('<answer>{"name": "Ann"}</answer><answer>{"name": "Bo"}</answer>', "answer_unparsable"),
        ('<think>{"name": "Ann"}</think>', "answer_unparsable"),
        ("[" * 100_000, "answer_unparsable"),
        ("9" * 100_000, "answer_unparsable"),
        ("", "answer_unparsable"),
    ],
)
def test_convention(response: str, state: str) -> None:
    assert check_reference(SCHEMA) == ""
    assert json_schema(response, SCHEMA).state == state


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "18",
        "true",
        "{}",
        '{"title": "anything goes"}',
        '{"type": "strin"}',
        '{"type": "string", "type": "object"}',
        '{"pattern": "("}',
        '{"$ref": "#/$defs/none"}',
        '{"type": "object", "properties": {"a": {"$ref": "#/none"}}}',
        '{"$ref": "http://127.0.0.1:9/schema.json"}',
        '{"properties": {"a": {"$ref": "file:///etc/passwd"}}}',
        '{"$ref": "https://json-schema.org/draft/2020-12/schema"}',
        "[" * 100_000,
        '{"not": ' * 2_000 + "{}" + "}" * 2_000,
    ],
)
def test_a_schema_that_is_none_never_accepts(reference: str) -> None:
    assert check_reference(reference)
    assert not list(plants(reference))
    for response in ("{}", "18", reference[:100], '"x"'):
        assert json_schema(response, reference).state == "reference_unparsable"


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for schema in (
        {"$ref": "http://example.com/a.json"},
        {"$schema": "http://example.com/draft", "type": "string"},
        {"$id": "http://example.com/root.json", "type": "object", "properties": {"a": {"$ref": "other.json"}}},
        {
            "$id": "http://example.com/root.json",
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/b"}},
            "$defs": {"b": {"type": "null"}},
        },
    ):
        assert json_schema('{"a": 1}', json.dumps(schema)).state in ("rejected", "reference_unparsable")


def test_what_takes_for_ever_costs_its_row_only() -> None:
    slow = json.dumps({"type": "string", "pattern": "^(a+)+$"})
    # Each definition asks for the next one twice: 2**40 checks of one value.
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {"type": "string"}}
    laughs = json.dumps({"$ref": "#/$defs/d0", "$defs": doubling})
    assert check_reference(slow) == check_reference(laughs) == ""
    texts = [('"aaa"', slow), ('"' + "a" * 60 + '!"', slow), ("3", slow), ('"x"', laughs), ('"a"', slow)]
    answers = [Answer(text, "json_schema", schema) for text, schema in texts]
    states = [verdict.state for verdict in verify_answers(answers, VerifySettings(time_limit=1))]
    assert states == ["accepted", "timed_out", "rejected", "timed_out", "accepted"]


@pytest.mark.parametrize("reference", [SCHEMA, '{"const": 3}', '{"type": "array", "examples": [[1], 3]}'])
def test_its_plants_get_the_verdicts_they_should(reference: str) -> None:
    planted = list(plants(reference))
    assert len({plant.right for plant in planted}) == 2
    assert [plant for plant in planted if (json_schema(plant.text, reference).state == "accepted") != plant.right] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "$ref", "type", "not", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.text() | JSON.map(json.dumps), st.just(SCHEMA) | JSON.map(json.dumps) | st.text())
def test_no_text_makes_it_raise(response: str, reference: str) -> None:
    for text in (response, f"```json\n{response}\n```"):
        assert json_schema(text, reference).state != "accepted" or not check_reference(reference)
