"""A label row as text again."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.chat.labels import label_rows
from tasks.chat.settings import RenderSettings
from tasks.chat.show import label_runs

CHAT = {
    "id": "a",
    "messages": [{"role": "user", "content": "Grüße 🙂?"}, {"role": "assistant", "content": "Größe: 3 🙂"}],
    "source": "test",
}


@pytest.mark.parametrize(("weight", "marks"), [(0.0, [0.0, 1.0, 0.0]), (0.25, [0.0, 0.25, 1.0, 0.25])])
def test_runs_carry_the_weight_of_their_tokens(tokenizer: Any, weight: float, marks: list[float]) -> None:
    (row,) = label_rows(tokenizer, [CHAT], RenderSettings(prompt_loss_weight=weight))
    assert isinstance(row, dict)
    runs = label_runs(tokenizer, row)
    assert [mark for _, mark in runs] == marks
    assert {mark: text for text, mark in runs}[1.0] == "Größe: 3 🙂<|im_end|>"
    assert "".join(text for text, _ in runs) == tokenizer.decode(row["input_ids"])
