"""Mistakes that were found in other projects which train on their own answers: each one, and that it cannot happen here.

One test a bug, against the functions that a night runs. Each would fail if the bug were here; the rooms' own tests go
further into the same corners.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.runtime.errors import ContractError, CorruptArtifactError
from tasks.runtime.plugins import plugin_names
from tasks.runtime.progress import Progress, listening
from tasks.runtime.rows import Row, read_rows, write_rows
from tasks.runtime.stage import run_stage
from tasks.runtime.store import Store
from tasks.sample.requests import Answer as Drawn
from tasks.sample.requests import Request, uniform_requests
from tasks.sample.settings import SamplingSettings
from tasks.sample.shards import sample_rows
from tasks.select.outcomes import Selection
from tasks.select.settings import SelectionSettings
from tasks.train.settings import TrainingSettings
from tasks.verify.dispatch import verify_answers
from tasks.verify.rows import prompts_by_id, verify_rows
from tasks.verify.settings import VerifySettings
from tasks.verify.verdict import Answer, reference_problem
from tests.train.conftest import label_rows

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("flows", "tasks", "blocks") for path in (ROOT / room).rglob("*.py"))
LIMIT = VerifySettings(time_limit=10)
# These ask a model or run the answer in a sandbox: their rooms have their own tests against what an answer may try.
ASKING = {"code", "judge", "reward_model"}
TEXT_VERIFIERS = [name for name in plugin_names("verifiers") if name not in ASKING]


def prompt(name: str, reference: str, question: str = "3 + 5 =") -> Row:
    turns = [{"role": "user", "content": question}]
    return {"id": name, "messages": turns, "reference": reference, "verifier": "number", "family": "sums"}


def drawn(prompts: list[Row], engine: str, k: int = 1) -> list[Row]:
    """Sample rows of `prompts` by one of the engines below."""
    settings = SamplingSettings(engine=f"tests.test_peer_bugs:{engine}")
    return list(
        sample_rows(Path(), uniform_requests(prompts, k), settings, {}, policy="p" * 64, seed=1, round=1, dtype="float32")
    )


def trained_on(prompts: list[Row], samples: list[Row], **settings: Any) -> list[Row]:
    """The chat rows that a round would train on: verified and selected as a night does."""
    verdicts = list(verify_rows(samples, prompts_by_id(prompts), LIMIT))
    selection = Selection(verdicts, prompts, SelectionSettings(**settings))
    return [selection.chat_row(row) for row, reason in selection.outcomes(samples) if not reason]


def right(model: Path, requests: Sequence[Request], settings: SamplingSettings, **about: Any) -> Iterator[Drawn]:
    """Answers every prompt rightly, the last prompt first."""
    for one in reversed(requests):
        for draw in one.draws:
            yield Drawn(one.prompt["id"], draw, one.prompt["reference"], 3, -1.0, "stop")


def wrong(model: Path, requests: Sequence[Request], settings: SamplingSettings, **about: Any) -> Iterator[Drawn]:
    """Answers every prompt wrongly, each draw in its own way."""
    for one in requests:
        for draw in one.draws:
            yield Drawn(one.prompt["id"], draw, f"{1000 + draw}", 3, -1.0, "stop")


def short_only(model: Path, requests: Sequence[Request], settings: SamplingSettings, **about: Any) -> Iterator[Drawn]:
    """Passes over prompts that are too long for it."""
    return right(model, [one for one in requests if len(one.prompt["messages"][0]["content"]) < 100], settings)


def test_the_best_answer_was_written_with_the_role_user() -> None:
    prompts = [prompt("a", "8")]
    (row,) = trained_on(prompts, drawn(prompts, "right"))
    assert [(turn["role"], turn["content"]) for turn in row["messages"]] == [("user", "3 + 5 ="), ("assistant", "8")]
    assert row["messages"][-1]["train"] is True


def test_overlong_prompts_were_filtered_and_the_rest_zipped_with_the_unfiltered_list() -> None:
    prompts = [prompt("a", "8"), prompt("long", "9", "Once upon a time " * 20), prompt("b", "10"), prompt("c", "11")]
    with pytest.raises(ContractError, match="left out"):
        drawn(prompts, "short_only")
    # And where a prompt is missing, or the order is another, answers still land on the prompts they were drawn for.
    some = [row for row in drawn(prompts, "right") if row["prompt_id"] != "long"]
    chat = trained_on(prompts, some)
    assert {row["metadata"]["prompt_id"]: row["messages"][-1]["content"] for row in chat} == {"a": "8", "b": "10", "c": "11"}


def test_prompts_of_the_same_text_were_merged() -> None:
    prompts = [prompt("a", "8"), prompt("b", "8"), prompt("c", "9")]  # one text, three prompts, two answers
    chat = trained_on(prompts, drawn(prompts, "right"))
    assert [(row["metadata"]["prompt_id"], row["messages"][-1]["content"]) for row in chat] == [
        ("a", "8"),
        ("b", "8"),
        ("c", "9"),
    ]


@pytest.mark.parametrize("rule", plugin_names("selectors"))
def test_the_best_of_k_bad_answers_was_trained_on(rule: str) -> None:
    prompts = [prompt("a", "8"), prompt("b", "9")]
    assert trained_on(prompts, drawn(prompts, "wrong", k=4), rule=rule) == []


def test_every_round_wrote_to_one_path_and_half_files_were_read(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))

    def publish(texts: list[str]) -> Any:
        with store.draft() as draft:
            write_rows(draft, "chat", ({"id": text, "messages": [], "source": "s"} for text in texts))
            return store.publish(draft, "chat", counts={"rows": len(texts)})

    first, second = publish(["round 1"]), publish(["round 2"])
    assert [next(iter(read_rows(store.open(ref))))["id"] for ref in (first, second)] == ["round 1", "round 2"]
    artifacts = sorted(tmp_path.rglob("manifest.json"))

    def broken() -> Iterator[Row]:
        yield {"id": "half", "messages": [], "source": "s"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.draft() as draft:  # noqa: PT012  the writer dies within its draft
        write_rows(draft, "chat", broken())
        store.publish(draft, "chat")
    assert sorted(tmp_path.rglob("manifest.json")) == artifacts
    (shard,) = store.open(second).glob("*.parquet")
    os.truncate(shard, shard.stat().st_size // 2)
    with pytest.raises(CorruptArtifactError, match=shard.name):
        store.open(second)


def test_model_text_was_given_to_eval(tmp_path: Path) -> None:
    written = tmp_path / "written"
    code = f"__import__('pathlib').Path({str(written)!r}).touch()"
    references = {name: readable_reference(name, tmp_path) for name in TEXT_VERIFIERS}
    assert {name: reference_problem(name, reference) for name, reference in references.items()} == dict.fromkeys(references, "")
    attacks = [code, f"<answer>{code}</answer>", f"\\boxed{{{code}}}", f"#### {code}", f"8 + {code}", f'{{"a": {code}}}']
    answers = [Answer(text, name, reference) for name, reference in references.items() for text in attacks]
    assert "error" not in {verdict.state for verdict in verify_answers(answers, LIMIT)}
    assert not written.exists()


def test_nothing_of_ours_evaluates_text_outside_the_sandbox() -> None:
    """The same bug, in code that no test reaches."""
    banned = {"eval", "exec", "compile", "__import__", "sympify", "parse_expr"}
    sandbox = ROOT / "tasks" / "verify" / "sandbox"
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.func.id}"
        for path in SOURCES
        if sandbox not in path.parents
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in banned
    ]
    assert found == []
    unpickling = [path.name for path in SOURCES if "pickle.load" in path.read_text()]
    assert unpickling == ["stage.py"]  # from its own child, over a pipe


def readable_reference(name: str, tmp_path: Path) -> str:
    """A reference that the verifier can read."""
    part = {"verifier": "number", "reference": "8"}
    return {
        "instruction": json.dumps({"instruction_id_list": ["detectable_format:json_format"], "kwargs": [{}]}),
        "json_schema": json.dumps({"type": "object"}),
        "reasoning_gym": json.dumps({"dataset": "chain_sum", "entry": {"question": "3 + 5", "answer": "8", "metadata": {}}}),
        "choice": json.dumps({"choices": {"A": "8", "B": "9"}, "answer": "A"}),
        "all_of": json.dumps({"of": [part]}),
        "any_of": json.dumps({"of": [part]}),
        "weighted": json.dumps({"of": [part], "accept_at": 1}),
    }.get(name, "8")


@pytest.mark.parametrize("name", TEXT_VERIFIERS)
def test_a_reference_that_could_not_be_parsed_gave_the_full_reward(name: str) -> None:
    bad = [text for text in ("", " ", "{", "[", "none of these", "18 or 19", "\\boxed{") if reference_problem(name, text)]
    assert bad, "a verifier that reads anything as a reference"
    answers = [Answer(text, name, reference) for reference in bad for text in (reference, "8", "", "A", "{}")]
    assert {verdict.state for verdict in verify_answers(answers, LIMIT)} == {"reference_unparsable"}


def test_one_response_got_two_verdicts() -> None:
    prompts = [prompt("a", "8")]
    samples = drawn(prompts, "right", k=2)
    verdicts = list(verify_rows(samples, prompts_by_id(prompts), LIMIT))
    assert [row["sample_id"] for row in verdicts] == [row["sample_id"] for row in samples]
    with pytest.raises(ContractError, match="two samples are called"):
        list(verify_rows([*samples, samples[0]], prompts_by_id(prompts), LIMIT))
    with pytest.raises(ContractError, match="two verdicts"):
        Selection([*verdicts, {**verdicts[0], "state": "rejected"}], prompts, SelectionSettings())


def test_a_resumed_training_skipped_an_epoch_and_said_nothing(tmp_path: Path, tiny_model: Path) -> None:
    from tasks.train.sft import train_sft

    store, labels = Store(str(tmp_path / "store")), tmp_path / "labels"
    labels.mkdir()
    write_rows(labels, "labels", label_rows())
    settings = TrainingSettings(epochs=3, batch_rows=4, micro_batch_rows=4, rank=4, alpha=8)

    def train() -> dict[str, Any]:
        with store.draft() as draft:
            figures = train_sft(tiny_model, labels, draft, settings, seed=3, dtype="float32")
            store.publish(draft, "model")
            return figures

    def die(progress: Progress) -> None:
        assert progress.done < progress.total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(die):
        train()
    assert not list(tmp_path.rglob("manifest.json"))  # what was half trained does not exist
    figures = train()
    assert [step for step, _ in figures["loss"]] == list(range(1, 10))
    assert figures["tokens"] == 3 * sum(len(row["input_ids"]) for row in label_rows())


def test_a_setting_was_declared_and_read_by_nobody() -> None:
    trees = {path: ast.parse(path.read_text()) for path in SOURCES}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    read |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # by its name
    declared = {
        f"{node.name}.{field.target.id}"
        for node in nodes
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings")
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    assert len(declared) > 50
    assert sorted(name for name in declared if name.partition(".")[2] not in read) == []


def test_an_option_of_a_command_was_declared_and_read_by_nobody() -> None:
    """A resume flag, in the peer."""
    unread = []
    for path in sorted((ROOT / "flows").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                used = {name.id for line in node.body for name in ast.walk(line) if isinstance(name, ast.Name)}
                # An underscore: what a library hands to a callback, asked or not.
                options = [one for one in (*node.args.args, *node.args.kwonlyargs) if not one.arg.startswith("_")]
                if "locals" not in used:  # it hands on all of them
                    unread += [f"{path.name}: {node.name}({option.arg})" for option in options if option.arg not in used]
    assert unread == []


def hold(megabytes: int) -> int:
    """Take so much memory, and keep it for as long as the process lives."""
    globals()["held"] = bytearray(megabytes * 2**20)
    return os.getpid()


def test_memory_was_not_returned_after_a_stage() -> None:
    before = psutil.Process().memory_info().rss
    pids = []
    for _ in range(2):
        pid, usage = run_stage("hold", hold, 400)
        assert usage.peak_bytes > 400 * 2**20
        pids.append(pid)
    assert psutil.Process().memory_info().rss - before < 100 * 2**20
    assert not any(psutil.pid_exists(pid) for pid in pids)
