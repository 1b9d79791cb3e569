"""What becomes of every answer drawn: kept for training, or dropped for a reason. Everything is joined by id."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.runtime.errors import ContractError
from tasks.runtime.plugins import load_plugin
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.select.distinct_correct import normal_text
from tasks.select.settings import SelectionSettings

DROPPED = "dropped.jsonl"


class Selection:
    """Selects once; afterwards the counts are known.

    Args:
        verdicts: verdict rows, exactly one for each sample.
        prompts: prompt rows.
        settings: rule and cap.

    Raises:
        ContractError: two verdicts for one sample, or two prompts of one id.
        UnknownPluginError: the rule does not resolve.
    """

    def __init__(self, verdicts: Iterable[Row], prompts: Iterable[Row], settings: SelectionSettings) -> None:
        self.settings, self.rule = settings, load_plugin("selectors", settings.rule)
        self.states: dict[str, str] = _unique(((row["sample_id"], row["state"]) for row in verdicts), "verdicts for sample")
        self.prompts: dict[str, Row] = _unique(((row["id"], row) for row in prompts), "prompts called")
        self.counts: Counter[str] = Counter(rows=0, drawn=0, accepted=0, distinct=0, solved_prompts=0, quarantined=0)

    def outcomes(self, samples: Iterable[Row]) -> Iterator[tuple[Row, str]]:
        """Each sample once, with the reason it is dropped for ("" for kept): first those that no rule could keep, as they
        come, then the rule's decisions by prompt id and draw. Memory holds the accepted answers of a round.

        Raises:
            ContractError: a sample without verdict or prompt, two of one id, or a rule that does not account for every
                answer it was given, keeps none of them, or keeps more than the cap.
        """
        eligible: dict[str, list[Row]] = {}
        seen: set[str] = set()
        for sample in samples:
            if sample["sample_id"] in seen:
                raise ContractError(f"two samples are called {sample['sample_id']!r}; each draw needs an id of its own")
            seen.add(sample["sample_id"])
            self.counts["drawn"] += 1
            if reason := self._unfit(sample):
                yield self._noted(sample, reason)
            else:
                eligible.setdefault(sample["prompt_id"], []).append(sample)
        self.counts["quarantined"] = len(self.states) - len(seen)
        for prompt_id in sorted(eligible):
            for sample, reason in self._decide(eligible[prompt_id]):
                yield self._noted(sample, reason)

    def _unfit(self, sample: Row) -> str:
        """Why no rule may keep the sample: only whole, accepted answers are ever trained on."""
        if sample["prompt_id"] not in self.prompts:
            raise ContractError(f"sample {sample['sample_id']!r} answers an unknown prompt {sample['prompt_id']!r}")
        if (state := self.states.get(sample["sample_id"])) is None:
            raise ContractError(f"sample {sample['sample_id']!r} has no verdict; verify every sample before selecting")
        if state != "accepted":
            return state
        self.counts["accepted"] += 1
        return "" if sample["finish_reason"] == "stop" else "cut_by_length"

    def _decide(self, answers: list[Row]) -> list[tuple[Row, str]]:
        answers = sorted(answers, key=lambda row: (row.get("round", 0), row.get("draw", 0), row["sample_id"]))
        outcome: list[tuple[Row, str]] = self.rule(answers, self.settings)
        kept = sum(not reason for _, reason in outcome)
        if {row["sample_id"] for row, _ in outcome} != {row["sample_id"] for row in answers} or len(outcome) != len(answers):
            raise ContractError(f"rule {self.settings.rule!r} must return each answer it is given, once")
        if not 1 <= kept <= self.settings.cap:
            raise ContractError(
                f"rule {self.settings.rule!r} keeps {kept} answers of a solved prompt; it must keep 1 to {self.settings.cap}"
            )
        self.counts["solved_prompts"] += 1
        self.counts["distinct"] += len({normal_text(row["text"]) for row in answers})
        return outcome

    def _noted(self, sample: Row, reason: str) -> tuple[Row, str]:
        self.counts[f"dropped_{reason}" if reason else "rows"] += 1
        return sample, reason

    def chat_row(self, sample: Row) -> Row:
        """The kept sample as a chat row; only the answer that was verified is trained."""
        prompt = self.prompts[sample["prompt_id"]]
        policy = sample.get("policy", "")
        turns = [turn | {"train": False} if turn["role"] == "assistant" else turn for turn in prompt["messages"]]
        answer = {"role": "assistant", "content": sample["text"], "train": True}
        about = {"prompt_id": sample["prompt_id"], "sample_id": sample["sample_id"], "policy": policy}
        return {
            # The same prompt may be drawn again on another night; the policy tells the nights apart.
            "id": f"{sample['sample_id']}@{policy[:12]}",
            "messages": [*turns, answer],
            "source": "rsf",
            "metadata": about | {"round": sample.get("round", 0)},
            **({"family": prompt["family"]} if "family" in prompt else {}),
        }


def select_folders(
    samples: list[Path], verdicts: list[Path], prompts: Path, settings: SelectionSettings, out: Path
) -> dict[str, int]:
    """Select over artifact folders: chat shards and `DROPPED` (one JSON line a dropped sample) into `out`.

    Returns:
        Counts: ``rows`` (kept), ``drawn``, ``accepted``, ``distinct`` (different accepted, whole answers),
        ``solved_prompts``, and ``dropped_…`` for each reason; rows and dropped make up drawn. ``quarantined``: verdicts
        whose samples are not among these, because validation put them aside.
    """
    chain = itertools.chain.from_iterable
    selection = Selection(chain(map(read_rows, verdicts)), read_rows(prompts), settings)
    outcomes = selection.outcomes(chain(map(read_rows, samples)))
    write_rows(out, "chat", kept_rows(selection, outcomes, out / DROPPED))
    return checked_counts(selection.counts)


def kept_rows(selection: Selection, outcomes: Iterable[tuple[Row, str]], dropped: Path | None = None) -> Iterator[Row]:
    """The chat rows of what is kept; what is dropped goes to the file `dropped`, with its reason."""
    with dropped.open("w") if dropped else open("/dev/null", "w") as file:
        for sample, reason in outcomes:
            if reason:
                line = {"sample_id": sample["sample_id"], "prompt_id": sample["prompt_id"], "reason": reason}
                file.write(json.dumps(line) + "\n")
            else:
                yield selection.chat_row(sample)


def checked_counts(counts: Counter[str]) -> dict[str, int]:
    """The counts, once kept and dropped are known to make up what was drawn."""
    dropped = sum(count for name, count in counts.items() if name.startswith("dropped_"))
    assert counts["rows"] + dropped == counts["drawn"], f"answers are unaccounted for: {dict(counts)}"
    return dict(counts)


def _unique(pairs: Iterable[tuple[str, Any]], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ContractError(f"two {what} {key!r}; there must be exactly one")
        found[key] = value
    return found
