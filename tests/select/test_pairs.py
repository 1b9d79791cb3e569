"""Preference pairs: only judged, whole answers; and TRL takes the rows as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.commands.select import select
from tasks.data.load import load
from tasks.runtime.errors import ConfigurationError, DataError
from tasks.runtime.row_files import write_row_file
from tasks.runtime.rows import STATES, Row
from tasks.select.pairs import PairSettings, preference_pairs
from tests.select.rows import prompt, sample, verdict

DRAWN = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["8", "It is 8", "9", "nine", "10", " 8"]),
        st.sampled_from(["accepted", "rejected", *STATES]),
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.sampled_from(["stop", "stop", "stop", "length"]),
    ),
    max_size=20,
)


def pairs(drawn: list[tuple[str, str, str, float, str]], **changed: Any) -> list[Row]:
    samples = [sample(name, draw, text, finish) for draw, (name, text, _, _, finish) in enumerate(drawn)]
    verdicts = {row["sample_id"]: (state, score) for row, (_, _, state, score, _) in zip(samples, drawn, strict=True)}
    return list(preference_pairs(samples, verdicts, {name: prompt(name) for name in "ab"}, PairSettings(**changed)))


@settings(max_examples=80, deadline=None)
@given(DRAWN, st.sampled_from(["verified", "score"]), st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_always_holds(drawn: list[tuple[str, str, str, float, str]], by: str, cap: int, random: Any) -> None:
    made = pairs(drawn, pairs_by=by, pairs_cap=cap)
    told = {f"{name}/1/{draw}": (text, state, score, finish) for draw, (name, text, state, score, finish) in enumerate(drawn)}
    used = [row[side] for row in made for side in ("sample_chosen", "sample_rejected")]
    assert len(used) == len(set(used))
    for row in made:
        better, worse = told[row["sample_chosen"]], told[row["sample_rejected"]]
        for (text, state, score, finish), side in ((better, "chosen"), (worse, "rejected")):
            assert (state in ("accepted", "rejected"), finish) == (True, "stop")
            assert row[side] == [{"role": "assistant", "content": text}]
            assert row[f"score_{side}"] == score
        assert row["sample_chosen"].split("/")[0] == row["sample_rejected"].split("/")[0] == row["prompt_id"]
        assert better[0] != worse[0]
        assert (better[1], worse[1]) != ("rejected", "accepted")
        assert better[2] > worse[2] if by == "score" else (better[1], worse[1]) == ("accepted", "rejected")
    assert all(sum(row["prompt_id"] == name for row in made) <= cap for name in "ab")
    samples = [sample(name, draw, text, finish) for draw, (name, text, _, _, finish) in enumerate(drawn)]
    random.shuffle(samples)
    verdicts = {name: (state, score) for name, (_, state, score, _) in told.items()}
    settings = PairSettings(pairs_by=by, pairs_cap=cap)  # type: ignore[arg-type]
    assert list(preference_pairs(samples, verdicts, {name: prompt(name) for name in "ab"}, settings)) == made


def test_the_best_meets_the_worst() -> None:
    drawn = [("a", f"{score}", "accepted", score, "stop") for score in (0.2, 0.9, 0.6, 0.4)]
    made = pairs(drawn, pairs_by="score")
    assert [(row["score_chosen"], row["score_rejected"]) for row in made] == [(0.9, 0.2), (0.6, 0.4)]
    assert len(pairs(drawn, pairs_by="score", pairs_cap=1)) == 1
    assert pairs(drawn) == []  # none was rejected


def test_a_verifier_that_could_not_judge_makes_no_pair() -> None:
    """A peer took an error for a zero."""
    others = [state for state in STATES if state not in ("accepted", "rejected")]
    drawn = [("a", "8", "accepted", 1.0, "stop"), *(("a", state, state, 0.0, "stop") for state in others)]
    assert pairs(drawn) == pairs(drawn, pairs_by="score") == []


def test_a_text_that_was_accepted_and_rejected_counts_for_neither() -> None:
    drawn = [("a", "8", "accepted", 1.0, "stop"), ("a", "8", "rejected", 0.0, "stop"), ("a", "9", "rejected", 0.0, "stop")]
    assert pairs(drawn) == []


def test_a_turn_that_the_columns_cannot_hold_is_refused() -> None:
    asked = prompt("a")
    asked["messages"][0] |= {"tool_calls": [{"function": {"name": "add"}}]}
    samples, verdicts = [sample("a", 0), sample("a", 1, "9")], {"a/1/0": ("accepted", 1.0), "a/1/1": ("rejected", 0.0)}
    with pytest.raises(DataError, match="'a': a turn with tool_calls has no place"):
        list(preference_pairs(samples, verdicts, {"a": asked}, PairSettings()))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Samples, verdicts and prompts on the disk: `a` and `b` with right and wrong answers, `b` after an exchange."""
    samples = [sample(name, draw, text) for name in "ab" for draw, text in enumerate(["8", "It is 8", "9", "It is 9"])]
    verdicts = [verdict(row, "rejected" if "9" in row["text"] else "accepted", row["draw"] / 10) for row in samples]
    talk = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi", "train": False}]
    prompts = [prompt("a"), prompt("b", "4 + 4 =") | {"messages": [*talk, {"role": "user", "content": "4 + 4 ="}]}]
    folder = tmp_path_factory.mktemp("rows")
    found = {}
    for name, rows in {"samples": samples, "verdicts": verdicts, "prompts": prompts}.items():
        found[name] = folder / f"{name}.jsonl"
        found[name].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return found


def test_on_the_command_line(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {name: str(path) for name, path in files.items()}
    evaluation = tmp_path / "items.jsonl"
    evaluation.write_text(json.dumps(prompt("item", "3 + 5 =")) + "\n")
    second = tmp_path / "second.jsonl"
    second.write_text(json.dumps(verdict(sample("b", 0), "rejected")) + "\n")
    select(**places, out=tmp_path / "chat.jsonl", pairs=tmp_path / "pairs.jsonl", json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["pairs"], told["pairs_out"]) == (4, 4, str(tmp_path / "pairs.jsonl"))
    made = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [turn["role"] for turn in made[-1]["prompt"]] == ["user", "assistant", "user"]
    assert "train" not in made[-1]["prompt"][1]
    more = {"evaluation": [str(evaluation)], "second": str(second)}
    select(**places, **more, out=tmp_path / "chat.jsonl", pairs=tmp_path / "pairs.jsonl", json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["dropped_contaminated"], told["dropped_audit_disagreed"], told["pairs"]) == (1, 2, 1, 1)
    for place, message in (("pairs.csv", "--pairs .*the ending decides"), ("chat.jsonl", "the same file")):
        with pytest.raises(ConfigurationError, match=message):
            select(**places, out=tmp_path / "chat.jsonl", pairs=tmp_path / place)
    for more in ({"dropped": tmp_path / "chat.jsonl"}, {"dropped": tmp_path / "p.jsonl", "pairs": tmp_path / "p.jsonl"}):
        with pytest.raises(ConfigurationError, match="and --dropped are the same file"):
            select(**places, out=tmp_path / "chat.jsonl", **more)
    with pytest.raises(ConfigurationError, match="--pairs-by best"):
        select(**places, out=tmp_path / "chat.jsonl", pairs=tmp_path / "pairs.jsonl", pairs_by="best")


def test_no_pair_prefers_what_is_wrong_to_train_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal or a chat template's tokens are no better for having been accepted, and no worse than a wrong answer."""
    texts = ["8", "8<|im_end|>", "I'm sorry, but I can't help with that. 8", "9", "10", "11"]
    samples = [sample("a", draw, text) for draw, text in enumerate(texts)]
    verdicts = [verdict(row, "accepted" if row["draw"] < 3 else "rejected") for row in samples]
    places = {}
    for name, rows in {"samples": samples, "verdicts": verdicts, "prompts": [prompt("a")]}.items():
        places[name] = str(tmp_path / f"{name}.jsonl")
        Path(places[name]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    select(**places, out=tmp_path / "chat.jsonl", pairs=tmp_path / "pairs.jsonl", json=True)
    assert json.loads(capsys.readouterr().out)["pairs"] == 1
    (pair,) = map(json.loads, (tmp_path / "pairs.jsonl").read_text().splitlines())
    assert pair["chosen"][0]["content"] == "8"


def test_the_rows_are_a_format_we_read_ourselves(files: dict[str, Path], tmp_path: Path) -> None:
    made = pairs([("a", "8", "accepted", 1.0, "stop"), ("a", "9", "rejected", 0.0, "stop")])
    write_row_file(tmp_path / "pairs.jsonl", "preferences", made)
    loaded = load(tmp_path / "pairs.jsonl")
    (row,) = loaded.rows
    assert loaded.format == "preference"
    assert isinstance(row, dict)
    assert [turn["content"] for turn in row["messages"]] == ["Be brief.", "3 + 5 =", "8"]
    assert row["metadata"]["rejected"] == "9"


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_trl_takes_the_rows(ending: str, tmp_path: Path, embedded_model: Path) -> None:
    """As a data set of its preference format: a conversation, whose answers its own template code renders."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.data_utils import is_conversational, maybe_apply_chat_template, unpair_preference_dataset

    drawn = [(name, text, state, 0.5, "stop") for name in "ab" for text, state in (("8", "accepted"), ("9", "rejected"))]
    assert write_row_file(tmp_path / f"pairs.{ending}", "preferences", pairs(drawn)) == 2
    kind = "json" if ending == "jsonl" else "parquet"
    data = load_dataset(kind, data_files=str(tmp_path / f"pairs.{ending}"), split="train", cache_dir=str(tmp_path / "cache"))
    assert is_conversational(data[0])
    assert data[0]["prompt"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "3 + 5 ="}]
    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    rendered = maybe_apply_chat_template({name: data[0][name] for name in ("prompt", "chosen", "rejected")}, tokenizer)
    assert "3 + 5 =" in rendered["prompt"]
    assert (rendered["chosen"].startswith("8"), rendered["rejected"].startswith("9")) == (True, True)
    unpaired = unpair_preference_dataset(data.select_columns(["prompt", "chosen", "rejected"]))
    assert sorted(unpaired["label"]) == [False, False, True, True]
