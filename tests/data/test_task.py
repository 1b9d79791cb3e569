"""From drawn questions to training rows through the real tasks of three rooms, in a flow: cached by content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from tasks.data.mix_settings import MixSettings
from tasks.data.settings import DataSettings
from tasks.data.sources.digest import pinned
from tasks.data.task import check_disjoint, draw_prompts, draw_warm_rows, load_rows, mix_sources, mix_training_rows
from tasks.runtime.errors import ContractError, DataError, OverlapError
from tasks.runtime.references import DatasetRef, parse_ref
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.select.settings import SelectionSettings
from tasks.select.task import select_answers
from tasks.validate.settings import ValidationSettings
from tasks.verify.settings import VerifySettings
from tasks.verify.task import verify_samples
from tasks.verify.verdict import verifier_versions

SETTINGS = DataSettings(train_prompts=20, warm_rows=10, evaluation_items=30)


pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def in_flow(store: Store, steps: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What the steps return inside a run, and each task's outcome."""
    run = Run("test/data", store)

    @flow(name="data-test", persist_result=False)
    def body() -> Any:
        with running(run), results_in(run):
            return steps()

    return body(), [entry["outcome"] for entry in run.entries]


def publish(store: Store, kind: str, rows: list[dict[str, Any]]) -> DatasetRef:
    with store.draft() as draft:
        count = write_rows(draft, kind, rows)
        ref = store.publish(draft, kind, counts={"rows": count})
    assert isinstance(ref, DatasetRef)
    return ref


def answers(store: Store, prompts: DatasetRef) -> DatasetRef:
    """Two draws a prompt: the right answer in words, and a wrong one."""
    rows = []
    for row in read_rows(store.open(prompts)):
        right = json.loads(row["reference"])["entry"]["answer"]
        for draw, text in enumerate((f"The final answer is {right}.", f"{right}1")):
            known = {"sample_id": f"{row['id']}/1/{draw}", "prompt_id": row["id"], "draw": draw, "round": 1, "text": text}
            about = {"policy": "p" * 64, "seed": draw, "temperature": 1.0, "token_count": 8, "logprob": -1.0}
            rows.append(known | about | {"finish_reason": "stop"})
    return publish(store, "samples", rows)


def night(store: Store, selection: SelectionSettings) -> dict[str, DatasetRef]:
    evaluation = draw_prompts(SETTINGS, "evaluation", 1, 0, 7, [])
    warm = draw_warm_rows(SETTINGS, 1, 7, [evaluation])
    train = draw_prompts(SETTINGS, "train", 1, 1, 7, [evaluation, warm])
    report = check_disjoint(evaluation, [warm, train])
    assert report.counts == {"evaluation": 30, "compared": 30}
    samples = answers(store, train)
    versions = verifier_versions(train.metadata["verifiers"], VerifySettings())
    verdicts = verify_samples(samples, train, VerifySettings(), versions, shard=0, of="round 1")
    chosen = select_answers([samples], [verdicts], train, selection, 1)
    mixed = mix_training_rows([warm, chosen, warm], of="round 1")
    return {"train": train, "samples": samples, "verdicts": verdicts, "chosen": chosen, "mixed": mixed}


def test_a_night_of_data_and_the_same_again_from_the_cache(store: Store) -> None:
    made, outcomes = in_flow(store, lambda: night(store, SelectionSettings()))
    assert outcomes == ["run"] * 7
    assert made["train"].metadata == {"verifiers": ["reasoning_gym"]}
    assert made["verdicts"].counts == {
        "rows": 40,
        "accepted": 20,
        "rejected": 20,
        "answer_unparsable": 0,
        "reference_unparsable": 0,
        "timed_out": 0,
        "error": 0,
    }
    assert (made["chosen"].rows, made["chosen"].counts["dropped_rejected"]) == (20, 20)
    assert (store.open(made["chosen"]) / "dropped.jsonl").exists()
    assert made["mixed"].counts == {"rows": 30, "duplicates": 10}

    again, outcomes = in_flow(store, lambda: night(store, SelectionSettings()))
    assert (again, outcomes) == (made, ["cached"] * 7)
    _, outcomes = in_flow(store, lambda: night(store, SelectionSettings(cap=1)))
    assert outcomes == ["cached"] * 5 + ["run", "cached"]  # another cap keeps the same rows here


def test_another_verifier_version_verifies_again_and_must_be_the_installed_one(store: Store) -> None:
    def stale() -> None:
        train = draw_prompts(SETTINGS, "train", 1, 1, 7, [])
        verify_samples(answers(store, train), train, VerifySettings(), {"reasoning_gym": "0"}, shard=0, of="round 1")

    with pytest.raises(ContractError, match="pass their versions"):
        in_flow(store, stale)


GSM8K = [
    {
        "question": f"Ann has {n} pens and buys two. How many has she?",
        "answer": f"{n} + 2 = <<{n}+2={n + 2}>>{n + 2}\n#### {n + 2}",
    }
    for n in range(30)
]
ALPACA = [{"instruction": f"Name a number above {n}.", "input": "", "output": str(n + 1)} for n in range(30)]


def load(path: Path, kind: str, **changed: Any) -> DatasetRef:
    source = pinned(path)
    made: DatasetRef = load_rows(source.address, source.digest, kind, ValidationSettings(**changed), of=path.name)
    return made


def test_a_night_takes_its_rows_from_files_of_known_formats(store: Store, tmp_path: Path) -> None:
    """GSM8K questions to sample on and to be measured with, an Alpaca file to start from; two lines of them are broken."""
    train, warm = tmp_path / "gsm.jsonl", tmp_path / "tasks.json"
    train.write_text("".join(json.dumps(row) + "\n" for row in GSM8K) + "{\n")
    warm.write_text(json.dumps([*ALPACA, {"instruction": "And then?"}], indent=1))

    def night() -> list[DatasetRef]:
        prompts, chats = load(train, "prompts"), load(warm, "chat")
        items = draw_prompts(SETTINGS.model_copy(update={"evaluation_items": 10}), "evaluation", 1, 0, 7, [], prompts)
        first = draw_warm_rows(SETTINGS, 1, 7, [items], chats)
        asked = draw_prompts(SETTINGS, "train", 1, 1, 7, [items, first], prompts)
        check_disjoint(items, [first, asked])
        return [prompts, chats, items, first, asked]

    made, outcomes = in_flow(store, night)
    assert outcomes == ["run"] * 6
    prompts, chats, items, first, asked = made
    assert prompts.counts == chats.counts == {"rows": 30, "read": 31, "rejected": 1}
    assert (prompts.metadata["format"], chats.metadata["format"]) == ("gsm8k", "alpaca")
    assert (store.open(parse_ref(prompts.metadata["report"])) / "rejects.jsonl").exists()
    assert (items.rows, first.rows, asked.rows) == (10, 10, 20)
    assert items.metadata == asked.metadata == {"verifiers": ["number"]}
    assert next(read_rows(store.open(first)))["messages"][1] == {"role": "assistant", "content": "1"}
    assert in_flow(store, night) == (made, ["cached"] * 6)


def test_sources_enter_the_key_by_content_and_not_by_path(store: Store, tmp_path: Path) -> None:
    row = {"id": "a", "messages": [{"role": "user", "content": "3 + 5"}], "reference": "8", "verifier": "number"}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sums.jsonl").write_text(json.dumps(row) + "\n")
    one, outcomes = in_flow(store, lambda: load(tmp_path / "one" / "sums.jsonl", "prompts"))
    assert (one.rows, outcomes) == (1, ["run"])
    assert in_flow(store, lambda: load(tmp_path / "two" / "sums.jsonl", "prompts")) == (one, ["cached"])
    (tmp_path / "two" / "sums.jsonl").write_text(json.dumps(row | {"reference": "9"}) + "\n")
    two, outcomes = in_flow(store, lambda: load(tmp_path / "two" / "sums.jsonl", "prompts"))
    assert (two.digest != one.digest, outcomes) == (True, ["run"])


def test_too_many_bad_rows_stop_the_run_and_leave_their_report(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "gsm.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in GSM8K) + "{\n" * 3)
    with pytest.raises(DataError, match=r"gsm\.jsonl: 33 prompts rows read, 3 rejected \(9\.1%; 5\.0% allowed\)") as refused:
        in_flow(store, lambda: load(path, "prompts"))
    rejects = re.search(r"The rejected rows: (\S+\.jsonl)", str(refused.value))
    assert rejects is not None
    assert len(Path(rejects[1]).read_text().splitlines()) == 3
    kept, _ = in_flow(store, lambda: load(path, "prompts", max_rejected_share=0.1))
    assert kept.counts == {"rows": 30, "read": 33, "rejected": 3}
    with pytest.raises(DataError, match=r"holds prompts rows \(format gsm8k\), and chat rows are needed here"):
        in_flow(store, lambda: load(path, "chat"))


def test_overlapping_rows_stop_the_run(store: Store) -> None:
    turns = [{"role": "user", "content": "3 + 5"}]
    prompt = {"id": "a", "messages": turns, "reference": "8", "verifier": "number", "family": "sums"}
    chat = {"id": "b", "messages": [*turns, {"role": "assistant", "content": "8"}], "source": "file"}
    with pytest.raises(OverlapError, match=r"b \(asks what a asks\)"):
        in_flow(store, lambda: check_disjoint(publish(store, "prompts", [prompt]), [publish(store, "chat", [chat])]))


def test_two_conversations_of_one_id_are_not_mixed(store: Store) -> None:
    chats = [{"id": "a", "messages": [{"role": "user", "content": text}], "source": "file"} for text in ("1", "2")]
    with pytest.raises(ContractError, match="two different conversations are called 'a'"):
        in_flow(store, lambda: mix_training_rows([publish(store, "chat", [row]) for row in chats], of="test"))


def test_sources_are_mixed_and_what_the_evaluation_asks_is_left_out(store: Store) -> None:
    def said(number: int, source: str) -> dict[str, Any]:
        turns = [{"role": "user", "content": f"Name {number}."}, {"role": "assistant", "content": "Done."}]
        return {"id": f"{source}{number}", "messages": turns, "source": source}

    settings = MixSettings.model_validate(
        {"sources": [{"address": "a", "weight": 2}, {"address": "b", "weight": 1}], "held_out": {"rows": 3}}
    )
    asks = {
        "id": "i",
        "messages": [{"role": "user", "content": "name 3."}],
        "reference": "8",
        "verifier": "number",
        "family": "f",
    }

    def mixed(elsewhere: bool) -> DatasetRef:
        parts = [
            publish(store, "chat", [said(n, "a") for n in range(12)]),
            publish(store, "chat", [said(n, "b") for n in range(8, 20)]),
        ]
        moved = (
            [source.model_copy(update={"address": "else"}) for source in settings.sources] if elsewhere else settings.sources
        )
        made: DatasetRef = mix_sources(
            parts, settings.model_copy(update={"sources": moved}), [publish(store, "prompts", [asks])], of="warm rows"
        )
        check_disjoint(publish(store, "prompts", [asks]), [made])
        return made

    made, outcomes = in_flow(store, lambda: mixed(elsewhere=False))
    assert outcomes == ["run", "run"]
    left_out = {"evaluation_item": 1, "duplicate": 4, "near_duplicate": 0, "over_cap": 0, "over_share": 3}
    assert made.counts == {"rows": 13, "read": 24, "held_out": 3} | left_out
    held = list(read_rows(store.open(parse_ref(made.metadata["held_out"]))))
    rows = list(read_rows(store.open(made)))
    assert (len(held), len(rows), made.metadata["summary"]["left_out"]) == (3, 13, left_out)
    assert sorted(path.name for path in store.open(made).iterdir()) == [
        "left_out.jsonl",
        "manifest.json",
        "overlaps.jsonl",
        "rows-00000.parquet",
    ]
    assert sum(row["source"] == "a" for row in rows + held) == 11
    assert in_flow(store, lambda: mixed(elsewhere=True)) == (made, ["cached", "cached"])
    with pytest.raises(ContractError, match=r"parts of one kind, and these are of \['chat', 'prompts'\]"):
        in_flow(store, lambda: mix_sources([made, publish(store, "prompts", [asks])], settings, [], of="both"))
