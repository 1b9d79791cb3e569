"""What the processes of the race tests do.

``python -m tests.registry.racing ACTION URI OPTIONS ARGUMENTS``: prints ``ready``, waits for a line on standard input
so that all start at once, does ACTION (a function here) with the JSON list ARGUMENTS, prints what it returns as JSON.
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from tasks.registry import ledger
from tasks.registry.versions import register
from tasks.runtime.errors import ConfigurationError
from tasks.runtime.references import ModelRef
from tasks.runtime.store import Store
from tests.registry.building import LINEAGE


def move_champion(store: Store, number: int, moves: int, versions: int) -> list[str]:
    """Promote and roll back at random `moves` times; returns the ids of the entries this process wrote."""
    choice, written = random.Random(number), []
    for move in range(moves):
        run_id = f"{number}/{move}"
        try:
            if choice.random() < 0.6:
                entry = ledger.promote(store, LINEAGE, choice.randint(1, versions), "race", run_id=run_id)
            else:
                entry = ledger.rollback(store, LINEAGE, run_id=run_id)
        except ConfigurationError:  # nothing to roll back to at that moment
            continue
        if entry.run_id == run_id:
            written.append(entry.id)
    return written


def register_models(store: Store, models: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Register `models` in a random order; returns (digest, version number) of each."""
    refs = [ModelRef.model_validate(model) for model in random.sample(models, len(models))]
    return [(ref.digest, register(store, LINEAGE, ref, {}).version) for ref in refs]


def promote_for_ever(store: Store, versions: int) -> None:
    """Make each version champion in turn, until killed."""
    number = 0
    while True:
        number = number % versions + 1
        ledger.promote(store, LINEAGE, number, "loop")


if __name__ == "__main__":
    action, uri, options, arguments = sys.argv[1:]
    opened = Store(uri, json.loads(options))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(globals()[action](opened, *json.loads(arguments))))
