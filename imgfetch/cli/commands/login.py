"""``imgfetch login``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from imgfetch.cli import output
from imgfetch.cli.options import registry_options
from imgfetch.errors import UsageError

if TYPE_CHECKING:
    from imgfetch.cli.invocation import Invocation

_PASSWORD_LIMIT = 1 << 16


@click.command("login")
@click.option("-u", "--username", metavar="NAME", help="The account; asked for without.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@registry_options
@click.argument("registry", metavar="[REGISTRY]", default="docker.io")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    registry: str,
    username: str | None,
    creds: str | None,
    *,
    password_stdin: bool,
    **flags: Any,
) -> None:
    """Keep credentials for a registry (docker.io by default), once it has taken them.

    They go where they are found already, else to docker's config.json or the credential
    helper that it names; with --authfile to that file. Prints where they are. There is no
    option for the password: everybody on the machine could see it.
    """
    if creds is not None:
        if username is not None or password_stdin:
            message = "--creds and --username or --password-stdin contradict each other"
            raise UsageError(message)
        username, _, password = creds.partition(":")
    else:
        username, password = _ask(username, password_stdin=password_stdin)
    with invocation.client(**flags) as client:
        done = client.login(registry, username, password)
    if not done.asked:
        invocation.warn(f"{done.registry} asks nobody for credentials: these were not checked")
    if done.hidden:
        invocation.warn(
            f"other credentials come before these: imgfetch auth explain {done.registry}"
        )
    output.result(done.where)


def _ask(username: str | None, *, password_stdin: bool) -> tuple[str, str]:
    if password_stdin:
        if username is None:
            message = "--password-stdin needs --username"
            raise UsageError(message)
        return username, sys.stdin.readline(_PASSWORD_LIMIT).rstrip("\r\n")
    if not sys.stdin.isatty():
        message = "there is no terminal to ask for a password on"
        raise UsageError(message, hint="use --username NAME --password-stdin")
    username = username or click.prompt("Username", err=True)
    password: str = click.prompt("Password", err=True, hide_input=True)
    return username, password
