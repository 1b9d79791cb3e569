"""Sums of mixed difficulty with worked answers, for the benches: eight families, one to four digits, two or three terms."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from tasks.data.procedural import SEEDS_PER_DRAW, Draw, Role, procedural_prompts
from tasks.data.settings import DataSettings
from tasks.runtime.rows import Row

FAMILIES = tuple((digits, terms) for terms in (2, 3) for digits in (1, 2, 3, 4))
_TERM = re.compile(r"[-+]? ?\d+")


def sums(role: Role, seed: int, count: int, asked: set[str]) -> list[Row]:
    """`count` prompt rows of reasoning-gym's ``chain_sum``, an equal share of each family, no two asking the same.

    Args:
        role, seed: whose questions these are: those of another role or seed are other ones.
        asked: keys of questions not to ask, which earlier calls added; this call adds its own.
    """
    from tasks.data.questions import question_keys

    rows: list[Row] = []
    for place, (digits, terms) in enumerate(FAMILIES):
        config = {"min_terms": terms, "max_terms": terms, "min_digits": digits, "max_digits": digits}
        settings = DataSettings(families=["chain_sum"], family_config={"chain_sum": config})
        share = count // len(FAMILIES) + (place < count % len(FAMILIES))
        for row in procedural_prompts(settings, Draw(role, 0, place, seed), share, asked):
            # The seed's block says nothing to a person; the place in it does.
            number = int(row["id"].rpartition("-")[2]) % SEEDS_PER_DRAW
            name = f"{digits} digits, {terms} terms"
            rows.append(row | {"id": f"sum-{digits}-{terms}-{role}-{seed}-{number}", "family": name, "messages": _short(row)})
            asked.update(question_keys(row["messages"]))
    return rows


def _short(row: Row) -> list[dict[str, str]]:
    """The bare sum ("8 + 5 ="), and a system message shorter than the template's own: fewer tokens to train on."""
    asked = row["messages"][-1]["content"].rpartition(":")[2].strip()
    return [{"role": "system", "content": "Work it out."}, {"role": "user", "content": asked}]


def worked_rows(prompts: list[Row], seed: int) -> Iterator[Row]:
    """Each prompt with one of its many right answers as a chat row: the terms in some order, each added whole or in two
    parts ("57 - 13": ``57 - 10 = 47, 47 - 3 = 44``)."""
    luck = random.Random(seed)
    for row in prompts:
        answer = worked_answer(row["messages"][-1]["content"], luck)
        yield {
            "id": row["id"],
            "messages": [*row["messages"], {"role": "assistant", "content": answer}],
            "source": "worked sums",
            "family": row["family"],
        }


def worked_answer(question: str, luck: random.Random) -> str:
    """One right way through a sum."""
    terms = [int(term.replace(" ", "")) for term in _TERM.findall(question)]
    luck.shuffle(terms)
    first = next(place for place, term in enumerate(terms) if term >= 0)
    total = terms.pop(first)
    steps = []
    for term in terms:
        for part in _parts(term, luck):
            sign = "-" if part < 0 else "+"
            steps.append(f"{total} {sign} {abs(part)} = {total + part}")
            total += part
    return ", ".join(steps)


def _parts(term: int, luck: random.Random) -> list[int]:
    """A term whole, or its first digit's worth and the rest."""
    highest = 10 ** (len(str(abs(term))) - 1)
    head = abs(term) // highest * highest
    if head == abs(term) or luck.random() < 0.5:
        return [term]
    return [head, term - head] if term > 0 else [-head, term + head]
