"""The command ``imgfetch`` itself: global options, and commands loaded when called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from imgfetch import __version__

if TYPE_CHECKING:
    from imgfetch.client import Client, Settings

# Name to what it does: so that --help needs no command's module.
COMMANDS = {
    "resolve": "A reference to its digest.",
    "pull": "Fetch, verify and store images.",
    "unpack": "An image to an OCI bundle (or only its root filesystem).",
    "bundle": "The same, with run options applied.",
    "spec": "The runtime specification that run would use.",
    "run": "Run a command in a container of an image.",
    "ps": "List detached containers.",
    "logs": "Show what a detached container wrote.",
    "exec": "Run a command in a detached container.",
    "stop": "Ask detached containers to stop, and see that they do.",
    "kill": "Send a signal to detached containers.",
    "wait": "Wait for detached containers, and print their exit statuses.",
    "rm": "Remove detached containers.",
    "images": "List the images in the store.",
    "inspect": "Show an image's documents.",
    "history": "Show how an image was made.",
    "tag": "Give an image in the store another name.",
    "rmi": "Remove names and what they alone kept.",
    "extract": "Single paths out of an image.",
    "save": "Images to an archive or a directory.",
    "load": "Images from an archive or a directory.",
    "export": "An image's root filesystem to a file.",
    "lock": "Write down which digests references stand for.",
    "sync": "Make the store hold what a lock file names.",
    "prune": "Free what nothing needs, or was not used for long.",
    "fsck": "Check the store for damage.",
    "df": "Show what the store takes.",
    "push": "Send an image to a registry.",
    "copy": "Send an image from one registry to another.",
    "tags": "List the tags of a repository.",
    "referrers": "List what refers to an image at its registry.",
    "login": "Keep credentials for a registry.",
    "logout": "Forget the credentials for a registry.",
    "auth": "Show which credentials are used (auth explain).",
    "config": "Show each setting and where it comes from.",
    "version": "Show the version.",
}
_ALIASES = {"ls": "images"}


@dataclass(slots=True)
class Invocation:
    """One call of the command line: what the commands share.

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

    def client(self, **flags: Any) -> Client:
        """The client for this call's settings; ``flags`` are a command's own options."""
        from imgfetch.cli import progress, settings
        from imgfetch.client import Client

        sourced = settings.load({**self.flags, **flags}, self.config)
        chosen = progress.choose(sourced["progress"].value, quiet=sourced["quiet"].value)
        return Client(settings.build(sourced), progress=chosen)

    def settings(self) -> Settings:
        """The settings without a command's own options."""
        from imgfetch.cli import settings

        return settings.build(settings.load(self.flags, self.config))


class _Root(click.Group):
    """A group whose commands are modules of `imgfetch.cli.commands`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        if isinstance(ctx.obj, Invocation):
            ctx.obj.command = name
        from importlib import import_module

        command: click.Command = import_module(f"imgfetch.cli.commands.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit statuses: 2 usage, 3 reference, 4 verification, 5 content, 6 registry, "
    "7 not found, 8 authentication, 9 rate limit, 10 network, 11 store, 12 layer, "
    "13 bundle, 14 runtime, 15 space, 16 policy; run: the container's, 125 when imgfetch "
    "or the runtime failed, 126 not executable, 127 not found.",
)
@click.version_option(__version__, prog_name="imgfetch", message="%(prog)s %(version)s")
@click.option("--store", metavar="DIR", help="Where images are kept.  [env: IMGFETCH_STORE]")
@click.option(
    "--store-ro",
    metavar="DIR",
    multiple=True,
    help="Further stores that are only read; may be repeated.  [env: IMGFETCH_STORE_RO, with :]",
)
@click.option(
    "--offline",
    is_flag=True,
    default=None,
    help="Use only what is in the store.  [env: IMGFETCH_OFFLINE]",
)
@click.option("--config", metavar="FILE", help="Config file (TOML).  [env: IMGFETCH_CONFIG]")
@click.option(
    "--progress",
    type=click.Choice(["auto", "tty", "plain", "json", "none"]),
    help="How progress is shown, on stderr.",
)
@click.option("-q", "--quiet", is_flag=True, default=None, help="Errors only.")
@click.option("-v", "--verbose", count=True, help="More about errors; twice: tracebacks.")
@click.pass_obj
def root(invocation: Invocation, /, config: str | None, verbose: int, **flags: Any) -> None:
    """Fetch, keep and run container images, without a daemon.

    References are [TRANSPORT]NAME[:TAG][@DIGEST]; transports: docker:// (the default),
    oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], dir:DIR, store:NAME.
    """
    invocation.flags = flags
    invocation.config = config
    invocation.verbose = verbose
