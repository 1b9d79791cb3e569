"""Sound rows of each kind; the tests break one thing at a time."""

from __future__ import annotations

from typing import Any

from tasks.validate.facts import Facts

# A little tokenizer: 0 BOS, 1 end of turn, 2–3 the generation prompt, 8 padding, 9 the largest id.
FACTS = Facts(vocabulary=10, bos=0, single_bos=True, end_of_turn=1, pad=8, generation_prompt=(2, 3))
SAMPLE_FACTS = Facts(prompt_ids=frozenset({"p0", "p1"}))


def chat(id: str = "a", **changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"question {id}"}, {"role": "assistant", "content": "answer"}]
    return {"id": id, "messages": messages, "source": "test", **changes}


def talk(*turns: tuple[str, str], id: str = "a", **marks: Any) -> dict[str, Any]:
    return chat(id, messages=[{"role": role, "content": content, **marks} for role, content in turns])


def prompt(id: str = "a", **changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"question {id}"}]
    return {"id": id, "messages": messages, "reference": "4", "verifier": "number", "family": "sums", **changes}


def label(id: str = "a", ids: Any = (0, 5, 2, 3, 7, 1, 4), labels: Any = None, **changes: Any) -> dict[str, Any]:
    ids = list(ids)
    labels = [-100, -100, -100, -100, *ids[4:6], *[-100] * (len(ids) - 6)] if labels is None else list(labels)
    return {"id": id, "input_ids": ids, "labels": labels, **changes}


def pack(id: str = "pack:a", **changes: Any) -> dict[str, Any]:
    ids = [0, 5, 2, 3, 7, 1]
    labels = [-100] * 4 + [7, 1]
    whole = {"input_ids": ids * 2, "labels": labels * 2, "position_ids": [*range(6)] * 2, "members": ["a", "b"]}
    return {"id": id, **whole, **changes}


def sample(prompt_id: str = "p0", draw: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "sample_id": f"{prompt_id}/1/{draw}",
        "prompt_id": prompt_id,
        "draw": draw,
        "round": 1,
        "policy": "abc",
        "seed": 7,
        "temperature": 1.0,
        "text": f"text {draw}",
        "token_count": 3,
        "logprob": -1.5,
        "finish_reason": "stop",
        **changes,
    }


def samples(**changes: Any) -> list[dict[str, Any]]:
    return [sample(prompt_id, draw, **changes) for prompt_id in ("p0", "p1") for draw in range(4)]


def without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
