"""One call of the command line: what its commands share."""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfetch.client import Client, Settings
    from imgfetch.errors import UsageError


@dataclass(slots=True)
class Invocation:
    """One call of the command line.

    Attributes:
        command: the command's name, once it is known.
        flags: global options as given.
        config: path of the config file as given.
        verbose: how often -v was given.
    """

    command: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)
    config: str | None = None
    verbose: int = 0

    def take(self, options: dict[str, Any]) -> None:
        """Take global options in, by name."""
        self.flags = dict(options)
        self.config = self.flags.pop("config")
        self.verbose = self.flags.pop("verbose")

    def client(self, *, faults: list[UsageError] | None = None, **flags: Any) -> Client:
        """The client for this call's settings; ``flags`` are a command's own options.

        With ``faults``, which gets what is wrong with the settings, no such thing is raised.
        """
        from imgfetch.cli import progress, settings
        from imgfetch.client import Client

        sourced = settings.load({**self.flags, **flags}, self.config, faults)
        chosen = progress.choose(sourced["progress"].value, quiet=sourced["quiet"].value)
        return Client(settings.build(sourced), progress=chosen)

    def settings(self) -> Settings:
        """The settings without a command's own options."""
        from imgfetch.cli import settings

        return settings.build(settings.load(self.flags, self.config))
