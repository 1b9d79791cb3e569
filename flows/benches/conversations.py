"""Conversations to measure on: four turns of English prose, no two alike, the same ones every time.

The prose is in the public domain and comes with reasoning-gym. Windows of it keep natural word lengths, so a tokenizer works
as hard as on real text, though its cache of words is warmer than on a library of books.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tasks.runtime.rows import Row

TURNS = 4
WORDS = (10, 60)


def conversations(count: int) -> Iterator[Row]:
    """`count` chat rows of `TURNS` turns, each of 10–60 words and a number of its own, in the order of their ids."""
    from reasoning_gym.data import read_data_file

    words = read_data_file("in_the_year_2889.txt").split()
    chance = random.Random(0)
    for number in range(count):
        turns = []
        for turn in range(TURNS):
            length = chance.randint(*WORDS)
            start = chance.randrange(len(words) - length)
            text = f"{' '.join(words[start : start + length])} {number}.{turn}"
            turns.append({"role": ("user", "assistant")[turn % 2], "content": text})
        yield {"id": f"c{number}", "messages": turns, "source": "bench"}
