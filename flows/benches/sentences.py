"""Sentences that must hold given words, for the benches: questions of mixed difficulty with endlessly many right answers.

The base model, shown three examples, puts one word into a sentence nearly always, and four words on a draw in five. Easy and
hard answers are about as long.
"""

from __future__ import annotations

import json
import random
from itertools import product

from tasks.runtime.errors import ConfigurationError
from tasks.runtime.rows import Row

LEVELS = range(1, 5)
_TOPICS = {
    "home": "apple bed blanket bottle bowl bread candle carpet ceiling chair clock coffee cup curtain desk dinner door drawer "
    "fork fridge garden glass kettle key kitchen knife lamp letter mirror oven pan paper pencil phone pillow plate radio roof "
    "shelf shirt soap sofa soup spoon stairs sugar table towel window wall",
    "nature": "bear beach bee bird branch butterfly cave cliff cloud crow deer desert dust eagle earth feather field fire fish "
    "flower fog forest fox frog goose grass hill horse ice island lake leaf lion meadow moon mountain mouse owl rabbit rain "
    "river rock seed sheep snow spider stone storm valley wolf",
    "town": "airport bank bench bicycle bridge bus cafe castle church cinema circus corner crowd driver engine factory farm "
    "fence flag fountain gate harbour hospital hotel library lorry market mayor museum palace park pavement police prison "
    "queue road school shop signal square stadium station statue street taxi theatre ticket tower train tunnel",
    "people": "actor artist aunt baby baker boss boy brother builder butcher captain clown cook cousin dancer daughter dentist "
    "doctor farmer father fisherman friend gardener ghost girl guard hunter judge king lawyer lady mother neighbour nurse "
    "painter pilot poet priest prince sailor singer sister soldier stranger student tailor teacher thief widow waiter",
}
_SHOWN = (
    (("dog", "tree"), "The dog slept under the tree."),
    (("wind", "ship", "queen"), "The queen watched the ship in the wind."),
    (("coin", "uncle", "boat", "cat"), "My uncle found a coin and a cat on his boat."),
)


def sentences(seed: int, count: int, asked: set[str]) -> list[Row]:
    """`count` prompt rows, an equal share of each family (how many words, of which topic), no two asking the same.

    Args:
        seed: fixes which.
        asked: questions not to ask again, which earlier calls added; this call adds its own.

    Raises:
        ConfigurationError: more questions than a family has.
    """
    luck, rows = random.Random(seed), []
    families = list(product(LEVELS, _TOPICS))
    for place, (level, topic) in enumerate(families):
        share = count // len(families) + (place < count % len(families))
        words, tries = _TOPICS[topic].split(), 0
        while share:
            chosen = luck.sample(words, level)
            key = " ".join(sorted(chosen))
            tries += 1
            if tries > 100_000:
                raise ConfigurationError(f"there are not so many sentences with {level} words; ask for fewer")
            if key not in asked:
                asked.add(key)
                rows.append(_row(f"sentence-{seed}-{level}-{topic}-{share}", f"{level} words, {topic}", chosen))
                share -= 1
    return rows


def _row(name: str, family: str, words: list[str]) -> Row:
    shown = [turn for given, sentence in _SHOWN for turn in (_asking(given), {"role": "assistant", "content": sentence})]
    reference = {"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": words}]}
    return {
        "id": name,
        "messages": [*shown, _asking(words)],
        "reference": json.dumps(reference),
        "verifier": "instruction",
        "family": family,
    }


def _asking(words: list[str] | tuple[str, ...]) -> dict[str, str]:
    return {"role": "user", "content": f"Write one short sentence with the words {', '.join(words)}."}
