"""What two images' configs say otherwise about how they are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.oci.config import ImageConfig

Value = str | tuple[str, ...] | None


class SettingChange(NamedTuple):
    """Something that configs say otherwise.

    Attributes:
        name: the field; for variables and labels with their name: ``env PATH``.
        before: what it was; None where it was not there.
        after: what it is; None where it is not there.
    """

    name: str
    before: Value
    after: Value


def compare_settings(before: ImageConfig, after: ImageConfig) -> Iterator[SettingChange]:
    """What is different, in the order of the specification (image-spec config.md)."""
    old, new = _settings(before), _settings(after)
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            yield SettingChange(name, old.get(name), new.get(name))


def _settings(config: ImageConfig) -> dict[str, Value]:
    process = config.process
    settings: dict[str, Value] = {
        "platform": str(config.platform),
        "user": process.user,
        "entrypoint": process.entrypoint,
        "cmd": process.cmd,
        "workingDir": process.working_dir,
        "stopSignal": process.stop_signal,
    }
    for variable in process.env:
        # The last of several counts, as for a process.
        name, _, value = variable.partition("=")
        settings[f"env {name}"] = value
    for kind, names in (("port", process.exposed_ports), ("volume", process.volumes)):
        settings.update((f"{kind} {name}", "") for name in names)
    settings.update((f"label {name}", value) for name, value in process.labels.items())
    return settings
