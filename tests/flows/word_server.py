"""A server for the models of `test_policies`, a process of its own: ``python -m tests.flows.word_server PORT MODEL``.

It reads the one word its model says after ``<answer>`` from the weights, without torch, so that it starts at once.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from tests.sample.endpoint.server import choice, completion
from tests.verify.models.peer import Reply, peer


def main(port: int, model: Path) -> None:
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    following = load_file(model / "model.safetensors")["lm_head.weight"][:, vocabulary["<answer>"]].argmax()
    word = next(name for name, index in vocabulary.items() if index == following)

    def script(number: int, body: dict[str, Any]) -> Reply:
        return completion(*(choice(word, logprobs=[-0.5, -1.0]) for _ in range(body.get("n", 1))))

    with peer(script, port):
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
