"""Both rooms' tasks in a real flow: rows are validated, rendered and validated again; refusals keep their report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from tasks.chat.settings import RenderSettings
from tasks.chat.task import render_labels
from tasks.runtime.errors import DataError
from tasks.runtime.references import DatasetRef, ModelRef, ReportRef, parse_ref
from tasks.runtime.rows import read_rows, write_rows
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store
from tasks.runtime.task import results_in
from tasks.validate.settings import ExpectationSettings, ValidationSettings
from tasks.validate.task import validate
from tests.chat.families import FAMILIES
from tests.validate.rows import chat, prompt, samples, talk

LIMIT = ValidationSettings(max_rejected_share=0.3)


pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return FAMILIES["smollm2"].tokenizer


@pytest.fixture
def model(store: Store, tokenizer: Any) -> ModelRef:
    """A model artifact as far as these tasks read it: the tokenizer."""
    with store.draft() as draft:
        tokenizer.save_pretrained(draft)
        ref = store.publish(draft, "model")
    assert isinstance(ref, ModelRef)
    return ref


def publish(store: Store, kind: str, rows: list[dict[str, Any]]) -> DatasetRef:
    with store.draft() as draft:
        count = write_rows(draft, kind, rows)
        ref = store.publish(draft, kind, counts={"rows": count})
    assert isinstance(ref, DatasetRef)
    return ref


def in_flow(store: Store, body: Callable[[], Any]) -> tuple[Any, Run]:
    """What `body` returns when it runs inside a flow on `store`, and the run."""
    run = Run("test/validate", store)

    @flow(name="test-validate")
    def small() -> Any:
        with running(run), results_in(run):
            return body()

    return small(), run


def report_of(store: Store, ref: DatasetRef) -> Path:
    report = parse_ref(ref.metadata["report"])
    assert isinstance(report, ReportRef)
    return store.open(report)


def test_rows_become_labels_and_pass_their_suites(store: Store, model: ModelRef) -> None:
    bad = talk(("user", "q"), ("assistant", "a<|im_end|>b"), id="bad")
    rows = publish(store, "chat", [chat(f"r{i}") for i in range(4)] + [bad])
    long = publish(store, "chat", [chat("long", messages=[{"role": "user", "content": "w " * 90}, chat()["messages"][1]])])

    def body() -> tuple[DatasetRef, DatasetRef, DatasetRef]:
        accepted = validate(rows, LIMIT, "rows", model)
        labels = render_labels([accepted, long], model, RenderSettings(max_tokens=80), "rows")
        return accepted, labels, validate(labels, LIMIT, "labels", model, chat=[accepted, long])

    (accepted, labels, checked), run = in_flow(store, body)
    assert [row["id"] for row in read_rows(store.open(accepted))] == ["r0", "r1", "r2", "r3"]
    assert accepted.counts == {"rows": 4, "read": 5, "rejected": 1}
    (reject,) = map(json.loads, (report_of(store, accepted) / "rejects.jsonl").read_text().splitlines())
    assert (reject["id"], reject["codes"], reject["row"]) == ("bad", ["template_token"], bad)
    assert (report_of(store, accepted) / "docs" / "index.html").exists()

    assert (labels.kind, labels.rows, labels.counts["dropped"]) == ("labels", 4, 1)
    assert labels.metadata["reasons"] == {"too_long": 1}
    made = list(read_rows(store.open(labels)))
    assert labels.counts["tokens"] == sum(len(row["input_ids"]) for row in made)
    assert labels.counts["label_tokens"] == sum(label != -100 for row in made for label in row["labels"])
    dropped = json.loads((store.open(labels) / "dropped.jsonl").read_text())
    assert (dropped["id"], dropped["reason"]) == ("long", "too_long")
    assert list(read_rows(store.open(checked))) == made
    assert [entry["outcome"] for entry in run.entries] == ["run", "run", "run"]

    (again, _, _), second = in_flow(store, body)
    assert again == accepted
    assert [entry["outcome"] for entry in second.entries] == ["cached", "cached", "cached"]


def test_a_refusal_keeps_its_report_and_publishes_no_rows(store: Store) -> None:
    rows = publish(store, "prompts", [prompt("a"), prompt("b", reference="none"), prompt("a")])
    with pytest.raises(DataError, match="reference_unparsable") as refusal:
        in_flow(store, lambda: validate(rows, LIMIT, "prompts"))
    place = next(word for word in str(refusal.value).split() if "rejects.jsonl" in word).rstrip(".")
    codes = [json.loads(line)["codes"] for line in Path(place).read_text().splitlines()]
    assert codes == [["reference_unparsable"], ["duplicate_id", "duplicate_row"]]
    assert len(list(Path(store.root, "objects", "prompts").iterdir())) == 1, "only what was put in"


def test_the_codes_are_shown_in_the_ui(store: Store) -> None:
    rows = publish(store, "prompts", [prompt("a"), prompt("b", verifier="nobody"), prompt("c"), prompt("d")])
    in_flow(store, lambda: validate(rows, LIMIT, "Train prompts 1"))
    with get_client(sync_client=True) as client:
        (artifact,) = [a for a in client.read_artifacts() if a.key == "validation-prompts-train-prompts-1"]
    (line,) = json.loads(artifact.data)
    assert (line["code"], line["rows"], line["for example"]) == ("verifier_unknown", 1, "b")
    assert "3 of 4 rows accepted, passed" in str(artifact.description)


def test_severities_and_expectations_are_shown_in_the_ui(store: Store) -> None:
    rows = publish(store, "chat", [chat("a"), talk(("user", "q [/INST]"), ("assistant", "a"), id="b")])
    mean = ExpectationSettings(expectation="ExpectColumnMeanToBeBetween", column="turns", arguments={"max_value": 2})
    settings = ValidationSettings(severity={"template_token": "warn"}, expectations=[mean])
    accepted, _ = in_flow(store, lambda: validate(rows, settings, "Warm rows"))
    assert accepted.rows == 2
    with get_client(sync_client=True) as client:
        (artifact,) = [a for a in client.read_artifacts() if a.key == "validation-chat-warm-rows"]
    warning, own = json.loads(artifact.data)
    assert (warning["code"], warning["severity"], warning["rows"], warning["for example"]) == ("template_token", "warn", 1, "b")
    assert (own["code"], own["severity"], own["rows"]) == ("ExpectColumnMeanToBeBetween(turns)", "refuse", "met")


def test_labels_that_say_something_else_than_their_chat_rows_stop_the_run(store: Store, model: ModelRef) -> None:
    rows = publish(store, "chat", [chat("a"), chat("b")])
    others = publish(store, "chat", [chat("a"), chat("b", messages=chat("c")["messages"])])

    def body() -> DatasetRef:
        labels = render_labels([rows], model, RenderSettings(), "rows")
        checked: DatasetRef = validate(labels, LIMIT, "labels", model, chat=[others])
        return checked

    with pytest.raises(DataError, match="serving_ids_differ"):
        in_flow(store, body)


def test_shards_of_samples_are_checked_together(store: Store) -> None:
    prompts = publish(store, "prompts", [prompt("p0"), prompt("p1")])
    shards = [publish(store, "samples", samples()[:3]), publish(store, "samples", samples()[3:])]
    accepted, _ = in_flow(store, lambda: validate(shards, LIMIT, "samples", prompts=prompts))
    assert accepted.rows == 8
    with pytest.raises(DataError, match="draws_missing"):
        in_flow(store, lambda: validate(shards[1], LIMIT, "samples", prompts=prompts))


def test_rows_that_are_all_masked_stop_the_run(store: Store, model: ModelRef) -> None:
    rows = publish(store, "chat", [talk(("user", "q"), ("assistant", "a"), train=False)])
    with pytest.raises(DataError, match=r"none of 1 rows could be rendered: no_label \(1\)"):
        in_flow(store, lambda: render_labels([rows], model, RenderSettings(), "masked"))


def test_no_rows_stop_the_run(store: Store, model: ModelRef) -> None:
    nothing = publish(store, "chat", [])
    with pytest.raises(DataError, match="no chat rows to validate"):
        in_flow(store, lambda: validate(nothing, LIMIT, "nothing"))
    with pytest.raises(DataError, match="no chat rows to render"):
        in_flow(store, lambda: render_labels([nothing], model, RenderSettings(), "nothing"))
