"""Rows for the tests of selection."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tasks.runtime.rows import Row

POLICY = "ab" * 32


def prompt(name: str, question: str = "3 + 5 =", family: str = "sums") -> Row:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
    return {"id": name, "messages": turns, "reference": "8", "verifier": "number", "family": family}


def sample(name: str, draw: int, text: str = "8", finish: str = "stop") -> Row:
    return {
        "sample_id": f"{name}/1/{draw}",
        "prompt_id": name,
        "draw": draw,
        "round": 1,
        "policy": POLICY,
        "seed": draw,
        "temperature": 1.0,
        "text": text,
        "token_count": len(text),
        "logprob": -1.0,
        "finish_reason": finish,
    }


def verdict(row: Row, state: str, score: float | None = None) -> Row:
    return {
        "sample_id": row["sample_id"],
        "verifier": "number",
        "verifier_version": "1",
        "state": state,
        "score": float(state == "accepted") if score is None else score,
        "reason": "",
    }


def candidate(name: str, draw: int, text: str = "8", score: float = 1.0, **about: Any) -> Row:
    """A sample as rules and filters are given it."""
    return {**sample(name, draw, text), "score": score, "family": "sums", "pass_rate": 0.5, **about}


TEXTS = st.one_of(
    st.sampled_from(
        ["8", " 8", "It is 8", "it  is 8", "3 + 5 = 8", "So 3+5=8.", "5+3 = 8, at last", "4*2=8", "4 * 2 = 8, so 8"]
    ),
    st.text("ab 8=+", max_size=8),
)


@st.composite
def candidates(draw: Any) -> dict[str, list[Row]]:
    """Some prompts with one answer or more each, of few different texts and scores, in the order of selection."""
    answers = st.lists(st.tuples(TEXTS, st.sampled_from([0.2, 0.5, 0.5, 0.9, 1.0])), min_size=1, max_size=12)
    given = draw(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "ab/1"]), answers, max_size=5))
    families = draw(st.lists(st.sampled_from(["", "sums", "words"]), min_size=5, max_size=5))
    return {
        name: [candidate(name, place, text, score, family=family) for place, (text, score) in enumerate(given[name])]
        for name, family in zip(sorted(given), families, strict=False)
    }
