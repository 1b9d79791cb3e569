"""A flow's parameters: read from a profile, changed from the command line, completed from a deployment.

A profile is a YAML mapping of the flow's parameter names; groups are nested mappings::

    sampling:
      top_k: 50

and ``load_profile(path, ["sampling.top_k=20"])`` reads it with one value changed.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from tasks.runtime.errors import ConfigurationError

Settings = TypeVar("Settings", bound=BaseModel)


def load_profile(path: str | Path | None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A profile's parameters as plain data, not yet checked against a flow (see `check_parameters`).

    Args:
        path: a YAML file holding a mapping (or nothing: no parameters); None: no file.
        overrides: ``name=value`` or ``group.name=value``; the value is read as YAML (``4`` is a number).

    Raises:
        ConfigurationError: the file is missing, is not YAML or holds no mapping, or an override has no ``=`` or steps
            into something that is not a group.
    """
    try:
        data = yaml.safe_load(Path(path).read_text()) if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"profile {path} cannot be read ({error}); give a YAML file with --profile") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"profile {path} is not valid YAML: {error}") from error
    if data is not None and not isinstance(data, dict):
        raise ConfigurationError(f"profile {path} holds a {type(data).__name__}; write 'name: value' lines")
    parameters = data or {}
    for override in overrides:
        _override(parameters, override)
    return parameters


def profile_group(profile: Path | None, group: str, settings: type[Settings], overrides: Sequence[str] = ()) -> Settings:
    """One group of a profile, for a command that needs no more of it.

    Args:
        profile: a YAML file; None: the settings' defaults.
        group: its name there ("validation").
        settings: the group's model.
        overrides: ``name=value`` (``judge.model=embedded``), read as `load_profile` reads them.

    Raises:
        ConfigurationError: as `load_profile`; or the group is no mapping, or has an unknown name or a bad value.
    """
    given = load_profile(profile, [f"{group}.{override}" for override in overrides]).get(group) or {}
    if not isinstance(given, dict):
        raise ConfigurationError(f"{profile}: {group} is a {type(given).__name__}; write its settings as a mapping")
    problems = _unknown(settings, given, f"{group}.")
    try:
        checked = settings.model_validate(given)
    except ValidationError as error:
        problems += [f"{group}.{_sentence(detail)}" for detail in error.errors() if detail["type"] != "extra_forbidden"]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return checked


def check_parameters(flow: Callable[..., Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The arguments to call `flow` with: `parameters` checked and turned into the types of its signature.

    Groups keep which of their fields were given (pydantic's ``model_fields_set``); parameters that were not given are
    left to the flow's own defaults.

    Raises:
        ConfigurationError: an unknown name, a missing one or a bad value; each is named with its place, an unknown one
            with the nearest known name.
    """
    model = _parameter_model(inspect.unwrap(flow))
    problems = _unknown(model, parameters, "")
    try:
        checked = model.model_validate(parameters)
    except ValidationError as error:
        problems += [_sentence(detail) for detail in error.errors() if detail["type"] != "extra_forbidden"]
    if problems:
        raise ConfigurationError("\n".join(problems))
    return {name: getattr(checked, name) for name in checked.model_fields_set}


def deployment_parameters(profile: str, flow: str) -> dict[str, Any]:
    """A profile as a deployment stores it: checked, every default filled in, JSON data (a build step of prefect.yaml).

    Args:
        profile: path of the YAML file.
        flow: ``package.module:flow``.

    Raises:
        ConfigurationError: as `load_profile` and `check_parameters`.
    """
    function = inspect.unwrap(pkgutil.resolve_name(flow))
    checked = check_parameters(function, load_profile(profile))
    return _parameter_model(function)(**checked).model_dump(mode="json")


def fill_from_deployment(groups: dict[str, BaseModel]) -> dict[str, BaseModel]:
    """`groups` with every field that was not given taken from the deployment of the flow run in progress.

    Prefect merges a run's parameters over its deployment's one by one, and a whole group counts as one parameter. A run
    given ``{"sampling": {"top_k": 20}}`` would thus take the rest of the group from the class's defaults, and not from the
    deployment, whose values are what the person who changed one of them had before their eyes.

    Outside a deployment's run (the command line, a notebook) they come back as they are.

    Args:
        groups: parameter name → settings, as the flow received them.

    Raises:
        ConfigurationError: the deployment's own values do not fit the settings any more; deploy again.
    """
    from prefect.client.orchestration import get_client
    from prefect.runtime import deployment

    if deployment.id is None:
        return groups
    with get_client(sync_client=True) as client:
        stored = client.read_deployment(deployment.id).parameters or {}
    return {name: fill_group(name, group, stored.get(name)) for name, group in groups.items()}


def fill_group(name: str, group: BaseModel, stored: Any) -> BaseModel:
    """`group` with the fields that were not given taken from `stored` (JSON data; anything but a mapping is ignored).

    Groups inside the group are filled in the same way; any other value, a mapping too, replaces the stored one whole.

    Raises:
        ConfigurationError: what is stored does not fit the settings; `name` says which group.
    """
    if not isinstance(stored, dict):
        return group
    try:
        return type(group).model_validate(_laid_over(stored, group))
    except ValidationError as error:
        raise ConfigurationError(
            f"{name}: the deployment's stored parameters do not fit this code ({error}); deploy again"
        ) from error


def _override(parameters: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise ConfigurationError(f"--set {override!r} has no value; write --set group.name=value")
    *groups, field = name.strip().split(".")
    target = parameters
    for group in groups:
        target = target.setdefault(group, {})
        if not isinstance(target, dict):
            raise ConfigurationError(f"--set {override!r}: {group!r} is a single value, not a group; drop '.{field}'")
    try:
        target[field] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"--set {override!r}: the value is not valid YAML ({error}); quote it") from error


def _parameter_model(function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
    }
    return create_model("parameters", __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)


def _unknown(model: type[BaseModel], data: dict[str, Any], place: str) -> list[str]:
    """A sentence for each key without a field, here and in the groups below, whatever the models' own policy is."""
    problems = []
    for key, value in data.items():
        if key not in model.model_fields:
            near = get_close_matches(str(key), model.model_fields, n=1)
            hint = f"did you mean {place}{near[0]}?" if near else f"known: {', '.join(model.model_fields)}"
            problems.append(f"{place}{key}: there is no such parameter; {hint}")
            continue
        group = model.model_fields[key].annotation
        if isinstance(value, dict) and isinstance(group, type) and issubclass(group, BaseModel):
            problems += _unknown(group, value, f"{place}{key}.")
    return problems


def _sentence(detail: ErrorDetails) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    given = "" if detail["type"] == "missing" else f" (given: {detail['input']!r})"
    return f"{place}: {detail['msg'][:1].lower()}{detail['msg'][1:]}{given}"


def _laid_over(stored: dict[str, Any], group: BaseModel) -> dict[str, Any]:
    both = dict(stored)
    for name in group.model_fields_set:
        given, below = getattr(group, name), stored.get(name)
        both[name] = _laid_over(below, given) if isinstance(given, BaseModel) and isinstance(below, dict) else given
    return both
