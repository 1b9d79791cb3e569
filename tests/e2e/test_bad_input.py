"""Bad input through the command line: a clear error that says what to change, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import cli
from tasks.runtime.store import Store
from tests.runtime.test_store_crashes import may_mount
from tests.verify.models.conftest import save_classifier

ROOT = Path(__file__).parents[2]
PROMPT = {"id": "p1", "messages": [{"role": "user", "content": "2 + 2 ="}], "reference": "4", "verifier": "number"}
Winnow = Callable[..., tuple[int, str]]


pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all: what every night begins with is made once."""
    return tmp_path_factory.mktemp("bad-input") / "store"


@pytest.fixture
def night(
    tmp_path: Path, store: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Winnow:
    """Run the nightly flow in this process with a few changes; returns the exit code and what was said."""
    data = {"train_prompts": 4, "warm_rows": 4, "evaluation_items": 4}
    profile = tmp_path / "profile.yaml"
    settings = {"lineage": "bad", "night": 1, "rounds": 1, "model": str(tiny_model), "store": str(store)}
    profile.write_text(yaml.safe_dump({**settings, "data": data}))

    def run(*changes: str) -> tuple[int, str]:
        sets = [part for change in changes for part in ("--set", change)]
        monkeypatch.setattr(sys, "argv", ["winnow", "run", "nightly-rsf", "--profile", str(profile), *sets])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((said.out + said.err).split())

    return run


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "holds no rows"),
        ([{**PROMPT, "reference": ""}], "e.g. 'p1': a prompt without a reference; add the right answer"),
        ([{name: value for name, value in PROMPT.items() if name != "reference"}], "reference_missing"),
        ([PROMPT, PROMPT], "e.g. 'p1': another row has the same id"),
        ([{**PROMPT, "verifier": "numbr"}], "Registered verifiers: all_of, any_of, choice"),
        ([{**PROMPT, "verifier": "os:system"}], "no verifier of that name is registered"),
    ],
    ids=["empty pool", "empty reference", "no reference", "duplicate ids", "unknown verifier", "code in data"],
)
def test_a_bad_pool_is_refused(night: Winnow, tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    pool = written(tmp_path / "pool.jsonl", *rows)
    code, text = night(f"data.evaluation_file={pool}")
    assert code == 2
    assert said in text
    assert "pool.jsonl" in text


def test_an_unreadable_file_is_refused(night: Winnow, tmp_path: Path) -> None:
    code, text = night(f"data.train_file={tmp_path / 'missing.jsonl'}")
    assert code == 2
    assert "missing.jsonl does not exist" in text


def test_broken_lines_are_counted_and_the_first_is_named(night: Winnow, tmp_path: Path) -> None:
    pool = written(tmp_path / "pool.jsonl", PROMPT)
    pool.write_text(pool.read_text() + '{"id": \n')
    code, text = night(f"data.evaluation_file={pool}")
    assert code == 2
    assert "2 prompts rows read, 1 rejected (50.0%; 5.0% allowed): broken_json" in text
    assert "pool.jsonl:2" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("budget.cap=0", "budget.cap"),
        ("sampling.max_token=3", "sampling.max_tokens"),
        ("model=nowhere", "no model at 'nowhere'"),
        ("selection.rule=no_such_rule", "distinct_correct"),
        ("sampling.engine=no_such_engine", "transformers"),
    ],
)
def test_a_bad_setting_is_refused(night: Winnow, change: str, said: str) -> None:
    code, text = night(change)
    assert code == 2
    assert said in text


def test_a_verifier_that_errs_on_planted_answers_halts_the_night(
    night: Winnow, tmp_path: Path, store: Path, embedded_model: Path
) -> None:
    """A reward model that never learned anything likes answers that say nothing; the champion stays."""
    reward = save_classifier(tmp_path / "reward", embedded_model, labels=1)
    asked = [PROMPT["messages"][0] | {"content": f"{number} + 2 ="} for number in range(20)]
    rows = [{"id": f"p{n}", "messages": [turn], "verifier": "reward_model"} for n, turn in enumerate(asked)]
    pool, items = written(tmp_path / "train.jsonl", *rows[:10]), written(tmp_path / "eval.jsonl", *rows[10:])
    code, text = night(
        f"data.train_file={pool}", f"data.evaluation_file={items}", f"verification.reward.model={reward}", "lineage=reward"
    )
    assert code == 2
    assert "the self-test of the verifiers failed; nothing was sampled, and the champion stays" in text
    assert "planted wrong answers were accepted" in text
    left = {path.relative_to(store).parts[2] for path in (store / "registry" / "reward").glob("*/*")}
    assert "nights" not in left
    assert left, "the base is champion"


def test_an_unwritable_store_is_refused(night: Winnow, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    code, text = night(f"store={tmp_path / 'file' / 'store'}")
    assert code == 2
    assert "cannot be" in text
    assert "correct its rights" in text


def test_a_corrupt_artifact_is_named_and_made_anew_once_removed(night: Winnow, tmp_path: Path) -> None:
    """A random model answers nothing right: the night ends without training, which is an outcome (exit code 2)."""
    place = f"store={tmp_path / 'store'}"
    code, text = night(place)
    assert code == 2
    assert "No gate was held" in text or "Refused" in text
    model = min((tmp_path / "store" / "objects" / "model").glob("*/model.safetensors"), key=lambda path: path.stat().st_mtime)
    with model.open("r+b") as file:
        file.seek(5000)
        file.write(b"\xff\xff\xff\xff")
    code, text = night(place, "seed=1")
    assert code == 2
    assert "model.safetensors differs from its digest" in text
    assert "remove" in text
    store = Store(str(tmp_path / "store"))
    digest = model.parent.name
    for name in os.listdir(model.parent):
        (model.parent / name).unlink()
    assert store.names(f"objects/model/{digest}") == []
    code, text = night(place, "seed=1")
    assert "differs" not in text


def test_a_full_disk_is_exit_code_1(tmp_path: Path, embedded_model: Path) -> None:
    """The embedded model does not fit on the store's disk (or, where nothing may be mounted, past the file-size limit)."""
    store = tmp_path / "store"
    store.mkdir()
    profile = ROOT / "deployments" / "profiles" / "ad-hoc.yaml"
    command = [sys.executable, "-m", "flows", "run", "nightly-rsf", "--profile", str(profile), "--set", f"store={store}"]
    mount = f"mount -t tmpfs -o size=64m tmpfs {shlex.quote(str(store))}"
    limited = (
        ["unshare", "--mount", "--map-root-user", "sh", "-c", f"{mount} && exec {shlex.join(command)}"]
        if may_mount()
        else ["sh", "-c", f"ulimit -f 131072; exec {shlex.join(command)}"]
    )
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(embedded_model.parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "WINNOW_"))}
    done = subprocess.run(
        limited, cwd=ROOT, env={**kept, "WINNOW_HOME": str(home)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1, done.stderr[-3000:]
    assert "disk full" in done.stderr.splitlines()[-1] or "disk full" in done.stderr[-2000:]
    assert "Traceback" not in done.stderr.rsplit("✗", 1)[-1]
