"""The hint arm: prompts that many draws never solved are drawn once more with a hint, and trained on without it.

STaR's rationalisation (Zelikman et al. 2022, arXiv 2203.14465). A hinted prompt is a prompt of its own, with its own id, so
that its successes never count as the prompt's. Answers that show they had a hint are dropped by the filter ``leaked_hint``,
which reads ``metadata.hint``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError, DataError
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.sample.budget.settings import BudgetSettings
from tasks.sample.budget.waves import request_rows
from tasks.select.pass_rates import row_weight, tried_in_vain
from tasks.select.rules.lots import lot

_SUFFIX = "+hint"


def eligible(prompt: Row, tried: Mapping[str, float], settings: BudgetSettings) -> bool:
    """Whether a prompt has a hint, and `hint_after` draws without a success.

    Args:
        tried: prompt id → draws without a success up to the night before (`tried_in_vain`); draws of a prompt that was solved
            are left out.
    """
    return bool(_hint(prompt)) and tried.get(prompt["id"], 0.0) >= settings.hint_after


def hinted_prompt(prompt: Row) -> Row:
    """The prompt with its hint after the last user turn, under the id ``…+hint``; its metadata keeps the hint.

    Raises:
        DataError: it has no hint (``metadata.hint``: a text, or a list of texts), or no user turn at its end.
    """
    hint = _hint(prompt)
    *before, last = prompt["messages"]
    if not hint or last["role"] != "user":
        raise DataError(f"prompt {prompt['id']!r} needs metadata.hint and a user turn at its end to be drawn with a hint")
    asked = last | {"content": f"{last['content']}\n\nHint: {hint}"}
    return prompt | {"id": prompt["id"] + _SUFFIX, "messages": [*before, asked]}


def strip_hint(row: Row, prompt: Row) -> Row:
    """The chat row of an answer to `hinted_prompt(prompt)` as one to `prompt`, marked ``metadata.hinted``.

    Args:
        row: as the selection makes it: the hinted prompt's turns, then the answer.
        prompt: the prompt without its hint.

    Raises:
        ContractError: the row answers something else.
    """
    hinted = hinted_prompt(prompt)
    about: dict[str, Any] = row.get("metadata") or {}
    *turns, answer = row["messages"]
    if about.get("prompt_id") != hinted["id"] or [_said(turn) for turn in turns] != list(map(_said, hinted["messages"])):
        raise ContractError(
            f"row {row['id']!r} does not answer prompt {hinted['id']!r}; strip a hint with the row's own prompt"
        )
    bare = [turn | {"content": own["content"]} for turn, own in zip(turns, prompt["messages"], strict=True)]
    bare_row = row | {"messages": [*bare, answer], "metadata": about | {"prompt_id": prompt["id"], "hinted": True}}
    # The rate with a hint says nothing: without one the prompt was never solved.
    return bare_row | ({"weight": row_weight(0.0)} if "weight" in row else {})


def planned_hints(
    prompts: Iterable[Row],
    tried: Mapping[str, float],
    settings: BudgetSettings,
    *,
    tokens_spent: int,
    tokens_hinted: int,
    longest: int,
    seed: int,
) -> list[tuple[str, int, int]]:
    """Which prompts are drawn with their hint: (id without ``+hint``, 0, how many), after a night's other draws.

    Each gets up to `step` draws, in an order by lot, while the hinted draws at their longest stay within `hint_share` of all
    of the night's tokens and within the token budget.

    Args:
        tried: see `eligible`.
        tokens_spent: generated tonight so far. tokens_hinted: of these, the hinted draws' in earlier rounds.
        longest, seed: as in `waves.planned`.
    """
    unhinted = tokens_spent - tokens_hinted
    most = max(0, int(settings.hint_share * unhinted / (1 - settings.hint_share)) - tokens_hinted)
    if settings.token_budget:
        most = min(most, max(0, settings.token_budget - tokens_spent))
    left, requests = most // longest, []
    names = sorted((row["id"] for row in prompts if eligible(row, tried, settings)), key=lambda name: lot(f"hint {seed}", name))
    for name in names:
        if count := min(left, settings.step):
            requests.append((name, 0, count))
            left -= count
    return requests


def plan_hints_folder(
    prompts: Path,
    memory: Path,
    settings: BudgetSettings,
    out: Path,
    *,
    tokens_spent: int,
    tokens_hinted: int,
    longest: int,
    seed: int,
) -> dict[str, int]:
    """`planned_hints` over folders, as rows of kind ``requests`` for the ids ``…+hint``, into `out`; counts ``rows``."""
    asked = planned_hints(
        read_rows(prompts),
        tried_in_vain(read_rows(memory)),
        settings,
        tokens_spent=tokens_spent,
        tokens_hinted=tokens_hinted,
        longest=longest,
        seed=seed,
    )
    rows = request_rows(((name + _SUFFIX, first, count) for name, first, count in asked), {})
    return {"rows": write_rows(out, "requests", rows)}


def hint_folder(prompts: Path, requests: Path, out: Path) -> dict[str, int]:
    """The hinted prompts that are asked for in `requests`, into `out`; counts ``rows``."""
    asked = {row["prompt_id"] for row in read_rows(requests)}
    rows = (hinted_prompt(row) for row in read_rows(prompts) if row["id"] + _SUFFIX in asked)
    return {"rows": write_rows(out, "prompts", rows)}


def strip_folder(chosen: Path, prompts: Path, out: Path) -> dict[str, int]:
    """`strip_hint` over a folder of chat rows, into `out`; counts ``rows``. Raises `ContractError`."""
    bare = {row["id"] + _SUFFIX: row for row in read_rows(prompts)}
    rows = (strip_hint(row, bare[row["metadata"]["prompt_id"]]) for row in read_rows(chosen))
    return {"rows": write_rows(out, "chat", rows)}


def _hint(prompt: Row) -> str:
    hint = (prompt.get("metadata") or {}).get("hint") or ""
    return "\n".join(map(str, hint)) if isinstance(hint, list) else str(hint)


def _said(turn: Row) -> tuple[str, str]:
    return turn["role"], turn["content"]
