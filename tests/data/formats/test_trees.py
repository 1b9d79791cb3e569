"""OpenAssistant's trees: which paths are taken, what is left out, and message rows put back into their trees."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.formats.convert import convert
from tasks.data.records import Fault, Record
from tasks.runtime.rows import Row
from tests.data.formats.examples import TREE, flat, node, tree


def rows_of(name: str, *values: Any) -> list[Any]:
    return list(convert(name, [Record(f"rows:{number}", value) for number, value in enumerate(values, 1)], "src"))


def texts(row: Row) -> list[str]:
    return [message["content"] for message in row["messages"]]


def ask(*replies: Row, text: str = "Q", **changes: Any) -> Row:
    return node(text, "prompter", text, *replies, **changes)


def answer(text: str, *replies: Row, **changes: Any) -> Row:
    return node(text, "assistant", text, *replies, **changes)


def test_the_best_ranked_path() -> None:
    (row,) = rows_of("oasst", TREE)
    assert row == {
        "id": "t1",
        "messages": [
            {"role": "user", "content": "Why is the sky blue?"},
            {"role": "assistant", "content": "Air scatters blue light most."},
            {"role": "user", "content": "And at dusk?"},
            {"role": "assistant", "content": "Red light gets through."},
        ],
        "source": "src",
        "metadata": {"tree_state": "ready_for_export", "message_id": "last", "lang": "en"},
    }


def test_every_path() -> None:
    worse, better = rows_of("oasst_all", TREE)
    assert texts(worse) == ["Why is the sky blue?", "It mirrors the sea."]
    assert texts(better)[-1] == "Red light gets through."
    assert (worse["id"], better["id"]) == ("t1/0", "t1/1")
    assert worse["metadata"]["message_id"] == "worse"


def test_unranked_replies_come_last_in_the_order_of_the_file() -> None:
    root = ask(answer("first"), answer("second"), answer("ranked", rank=3))
    assert texts(rows_of("oasst", tree("t", root))[0])[-1] == "ranked"
    assert texts(rows_of("oasst", tree("t", ask(answer("first"), answer("second"))))[0])[-1] == "first"


@pytest.mark.parametrize("out", [{"deleted": True}, {"review_result": False}, {"review_result": None}])
def test_deleted_and_unreviewed_messages_are_out_with_all_below_them(out: dict[str, Any]) -> None:
    below = answer("bad", ask(answer("under it"), text="Q2"), rank=0, **out)
    root = ask(below, answer("good", rank=1))
    assert [texts(row) for row in rows_of("oasst_all", tree("t", root))] == [["Q", "good"]]
    assert texts(rows_of("oasst", tree("t", root))[0]) == ["Q", "good"]
    (fault,) = rows_of("oasst", tree("t", ask(answer("good"), **out)))
    assert (fault.code, fault.place) == ("nothing_converted", "rows:1")
    (fault,) = rows_of("oasst_all", tree("t", ask(below)))
    assert fault.code == "nothing_converted"


def test_a_question_without_an_answer_ends_the_path_before_it() -> None:
    root = ask(answer("A", ask(text="no answer"), ask(answer("B", deleted=True), text="none left")))
    for name in ("oasst", "oasst_all"):
        assert [texts(row) for row in rows_of(name, tree("t", root))] == [["Q", "A"]]
    assert rows_of("oasst", tree("t", ask()))[0].code == "nothing_converted"


def test_a_missing_review_is_none_and_other_states_are_not_complete() -> None:
    missing = answer("good")
    del missing["review_result"]
    assert rows_of("oasst", tree("t", ask(missing)))[0].code == "nothing_converted"
    assert rows_of("oasst", tree("t", ask(answer("good")), tree_state="growing"))[0].code == "nothing_converted"
    bare = tree("t", ask(answer("good")))
    del bare["tree_state"]
    assert texts(rows_of("oasst", bare)[0]) == ["Q", "good"]


def test_what_a_model_wrote_is_named() -> None:
    (row,) = rows_of("oasst", tree("t", ask(answer("good", synthetic=True, model_name="some-model"))))
    assert row["metadata"]["synthetic"] == ["some-model"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"text": None}, "field_missing"),
        ({"text": 3}, "field_type"),
        ({"role": "gpt"}, "role_unknown"),
        ({"role": "prompter"}, "role_order"),
        ({"rank": "best"}, "field_type"),
        ({"deleted": "no"}, "field_type"),
        ({"review_result": 1}, "field_type"),
        ({"replies": "none"}, "field_type"),
        ({"replies": [None]}, "field_type"),
    ],
)
def test_a_broken_message_is_one_fault_of_its_tree(changed: dict[str, Any], code: str) -> None:
    for name in ("oasst", "oasst_all"):
        (fault,) = rows_of(name, tree("t", ask(answer("A"), answer("B") | changed)))
        assert (fault.code, fault.record["message_tree_id"]) == (code, "t")


def test_message_rows_are_put_back_into_their_trees() -> None:
    second = tree("t2", ask(answer("A2"), text="Q2"))
    for name in ("oasst", "oasst_all"):
        assert rows_of(name, *flat(TREE), *flat(second)) == rows_of(name, TREE, second)
        assert rows_of(name, TREE, *flat(second)) == rows_of(name, TREE, second)
    first, *_ = flat(TREE)
    shuffled = [*reversed(flat(TREE)[1:]), first]
    assert texts(rows_of("oasst", *shuffled)[0]) == texts(rows_of("oasst", TREE)[0])


def test_rows_without_a_place_in_their_tree_are_faults() -> None:
    rows = flat(TREE)
    second = flat(tree("t2", ask(answer("A2"), text="Q2")))
    scattered = rows_of("oasst", *rows[:2], *second, *rows[2:])
    assert [row["id"] for row in scattered if isinstance(row, dict)] == ["t1", "t2"]
    lost = [row for row in scattered if isinstance(row, Fault)]
    assert [fault.code for fault in lost] == ["format_mismatch"] * len(rows[2:])
    assert "sort the rows by message_tree_id" in lost[0].detail
    again = rows_of("oasst", *second, second[1])
    assert [getattr(row, "code", None) for row in again] == ["duplicate_id", None]
    ring = [second[0], second[1] | {"parent_id": "x", "message_id": "y"}, second[1] | {"parent_id": "y", "message_id": "x"}]
    assert [fault.code for fault in rows_of("oasst", *ring)] == ["format_mismatch", "format_mismatch", "nothing_converted"]
    other, broken, fault = second[1] | {"parent_id": None}, second[1] | {"message_id": 7}, Fault("broken_json", "rows:9", "no")
    codes = [made.code for made in convert("oasst", [Record("a", other), Record("b", broken), fault], "src")]
    assert codes == ["role_order", "field_type", "broken_json"]


def test_a_long_conversation_is_no_deep_recursion() -> None:
    rows = [
        {"message_id": str(at), "parent_id": str(at - 1) if at else None, "message_tree_id": "t", "text": f"turn {at}"}
        | {"role": ("prompter", "assistant")[at % 2], "review_result": True}
        for at in range(6000)
    ]
    for name in ("oasst", "oasst_all"):
        (row,) = rows_of(name, *rows)
        assert len(row["messages"]) == 6000


def build(shape: list[Any], role: str, drawn: random.Random) -> list[Row]:
    other = "assistant" if role == "prompter" else "prompter"
    return [
        node(
            str(drawn.random()),
            role,
            str(drawn.random()),
            *build(below, other, drawn),
            deleted=drawn.random() < 0.1,
            review_result=drawn.choice([True, True, True, False, None]),
            rank=drawn.choice([None, 0, 1, 2]),
        )
        for below in shape
    ]


def all_paths(message: Row) -> list[list[Row]]:
    """Every path of sound messages from here down, cut after its last answer: written without regard to speed."""
    if message["deleted"] or message["review_result"] is not True:
        return []
    paths = [[message, *path] for reply in message["replies"] for path in all_paths(reply)]
    return paths or [[message]]


def expected(root: Row) -> list[list[str]]:
    found: list[list[str]] = []
    for path in all_paths(root):
        cut = path[: len(path) // 2 * 2]
        said = [message["text"] for message in cut]
        if cut and said not in found:
            found.append(said)
    return [path for path in found if not any(other[: len(path)] == path and other != path for other in found)]


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.just([]), lambda below: st.lists(below, max_size=3), max_leaves=12), st.integers())
def test_paths_of_any_tree(shape: list[Any], seed: int) -> None:
    (root,) = build([shape], "prompter", random.Random(seed))
    every, best = (rows_of(name, *flat(tree("t", root))) for name in ("oasst_all", "oasst"))
    paths = expected(root)
    if not paths:
        assert [made[0].code for made in (every, best)] == ["nothing_converted"] * 2
        return
    assert sorted(map(texts, every)) == sorted(paths)
    assert len(best) == 1
    assert texts(best[0]) in paths
