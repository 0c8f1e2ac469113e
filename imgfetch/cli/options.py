"""Options that several commands share."""

from __future__ import annotations

from typing import TypeVar

import click

from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

_REGISTRY = (
    click.option("--authfile", metavar="FILE", help="Credentials, as docker's config.json."),
    click.option("--creds", metavar="USER:PASS", help="Credentials for this command."),
    click.option(
        "--plain-http",
        metavar="HOST",
        multiple=True,
        help="Speak HTTP to this registry; loopback ones need no asking.",
    ),
    click.option(
        "--insecure-skip-verify",
        metavar="HOST",
        multiple=True,
        help="Accept any TLS certificate from this registry.",
    ),
    click.option("--ca", metavar="FILE", help="Certificates (PEM) to trust besides the system's."),
    click.option(
        "--retries", type=click.IntRange(0, 100), metavar="N", help="Tries after the first."
    ),
)

REGISTRY_OPTIONS = (
    "authfile",
    "creds",
    "plain_http",
    "insecure_skip_verify",
    "ca",
    "retries",
)


def registry_options(function: _Function) -> _Function:
    """The options of every command that may reach a registry."""
    for option in reversed(_REGISTRY):
        function = option(function)
    return function


def asking_options(function: _Function) -> _Function:
    """Those of them that single questions to registries take."""
    for option in (_REGISTRY[0], *_REGISTRY[2:5]):
        function = option(function)
    return function


def platform_option(function: _Function) -> _Function:
    """``--platform``, for commands that take one."""
    option = click.option(
        "--platform",
        metavar="OS/ARCH[/VARIANT]",
        help="Instead of this machine's platform.",
    )
    return option(function)


def publishing_options(function: _Function) -> _Function:
    """What of an image goes to a registry."""
    for option in (
        click.option("--referrers", is_flag=True, help="And what refers to it, e.g. signatures."),
        click.option("--all-platforms", is_flag=True, help="Every platform of the image."),
    ):
        function = option(function)
    return platform_option(function)


def format_option(function: _Function) -> _Function:
    """``--format``, for commands that list or describe."""
    option = click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        help="For people, or for programs.",
    )
    return option(function)


def pull_option(function: _Function) -> _Function:
    """``--pull``, for commands that fetch what they need."""
    option = click.option(
        "--pull",
        "policy",
        type=click.Choice(["missing", "always", "newer", "never"]),
        default="missing",
        help="When to ask the registry.  [default: missing]",
    )
    return option(function)


def locked_option(function: _Function) -> _Function:
    """``--locked``, for commands that may be bound to a lock file."""
    option = click.option(
        "--locked",
        metavar="FILE",
        help="Use the digests of this lock file, and nothing that is not in it.",
    )
    return option(function)


def compression_option(function: _Function) -> _Function:
    """``--compression``, for commands that write a tar."""
    option = click.option(
        "--compression",
        type=click.Choice(["none", "gzip", "zstd"]),
        help="Around a tar.  [default: as FILE's name says]",
    )
    return option(function)
