"""The rules of the house: which way imports run, how long a file may get, and what no file may be called."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = sorted(path for room in ("flows", "tasks", "blocks") for path in (ROOT / room).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in OURS]
LONGEST_FILE, LONGEST_FUNCTION = 300, 40


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", ".importlinter", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(folder)})


def test_imports_run_one_way() -> None:
    process = lint_imports(ROOT)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("blocks/bad.py", "import tasks.data.rows"),
        ("tasks/data/bad.py", "import flows.nightly"),
        ("tasks/data/bad.py", "from prefect import task"),
        ("tasks/data/bad.py", "def late():\n    import prefect.artifacts"),
        ("tasks/data/bad.py", "import tasks.data.task"),
        ("tasks/data/bad.py", "import tasks.runtime.results"),
        ("tasks/data/bad.py", "import tasks.runtime.task"),
    ],
)
def test_the_check_finds_a_wrong_import(tmp_path: Path, file: str, line: str) -> None:
    for name in ("deployments", "flows", "tasks", "tasks/data", "tasks/runtime", "blocks"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / ".importlinter").write_text((ROOT / ".importlinter").read_text())
    (tmp_path / "flows" / "nightly.py").write_text("import tasks.data.task\n")
    (tmp_path / "tasks" / "data" / "rows.py").write_text("import json\n")
    (tmp_path / "tasks" / "data" / "task.py").write_text("import prefect\nimport tasks.runtime.task\n")
    for name in ("task", "results", "stores"):
        (tmp_path / "tasks" / "runtime" / f"{name}.py").write_text("import prefect\n")
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / file).write_text(line + "\n")
    process = lint_imports(tmp_path)
    assert process.returncode == 1
    assert "BROKEN" in process.stdout


@pytest.mark.parametrize("path", OURS, ids=NAMES)
def test_files_and_functions_stay_short(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST_FILE, f"{len(lines)} lines: something in here wants a room of its own"
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (code := _code_lines(node)) > LONGEST_FUNCTION:
            raise AssertionError(f"{node.name} has {code} lines without its docstring")


def _code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, its docstring apart: a long signature or explanation is no long function."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}
    assert [name for name in NAMES if Path(name).name in drawers] == []


def test_every_room_of_tasks_is_a_package() -> None:
    """Or the import check would not see it."""
    rooms = [path for path in (ROOT / "tasks").iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert [room.name for room in rooms if not (room / "__init__.py").exists()] == []
