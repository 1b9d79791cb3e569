"""Label rows of every chat family against the chat rows they were made from; one thing wrong, and it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.chat.labels import label_rows
from tasks.chat.packing import pack_rows
from tasks.chat.settings import RenderSettings
from tasks.runtime.rows import write_rows
from tasks.validate.chat_index import ChatIndex
from tasks.validate.check import check_rows
from tasks.validate.facts import Facts, tokenizer_facts
from tasks.validate.settings import ValidationSettings
from tests.chat.families import FAMILIES
from tests.chat.families.conversations import conversations, tool_conversations
from tests.chat.reference import Ends, RefusedError, expected_rows

U, A, S, T = "user", "assistant", "system", "tool"
ADD = {"function": {"description": "adds", "name": "add", "parameters": {"type": "object"}}, "type": "function"}
CALL = {"id": "call00001", "type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 2}}}


def talk(name: str, *turns: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"id": name, "messages": [{"role": role, "content": text} for role, text in turns], "source": "test", **fields}


TALKS = [
    talk("short", (U, "What is 2+2?"), (A, "It is 4.")),
    talk("long", (U, "Hi "), (A, " hello\n\nthere "), (U, "é 😀?"), (A, "naïve \u202e answer"), (U, "so?"), (A, "so.")),
    talk("system", (S, "Be kind."), (U, "q"), (A, "a"), (U, "w"), (A, "b c")),
    talk("think#1", (U, "think"), (A, "<think>\nhm\n</think>\n\nfour"), (U, "again"), (A, "<think>\nhm\n</think>\n\nfive")),
    talk("tool", (U, "add"), (A, ""), (T, "4"), (A, "It is 4."), tools=[ADD]),
]
TALKS[2]["messages"][2]["train"] = False
TALKS[4]["messages"][1]["tool_calls"] = [CALL]
TALKS[4]["messages"][2]["tool_call_id"] = CALL["id"]


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> ChatIndex:
    folder = tmp_path_factory.mktemp("chats")
    write_rows(folder, "chat", TALKS, rows_per_shard=2)
    return ChatIndex([folder])


def labels(family: Any, mask: str, weight: float = 0.0, talks: Any = TALKS) -> Iterator[dict[str, Any]]:
    ends = Ends(family.end, family.earlier_end or family.end, family.call_end or family.end)
    for chat in talks:
        try:
            yield from expected_rows(family.tokenizer, chat, mask, ends, weight)
        except RefusedError:
            continue


def facts_of(name: str, chats: ChatIndex, mask: str = "assistant") -> Facts:
    return replace(tokenizer_facts(FAMILIES[name].tokenizer, mask), chat=chats)


@pytest.mark.parametrize("name", FAMILIES)
def test_right_labels_pass_for_every_family(name: str, chats: ChatIndex) -> None:
    family, seen = FAMILIES[name], 0
    for mask, weight in [("assistant", 0.0), ("assistant", 0.25), ("last", 0.0), ("full", 0.0)]:
        rows = list(labels(family, mask, weight))
        for made in (rows, list(pack_rows(rows, 1_000))):
            accepted, rejects = check_rows("labels", made, facts_of(name, chats, mask))
            assert not rejects, (mask, weight, [(reject["id"], reject["codes"]) for reject in rejects])
            seen += len(accepted)
    assert seen > 4


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FAMILIES)),
    talks=st.lists(conversations() | tool_conversations(), min_size=1, max_size=3),
    mask=st.sampled_from(["assistant", "last", "full"]),
    weight=st.sampled_from([0.0, 0.25]),
    most=st.sampled_from([150, 100_000]),
)
def test_what_rendering_makes_of_sound_rows_passes(
    tmp_path_factory: pytest.TempPathFactory, name: str, talks: list[Any], mask: Any, weight: float, most: int
) -> None:
    family, folder = FAMILIES[name], tmp_path_factory.mktemp("talks")
    sound = [sorted_names({**talk, "id": f"r{number}"}) for number, talk in enumerate(talks)]
    hopeless = {"template_token", "bad_unicode"}
    facts = tokenizer_facts(family.tokenizer, mask)
    sound = [
        talk for talk in sound if not any(hopeless & set(reject["codes"]) for reject in check_rows("chat", [talk], facts)[1])
    ]
    write_rows(folder, "chat", sound)
    how = RenderSettings(mask=mask, prompt_loss_weight=weight, max_tokens=most, too_long="left_context")
    rows = [row for row in label_rows(family.tokenizer, sound, how) if isinstance(row, dict)]
    for made in (rows, list(pack_rows(rows, 100_000))):
        rejects = check_rows("labels", made, replace(facts, chat=ChatIndex([folder])))[1]
        assert not rejects, [(reject["id"], reject["codes"]) for reject in rejects]


def sorted_names(value: Any) -> Any:
    """As rows come out of a store."""
    if isinstance(value, dict):
        return {name: sorted_names(value[name]) for name in sorted(value)}
    return [sorted_names(item) for item in value] if isinstance(value, list) else value


Spoil = Callable[[dict[str, Any]], Any]


def untrain(row: dict[str, Any], place: int) -> None:
    """Take the label off the first or last trained token."""
    trained = [index for index, label in enumerate(row["labels"]) if label != -100]
    row["labels"][trained[place]] = -100


def swap(row: dict[str, Any], place: int) -> None:
    """Another token, with its label where it has one."""
    row["input_ids"][place] = row["input_ids"][place] % 5 + 40
    if row["labels"][place] != -100:
        row["labels"][place] = row["input_ids"][place]


SPOILED: list[tuple[str, Spoil]] = [
    ("chat_row_unknown", lambda row: row.update(id="nobody")),
    ("chat_row_unknown", lambda row: row.update(id="short#7")),
    ("chat_row_unknown", lambda row: row.update(id="short#x")),
    ("trained_text_differs", lambda row: row.update(id="long")),
    ("serving_ids_differ", lambda row: swap(row, 1)),
    ("trained_text_differs", lambda row: swap(row, -3)),
    ("end_of_turn_untrained", lambda row: untrain(row, -1)),
    ("trained_text_differs", lambda row: row["labels"].__setitem__(-4, -100)),
]


@pytest.mark.parametrize(("code", "spoil"), SPOILED)
@pytest.mark.parametrize("name", ["smollm2", "llama2"])
def test_wrong_labels_are_found(name: str, code: str, spoil: Spoil, chats: ChatIndex) -> None:
    (row,) = labels(FAMILIES[name], "assistant", talks=TALKS[:1])
    facts = facts_of(name, chats)
    assert check_rows("labels", [row], facts)[0]
    spoil(row)
    (reject,) = check_rows("labels", [row], facts)[1]
    assert code in reject["codes"]


def test_a_turn_must_be_trained_from_its_first_word(chats: ChatIndex) -> None:
    (row,) = labels(FAMILIES["smollm2"], "assistant", talks=TALKS[:1])
    untrain(row, 0)
    assert check_rows("labels", [row], facts_of("smollm2", chats))[1][0]["codes"] == ["trained_text_differs"]


def test_a_turn_marked_untrained_must_not_be_trained(chats: ChatIndex) -> None:
    marked = [dict(TALKS[2], messages=[{**message, "train": None} for message in TALKS[2]["messages"]])]
    (row,) = labels(FAMILIES["smollm2"], "assistant", talks=marked)
    assert check_rows("labels", [row], facts_of("smollm2", chats))[1][0]["codes"] == ["trained_text_differs"]


def test_only_the_last_turn_of_mask_last(chats: ChatIndex) -> None:
    (row,) = labels(FAMILIES["smollm2"], "assistant", talks=TALKS[1:2])
    assert check_rows("labels", [row], facts_of("smollm2", chats, "last"))[1][0]["codes"] == ["trained_text_differs"]


def test_a_conversation_may_have_lost_its_first_exchanges(chats: ChatIndex) -> None:
    for whole, kept in ((TALKS[1], TALKS[1]["messages"][2:]), (TALKS[2], [TALKS[2]["messages"][0], *TALKS[2]["messages"][3:]])):
        (row,) = labels(FAMILIES["smollm2"], "assistant", talks=[dict(whole, messages=kept)])
        assert check_rows("labels", [row], facts_of("smollm2", chats))[0] == [row]
    (row,) = labels(FAMILIES["smollm2"], "assistant", talks=[dict(TALKS[1], messages=TALKS[1]["messages"][:4])])
    assert check_rows("labels", [row], facts_of("smollm2", chats))[1]


def test_one_wrong_member_refuses_its_pack(chats: ChatIndex) -> None:
    rows = list(labels(FAMILIES["smollm2"], "assistant", talks=TALKS[:3]))
    swap(rows[1], -3)
    (reject,) = check_rows("labels", list(pack_rows(rows, 1_000)), facts_of("smollm2", chats))[1]
    assert reject["codes"] == ["trained_text_differs"]


def test_limits_of_label_rows(chats: ChatIndex) -> None:
    rows = list(labels(FAMILIES["smollm2"], "assistant", talks=TALKS[:2]))
    short, long = (len(row["input_ids"]) for row in rows)
    shares = [sum(label != -100 for label in row["labels"]) / len(row["labels"]) for row in rows]

    def codes(given: Any, **limits: Any) -> list[list[str]]:
        return [reject["codes"] for reject in check_rows("labels", given, settings=ValidationSettings(**limits))[1]]

    assert codes(rows, max_tokens=long, min_tokens=short) == []
    assert codes(rows, max_tokens=long - 1) == [["too_long"]]
    assert codes(rows, min_tokens=short + 1) == [["too_short"]]
    assert codes(list(pack_rows(rows, short + long)), max_tokens=long) == [], "a pack is as long as its longest row"
    assert codes(rows, min_trained_share=min(shares), max_trained_share=max(shares)) == []
    assert codes(rows, min_trained_share=max(shares)) == [["trained_share_outside"]]
    assert codes(rows, max_trained_share=min(shares)) == [["trained_share_outside"]]


def test_chat_rows_are_found_in_any_order_across_shards_and_groups(tmp_path: Path) -> None:
    rows = [talk(f"r{number}", (U, f"q{number}"), (A, "a")) for number in range(5_000)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_rows(tmp_path / "a", "chat", rows[:2_500], rows_per_shard=2_300)
    write_rows(tmp_path / "b", "chat", [*rows[2_500:], talk("r0", (U, "another"), (A, "a"))])
    index = ChatIndex([tmp_path / "a", tmp_path / "b"])
    wanted = ["r4999", "r0", "r2299", "r2300", "r1", "nobody", ""]
    found = index.rows(wanted)
    assert set(found) == {"r4999", "r0", "r2299", "r2300", "r1"}
    assert found["r0"]["messages"][0]["content"] == "q0", "of rows with the same id the first"
    assert index.rows([]) == {}
    assert ChatIndex([]).rows(["r0"]) == {}
