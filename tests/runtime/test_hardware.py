"""The number format is measured, once a machine, and stays what it was."""

import json
import sys
from pathlib import Path

import pytest
import torch

from tasks.runtime import hardware
from tasks.runtime.hardware import bfloat16_speed, compute_dtype, measure_bfloat16, processor_flags
from tasks.runtime.run import Run, running
from tasks.runtime.store import Store


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hardware, "has_cuda", lambda: False)
    return tmp_path / "home"


def written(home: Path) -> float:
    (file,) = (home / "machines").iterdir()
    return json.loads(file.read_text())["bfloat16_speed"]


def measured_as(monkeypatch: pytest.MonkeyPatch, speed: float) -> None:
    monkeypatch.setattr(hardware, "measure_bfloat16", lambda: speed)


def test_the_format_is_measured_and_written_under_the_home(home: Path) -> None:
    found = compute_dtype()
    assert (found == "bfloat16") == (written(home) >= 1.3)
    assert bfloat16_speed() == written(home)
    if "amx_bf16" in processor_flags():
        assert written(home) > 2
    if not processor_flags() & {"amx_bf16", "avx512_bf16", "bf16"}:
        assert written(home) < 1.3


def test_the_measurement_leaves_the_number_of_threads_alone() -> None:
    threads = torch.get_num_threads()
    assert measure_bfloat16() > 0
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("speed", "expected"), [(0.4, "float32"), (1.2, "float32"), (1.3, "bfloat16"), (4.0, "bfloat16")])
def test_what_was_measured_once_is_not_measured_again(monkeypatch: pytest.MonkeyPatch, speed: float, expected: str) -> None:
    measured_as(monkeypatch, speed)
    assert compute_dtype() == expected
    measured_as(monkeypatch, 5 - speed)
    assert bfloat16_speed() == speed
    assert compute_dtype() == expected


def test_of_two_that_measure_at_once_the_first_to_write_is_right(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> float:
        measured_as(monkeypatch, 0.5)
        assert bfloat16_speed() == 0.5  # the other one, which was done sooner
        return 9.0

    monkeypatch.setattr(hardware, "measure_bfloat16", slow)
    assert compute_dtype() == "float32"
    assert written(home) == 0.5


def test_another_processor_or_torch_is_measured_for_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, machine in enumerate(("one", "two")):
        monkeypatch.setattr(hardware, "_machine", lambda machine=machine: machine)
        measured_as(monkeypatch, number)
        assert bfloat16_speed() == number
    assert {file.stem for file in (home / "machines").iterdir()} == {"one", "two"}


@pytest.mark.parametrize("damage", ["", "{}", "[1]", '{"bfloat16_speed": "fast"}', "\udce9"])
def test_a_damaged_figure_is_measured_anew(home: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    measured_as(monkeypatch, 2.0)
    compute_dtype()
    (file,) = (home / "machines").iterdir()
    file.write_bytes(damage.encode(errors="surrogateescape"))
    measured_as(monkeypatch, 0.5)
    assert compute_dtype() == "float32"
    assert written(home) == 0.5


def test_a_home_that_cannot_be_written_only_costs_the_memory_of_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text("in the way")
    measured_as(monkeypatch, 2.0)
    assert compute_dtype() == "bfloat16"


def test_a_plan_measures_and_writes_nothing_but_believes_what_a_run_measured(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Run(name="n", store=Store(str(tmp_path / "store")), planning=True)
    measured_as(monkeypatch, 0.5)
    with running(plan):
        expected = "bfloat16" if processor_flags() & {"amx_bf16", "avx512_bf16", "bf16"} else "float32"
        assert compute_dtype() == expected
        assert not home.exists()
    assert compute_dtype() == "float32"
    with running(plan):
        assert compute_dtype() == "float32"


def test_the_flow_s_process_measures_in_a_stage_and_never_imports_torch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert bfloat16_speed() == written(home) > 0
    assert "torch" not in sys.modules
