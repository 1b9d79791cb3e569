"""The `json_schema` verifier: the answer is JSON that a schema allows.

The reference is a JSON Schema (draft 2020-12 unless its ``$schema`` says another). Convention: the answer is the content of
``<answer>`` tags, else the last fenced block, else the whole response after its thinking. It has to be JSON to the letter:
no ``NaN``, no key twice in one object, nothing after it. Formats (``date``, ``email`` …) are checked. References in the
schema point into the schema (``#/…``): nothing is ever fetched. A schema that allows everything is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tasks.verify.answers import after_thinking, tagged_answers
from tasks.verify.plants import Plant
from tasks.verify.verdict import Verdict, verifier

_FENCE = "```"
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def read_json(text: str) -> Any:
    """`text` as JSON with one reading. Raises `ValueError` for anything else, also for a key that an object has twice."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@lru_cache(maxsize=256)
def _validator(reference: str) -> Any:
    """A validator for the schema. Raises `ValueError`, whose message says why there is none."""
    from jsonschema import SchemaError, validators
    from jsonschema.validators import Draft202012Validator
    from jsonschema_specifications import REGISTRY

    try:
        schema = read_json(reference)
    except ValueError as error:
        raise ValueError(f"the reference is not JSON ({error})") from error
    if not isinstance(schema, dict) or not schema:
        raise ValueError("the reference is no schema that asks for anything; write an object with keywords")
    kind: Any = validators.validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)
    except SchemaError as error:
        raise ValueError(f"the reference is no JSON Schema: {error.message[:200]}") from error
    except RecursionError as error:
        raise ValueError("the reference is nested too deep") from error
    # A registry that holds the drafts and retrieves nothing: without one, jsonschema fetches what it does not know.
    validator = kind(schema, registry=REGISTRY, format_checker=kind.FORMAT_CHECKER)
    if targets := list(_targets(schema)):
        _refuse_outside(schema, targets)
    elif all(validator.is_valid(value) for value in (None, True, 0, "", [], {}, "x", 1.5, [1], {"x": 1})):
        raise ValueError("the reference allows any JSON; say what the answer has to be")
    return validator


def _refuse_outside(schema: dict[str, Any], targets: list[str]) -> None:
    """Refuse references that point out of the schema, or nowhere; nothing is followed further than to its target."""
    from jsonschema_specifications import REGISTRY
    from referencing import Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    resolver = REGISTRY.resolver_with_root(Resource.from_contents(schema, default_specification=DRAFT202012))
    for target in targets:
        if not target.startswith("#"):
            raise ValueError(f"the reference points outside itself ({target[:80]!r}), and nothing is fetched; write it in")
        try:
            resolver.lookup(target)
        except Unresolvable as error:
            raise ValueError(f"{target[:80]!r} in the reference leads nowhere") from error


def _targets(schema: Any) -> Iterator[str]:
    """Every target of a reference in a schema."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in _REFERENCES and isinstance(value, str):
                yield value
            yield from _targets(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _targets(value)


def check_reference(reference: str) -> str:
    """Why `reference` is no schema to check against; empty when it is one."""
    try:
        _validator(reference)
    except ValueError as error:
        return str(error)
    return ""


def _answer(response: str) -> str:
    """The text that should be JSON. Raises `ValueError` for several tags, or a block that is never closed."""
    text = after_thinking(response)
    if tagged := tagged_answers(text):
        if len(set(tagged)) > 1:
            raise ValueError("there are several different answers")
        text = tagged[0]
    pieces = text.split(_FENCE)
    if len(pieces) == 1:
        return text
    if len(pieces) % 2 == 0:
        raise ValueError("its last block is never closed")
    first, line_break, rest = pieces[-2].partition("\n")
    return rest if line_break and (first.strip().isalnum() or not first.strip()) else pieces[-2]


def plants(reference: str) -> Iterator[Plant]:
    """The schema's own examples as models write them, and texts that are no JSON."""
    if check_reference(reference):
        return
    schema = _validator(reference).schema
    examples = schema.get("examples", []) + [schema[key] for key in ("const", "default") if key in schema]
    for example in filter(_validator(reference).is_valid, examples):
        text = json.dumps(example, ensure_ascii=False)
        for form in ("{}", "\n {} \n", "```json\n{}\n```", "Here it is:\n```\n{}\n```\nDone.", "<answer>{}</answer>"):
            yield Plant(form.format(text), True, "example")
        yield Plant(f"<think>?</think>{json.dumps(example, indent=2)}", True, "example on lines")
        for form in ("{}{}", "{},", "It is {}", "```json\n{}", "<think>{}</think>", "<answer>{}</answer><answer>0</answer>"):
            yield Plant(form.format(text, text), False, "more than JSON")
    for text in ("{", "[", "{'a': 1}", "NaN", '{"a": 1, "a": 1}', "[" * 5_000, "I cannot say.", "// nothing", "{,}"):
        yield Plant(text, False, "no JSON")


@verifier(version="2", check_reference=check_reference, plants=plants, judges_form=lambda reference: True)
def json_schema(response: str, reference: str) -> Verdict:
    """Accept a response whose JSON the reference allows (module docstring: convention). Never raises."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        validator = _validator(reference)
    except ValueError as error:
        return Verdict("reference_unparsable", reason=str(error))
    try:
        value = read_json(_answer(response))
    except ValueError as error:
        return Verdict("answer_unparsable", reason=f"the answer is not JSON ({error})")
    try:
        problem = best_match(validator.iter_errors(value))
    except Unresolvable as error:
        return Verdict("reference_unparsable", reason=f"a $ref of the reference leads nowhere ({error})")
    except RecursionError:
        return Verdict("answer_unparsable", reason="the answer is nested too deep")
    if problem is None:
        return Verdict("accepted", 1.0)
    return Verdict("rejected", reason=f"{problem.json_path}: {problem.message}"[:300])
