"""What ends an answer, and which prompts come when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.runtime.errors import DataError
from tasks.sample.embedded.admission import Asked, Waiting, answer_limit, common_prefix
from tasks.sample.embedded.answers import stop_tokens
from tasks.sample.embedded.packed import PackedDecoder
from tasks.sample.requests import Answer
from tasks.sample.settings import SamplingSettings
from tasks.sample.transformers_engine import drawn
from tests.sample.embedded.models import WORDS, random_model, text_tokenizer, word_tokenizer
from tests.sample.embedded.test_greedy import prompts

token_lists = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=30), min_size=2, max_size=12)


def sampled(model: Any = None, tokenizer: Any = None, count: int = 30, **changes: Any) -> list[Answer]:
    chosen = SamplingSettings(**{"max_tokens": 12, "batch_rows": 16, "temperature": 1.3, **changes})
    asked = [Asked(str(at), range(2), ids, chosen.max_tokens) for at, ids in enumerate(prompts(count, len(WORDS)))]
    return list(drawn(model or random_model("llama", len(WORDS)), tokenizer or word_tokenizer(), asked, chosen, seed=2))


def test_no_answer_is_shorter_than_the_minimum_or_longer_than_the_maximum() -> None:
    assert min(answer.token_count for answer in sampled()) < 5
    found = sampled(min_tokens=5)
    assert {answer.token_count for answer in found} <= set(range(5, 13))
    assert {answer.finish_reason for answer in found if answer.token_count < 12} == {"stop"}
    assert {answer.finish_reason for answer in found} == {"stop", "length"}


def test_a_stop_string_may_span_tokens_and_does_not_count_before_the_minimum(embedded_model: Path) -> None:
    free = {(answer.prompt_id, answer.draw): answer for answer in sampled()}
    stops = ["o th", "six"]
    for least in (0, 6):
        for answer in sampled(stop=stops, min_tokens=least):
            if not least:
                whole = free[answer.prompt_id, answer.draw].text
                places = [whole.find(stop) for stop in stops if stop in whole]
                assert answer.text == (whole[: min(places)] if places else whole)
                assert answer.finish_reason == "stop" if places else True
            assert answer.token_count >= least


def test_stop_strings_in_a_byte_level_vocabulary(embedded_model: Path) -> None:
    tokenizer = text_tokenizer(embedded_model)
    model = random_model("llama", len(tokenizer))
    whole = {(one.prompt_id, one.draw): one for one in sampled(model, tokenizer, count=8)}
    stop = next(text[4:9] for one in whole.values() if len(text := one.text) > 20 and "\ufffd" not in text)
    cut = 0
    for answer in sampled(model, tokenizer, count=8, stop=[stop]):
        before, found, _ = whole[answer.prompt_id, answer.draw].text.partition(stop)
        assert answer.text == before
        cut += bool(found)
    assert cut


def test_every_end_of_turn_token_ends_a_turn() -> None:
    model, tokenizer = random_model("llama", len(WORDS)), word_tokenizer()
    assert stop_tokens(model, tokenizer) == {0}
    model.generation_config.eos_token_id = [0, 7, 8]
    assert stop_tokens(model, tokenizer) == {0, 7, 8}
    found = sampled(model, tokenizer)
    assert not any(WORDS[7] in one.text or WORDS[8] in one.text for one in found)


def test_a_prompt_and_its_answer_stay_within_the_model_s_context() -> None:
    model = random_model("gpt2", len(WORDS))
    assert [answer_limit(model, "p", tokens, 100) for tokens in (10, 500, 511)] == [100, 12, 1]
    with pytest.raises(DataError, match="'p' has 512 tokens"):
        answer_limit(model, "p", 512, 100)


@given(token_lists)
@settings(max_examples=100, deadline=None)
def test_the_common_prefix_is_common_and_leaves_every_prompt_a_token(lists: list[list[int]]) -> None:
    lists = [[7] * 10 + one for one in lists]
    shared = common_prefix([Asked(str(at), range(1), ids, 1) for at, ids in enumerate(lists)])
    assert len(shared) >= 10
    assert all(ids[: len(shared)] == shared and len(ids) > len(shared) for ids in lists)
    shortest = min(map(len, lists))
    assert len(shared) == shortest - 1 or len({ids[len(shared)] for ids in lists}) > 1


class Nothing(PackedDecoder):
    """A decoder with no rows and no model, a token of which takes one byte."""

    def __init__(self, under_way: int = 0) -> None:
        self.token_bytes, self.groups, self.common, self.under_way = 1, [], [], under_way

    def held(self) -> int:
        return self.under_way


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 9)), min_size=1, max_size=20),
    st.integers(1, 12),
    st.integers(1, 500),
)
@settings(max_examples=100, deadline=None)
def test_rows_and_memory_are_kept_and_every_draw_comes_once(shapes: list[tuple[int, int, int]], rows: int, memory: int) -> None:
    asked = [Asked(str(at), range(draws), [0] * length, limit) for at, (length, draws, limit) in enumerate(shapes)]
    waiting, seen, before = Waiting(asked, rows, memory, Nothing()), [], 40
    while waiting:
        chosen = waiting.admitted(0)
        lengths, new = [len(one.ids) for one in chosen], sum(len(one.draws) for one in chosen)
        assert new <= rows
        # Every row may have the longest prompt's keys, which are copied to it, and be as long as the longest answer.
        assert len(chosen) == 1 or new * (max(lengths) + max(one.limit for one in chosen)) <= memory
        assert before >= max(lengths) <= 2 * min(lengths)
        before = min(lengths)
        seen += [(one.prompt_id, draw) for one in chosen for draw in one.draws]
    assert sorted(seen) == sorted((one.prompt_id, draw) for one in asked for draw in one.draws)


def test_new_prompts_wait_until_a_quarter_of_the_batch_is_free() -> None:
    waiting = Waiting([Asked(str(at), range(2), [0], 5) for at in range(9)], 8, 10_000, Nothing())
    assert len(waiting.admitted(0)) == 4
    assert [len(waiting.admitted(rows)) for rows in (8, 7, 6, 0)] == [0, 0, 1, 4]


def test_what_the_rows_under_way_will_need_is_left_to_them() -> None:
    asked = [Asked(str(at), range(2), [0] * 100, 5) for at in range(9)]  # of 110 tokens each
    found = [len(Waiting(asked, 100, 550, Nothing(under_way)).admitted(2)) for under_way in (0, 220, 440, 441)]
    assert found == [5, 3, 1, 0]


@pytest.mark.parametrize("longest", [9, 90])
def test_the_memory_that_is_counted_is_the_memory_that_is_held(longest: int) -> None:
    """When every row is as long as it may be; before that, and when rows have left, it is less."""
    with torch.inference_mode():
        decoder = PackedDecoder(random_model("llama", len(WORDS)))
        decoder.read([[3] * 9, [4] * longest], [2, 3], 40)
        counted = decoder.needed(2, longest, 5, 40)
        assert decoder.held() == counted
        for _ in range(40):
            assert _bytes(decoder) <= counted
            decoder.step(torch.full((5,), 5))
        assert decoder.held() == _bytes(decoder) == counted
        decoder.drop(np.array([0, 1, 3]))
        assert _bytes(decoder) <= decoder.held() < counted


def _bytes(decoder: PackedDecoder) -> int:
    kept = [part for one in decoder.groups for part in (*one.keys, *one.values, *one.own_keys, *one.own_values)]
    return sum(tensor.numel() * tensor.element_size() for tensor in kept)
