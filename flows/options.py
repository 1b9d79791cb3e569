"""Command-line options as settings: bounds and choices are those of the settings, complaints name the option."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.runtime.errors import ConfigurationError

Settings = TypeVar("Settings", bound=BaseModel)


def from_options(settings: type[Settings], **values: Any) -> Settings:
    """`settings` with the values of options of the same names.

    Raises:
        ConfigurationError: naming the first option that is wrong.
    """
    try:
        return settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise ConfigurationError(first["msg"]) from error
        name = "--" + str(first["loc"][0]).replace("_", "-")
        raise ConfigurationError(f"{name} {first['input']}: {first['msg']}") from error
