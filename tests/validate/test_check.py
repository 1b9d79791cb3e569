"""Each code has a row that fails and a sound one beside it that passes; no row, however odd, ends the check."""

from __future__ import annotations

import copy
import functools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.records import Fault
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import write_rows
from tasks.validate import check
from tasks.validate.chat_index import ChatIndex
from tasks.validate.check import check_chunks, check_rows, json_line
from tasks.validate.codes import CODES, ROW_CODES, WHOLE_CODES
from tasks.validate.facts import Facts, tokenizer_facts
from tasks.validate.measures import MEASURES
from tasks.validate.settings import ValidationSettings
from tests.chat.families import FAMILIES
from tests.validate.rows import FACTS, SAMPLE_FACTS, chat, label, pack, prompt, sample, talk, without

U, A, S, T = "user", "assistant", "system", "tool"
SOURCE_CODES = (
    "broken_json",
    "broken_row",
    "format_mismatch",
    "nothing_converted",
    "content_unsupported",
    "tool_call_malformed",
)
SOUND = {"chat": chat("sound"), "prompts": prompt("sound"), "labels": label("sound"), "samples": sample("p1", 3)}
FACTS_OF = {"chat": Facts(), "prompts": Facts(), "labels": FACTS, "samples": SAMPLE_FACTS}

# Codes that need settings, or a tokenizer and chat rows; their tests are in files of their own.
ELSEWHERE = {"too_long", "too_short", "language_other", "trained_share_outside"}
ELSEWHERE |= {"chat_row_unknown", "serving_ids_differ", "trained_text_differs"}

FAILING: list[tuple[str, str, Any]] = [
    ("chat", "broken_json", Fault("broken_json", "rows.jsonl:3", "Expecting value")),
    *((kind, code, Fault(code, "rows.jsonl:3", "why", {"text": "t"})) for kind in SOUND for code in SOURCE_CODES),
    ("chat", "broken_row", Fault("a_code_of_nobody", "rows.jsonl:3", "why")),
    ("chat", "not_an_object", ["a", "list"]),
    ("chat", "not_an_object", None),
    ("chat", "field_missing", without(chat(), "id")),
    ("chat", "field_missing", chat(messages=None)),
    ("chat", "field_type", chat(" ")),
    ("chat", "field_type", chat(messages=[])),
    ("chat", "field_type", chat(messages="hi")),
    ("chat", "field_type", chat(messages=[{"role": "user", "content": None}])),
    ("chat", "field_type", chat(messages=[{"role": "user", "content": "q"}, {"role": A, "content": "a", "train": 1}])),
    ("chat", "field_type", chat(metadata={"x": float("nan")})),
    ("chat", "field_type", chat(metadata={"x": b"bytes"})),
    ("chat", "field_unknown", chat(answer="x")),
    ("chat", "field_unknown", talk((U, "q"), (A, "a"), weight=1)),
    ("chat", "field_type", talk((U, "q"), (A, "a"), tool_calls={})),
    ("chat", "field_type", talk((U, "q"), (A, "a"), reasoning_content=3)),
    ("chat", "field_type", chat(tools="calculator")),
    ("chat", "field_type", chat(tools=[{"name": "f", "x": float("inf")}])),
    ("chat", "bad_unicode", talk((U, "q\ud800"), (A, "a"))),
    ("chat", "bad_unicode", talk((U, "caf\ufffd"), (A, "a"))),
    ("chat", "bad_unicode", talk((U, "q"), (A, "a\x00"))),
    ("chat", "bad_unicode", talk((U, "q"), (A, "a\x7f"))),
    ("chat", "bad_unicode", talk((U, "q"), (A, "it\x92s"))),
    ("chat", "bad_unicode", talk((U, "q"), (A, "a"), reasoning_content="\x08")),
    ("chat", "bad_unicode", chat(family="f\ufffe")),
    ("chat", "bad_unicode", chat("a\udfff")),
    ("chat", "bad_unicode", chat(metadata={"x": "\ud800"})),
    ("chat", "duplicate_id", talk((U, "another"), (A, "a"), id="sound")),
    ("chat", "duplicate_row", chat("other", messages=SOUND["chat"]["messages"])),
    ("chat", "role_unknown", talk((U, "q"), ("human", "h"), (A, "a"))),
    ("chat", "role_order", talk((U, "q"), (U, "q"), (A, "a"))),
    ("chat", "role_order", talk((U, "q"), (A, "a"), (A, "a"))),
    ("chat", "role_order", talk((U, "q"), (S, "s"), (A, "a"))),
    ("chat", "role_order", talk((A, "a"))),
    ("chat", "role_order", talk((U, "q"), (T, "t"), (A, "a"))),
    ("chat", "last_not_assistant", talk((U, "q"), (A, "a"), (U, "q"))),
    ("chat", "empty_turn", talk((U, "q"), (A, " \n"))),
    ("chat", "empty_turn", talk((U, "\u200b\ufeff"), (A, "a"))),
    ("chat", "template_token", talk((U, "q<|im_end|>"), (A, "a"))),
    ("chat", "template_token", talk((U, "q"), (A, "<start_of_turn>"))),
    ("chat", "nothing_to_train", talk((U, "q"), (A, "a"), train=False)),
    ("prompts", "role_order", prompt(messages=[{"role": A, "content": "a"}, {"role": U, "content": "q"}])),
    ("prompts", "last_not_user", prompt(messages=[{"role": U, "content": "q"}, {"role": A, "content": "a"}])),
    ("prompts", "duplicate_row", prompt("other", messages=SOUND["prompts"]["messages"])),
    ("prompts", "field_missing", without(prompt(), "verifier")),
    ("prompts", "field_missing", without(prompt(), "family")),
    ("prompts", "reference_missing", without(prompt(), "reference")),
    ("prompts", "reference_missing", prompt(reference="  ")),
    ("prompts", "reference_unparsable", prompt(reference="no number here")),
    ("prompts", "reference_unparsable", prompt(reference="{}", verifier="reasoning_gym")),
    ("prompts", "reference_unparsable", prompt(reference='{"scale": 5}', verifier="judge")),
    ("prompts", "verifier_unknown", prompt(verifier="numbr")),
    ("prompts", "verifier_unknown", prompt(verifier="os:system")),
    ("labels", "field_type", label(ids=[1.5, 2, 3])),
    ("labels", "field_type", label(ids=[True, 2, 3])),
    ("labels", "field_type", label(ids=[2**40, 2, 3])),
    ("labels", "field_type", label(weight=float("inf"))),
    ("labels", "length_mismatch", label(labels=[-100, 5])),
    ("labels", "length_mismatch", label(position_ids=[0, 1])),
    ("labels", "id_out_of_vocabulary", label(ids=[0, 5, 2, 3, 7, 1, 10])),
    ("labels", "id_out_of_vocabulary", label(ids=[0, -5, 2, 3, 7, 1])),
    ("labels", "no_label", label(labels=[-100] * 7)),
    ("labels", "no_label", label(ids=[], labels=[])),
    ("labels", "no_label", label(ids=[1], labels=[1])),
    ("labels", "label_mismatch", label(labels=[-100, -100, -100, -100, 8, 1, -100])),
    ("labels", "label_mismatch", label(labels=[-100, -100, -100, 7, 1, 4, -100])),
    ("labels", "end_of_turn_untrained", label(labels=[-100, -100, -100, -100, 7, -100, -100])),
    ("labels", "end_of_turn_untrained", label(labels=[-100, -100, -100, -100, 7, 1, 4])),
    ("labels", "prompt_trained", label(labels=[0, 5, 2, 3, 7, 1, -100])),
    ("labels", "prompt_trained", label(labels=[-100, 5, 2, 3, 7, 1, -100])),
    ("labels", "prompt_trained", label(labels=[-100, -100, -100, 3, 7, 1, -100])),
    ("labels", "prompt_trained", label(ids=[0, 2, 3, 7, 1, 5, 6, 1], labels=[-100] * 3 + [7, 1, -100, 6, 1])),
    ("labels", "double_bos", label(ids=[0, 0, 2, 3, 7, 1, 4])),
    ("labels", "double_bos", label(ids=[0, 5, 2, 3, 7, 1, 0])),
    ("labels", "pad_trained", label(ids=[0, 5, 2, 3, 7, 1, 8], labels=[-100] * 4 + [7, 1, 8])),
    ("labels", "length_mismatch", label(loss_weights=[1.0])),
    ("labels", "loss_weights_wrong", label(loss_weights=[0, 0, 0, 0, 1, -1, 0])),
    ("labels", "loss_weights_wrong", label(loss_weights=[0, 0, 0, 0, 1, 1, float("nan")])),
    ("labels", "loss_weights_wrong", label(loss_weights=[0.0] * 7)),
    ("labels", "loss_weights_wrong", label(loss_weights=[1, 1, 1, 1, 2, 1, 1])),
    ("labels", "field_type", label(loss_weights=["1"] * 7)),
    ("labels", "field_type", label(loss_weights=[10**400] * 7)),
    ("labels", "field_type", label(members=[])),
    ("labels", "position_ids_wrong", label(position_ids=[1, 2, 3, 4, 5, 6, 7])),
    ("labels", "position_ids_wrong", label(position_ids=[0, 1, 2, 2, 4, 5, 6])),
    ("labels", "position_ids_wrong", pack(members=["a"])),
    ("labels", "position_ids_wrong", without(pack(), "position_ids")),
    ("labels", "border_trained", pack(labels=[-100] * 4 + [7, 1] + [0] + [-100] * 3 + [7, 1])),
    ("labels", "no_label", pack(labels=[-100] * 4 + [7, 1] + [-100] * 6)),
    ("labels", "prompt_trained", pack(labels=[-100] * 4 + [7, 1] + [-100] * 3 + [3, 7, 1])),
    ("samples", "duplicate_id", sample("p1", 3)),
    ("samples", "field_missing", without(sample(), "seed")),
    ("samples", "field_type", sample(logprob=float("nan"))),
    ("samples", "field_type", sample(draw="0")),
    ("samples", "bad_unicode", sample(text="\ud800")),
    ("samples", "finish_reason_unknown", sample(finish_reason="eos")),
    ("samples", "sample_id_wrong", sample(sample_id="p0/0/0")),
    ("samples", "prompt_unknown", sample("p7")),
    ("samples", "number_out_of_range", sample(token_count=-1)),
    ("samples", "number_out_of_range", sample(logprob=0.5)),
]


# Faults that are two by themselves: a row of one trained token, labels of the next token, padding after the end.
TWO_CODES = {"no_label": "prompt_trained", "label_mismatch": "prompt_trained", "pad_trained": "end_of_turn_untrained"}


@pytest.mark.parametrize(("kind", "code", "row"), FAILING)
def test_a_failing_row_gets_its_code_and_the_sound_one_passes(kind: str, code: str, row: Any) -> None:
    accepted, rejects = check_rows(kind, [SOUND[kind], row], FACTS_OF[kind])
    assert accepted == [SOUND[kind]]
    (reject,) = rejects
    assert code in reject["codes"] or code not in ROW_CODES[kind]
    assert set(reject["codes"]) - {code, TWO_CODES.get(code)} == set(), "one code a fault"
    json.loads(json_line(reject))


def test_every_code_has_a_meaning_and_a_failing_row() -> None:
    tested = {code for _, code, _ in FAILING}
    assert tested | ELSEWHERE == {code for codes in ROW_CODES.values() for code in codes}
    assert set(CODES) == tested | ELSEWHERE | {code for codes in WHOLE_CODES.values() for code in codes}


SOUND_TOO: list[tuple[str, Any]] = [
    ("prompts", prompt(reference="", verifier="judge")),
    ("prompts", without(prompt(verifier="reward_model"), "reference")),
    ("chat", talk((S, "s"), (U, "q"), (A, "a"), (U, "q"), (A, "a"))),
    ("chat", talk((U, "q"), (A, "call"), (T, "r"), (T, "r"), (A, "a"))),
    ("chat", chat(messages=[{"role": U, "content": "q", "train": None}, {"role": A, "content": "a", "train": True}])),
    ("chat", talk((U, "naïve 😀 \u202e\ttab\r\n"), (A, "|im_end|"))),
    ("chat", chat(family="f", metadata={"a": [1, None, {"b": "é"}]})),
    ("prompts", prompt(messages=[{"role": S, "content": "s"}, {"role": U, "content": "q"}], metadata={})),
    ("prompts", prompt(reference="anything", verifier="exact")),
    # More than the generation prompt before what is trained (an empty thought), and two turns.
    ("labels", label(ids=[0, 2, 3, 8, 7, 1, 5, 2, 3, 6, 1], labels=[-100] * 4 + [7, 1] + [-100] * 3 + [6, 1])),
    ("labels", label(position_ids=list(range(7)), weight=0.5)),
    ("labels", pack()),
    ("labels", without(pack(), "members")),
    ("labels", pack(loss_weights=[0.5] * 6 + [1.5] * 6)),
    # Prompts of less weight are labelled, not trained.
    ("labels", label(labels=[0, 5, 2, 3, 7, 1, 4], loss_weights=[0.1] * 4 + [1, 1, 0.1])),
    ("samples", sample(text="", finish_reason="length", logprob=0.0)),
    ("samples", without(sample(), "logprob")),  # an endpoint may not tell it
    ("samples", sample(text="half a character \ufffd")),
]


@pytest.mark.parametrize(("kind", "row"), SOUND_TOO)
def test_unusual_rows_that_are_sound(kind: str, row: Any) -> None:
    assert check_rows(kind, [row], FACTS_OF[kind]) == ([row], [])


def test_labels_of_whole_conversations_may_train_the_prompt() -> None:
    row = label(labels=[0, 5, 2, 3, 7, 1, 4])
    assert check_rows("labels", [row], FACTS)[0] == []
    assert check_rows("labels", [row], Facts(vocabulary=10, bos=0, end_of_turn=1, mask="full"))[0] == [row]


def test_rows_do_not_leak_into_their_neighbours() -> None:
    # A generation prompt split over two rows announces nothing.
    first = label("a", ids=[0, 2, 3, 7, 1, 2], labels=[-100, -100, -100, 7, 1, -100])
    second = label("b", ids=[3, 7, 1], labels=[-100, 7, 1])
    accepted, rejects = check_rows("labels", [first, second], FACTS)
    assert accepted == [first]
    assert rejects[0]["codes"] == ["prompt_trained"]


def test_control_tokens_are_the_tokenizers_own() -> None:
    row = talk((U, "what does <|eot_id|> mean?"), (A, "a"))
    assert check_rows("chat", [row])[1][0]["codes"] == ["template_token"]
    assert check_rows("chat", [row], Facts(control_texts=("<|im_end|>",)))[0] == [row]


def test_duplicates_are_found_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROWS_PER_CHUNK", 2)
    rows = [
        chat("a"),
        chat("b"),
        chat("c"),
        chat("a", messages=chat("x")["messages"]),
        chat("e", messages=chat("b")["messages"]),
    ]
    accepted, rejects = check_rows("chat", rows)
    assert [row["id"] for row in accepted] == ["a", "b", "c"]
    assert [reject["codes"] for reject in rejects] == [["duplicate_id"], ["duplicate_row"]]


def test_prompts_that_differ_in_reference_are_no_duplicates() -> None:
    messages = prompt("a")["messages"]
    rows = [prompt("a"), prompt("b", messages=messages, reference="5"), prompt("c", messages=messages)]
    accepted, rejects = check_rows("prompts", rows)
    assert [row["id"] for row in accepted] == ["a", "b"]
    assert rejects[0]["codes"] == ["duplicate_row"]


def test_one_bad_row_does_not_hide_another() -> None:
    rejects = check_rows("chat", [talk((U, "q<|im_end|>"), (U, " "), ("bot", "a"))])[1]
    assert set(rejects[0]["codes"]) == {
        "template_token",
        "empty_turn",
        "role_unknown",
        "role_order",
        "last_not_assistant",
    }


def test_the_place_of_a_wrong_shape_is_named() -> None:
    rejects = check_rows("chat", [{"id": 3, "extra": 1}])[1]
    assert rejects[0]["detail"] == "field_type: id; field_missing: messages, source; field_unknown: extra"


def test_rows_are_checked_as_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROWS_PER_CHUNK", 10)
    seen = 0

    def endless() -> Any:
        nonlocal seen
        while True:
            seen += 1
            yield chat(str(seen))

    chunk = next(check_chunks("chat", endless()))
    assert len(chunk.accepted()) == 10
    assert seen == 10


def test_unknown_kind() -> None:
    with pytest.raises(ConfigurationError, match="chat, prompts, labels, samples"):
        next(check_chunks("verdicts", []))


# --- mutations -------------------------------------------------------------------------------------------------------

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=4)
    | st.just("\ud800")
    | st.just(Fault("broken_json", "here", "x")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, kind: str) -> Any:
    """A sound row with a few places, at any depth, replaced, removed or added to."""
    row: Any = copy.deepcopy(SOUND[kind])
    row["sample_id" if kind == "samples" else "id"] = draw(st.text(max_size=2))
    for _ in range(draw(st.integers(0, 3))):
        place = row
        while isinstance(place, dict | list) and place and draw(st.booleans()):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            inner = place[draw(st.sampled_from(keys))]
            if not isinstance(inner, dict | list) or not inner:
                break
            place = inner
        if isinstance(place, dict):
            key = draw(st.sampled_from(list(place)) | st.text(max_size=3) | st.integers())
            if draw(st.booleans()):
                place[key] = draw(JUNK)
            else:
                place.pop(key, None)
        elif place:
            place[draw(st.integers(0, len(place) - 1))] = draw(JUNK)
    return row


@pytest.mark.parametrize("kind", list(SOUND))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_whatever_the_rows_are_each_is_accepted_or_rejected(kind: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(mutated(kind) | JUNK, max_size=8))
    before = len(rows)
    accepted, rejects = check_rows(kind, iter(rows), FACTS_OF[kind])
    assert len(accepted) + len(rejects) == before
    for reject in rejects:
        assert reject["codes"]
        json.loads(json_line(reject))
    # What is accepted can be accepted again: nothing depends on the bad rows around it.
    assert check_rows(kind, accepted, FACTS_OF[kind])[0] == accepted


def spoilt(row: Any, chance: random.Random) -> Any:
    """A copy of a row with one to three places, at any depth, replaced, removed, doubled or added to."""
    row = copy.deepcopy(row)
    for _ in range(chance.randint(1, 3)):
        place = row
        while isinstance(place, dict | list) and place and chance.random() < 0.7:
            inner = place[chance.choice(list(place) if isinstance(place, dict) else range(len(place)))]
            if not isinstance(inner, dict | list):
                break
            place = inner
        junk = chance.choice(ODD)
        if isinstance(place, dict):
            name = chance.choice([*place, "", "x", 7])
            place.pop(name, None) if chance.random() < 0.3 else place.update({name: junk})
        elif isinstance(place, list) and place:
            at = chance.randrange(len(place))
            place[at : at + chance.randint(0, 1)] = [place[at], junk][: chance.randint(0, 2)]
    return row


ODD: list[Any] = [
    *(None, True, 0, -1, 2**70, 10**400, 1.5, float("nan"), float("inf"), b"b", object(), Fault("broken_json", "here", "x")),
    *("", " ", "\ud800", "\ufffd", "\x00", "x" * 100_000, "<|im_end|>", "<|im_start|>user", "assistant", "tool", "human"),
    *([], {}, [[]], [{}], {"role": "user"}, {"role": "assistant", "content": "a"}, {7: 7}, [1, 2], ["a"], [{"name": "f"}]),
]
LOOP: list[Any] = []
LOOP.append(LOOP)
ODD += [LOOP, functools.reduce(lambda inner, _: [inner], range(3_000), [])]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": [1]}}}
RICH = {
    "chat": chat(
        messages=[
            *({"role": S, "content": "s"}, {"role": U, "content": "q", "train": True}),
            {"role": A, "content": "", "tool_calls": [CALL], "reasoning_content": "hm"},
            *({"role": T, "content": "4", "tool_call_id": "c", "name": "f"}, {"role": A, "content": "a"}),
        ],
        tools=[{"type": "function", "function": {"name": "f"}}],
        metadata={"language": "en", "more": [{"x": 1}]},
        family="f",
    ),
    "prompts": prompt(metadata={"x": 1}),
    "labels": pack(loss_weights=[0.5] * 12, weight=1.0),
    "samples": sample(),
}


@pytest.mark.parametrize("kind", list(RICH))
def test_2500_spoilt_rows_with_every_check_at_work(kind: str, tmp_path: Path) -> None:
    write_rows(tmp_path, "chat", [chat("a"), chat("b")])
    facts = replace(tokenizer_facts(FAMILIES["smollm2"].tokenizer), chat=ChatIndex([tmp_path]), prompt_ids=frozenset(["p0"]))
    limits = ValidationSettings(max_tokens=200, min_tokens=2, languages=["en"], max_trained_share=0.9)
    chance = random.Random(0)
    rows = [spoilt(RICH[kind] if chance.random() < 0.8 else SOUND[kind], chance) for _ in range(2_500)]
    accepted: list[Any] = []
    rejected = 0
    for chunk in check_chunks(kind, iter(rows), facts, limits, list(MEASURES[kind])):
        accepted += chunk.accepted()
        for reject in chunk.rejects():
            rejected += 1
            assert reject["codes"]
            json.loads(json_line(reject))
        for name, column in chunk.measures.items():
            assert len(column) == len(chunk.rows), name
    assert len(accepted) + rejected == len(rows)
    assert rejected > len(rows) / 2
    assert write_rows(tmp_path, kind, accepted) == len(accepted), "what is accepted can be kept"


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"id": inner}])
def test_rows_nested_too_deeply_to_be_written_are_rejected_like_others(wrap: Any) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = wrap(deep)
    (reject,) = check_rows("chat", [deep])[1]
    assert "nested too deeply" in json.loads(json_line(reject))["row"]
