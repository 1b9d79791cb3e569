"""A night's own rows: loaded from where the settings say they lie, and mixed where there are several sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tasks.data.draw import role_source
from tasks.data.mix_settings import MixSettings
from tasks.data.mixing import keeping_copies
from tasks.data.procedural import Role
from tasks.data.sources.digest import pinned
from tasks.data.task import load_rows, mix_sources
from tasks.runtime.references import DatasetRef
from tasks.validate.settings import ValidationSettings

if TYPE_CHECKING:
    from flows.night import Night


def pool(night: Night, role: Role) -> DatasetRef | None:
    """The sound rows of the role's own sources, loaded once a night; None when the role has none."""
    if role not in night.pools:
        settings = night.settings
        address, mix = role_source(settings.data, role), settings.data.warm_mix
        if role == "warm" and mix.sources:
            night.pools[role] = _mixed(night, mix)
        elif address:
            kind: Literal["chat", "prompts"] = "chat" if role == "warm" else "prompts"
            night.pools[role] = _loaded(night, address, kind, f"{role} file", settings.validation)
    return night.pools.get(role)


def _mixed(night: Night, mix: MixSettings) -> DatasetRef:
    """Conversations of several sources, without those that give away an item of tonight or of the mix's own sets."""
    validation = night.settings.validation
    apart = [
        _loaded(night, address, "prompts", f"evaluation set {number}", validation)
        for number, address in enumerate(mix.decontamination.against, 1)
    ]
    parts = [
        _loaded(night, source.address, "chat", f"warm source {number}", keeping_copies(validation))
        for number, source in enumerate(mix.sources, 1)
    ]
    assert night.items is not None, "items are drawn first"
    return mix_sources(parts, mix, [night.items, *apart], of="warm-start rows")  # type: ignore[no-any-return]


def _loaded(
    night: Night, address: str, kind: Literal["chat", "prompts"], of: str, validation: ValidationSettings
) -> DatasetRef:
    source = pinned(address)
    made: DatasetRef = load_rows(source.address, source.digest, kind, validation, of, night.base)
    night.validated[of] = made
    return made
