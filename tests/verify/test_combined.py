"""`all_of`, `any_of` and `weighted`: which part decides, who is asked at all, and which references are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.rows import STATES
from tasks.verify import combined
from tasks.verify.combined import all_of, any_of, part_names, weighted
from tasks.verify.dispatch import verify_answers
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, Verdict
from tests.verify.parts import ASKED

NAMES = ("all_of", "any_of", "weighted")
SETTINGS = VerifySettings(time_limit=0.5)


@pytest.fixture(scope="module", autouse=True)
def _registered_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`said` and `sleepy` as registered verifiers: the way anyone's package registers its own."""
    folder = tmp_path_factory.mktemp("installed")
    package = folder / "parts-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: parts\nVersion: 1.0\n")
    lines = ["[winnow.verifiers]", "said = tests.verify.parts:said", "sleepy = tests.verify.parts:sleepy"]
    (package / "entry_points.txt").write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        _forget()
        yield
    _forget()


def _forget() -> None:
    for cached in (combined._registered, combined._problem):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _nobody_asked() -> None:
    ASKED.clear()


def said(*references: str, **more: Any) -> str:
    return json.dumps({"of": [{"verifier": "said", "reference": reference} for reference in references], **more})


def verdict_of(name: str, reference: str, response: str = "18") -> Verdict:
    (verdict,) = verify_answers([Answer(response, name, reference)], SETTINGS)
    return verdict


@pytest.mark.parametrize(
    ("parts", "state", "asked"),
    [
        (("accepted",), "accepted", 1),
        (("accepted", "accepted"), "accepted", 2),
        (("rejected", "error"), "rejected", 1),
        (("accepted", "answer_unparsable", "rejected"), "answer_unparsable", 2),
        (("error", "rejected", "accepted"), "rejected", 2),
        (("timed_out", "accepted", "answer_unparsable"), "answer_unparsable", 3),
        (("accepted", "error", "timed_out"), "error", 3),
        (("timed_out", "accepted"), "timed_out", 2),
        (("timed_out", "reference_unparsable", "accepted"), "reference_unparsable", 3),
    ],
)
def test_all_of(parts: tuple[str, ...], state: str, asked: int) -> None:
    assert verdict_of("all_of", said(*parts)).state == state
    assert len(ASKED) == asked


@pytest.mark.parametrize(
    ("parts", "state", "asked"),
    [
        (("rejected",), "rejected", 1),
        (("accepted", "error"), "accepted", 1),
        (("rejected", "accepted", "rejected"), "accepted", 2),
        (("error", "accepted"), "accepted", 2),
        (("rejected", "error", "timed_out"), "error", 3),
        (("timed_out", "rejected"), "timed_out", 2),
        (("answer_unparsable", "rejected"), "rejected", 2),
        (("answer_unparsable", "answer_unparsable"), "answer_unparsable", 2),
    ],
)
def test_any_of(parts: tuple[str, ...], state: str, asked: int) -> None:
    assert verdict_of("any_of", said(*parts)).state == state
    assert len(ASKED) == asked


def test_weighted_is_the_weighted_mean_against_its_threshold() -> None:
    parts = [
        {"verifier": "said", "reference": "accepted 1", "weight": 3},
        {"verifier": "said", "reference": "rejected 0.5", "weight": 1},
        {"verifier": "said", "reference": "answer_unparsable"},
    ]
    for accept_at, state in [(0.69, "accepted"), (0.7, "accepted"), (0.71, "rejected")]:
        verdict = verdict_of("weighted", json.dumps({"of": parts, "accept_at": accept_at}))
        assert (verdict.state, verdict.score) == (state, pytest.approx(3.5 / 5))
    assert verdict.reason == "0.7 of the rubric, 0.71 wanted"
    assert verdict_of("weighted", said("rejected 0.1", "rejected 0.1", "rejected 0.1", accept_at=0.1)).state == "accepted"
    assert verdict_of("weighted", said("answer_unparsable", "answer_unparsable", accept_at=0.1)).state == "answer_unparsable"


def test_a_part_without_a_score_decides_a_weighted_rubric() -> None:
    for state in ("error", "timed_out", "reference_unparsable"):
        ASKED.clear()
        verdict = verdict_of("weighted", said("accepted", state, "accepted", accept_at=0.1))
        assert (verdict.state, verdict.score, len(ASKED)) == (state, 0.0, 2)
        assert verdict.reason == f"said: {state} was asked for"


def test_the_score_is_the_weakest_or_the_best_of_the_parts_asked() -> None:
    assert verdict_of("all_of", said("accepted 0.9", "accepted 0.6", "accepted")).score == 0.6
    assert verdict_of("all_of", said("accepted 0.9", "rejected 0.3")).score == 0.3
    assert verdict_of("any_of", said("rejected 0.3", "rejected 0.1")).score == 0.3
    assert verdict_of("any_of", said("rejected 0.3", "error")).score == 0.0
    assert verdict_of("any_of", said("rejected 0.3", "accepted 0.8")).score == 0.8


def test_one_is_accepted_when_all_are_and_the_other_when_any_is() -> None:
    for states in product(STATES, repeat=2):
        assert (verdict_of("all_of", said(*states)).state == "accepted") == (set(states) == {"accepted"})
        assert (verdict_of("any_of", said(*states)).state == "accepted") == ("accepted" in states)


def test_many_answers_are_asked_place_by_place_and_come_back_in_order() -> None:
    references = [said("accepted", "rejected"), said("rejected", "accepted"), said("accepted", "accepted"), "{}"]
    verdicts = all_of([Answer("", "all_of", reference) for reference in references], SETTINGS)
    assert [verdict.state for verdict in verdicts] == ["rejected", "rejected", "accepted", "reference_unparsable"]
    assert ASKED == [["accepted", "rejected", "accepted"], ["rejected", "accepted"]]
    assert any_of([], SETTINGS) == weighted([], SETTINGS) == []


def test_real_parts_a_nested_one_and_one_that_hangs() -> None:
    no_comma = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    checks = [{"verifier": "number", "reference": "18"}, {"verifier": "instruction", "reference": no_comma}]
    reference = json.dumps(
        {"of": [{"verifier": "all_of", "reference": {"of": checks}}, {"verifier": "exact", "reference": "?"}]}
    )
    assert verdict_of("any_of", reference, "It is 18").state == "accepted"
    assert verdict_of("any_of", reference, "?").state == "accepted"
    verdict = verdict_of("any_of", reference, "well, 18")
    assert (verdict.state, verdict.reason[:38]) == ("rejected", "all_of: instruction: punctuation:no_co")
    hanging = [{"verifier": "sleepy", "reference": "60"}, {"verifier": "number", "reference": "18"}]
    assert verdict_of("all_of", json.dumps({"of": hanging}), "18").state == "timed_out"
    assert verdict_of("all_of", json.dumps({"of": hanging}), "19").state == "rejected"
    assert verdict_of("any_of", json.dumps({"of": hanging}), "18").state == "accepted"


def nested(depth: int) -> dict[str, Any]:
    inner = {"verifier": "exact", "reference": "a"} if depth == 1 else {"verifier": "all_of", "reference": nested(depth - 1)}
    return {"of": [inner]}


@pytest.mark.parametrize(
    ("name", "reference", "word"),
    [
        *[(name, bad, "") for name in NAMES for bad in ("", "18", "{}", "[]", '{"of": []}', '{"of": [{}]}', "[" * 5000)],
        ("all_of", said("accepted", more=1), "more"),
        ("all_of", said("accepted", accept_at=0.5), "weighted"),
        ("any_of", json.dumps({"of": [{"verifier": "exact", "reference": "a", "weight": 2}]}), "weighted"),
        ("weighted", said("accepted"), "accept_at"),
        ("weighted", said("accepted", accept_at=0), "accept_at"),
        ("weighted", '{"of": [{"verifier": "exact", "reference": "a", "weight": -1}], "accept_at": 0.5}', "weight"),
        ("weighted", '{"of": [{"verifier": "exact", "reference": "a", "weight": NaN}], "accept_at": 0.5}', "weight"),
        ("all_of", json.dumps({"of": [{"verifier": "exakt", "reference": "a"}]}), "exakt"),
        ("all_of", json.dumps({"of": [{"verifier": "tests.verify.parts:said", "reference": "accepted"}]}), "registered"),
        ("all_of", json.dumps({"of": [{"verifier": "os:system", "reference": "true"}]}), "registered"),
        ("any_of", said("accepted", "unreadable"), "part 1: it says so"),
        (
            "any_of",
            json.dumps({"of": [{"verifier": "all_of", "reference": {"of": [{"verifier": "number"}]}}]}),
            "part 0: part 0",
        ),
        ("all_of", json.dumps(nested(4)), "3 deep"),
    ],
)
def test_references_that_are_refused_before_anyone_is_asked(name: str, reference: str, word: str) -> None:
    problem = getattr(combined, name).check_reference(reference)
    assert problem
    assert word in problem
    assert verdict_of(name, reference) == Verdict("reference_unparsable", reason=problem)
    assert ASKED == []


def test_three_deep_is_read() -> None:
    assert combined.all_of.check_reference(json.dumps(nested(3))) == ""
    assert verdict_of("all_of", json.dumps(nested(3)), "a").state == "accepted"


def test_part_names_are_those_of_every_depth_whose_code_decides() -> None:
    inner = {"of": [{"verifier": "number", "reference": "1"}, {"verifier": "nobody"}, {"verifier": "os:system"}]}
    reference = json.dumps({"of": [{"verifier": "any_of", "reference": json.dumps(inner)}, {"verifier": "exact"}]})
    assert part_names(reference) == {"any_of", "number", "exact"}
    assert part_names("18") == set()


def test_who_judges_only_the_form() -> None:
    form = {"verifier": "instruction", "reference": {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}}
    said = {"verifier": "number", "reference": "18"}
    for parts, told in [((form,), (True, True)), ((said,), (False, False)), ((form, said), (False, True))]:
        reference = json.dumps({"of": parts})
        nested_in = json.dumps({"of": [{"verifier": "all_of", "reference": {"of": parts}}]})
        assert (combined.all_of.judges_form(reference), combined.any_of.judges_form(reference)) == told
        assert combined.any_of.judges_form(nested_in) == told[0]


def test_the_plants_of_the_parts_whose_verdict_is_the_whole_one() -> None:
    two = said("a", "b")
    assert [(plant.text, plant.right) for plant in combined.all_of.plants(two)] == [
        ("wrong for a", False),
        ("wrong for b", False),
    ]
    assert [(plant.text, plant.right) for plant in combined.any_of.plants(two)] == [
        ("right for a", True),
        ("right for b", True),
    ]
    assert [plant.right for plant in combined.all_of.plants(said("a"))] == [True, False]
    assert list(combined.all_of.plants("{}")) == []


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text(), st.sampled_from(NAMES))
def test_they_never_raise(response: str, odd: str, name: str) -> None:
    assert verdict_of(name, odd, response).state == "reference_unparsable"
    part = json.dumps({"of": [{"verifier": odd, "reference": odd}], "accept_at": 0.5})
    assert combined.weighted.check_reference(part)
