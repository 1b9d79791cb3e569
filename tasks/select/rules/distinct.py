"""Rules that keep several different correct answers of a prompt: `distinct_correct` and `rest_em`.

Several distinct ones teach more than the best one (RFT, Yuan et al. 2023, arXiv 2308.01825: LLaMA-7B on GSM8K 35.9 → 41.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.data.questions import normal_text
from tasks.runtime.rows import Row
from tasks.select.rules.lots import Candidates, distinct_up_to, lot
from tasks.select.rules.structure import structure
from tasks.select.settings import SelectionSettings


@dataclass
class _Path:
    """One text of a prompt's answers: by which answer it would be kept, and how far it is from the kept ones (0–1)."""

    row: Row
    text: str
    structure: tuple[str, ...]
    distance: float = 1.0


def distinct_correct(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """Of each prompt's answers one of each structure, and of those at most the cap, as far apart as possible.

    Kept first is the shortest answer. Then, again and again, of the answers whose `structure` is not kept yet the one that is
    farthest from the kept ones: whose smallest edit distance to any of them (Levenshtein between `normal_text`s, divided
    by the longer one's length) is greatest. Of equally far ones the shortest (characters) is next, then the smallest
    sample id. It ends at the cap, or when each structure is kept once: a solved prompt keeps at least one answer.

    Args:
        candidates: prompt id → its accepted, whole answers.
        settings: `cap` is used.

    Returns:
        Sample id → "" for kept; ``duplicate``: another answer with the same structure is kept; ``over_cap``: none is.
    """
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        structures = {row["sample_id"]: structure(row["text"]) for row in answers}
        kept = _farthest_first(answers, structures, settings.most)
        covered = {path.structure for path in kept}
        reasons |= {name: "duplicate" if made in covered else "over_cap" for name, made in structures.items()}
        reasons |= {path.row["sample_id"]: "" for path in kept}
    return reasons


def _farthest_first(answers: Sequence[Row], structures: dict[str, tuple[str, ...]], cap: int) -> list[_Path]:
    paths: dict[str, _Path] = {}
    for row in sorted(answers, key=lambda row: (len(row["text"]), row["sample_id"])):
        text = normal_text(row["text"])
        paths.setdefault(text, _Path(row, text, structures[row["sample_id"]]))
    waiting = list(paths.values())  # the shortest first, so that `max` returns the shortest of equally far ones
    if len({path.structure for path in waiting}) == len(waiting) <= cap:
        return waiting  # all are kept, in whatever order
    kept: list[_Path] = []
    while waiting and len(kept) < cap:
        chosen = max(waiting, key=lambda path: path.distance)
        kept.append(chosen)
        waiting = [path for path in waiting if path.structure != chosen.structure]
        if len(kept) < cap:
            _measure(waiting, chosen)
    return kept


def _measure(waiting: list[_Path], kept: _Path) -> None:
    from rapidfuzz.distance import Levenshtein

    for path in waiting:
        # Past the cut-off, where the distance changes nothing, it is not measured to the end and 1.0 comes back.
        distance = Levenshtein.normalized_distance(path.text, kept.text, score_cutoff=path.distance)
        path.distance = min(path.distance, distance)


def rest_em(candidates: Candidates, settings: SelectionSettings) -> dict[str, str]:
    """Of each prompt's answers at most the cap (its own: 10), drawn at random among those that read differently.

    ReST-EM (Singh et al. 2023, arXiv 2312.06585) caps correct answers at ten a problem, so that easy ones do not crowd out hard
    ones. Of equal texts the one with the first lot stays.

    Returns:
        Sample id → ``duplicate``, ``over_cap``, or "" for kept; at least one of each prompt.
    """
    reasons: dict[str, str] = {}
    for answers in candidates.values():
        drawn = sorted(answers, key=lambda row: lot("rest_em", row["sample_id"]))
        reasons |= distinct_up_to(settings.most, drawn)
    return reasons
