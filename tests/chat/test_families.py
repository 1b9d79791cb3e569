"""Each chat family by example: its documented text, what is trained in it, and what of it cannot be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tasks.chat.labels import Reject, label_rows
from tasks.chat.render import end_of_turn, render_prompt
from tasks.chat.settings import RenderSettings
from tasks.runtime.rows import IGNORED
from tests.chat.families import FAMILIES, Family
from tests.chat.families.texts import CONVERSATION, PROMPT_END, WHOLE
from tests.chat.reference import tokenise

EACH = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
LABELLED = [family for family in FAMILIES.values() if family.servable and family.system != "last"]


def conversation(family: Family) -> list[dict[str, Any]]:
    return CONVERSATION[1:] if family.system in ("refused", "last") else CONVERSATION


def labels(family: Family, messages: Sequence[dict[str, Any]], mask: str = "assistant", **fields: Any) -> list[Any]:
    settings = RenderSettings(mask=mask, max_tokens=1_000_000)  # type: ignore[arg-type]
    return list(label_rows(family.tokenizer, [{"id": "a", "messages": messages, "source": "test", **fields}], settings))


def runs(family: Family, row: dict[str, Any]) -> list[str]:
    """The texts of the trained runs of tokens."""
    found: list[list[int]] = []
    for before, label in zip([IGNORED, *row["labels"]], row["labels"], strict=False):
        if label != IGNORED:
            if before == IGNORED:
                found.append([])
            found[-1].append(label)
    return [family.tokenizer.decode(run) for run in found]


def user(content: str) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: str, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **fields}


# --- the templates and tokenizers themselves -------------------------------------------------------------------------


@EACH
def test_template_writes_the_documented_text(family: Family) -> None:
    messages = CONVERSATION[1:] if family.system == "refused" else CONVERSATION
    assert family.tokenizer.apply_chat_template(messages, tokenize=False) == WHOLE[family.name]
    prompt = family.tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    assert prompt.endswith(PROMPT_END[family.name])


@EACH
def test_control_tokens_are_single_tokens(family: Family) -> None:
    for text in {*family.control, *family.added, family.end, family.eos}:
        assert len(tokenise(family.tokenizer, text)[0]) == 1, text


@EACH
def test_a_plain_call_adds_a_bos_where_the_family_does(family: Family) -> None:
    """To a text that has one already, in most of them: the trap of tokenising a template's text the plain way."""
    text = WHOLE[family.name]
    bos = [family.tokenizer.bos_token_id] if family.adds_bos else []
    assert family.tokenizer(text)["input_ids"] == bos + tokenise(family.tokenizer, text)[0]


@EACH
def test_end_of_turn_is_found(family: Family) -> None:
    assert end_of_turn(family.tokenizer).text.strip() == family.end


# --- what is trained -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.servable], ids=lambda family: family.name)
@pytest.mark.parametrize("mask", ["assistant", "last"])
def test_answers_and_their_ends_are_trained(family: Family, mask: str) -> None:
    messages = conversation(family)
    made = labels(family, messages, mask)
    said = [family.says(message["content"]) + family.end for message in messages if message["role"] == "assistant"]
    said = [family.heard(text) for text in (said if mask == "assistant" else said[-1:])]
    assert [run for row in made for run in runs(family, row)] == said
    assert [row["id"] for row in made] == (
        [f"a#{i}" for i in _turns(messages)] if family.rewrites and mask == "assistant" else ["a"]
    )


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.servable], ids=lambda family: family.name)
def test_what_precedes_an_answer_is_what_is_served(family: Family) -> None:
    messages = conversation(family)
    made = labels(family, messages)
    rows = made if family.rewrites else made * 2
    for row, turn in zip(rows, _turns(messages), strict=True):
        prompt = render_prompt(family.tokenizer, messages[:turn])
        assert row["input_ids"][: len(prompt)] == prompt
        assert row["labels"][len(prompt) - 1] == IGNORED
        assert row["labels"][len(prompt)] == row["input_ids"][len(prompt)]


@EACH
def test_full_trains_all_that_the_template_writes(family: Family) -> None:
    messages = CONVERSATION[1:] if family.system == "refused" else CONVERSATION
    (row,) = labels(family, messages, "full")
    assert row["labels"] == row["input_ids"] == tokenise(family.tokenizer, WHOLE[family.name])[0]


def _turns(messages: Sequence[dict[str, Any]]) -> list[int]:
    return [index for index, message in enumerate(messages) if message["role"] == "assistant"]


# --- what cannot be trained ------------------------------------------------------------------------------------------


def reason(made: list[Any]) -> str:
    (refused,) = made
    assert isinstance(refused, Reject), f"rendered: {refused}"
    return refused.reason


def test_gemma2_refuses_a_system_message() -> None:
    assert reason(labels(FAMILIES["gemma2"], CONVERSATION)) == "template_error"


@pytest.mark.parametrize("mask", ["assistant", "last"])
def test_mistral_v03_shows_the_system_message_in_prompts_only(mask: str) -> None:
    """It is written when the user has the last word and left out when the assistant has: no prompt begins the whole."""
    assert reason(labels(FAMILIES["mistral_v03"], CONVERSATION, mask)) == "prefix_text"


@pytest.mark.parametrize("content", ["Four.", "<think>\nTwo and two.\n</think>\n\nFour."])
def test_a_prompt_that_opens_a_thought_the_template_never_writes(content: str) -> None:
    assert reason(labels(FAMILIES["deepseek_r1_think"], [user("2+2?"), assistant(content)])) == "prefix_text"


@pytest.mark.parametrize("name", [family.name for family in FAMILIES.values() if family.takes_turns])
def test_turns_out_of_order(name: str) -> None:
    messages = [user("a"), user("b"), assistant("c")]
    assert reason(labels(FAMILIES[name], messages)) == "template_error"


@EACH
def test_an_answer_that_ends_itself(family: Family) -> None:
    made = labels(family, [user("q"), assistant(f"a{family.end}b")])
    assert reason(made) in ("control_token", "prefix_text")


def test_a_system_message_that_brings_its_own_bos() -> None:
    family = FAMILIES["deepseek_v3"]
    system = {"role": "system", "content": f"{family.bos}Be brief."}
    for mask in ("assistant", "full"):
        assert reason(labels(family, [system, user("q"), assistant("a")], mask)) == "double_bos"


@EACH
@pytest.mark.parametrize("mask", ["assistant", "full"])
def test_a_lone_surrogate_is_a_reason_and_no_error(family: Family, mask: str) -> None:
    for messages in ([user("\ud800"), assistant("a")], [user("q"), assistant("a\udfff")]):
        assert reason(labels(family, messages, mask)) in ("text_lost", "prefix_text")
