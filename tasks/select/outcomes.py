"""What becomes of every answer drawn: kept for training, or dropped for one reason. Everything is joined by id.

In this order: its verdict, the second verifier's, cut by length, the filters (with the difficulty floor after them),
decontamination, near duplicates, the rule, the quota per family.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from tasks.data.questions import normal_text
from tasks.runtime.errors import ContractError
from tasks.runtime.plugins import load_plugin
from tasks.runtime.rows import Row
from tasks.select.balance import least_bad, quota_reasons, without
from tasks.select.contamination import contaminated_prompts
from tasks.select.filters import SOFT, filter_reasons
from tasks.select.near_duplicates import comparable_text, near_duplicate_reasons
from tasks.select.pass_rates import UNCOUNTED, pass_rate, row_weight
from tasks.select.rules.lots import Candidates
from tasks.select.settings import SelectionSettings


class Selection:
    """Selects once; afterwards the counts are known.

    Args:
        verdicts: verdict rows, exactly one for each sample.
        prompts: prompt rows.
        settings: rule, filters, caps.
        second: verdict rows of a second verifier, for those samples that it was asked about.
        past: chat rows of past nights, whose near duplicates are dropped; read once.
        evaluation: prompt rows of evaluation sets; answers to prompts that ask what they ask are dropped; read once.
        pass_rates: pass-rate rows; a prompt without one has the rate of this round's draws.

    Raises:
        ContractError: two verdicts (of one verifier) for one sample, or two prompts of one id.
        UnknownPluginError: the rule does not resolve.
    """

    def __init__(
        self,
        verdicts: Iterable[Row],
        prompts: Iterable[Row],
        settings: SelectionSettings,
        *,
        second: Iterable[Row] = (),
        past: Iterable[Row] = (),
        evaluation: Iterable[Row] = (),
        pass_rates: Iterable[Row] = (),
    ) -> None:
        self.settings, self.rule = settings, load_plugin("selectors", settings.rule)
        scored = ((row["sample_id"], (row["state"], _score(row))) for row in verdicts)
        self.verdicts: dict[str, tuple[str, float]] = _unique(scored, "verdicts for sample")
        self.prompts: dict[str, Row] = _unique(((row["id"], row) for row in prompts), "prompts called")
        self.second: dict[str, str] = _unique(
            ((row["sample_id"], row["state"]) for row in second), "second verdicts for sample"
        )
        self.past, self.evaluation = past, evaluation
        self.pass_rates: dict[str, float] = _unique(
            ((row["prompt_id"], pass_rate(row)) for row in pass_rates), "pass rates of prompt"
        )
        self.draws: dict[str, Counter[str]] = {}
        self.unfit: set[str] = set()
        self.counts: Counter[str] = Counter(
            rows=0, drawn=0, accepted=0, distinct=0, solved_prompts=0, restored=0, quarantined=0
        )

    def outcomes(self, samples: Iterable[Row]) -> Iterator[tuple[Row, str]]:
        """Each sample once, with the reason it is dropped for ("" for kept): first those that no rule could keep, as they
        come, then the others by prompt id and draw. Memory holds the accepted answers of a round.

        Raises:
            ContractError: a sample without verdict or prompt, two of one id, or a rule that does not account for every
                answer it was given, or keeps more of a prompt than the cap.
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
        self.counts["quarantined"] = len(self.verdicts) - len(seen)
        candidates = {prompt_id: self._candidates(prompt_id, eligible.pop(prompt_id)) for prompt_id in sorted(eligible)}
        reasons = self._decide(candidates)
        for answers in candidates.values():
            for row in answers:
                yield self._noted(row, reasons[row["sample_id"]])

    def _unfit(self, sample: Row) -> str:
        """Why no rule may keep the sample: only whole answers, accepted by every verifier asked, are ever trained on."""
        sample_id, prompt_id = sample["sample_id"], sample["prompt_id"]
        if prompt_id not in self.prompts:
            raise ContractError(f"sample {sample_id!r} answers an unknown prompt {prompt_id!r}")
        if sample_id not in self.verdicts:
            raise ContractError(f"sample {sample_id!r} has no verdict; verify every sample before selecting")
        state, _ = self.verdicts[sample_id]
        self.draws.setdefault(prompt_id, Counter())[state] += 1
        if state != "accepted":
            return state
        self.counts["accepted"] += 1
        if self.second.get(sample_id, "accepted") != "accepted":
            return "audit_disagreed"
        return "" if sample["finish_reason"] == "stop" else "cut_by_length"

    def _candidates(self, prompt_id: str, answers: list[Row]) -> list[Row]:
        """The answers in order, each with what rules and filters want to know besides."""
        self.counts["solved_prompts"] += 1
        self.counts["distinct"] += len({normal_text(row["text"]) for row in answers})
        about = {"family": self.prompts[prompt_id].get("family") or "", "pass_rate": self.pass_rate(prompt_id)}
        ordered = sorted(answers, key=lambda row: (row.get("round", 0), row.get("draw", 0), row["sample_id"]))
        return [{**row, **about, "score": self.verdicts[row["sample_id"]][1]} for row in ordered]

    def pass_rate(self, prompt_id: str) -> float:
        """A prompt's estimated pass rate: from memory, else (k + 1) / (n + 2) over the draws seen so far."""
        if prompt_id in self.pass_rates:
            return self.pass_rates[prompt_id]
        states = self.draws.get(prompt_id, Counter())
        counted = sum(count for state, count in states.items() if state not in UNCOUNTED)
        return pass_rate({"prompt_id": prompt_id, "draws": counted, "accepted": states["accepted"]})

    @cached_property
    def contaminated(self) -> set[str]:
        """The prompts that ask what an evaluation item asks."""
        return contaminated_prompts(self.prompts, self.evaluation)

    def agreed(self) -> dict[str, tuple[str, float]]:
        """Sample id → (state, score), without those that the second verifier judged otherwise, nor, once the outcomes are
        known, what is wrong to train on however right its answer is."""
        agreed = ((name, told) for name, told in self.verdicts.items() if self.second.get(name, told[0]) == told[0])
        return {name: told for name, told in agreed if name not in self.unfit}

    def _decide(self, candidates: Candidates) -> dict[str, str]:
        """Sample id → reason or "", step by step; what one step drops, the next ones do not see."""
        reasons = {row["sample_id"]: "" for answers in candidates.values() for row in answers}
        for step in (self._filtered, self._contaminated, self._near_duplicates, self._chosen, self._quota):
            if not candidates:
                break
            found = step(candidates)
            reasons |= found
            candidates = without(candidates, found)
        return reasons

    def _filtered(self, candidates: Candidates) -> dict[str, str]:
        reasons = dict(filter_reasons(candidates, self.prompts, self.settings.filters))
        self.unfit = {sample_id for sample_id, reason in reasons.items() if reason and reason not in SOFT}
        for sample_id in list(least_bad(candidates, reasons, SOFT, self.settings.hard_below)):
            reasons[sample_id] = ""
            self.counts["restored"] += 1
        return reasons

    def _contaminated(self, candidates: Candidates) -> dict[str, str]:
        asked = self.contaminated & candidates.keys()
        return {row["sample_id"]: "contaminated" for name in asked for row in candidates[name]}

    def _near_duplicates(self, candidates: Candidates) -> dict[str, str]:
        return near_duplicate_reasons(candidates, map(comparable_text, self.past), self.settings.near_duplicates)

    def _chosen(self, candidates: Candidates) -> dict[str, str]:
        reasons: Any = self.rule(candidates, self.settings)
        given = {row["sample_id"] for answers in candidates.values() for row in answers}
        rule = f"rule {self.settings.rule!r}"
        if not isinstance(reasons, dict) or reasons.keys() != given:
            raise ContractError(f"{rule} must return a reason (empty for kept) for each answer it is given, by sample id")
        if wrong := [reason for reason in reasons.values() if not isinstance(reason, str)]:
            raise ContractError(f"{rule} gives {wrong[0]!r} as a reason; a reason is a text, empty for kept")
        kept = max(sum(not reasons[row["sample_id"]] for row in answers) for answers in candidates.values())
        if kept > self.settings.most:
            raise ContractError(f"{rule} keeps {kept} answers of one prompt; it must keep at most {self.settings.most}")
        return reasons

    def _quota(self, candidates: Candidates) -> dict[str, str]:
        return quota_reasons(candidates, self.settings.family_quota)

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
            # The same prompt may be drawn again on another night: by another policy, or, after a night that was refused, by
            # the same one with another seed.
            "id": f"{sample['sample_id']}@{policy[:12]}.{sample.get('seed', '')}",
            "messages": [*turns, answer],
            "source": "rsf",
            "metadata": about | {"round": sample.get("round", 0)},
            **({"family": prompt["family"]} if "family" in prompt else {}),
            **({"weight": row_weight(self.pass_rate(prompt["id"]))} if self.settings.weighting == "difficulty" else {}),
        }


def _score(verdict: Row) -> float:
    """A verdict's score; a file of somebody else's may hold states only."""
    return float(verdict.get("score", verdict["state"] == "accepted"))


def _unique(pairs: Iterable[tuple[str, Any]], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ContractError(f"two {what} {key!r}; there must be exactly one")
        found[key] = value
    return found
