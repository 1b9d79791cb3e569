"""Run attempts and print what came of them, as whoever starts this: ``python -m tests.verify.sandbox.outcomes``.

Standard input: JSON ``{"names": [...], "bait": {...}, "accept_weak": bool}``. Standard output: JSON with the verifier's version
or the refusal, and a verdict's state and reason for each name; "right" is a program that passes.
"""

from __future__ import annotations

import json
import sys

from tasks.runtime.errors import ConfigurationError
from tasks.verify.code import code
from tasks.verify.settings import SandboxSettings, VerifySettings
from tasks.verify.verdict import Answer, version_of
from tests.verify.sandbox.attempts import ATTEMPTS

REFERENCE = json.dumps({"tests": "assert attempt() == 'escaped'", "entry_point": "attempt"})
RIGHT = "from decimal import Decimal\ndef attempt():\n    return str('escaped')"


def main() -> None:
    asked = json.load(sys.stdin)
    settings = VerifySettings(time_limit=1.5, sandbox=SandboxSettings(memory_mb=256, accept_weak=asked["accept_weak"]))
    programs = [RIGHT if name == "right" else ATTEMPTS[name].program.format(**asked["bait"]) for name in asked["names"]]
    try:
        version = version_of(code, settings)
        verdicts = code([Answer(f"```python\n{program}\n```", "code", REFERENCE) for program in programs], settings)
    except ConfigurationError as error:
        print(json.dumps({"refused": str(error)}))
        return
    said = {name: [verdict.state, verdict.reason] for name, verdict in zip(asked["names"], verdicts, strict=True)}
    print(json.dumps({"version": version, "verdicts": said}))


if __name__ == "__main__":
    main()
