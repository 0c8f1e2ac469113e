"""What a value could be, by what stands for it in help.

``FILE`` is a file wherever it is said, ``REF`` a reference: so options and arguments are taught
nothing about completion where they are declared. A test sees to it that every word that stands
for a value is in the table.
"""

from __future__ import annotations

import os
import re
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from imgfetch.cli.completion import stored
from imgfetch.cli.options import PassingCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    Item: TypeAlias = CompletionItem[str]
    Offer: TypeAlias = Callable[[click.Context, str], Iterable[Item]]

_PATHS = ("oci:", "oci-archive:", "docker-archive:", "dir:")
_OTHERS = ("docker://", "store:")
_SOURCE = re.compile(r"(?:.*,)?(?:src|source)=", re.DOTALL)
_ARCHITECTURES = ("386", "amd64", "arm/v6", "arm/v7", "arm64", "ppc64le", "riscv64", "s390x")
# Those that accept what has ended.
_FOR_ALL = frozenset({"logs", "wait", "rm"})


class Offered(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """The type of a value that knows what it could be.

    Args:
        given: the type that it has otherwise.
        offer: what could be there; by default what ``given`` says.
    """

    name = "text"

    def __init__(self, given: click.ParamType[Any], offer: Offer | None) -> None:
        self._given = given
        self._offer = offer

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """What the value could be, less what was given already."""
        if isinstance(ctx.command, PassingCommand) and ctx.command.has_passed(ctx):
            return []
        if self._offer is None:
            return self._given.shell_complete(ctx, param, incomplete)
        taken = ctx.params.get(param.name or "")
        seen = set(taken) if isinstance(taken, tuple) else set()
        return [item for item in self._offer(ctx, incomplete) if item.value not in seen]


_Command = TypeVar("_Command", bound=click.Command)


def taught(command: _Command) -> _Command:
    """A command like this one whose values, and those below it, know what they could be."""
    copied = copy(command)
    copied.params = [_taught(parameter) for parameter in command.params]
    if isinstance(command, click.Group) and isinstance(copied, click.Group):
        copied.commands = {name: taught(below) for name, below in command.commands.items()}
    return copied


def _taught(parameter: click.Parameter) -> click.Parameter:
    offer = BY_NAME.get(parameter.name or "", BY_WORD.get(parameter.metavar or ""))
    copied = copy(parameter)
    copied.type = Offered(parameter.type, offer)
    return copied


def _file(_context: click.Context, _incomplete: str) -> Iterator[Item]:
    yield CompletionItem("", "file")


def _directory(_context: click.Context, _incomplete: str) -> Iterator[Item]:
    yield CompletionItem("", "dir")


def _source(_context: click.Context, incomplete: str) -> Iterator[Item]:
    """The file in a list of words such as ``id=pw,src=FILE``."""
    if before := _SOURCE.match(incomplete):
        yield CompletionItem(before[0], "file")


def _reference(context: click.Context, incomplete: str) -> Iterator[Item]:
    """A name in the store, as short as it is written; with an @ by digest."""
    transport = next(filter(incomplete.startswith, _PATHS), None)
    if transport is not None:
        yield CompletionItem(transport, "file")
        return
    prefix = next(filter(incomplete.startswith, _OTHERS), "")
    wanted = incomplete.removeprefix(prefix)
    if wanted == incomplete != "":
        yield from _starting(_PATHS + _OTHERS, incomplete, "part")
    for name, digest in stored.references(context):
        for form in dict.fromkeys((stored.short(name), name if wanted else "")):
            pinned = f"{form.partition('@')[0].rpartition(':')[0] or form}@{digest}"
            found = pinned if "@" in wanted and "@" not in form else form
            if found and found.startswith(wanted):
                yield CompletionItem(prefix + found, help=digest.partition(":")[2][:12])


def _repository(context: click.Context, incomplete: str) -> Iterator[Item]:
    names = (name.partition("@")[0].rpartition(":")[0] for name, _ in stored.references(context))
    forms = {form for name in names for form in (stored.short(name), name if incomplete else "")}
    return _starting(sorted(forms - {""}), incomplete)


def _registry(context: click.Context, incomplete: str) -> Iterator[Item]:
    hosts = {name.partition("/")[0] for name, _ in stored.references(context)}
    return _starting(sorted(hosts), incomplete)


def _container(context: click.Context, incomplete: str) -> Iterator[Item]:
    for name, container in stored.containers(context):
        fits = container.state == "running" or context.command.name in _FOR_ALL
        if fits and name.startswith(incomplete):
            yield CompletionItem(name, help=f"{container.facts.image}, {container.state}")


def _variable(_context: click.Context, incomplete: str) -> Iterator[Item]:
    names = sorted(name for name in os.environ if name.isidentifier())
    return _starting(names, incomplete)


def _capability(_context: click.Context, incomplete: str) -> Iterator[Item]:
    from imgfetch.bundle.capabilities import CAPABILITIES

    names = ["ALL", *CAPABILITIES, *(name.removeprefix("CAP_") for name in CAPABILITIES)]
    return _starting([name for name in names if incomplete or "CAP_" not in name], incomplete)


def _signal(_context: click.Context, incomplete: str) -> Iterator[Item]:
    import signal

    names = [one.name for one in signal.Signals]
    names += [name.removeprefix("SIG") for name in names]
    return _starting([name for name in names if incomplete or "SIG" not in name], incomplete)


def _one_of(*values: str) -> Offer:
    return lambda _context, incomplete: _starting(values, incomplete)


def _starting(values: Iterable[str], incomplete: str, kind: str = "plain") -> Iterator[Item]:
    return (CompletionItem(value, kind) for value in values if value.startswith(incomplete))


BY_NAME: dict[str, Offer] = {
    "env": _variable,
    "network": _one_of("auto", "private", "host", "none"),
    "userns": _one_of("auto", "host", "keep-id"),
    "security_opt": _one_of("no-new-privileges", "seccomp=unconfined", "apparmor=unconfined"),
}
"""What could be there, by the name of an option whose word says too little."""

BY_WORD: dict[str, Offer | None] = {
    **dict.fromkeys(("REF", "REF...", "[REF...]", "SRC", "DEST", "[NAME[:TAG]]"), _reference),
    **dict.fromkeys(("CONTAINER", "CONTAINER..."), _container),
    **dict.fromkeys(("HOST", "HOST[/REPOSITORY]", "[REGISTRY]", "[REGISTRY]..."), _registry),
    **dict.fromkeys(("FILE", "HOST[:DST[:rwm]]", "[SRC:]DST[:OPTS]"), _file),
    **dict.fromkeys(("id=…,src=FILE", "type=…,…"), _source),
    "CAP": _capability,
    "DIR": _directory,
    "NAME|PATH": _one_of("runc", "crun", "youki", "runsc"),
    "OS/ARCH[/VARIANT]": _one_of(*(f"linux/{name}" for name in _ARCHITECTURES)),
    "REPOSITORY": _repository,
    "SIGNAL": _signal,
    # Nothing is known of these: they are the image's, numbers, or the caller's to make up.
    **dict.fromkeys(("AGE", "C:H:N", "COMMAND", "DOMAIN", "DST[:OPTS]", "GROUP", "IP", "K=V")),
    **dict.fromkeys(("KEY=VALUE", "K[=V]", "LIST", "MODE", "N", "NAME", "NAME:IP", "OPT", "PATH")),
    **dict.fromkeys(("NAME=SOFT[:HARD]", "PATH...", "PLACE", "SECONDS", "SIZE", "TIME", "TYPE")),
    **dict.fromkeys(("CMD [ARG...]", "[CMD [ARG...]]", "[-- CMD [ARG...]]", "[NAME]")),
    **dict.fromkeys(("USER:PASS", "USER[:GROUP]", "[[IP:]PORT:]PORT[/udp]")),
}
"""What could be there, by the word that stands for it in help; None where nothing is known."""
