"""Formats of one question and one answer in columns: Alpaca, Dolly, Evol-Instruct, Orca, Self-Instruct, GSM8K."""

from __future__ import annotations

import re
from typing import Any

from tasks.data.formats.format import Unconvertible, columns, optional_text, text
from tasks.data.formats.turns import with_system
from tasks.runtime.rows import Row

# What Alpaca's generator wrote where a task needs no input: <noinput>, No input, no input required …
_NO_INPUT = re.compile(r"\W*no[\s_]*input(\s+(is\s+)?(required|needed|necessary|provided))?\W*", re.IGNORECASE)
_LONGEST_NO_INPUT = 32


def _asked(record: Row, column: str, beside: str) -> str:
    """An instruction with what it is about below it, an empty line between: how Alpaca's prompt has them, without its words."""
    about = optional_text(record, beside)
    if about and len(about) <= _LONGEST_NO_INPUT and _NO_INPUT.fullmatch(about):
        about = ""
    question = text(record, column)
    return f"{question}\n\n{about}" if about else question


def _exchange(question: str, answer: str) -> list[Row]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _alpaca(record: Row) -> list[Row]:
    messages = []
    for pair in _history(record.get("history")):
        messages += _exchange(*pair)
    messages += _exchange(_asked(record, "instruction", "input"), text(record, "output"))
    return [with_system({"messages": messages}, optional_text(record, "system"), "system")]


def _history(value: Any) -> list[list[str]]:
    """Earlier exchanges, ``[[question, answer], …]``, as LLaMA-Factory adds them to Alpaca's columns."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(map(_is_pair, value)):
        raise Unconvertible("field_type", "history is not a list of pairs of texts")
    return value


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(said, str) for said in value)


@columns(
    "instruction output",
    uses="input text system history",
    licence="CC BY-NC 4.0",
    citation="Taori et al., Stanford Alpaca: An Instruction-following LLaMA Model, 2023, github.com/tatsu-lab/stanford_alpaca",
)
def alpaca(record: Row) -> list[Row]:
    """`input` below `instruction`; `output` answers. `text`, the same in Alpaca's prompt, is left out."""
    return _alpaca(record)


@columns(
    "instruction output",
    uses="input text system history",
    licence="CC BY-NC 4.0",
    citation="Peng et al., Instruction Tuning with GPT-4, 2023, arXiv 2304.03277",
)
def alpaca_gpt4(record: Row) -> list[Row]:
    """Alpaca's columns with GPT-4's answers; nothing in a file tells the two apart."""
    return _alpaca(record)


@columns(
    "instruction response",
    uses="context",
    knows="category",
    family="category",
    licence="CC BY-SA 3.0",
    citation="Conover et al., Free Dolly: Introducing the World's First Truly Open Instruction-Tuned LLM, Databricks, 2023",
)
def dolly(record: Row) -> list[Row]:
    """`context` below `instruction`; `category` is the family."""
    return [{"messages": _exchange(_asked(record, "instruction", "context"), text(record, "response"))}]


@columns(
    "instruction output",
    ids="id idx",
    licence="MIT",
    citation="Xu et al., WizardLM: Empowering Large Pre-Trained Language Models to Follow Complex Instructions, 2023, "
    "arXiv 2304.12244",
)
def evol_instruct(record: Row) -> list[Row]:
    """WizardLM's first 70,000: `instruction` and `output`."""
    return [{"messages": _exchange(text(record, "instruction"), text(record, "output"))}]


@columns(
    "question response",
    uses="system_prompt system",
    licence="MIT (OpenOrca)",
    citation="Mukherjee et al., Orca, 2023, arXiv 2306.02707; Mitra et al., Orca 2, 2023, arXiv 2311.11045; "
    "Lian et al., OpenOrca, 2023, huggingface.co/datasets/Open-Orca/OpenOrca",
)
def orca(record: Row) -> list[Row]:
    """`system_prompt` (or `system`), which is often empty, `question`, `response`."""
    row = {"messages": _exchange(text(record, "question"), text(record, "response"))}
    for column in ("system", "system_prompt"):
        row = with_system(row, optional_text(record, column), column)
    return [row]


@columns(
    "instruction instances",
    knows="name is_classification",
    licence="Apache-2.0",
    citation="Wang et al., Self-Instruct: Aligning Language Models with Self-Generated Instructions, 2022, arXiv 2212.10560",
)
def self_instruct(record: Row) -> list[Row]:
    """One row an instance, its `input` below the task's `instruction`."""
    instances = record["instances"]
    if not isinstance(instances, list) or not all(isinstance(instance, dict) for instance in instances):
        raise Unconvertible("field_type", "instances is not a list of objects")
    task = text(record, "instruction")
    return [
        {"messages": _exchange(_asked({**instance, "instruction": task}, "instruction", "input"), text(instance, "output"))}
        for instance in instances
    ]


def _ends_in_answer(record: Row) -> bool:
    return isinstance(record["answer"], str) and "####" in record["answer"]


@columns(
    "question answer",
    kind="prompts",
    fits=_ends_in_answer,
    shape="an answer that ends in '#### number'",
    licence="MIT",
    citation="Cobbe et al., Training Verifiers to Solve Math Word Problems, 2021, arXiv 2110.14168",
)
def gsm8k(record: Row) -> list[Row]:
    """A prompt: what stands after the last ``####`` of `answer`, without thousands commas, is the reference.

    The worked solution, with its ``<<3*4=12>>`` annotations, is kept as it is in the metadata.
    """
    question, answer = text(record, "question"), text(record, "answer")
    _, mark, reference = answer.rpartition("####")
    if not mark:
        raise Unconvertible("reference_unparsable", "the answer has no '####' with the result after it")
    return [
        {
            "messages": [{"role": "user", "content": question}],
            "reference": reference.strip().replace(",", ""),
            "verifier": "number",
            "family": "gsm8k",
            "metadata": {"answer": answer},
        }
    ]
