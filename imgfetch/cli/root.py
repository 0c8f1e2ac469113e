"""The command ``imgfetch`` itself: global options, and commands loaded when called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from imgfetch import __version__
from imgfetch.cli import exitcodes, flags, output
from imgfetch.cli.invocation import Invocation
from imgfetch.cli.options import with_options
from imgfetch.errors import NoSpaceError, UsageError
from imgfetch.fs.space import is_no_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

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
    "tree": "Where an image's bytes are, and those carried for nothing.",
    "diff": "What is different between two images.",
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
    "doctor": "Find out what works on this machine, and what to do about the rest.",
    "config": "Show each setting and where it comes from.",
    "completion": "Print a shell's script for completion.",
    "version": "Show the version.",
}
_ALIASES = {"ls": "images"}


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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Commands, without loading any, or global options."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]

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
@with_options(*flags.GLOBAL)
@click.pass_obj
def root(invocation: Invocation, /, **options: Any) -> None:
    """Fetch, keep and run container images, without a daemon.

    References are [TRANSPORT]NAME[:TAG][@DIGEST]; transports: docker:// (the default),
    oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], dir:DIR, store:NAME.
    """
    invocation.take(options)


def run_by_click(arguments: Sequence[str], invocation: Invocation) -> int:
    """Run a command line, whatever it is; returns its exit status, also for wrong usage."""
    try:
        outcome = root.main(
            list(arguments), prog_name="imgfetch", standalone_mode=False, obj=invocation
        )
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except OSError as error:
        # Help is written by click; all else goes through `output`, which says what failed.
        if not is_no_space(error):
            raise
        message = f"standard output can't be written: {error.strerror}"
        raise NoSpaceError(message) from error
    except click.ClickException as failure:
        runs = invocation.command in exitcodes.CONTAINER_COMMANDS
        status = exitcodes.RUN_FAILED if runs else failure.exit_code
        if invocation.log_format == "json":
            output.error_event(UsageError(failure.format_message()), status)
        else:
            failure.show(sys.stderr)
        return status
    return outcome if isinstance(outcome, int) else exitcodes.OK
