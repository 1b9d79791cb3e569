"""Plug-ins: found by name or by path; a name that does not resolve says which do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tasks.runtime.errors import ConfigurationError, UnknownPluginError
from tasks.runtime.plugins import load_plugin, plugin_names


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's installed package, with entry points of its own."""
    (tmp_path / "foreign_winnow.py").write_text("def shout(response, reference): return 'heard'\nconstant = 3\n")
    (tmp_path / "foreign_broken.py").write_text("raise RuntimeError('needs a licence')\n")
    about = tmp_path / "foreign_winnow-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-winnow\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[winnow.verifiers]\nshout = foreign_winnow:shout\nbroken = foreign_broken:verify\ngone = foreign_winnow:gone\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("foreign_winnow", "foreign_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_our_own_are_registered_like_anyone_elses() -> None:
    assert {"exact", "number", "reasoning_gym"} <= set(plugin_names("verifiers"))
    assert plugin_names("nonsense") == []


def test_an_installed_package_adds_its_own(foreign: None) -> None:
    assert "shout" in plugin_names("verifiers")
    assert load_plugin("verifiers", "shout")("a", "b") == "heard"


def test_a_path_to_a_function(foreign: None) -> None:
    assert load_plugin("verifiers", "foreign_winnow:shout")("a", "b") == "heard"
    assert load_plugin("selectors", "json:dumps")([1]) == "[1]"


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(UnknownPluginError) as caught:
        load_plugin("verifiers", "nubmer")
    message = str(caught.value)
    assert "no verifier is called 'nubmer'. Did you mean 'number'?" in message
    assert "code, exact, instruction" in message
    assert "package.module:function" in message
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.exit_code == 2


def test_an_empty_group_says_so() -> None:
    with pytest.raises(UnknownPluginError, match="Known: none"):
        load_plugin("nonsense", "anything")


@pytest.mark.parametrize("name", ["broken", "gone"])
def test_a_registered_name_that_does_not_load(foreign: None, name: str) -> None:
    with pytest.raises(UnknownPluginError, match=f"{name!r} is registered but does not load"):
        load_plugin("verifiers", name)


@pytest.mark.parametrize("path", ["no.such.module:f", "json:no_such", ":f", "json:", "foreign_broken:verify", "..relative:f"])
def test_a_path_that_does_not_load(foreign: None, path: str) -> None:
    with pytest.raises(UnknownPluginError, match="does not load") as caught:
        load_plugin("verifiers", path)
    assert "number" in str(caught.value)


def test_a_path_to_something_else(foreign: None) -> None:
    with pytest.raises(UnknownPluginError, match="is a int, not a function"):
        load_plugin("verifiers", "foreign_winnow:constant")
