"""What the draws of a round have brought so far, prompt by prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tasks.runtime.errors import ContractError
from tasks.runtime.rows import Row
from tasks.select.pass_rates import UNCOUNTED
from tasks.select.rules.structure import structure


@dataclass(frozen=True, slots=True)
class Progress:
    """One prompt's draws so far.

    Attributes:
        draws: how many were made; they are numbered 0 … draws − 1.
        accepted: whole answers (not cut by length) that the verifier accepted.
        distinct: different ones among these, told apart as the selection does (`structure`).
        untold: draws that tell nothing about the policy, because the verifier or the reference failed.
    """

    draws: int = 0
    accepted: int = 0
    distinct: int = 0
    untold: int = 0

    @property
    def told(self) -> int:
        """Draws that say how hard the prompt is."""
        return self.draws - self.untold


NO_DRAWS = Progress()


@dataclass(slots=True)
class _Counts:
    made: int = 0  # bit n: draw n was made
    accepted: int = 0
    distinct: int = 0
    untold: int = 0


class _Told(Mapping[str, Progress]):
    """Counts as `Progress`, made when they are looked at: of a million prompts nothing is held twice."""

    def __init__(self, counts: dict[str, _Counts]) -> None:
        self._counts = counts

    def __getitem__(self, prompt_id: str) -> Progress:
        one = self._counts[prompt_id]
        return Progress(one.made.bit_count(), one.accepted, one.distinct, one.untold)

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)


@dataclass
class Tally:
    """Counts shard by shard. Memory: four numbers a prompt, a bit a draw, and a number a distinct correct answer.

    Attributes:
        tokens: generated so far.
    """

    tokens: int = 0
    _prompts: dict[str, _Counts] = field(default_factory=dict)
    _structures: set[int] = field(default_factory=set)  # hashes of (prompt id, structure)

    def add(self, samples: Iterable[Row], verdicts: Iterable[Row]) -> None:
        """Count one shard.

        Args:
            samples: need ``sample_id``, ``prompt_id``, ``draw``, ``text``, ``token_count`` and ``finish_reason``.
            verdicts: exactly one for each of these samples, in any order; others are ignored.

        Raises:
            ContractError: a sample without a verdict, two verdicts for one, or a draw that was counted before.
        """
        states: dict[str, str] = {}
        for verdict in verdicts:
            if verdict["sample_id"] in states:
                raise ContractError(f"two verdicts for sample {verdict['sample_id']!r}; there must be exactly one")
            states[verdict["sample_id"]] = verdict["state"]
        for sample in samples:
            if sample["sample_id"] not in states:
                raise ContractError(f"sample {sample['sample_id']!r} has no verdict; verify every sample before counting")
            self._count(sample, states[sample["sample_id"]])

    def _count(self, sample: Row, state: str) -> None:
        prompt_id, bit = sample["prompt_id"], 1 << sample["draw"]
        counts = self._prompts.setdefault(prompt_id, _Counts())
        if counts.made & bit:
            raise ContractError(
                f"draw {sample['draw']} of prompt {prompt_id!r} is there twice; pass every shard of the round once"
            )
        counts.made |= bit
        counts.untold += state in UNCOUNTED
        self.tokens += sample["token_count"]
        if state == "accepted" and sample["finish_reason"] == "stop":
            counts.accepted += 1
            told = hash((prompt_id, structure(sample["text"])))
            counts.distinct += told not in self._structures
            self._structures.add(told)

    def progress(self) -> Mapping[str, Progress]:
        """Prompt id → its progress; prompts without a draw are left out.

        Raises:
            ContractError: a prompt's draws are not those from 0 to its highest, each once.
        """
        for prompt_id, one in self._prompts.items():
            if one.made & (one.made + 1):
                first = (~one.made & (one.made + 1)).bit_length() - 1
                raise ContractError(
                    f"prompt {prompt_id!r} has draws up to number {one.made.bit_length() - 1}, and number {first} is missing; "
                    "pass every shard of the round once"
                )
        return _Told(self._prompts)


def progress_of(samples: Iterable[Row], verdicts: Iterable[Row]) -> Mapping[str, Progress]:
    """Prompt id → progress, from all samples of a round so far and their verdicts.

    Raises:
        ContractError: see `Tally`.
    """
    tally = Tally()
    tally.add(samples, verdicts)
    return tally.progress()
