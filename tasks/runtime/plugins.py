"""Plug-ins by name: an entry point of one of our groups, or ``package.module:function``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from tasks.runtime.errors import UnknownPluginError


def plugin_names(group: str) -> list[str]:
    """The registered names of a group (``verifiers``, ``engines`` …), sorted."""
    return sorted(entry_points(group=f"winnow.{group}").names)


def load_plugin(group: str, name: str) -> Callable[..., Any]:
    """The function a name stands for.

    Args:
        group: ``verifiers``, ``engines``, ``selectors``, ``sources``, …
        name: a registered name, or ``package.module:function``.

    Raises:
        UnknownPluginError: the name does not resolve; the message lists those that do.
    """
    if ":" in name:
        return _load_path(group, name)
    for entry in entry_points(group=f"winnow.{group}", name=name):
        try:
            return entry.load()  # type: ignore[no-any-return]
        except Exception as error:  # somebody else's module may fail in any way
            raise UnknownPluginError(f"{group[:-1]} {name!r} is registered but does not load: {error}") from error
    known = plugin_names(group)
    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownPluginError(
        f"no {group[:-1]} is called {name!r}.{hint} Known: {', '.join(known) or 'none'}; or give 'package.module:function'"
    )


def _load_path(group: str, path: str) -> Callable[..., Any]:
    module, _, attribute = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # somebody else's module may fail in any way
        raise UnknownPluginError(
            f"{group[:-1]} {path!r} does not load ({error}); known by name: {', '.join(plugin_names(group)) or 'none'}"
        ) from error
    if not callable(function):
        raise UnknownPluginError(f"{group[:-1]} {path!r} is a {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]
