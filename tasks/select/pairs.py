"""Preference pairs of one prompt's answers, for a reward model or DPO, in TRL's conversational format.

A row: ``prompt`` (messages), ``chosen`` and ``rejected`` (one assistant message each), ``score_chosen`` and
``score_rejected`` (0–1), ``prompt_id``, the two sample ids, ``family`` where there is one, and an ``id``.
https://huggingface.co/docs/trl/dataset_formats#preference
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.runtime.errors import DataError
from tasks.runtime.rows import Row
from tasks.select.rules.lots import lot

PairsBy = Literal["verified", "score"]
_JUDGED = ("accepted", "rejected")


class PairSettings(BaseModel):
    """Which answers of a prompt are set against each other, and how often."""

    model_config = ConfigDict(extra="forbid")

    pairs_by: PairsBy = Field("verified", description="verified: accepted against rejected; score: the best against the worst.")
    pairs_cap: int = Field(4, ge=1, le=1_000, description="Most pairs of one prompt; each answer is in one pair at most.")


@dataclass(frozen=True)
class _Answer:
    sample_id: str
    text: str
    accepted: bool
    score: float


def preference_pairs(
    samples: Iterable[Row],
    verdicts: Mapping[str, tuple[str, float]],
    prompts: Mapping[str, Row],
    settings: PairSettings,
) -> Iterator[Row]:
    """Preference rows, by prompt id. Memory holds the answers that count.

    Only whole answers count whose verdict is ``accepted`` or ``rejected``: a verifier that failed, ran out of time or could not
    read a text says nothing about which of two answers is better. Of equal texts of a prompt one counts, and none where
    the same text was both accepted and rejected. Which answer meets which is decided by lot (``verified``), or by rank: the
    best meets the worst, the second best the second worst, as long as its score is higher and it is not itself the rejected
    one of the two (``score``).

    Args:
        samples: sample rows; those without a verdict or a prompt in the next two are passed over.
        verdicts: sample id → (state, score).
        prompts: prompt id → prompt row.

    Raises:
        DataError: a prompt's turn is more than a role and a text.
    """
    by_prompt: dict[str, dict[str, list[_Answer]]] = {}
    for row in samples:
        state, score = verdicts.get(row["sample_id"], ("", 0.0))
        if row["prompt_id"] in prompts and state in _JUDGED and row["finish_reason"] == "stop":
            answer = _Answer(row["sample_id"], row["text"], state == "accepted", score)
            by_prompt.setdefault(row["prompt_id"], {}).setdefault(row["text"], []).append(answer)
    for prompt_id in sorted(by_prompt):
        answers = [
            min(same, key=lambda one: one.sample_id)
            for same in by_prompt[prompt_id].values()
            if len({one.accepted for one in same}) == 1
        ]
        for chosen, rejected in _matched(answers, settings):
            yield _row(prompts[prompt_id], chosen, rejected)


def _matched(answers: list[_Answer], settings: PairSettings) -> list[tuple[_Answer, _Answer]]:
    by_lot = sorted(answers, key=lambda one: lot("pairs", one.sample_id))
    if settings.pairs_by == "verified":
        right, wrong = ([one for one in by_lot if one.accepted is side] for side in (True, False))
        return list(zip(right, wrong, strict=False))[: settings.pairs_cap]
    ranked = sorted(by_lot, key=lambda one: -one.score)
    halves = zip(ranked[: len(ranked) // 2], reversed(ranked), strict=False)
    apart = [(best, worst) for best, worst in halves if best.score > worst.score and best.accepted >= worst.accepted]
    return apart[: settings.pairs_cap]


def _row(prompt: Row, chosen: _Answer, rejected: _Answer) -> Row:
    return {
        "id": f"{chosen.sample_id}>{rejected.sample_id}",
        "prompt": [_turn(prompt["id"], message) for message in prompt["messages"]],
        "chosen": [{"role": "assistant", "content": chosen.text}],
        "rejected": [{"role": "assistant", "content": rejected.text}],
        "score_chosen": chosen.score,
        "score_rejected": rejected.score,
        "prompt_id": prompt["id"],
        "sample_chosen": chosen.sample_id,
        "sample_rejected": rejected.sample_id,
        **({"family": prompt["family"]} if "family" in prompt else {}),
    }


def _turn(prompt_id: str, message: Row) -> Row:
    if more := sorted(name for name, value in message.items() if value and name not in ("role", "content", "train")):
        raise DataError(f"prompt {prompt_id!r}: a turn with {', '.join(more)} has no place in a preference row; leave it out")
    return {"role": message["role"], "content": message["content"]}
