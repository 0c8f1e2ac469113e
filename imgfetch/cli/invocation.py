"""One call of the command line: what its commands share."""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgfetch.client import Client, Settings
    from imgfetch.client.collaborators import Collaborators
    from imgfetch.errors import UsageError
    from imgfetch.interfaces import Progress


@dataclass(slots=True)
class Invocation:
    """One call of the command line.

    Attributes:
        command: the command's name, once it is known.
        flags: global options as given.
        config: path of the config file as given.
        verbose: how often -v was given.
        log_format: ``text``, or ``json`` for a JSON object a line on standard error.
    """

    command: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)
    config: str | None = None
    verbose: int = 0
    log_format: str = "text"

    def take(self, options: dict[str, Any]) -> None:
        """Take global options in, by name."""
        self.flags = dict(options)
        self.config = self.flags.pop("config")
        self.verbose = self.flags.pop("verbose")
        # Of the environment and the config file once these have been read.
        self.log_format = self.flags["log_format"] or self.log_format

    def client(self, *, faults: list[UsageError] | None = None, **flags: Any) -> Client:
        """The client for this call's settings; ``flags`` are a command's own options.

        With ``faults``, which gets what is wrong with the settings, no such thing is raised.
        """
        from imgfetch.client import Client

        settings, progress = self._chosen(flags, faults)
        return Client(settings, progress=progress)

    def collaborators(self, **flags: Any) -> Collaborators:
        """What a client would work with, for the command that starts without its other verbs."""
        from imgfetch.client.collaborators import Collaborators

        return Collaborators(*self._chosen(flags, None))

    def _chosen(
        self, flags: dict[str, Any], faults: list[UsageError] | None
    ) -> tuple[Settings, Progress]:
        from imgfetch.cli import progress, settings

        sourced = settings.load({**self.flags, **flags}, self.config, faults)
        self.log_format = sourced["log_format"].value
        mode = "json" if self.log_format == "json" else sourced["progress"].value
        chosen = progress.choose(mode, quiet=sourced["quiet"].value)
        return settings.build(sourced), chosen

    def warn(self, message: str) -> None:
        """Tell a person something, in the form that is asked for."""
        from imgfetch.cli import output, progress

        if self.log_format == "json":
            progress.JsonProgress().warn(message)
        else:
            output.warning(message)

    def settings(self) -> Settings:
        """The settings without a command's own options."""
        from imgfetch.cli import settings

        return settings.build(settings.load(self.flags, self.config))
