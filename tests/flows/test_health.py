"""`winnow doctor` on this installation, and on ones broken on purpose."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from flows import health
from flows.health import examine
from tasks.verify.sandbox.available import MEND, problem


def test_this_installation_is_well() -> None:
    facts = examine()
    assert facts["problems"] == []
    assert facts["ok"]
    assert (Path(facts["embedded_model"]["path"]) / "config.json").is_file()
    assert facts["packages"]["prefect"].startswith("3.8")
    assert "reasoning_gym" in facts["plugins"]["verifiers"]
    assert facts["home"]["writable"]
    assert (facts["torch"]["compute_dtype"] == "bfloat16") == (facts["torch"]["bfloat16_speed"] >= 1.3)
    assert facts["sandbox"] == {"isolates": True} or {"why", "mend"} < facts["sandbox"].keys()
    assert facts["server"] == {"api_url": None, "reachable": False, "worker": False}


def test_each_fault_is_found_with_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A home that cannot be made, a server that is not there, and a package whose verifier does not load.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WINNOW_HOME", str(tmp_path / "file" / "home"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    broken = tmp_path / "plugins" / "broken-1.dist-info"
    broken.mkdir(parents=True)
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (broken / "entry_points.txt").write_text("[winnow.verifiers]\nbroken = no_such_module:verify\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(broken.parent)])

    facts = examine()

    assert not facts["ok"]
    assert all(problem["mend"] for problem in facts["problems"])
    said = "\n".join(problem["what"] for problem in facts["problems"])
    assert f"{tmp_path / 'file' / 'home'} cannot be written" in said
    assert f"no Prefect server answers at {url}" in said
    assert "verifier 'broken' is registered but does not load" in said
    assert "broken" not in facts["plugins"]["verifiers"]


def test_a_machine_that_cannot_isolate_code_says_why_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    problem.cache_clear()
    try:
        assert health._sandbox() == {
            "isolates": False,
            "why": "bubblewrap (the command bwrap) is not installed",
            "mend": MEND,
        }
    finally:
        problem.cache_clear()
