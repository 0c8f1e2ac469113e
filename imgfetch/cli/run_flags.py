"""The names of the options of ``run``, ``bundle`` and ``spec``, which are docker's."""

from __future__ import annotations

from typing import TypeVar

import click

from imgfetch.lean.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def _flag(*names: str, text: str) -> Callable[[_Function], _Function]:
    return click.option(*names, is_flag=True, help=text)


def _one(*names: str, value: str, text: str) -> Callable[[_Function], _Function]:
    return click.option(*names, metavar=value, help=text)


def _many(*names: str, value: str, text: str) -> Callable[[_Function], _Function]:
    return click.option(*names, metavar=value, multiple=True, help=text)


_OPTIONS = (
    _flag("-i", "--interactive", text="Pass stdin on; without it the container's is empty."),
    _flag("-t", "--tty", text="Give the container a pseudo-terminal."),
    _many("-e", "--env", value="K[=V]", text="Set a variable; without =V, the caller's value."),
    _many("--env-file", value="FILE", text="Variables from a file, a line each."),
    _flag("--env-host", text="Start from the caller's whole environment."),
    _many(
        "-v",
        "--volume",
        value="[SRC:]DST[:OPTS]",
        text="Bind a path or a named volume, or have an empty one: ro, rw, rslave …",
    ),
    _many("--mount", value="type=…,…", text="type=bind|tmpfs|volume|image, src, dst, ro …"),
    _many("--tmpfs", value="DST[:OPTS]", text="An empty file system in memory."),
    _many("--secret", value="id=…,src=FILE", text="A file in /run/secrets, in no layer."),
    _flag("--read-only", text="The root file system can't be written."),
    _one("-w", "--workdir", value="DIR", text="Working directory."),
    _one("-u", "--user", value="USER[:GROUP]", text="Names in the image, or numbers."),
    _many("--group-add", value="GROUP", text="A further group."),
    _one("--entrypoint", value="COMMAND", text="Instead of the image's; empty for none."),
    _one("--network", value="MODE", text="auto, private, host or none."),
    _many("-p", "--publish", value="[[IP:]PORT:]PORT[/udp]", text="Let a port lead inside."),
    _flag("-P", "--publish-all", text="Let ports lead to all that the image exposes."),
    _one("--hostname", value="NAME", text="Host name inside."),
    _many("--add-host", value="NAME:IP", text="A line of /etc/hosts."),
    _many("--dns", value="IP", text="A name server, instead of the host's."),
    _many("--dns-search", value="DOMAIN", text="A search domain, instead of the host's."),
    _many("--dns-option", value="OPT", text="A resolver option, instead of the host's."),
    _one("--name", value="NAME", text="The container's name."),
    _many("--cap-add", value="CAP", text="Add a capability, or ALL."),
    _many("--cap-drop", value="CAP", text="Drop a capability, or ALL."),
    _many("--security-opt", value="OPT", text="seccomp=FILE|unconfined, no-new-privileges …"),
    _flag("--privileged", text="Every capability there is; no seccomp, nothing masked."),
    _many("--device", value="HOST[:DST[:rwm]]", text="A device of the host."),
    _one("--userns", value="MODE", text="auto, host, or keep-id: the caller is the same inside."),
    _many("--uidmap", value="C:H:N", text="Have users C on inside that are H on outside."),
    _many("--gidmap", value="C:H:N", text="The same for groups; one stands for both."),
    *(
        click.option(f"--{kind}", type=click.Choice(["private", "host"]), help=f"Whose {what}.")
        for kind, what in (("pid", "processes"), ("ipc", "shared memory"), ("uts", "host name"))
    ),
    _many("--ulimit", value="NAME=SOFT[:HARD]", text="A resource limit."),
    _many("--sysctl", value="KEY=VALUE", text="A namespaced kernel setting."),
    _one("-m", "--memory", value="SIZE", text="Limit of memory."),
    _one("--memory-swap", value="SIZE", text="Limit of memory and swap together; -1 for none."),
    _one("--memory-reservation", value="SIZE", text="What it should have of memory."),
    _one("--cpus", value="N", text="Limit of processors, e.g. 1.5."),
    click.option(
        "-c",
        "--cpu-shares",
        type=click.IntRange(2, 262144),
        metavar="N",
        help="Its weight among others; 1024 is usual.",
    ),
    _one("--cpuset-cpus", value="LIST", text="Processors to run on, e.g. 0-2."),
    _one("--cpuset-mems", value="LIST", text="Memory nodes to use, e.g. 0."),
    _one("--pids-limit", value="N", text="Limit of processes; -1 for none."),
    _one("--shm-size", value="SIZE", text="Size of /dev/shm."),
    click.option(
        "--oom-score-adj",
        type=click.IntRange(-1000, 1000),
        metavar="N",
        help="How soon it is killed when memory runs out.",
    ),
    _one("--umask", value="MODE", text="Octal.  [default: 0022]"),
    _flag("--init", text="A small init as process 1: it reaps, and passes signals on."),
    click.option(
        "--preserve-fds",
        type=click.IntRange(0, 1000),
        default=0,
        metavar="N",
        help="Pass descriptors 3 to N+2 on.",
    ),
    _one("--stop-signal", value="SIGNAL", text="What ends the container."),
    _many("-l", "--label", value="K[=V]", text="A label, for people."),
    _many("--annotation", value="K=V", text="An annotation, for the runtime."),
    _one("--spec-patch", value="FILE", text="A JSON merge patch for the specification."),
)


_SUPERVISION = (
    _flag("-d", "--detach", text="Run in the background, and print the container's id."),
    _flag("--rm", text="Leave nothing behind: what every run without -d does."),
    click.option(
        "--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Stop it after that time."
    ),
    click.option(
        "--stop-timeout",
        type=click.FloatRange(0),
        metavar="SECONDS",
        default=10,
        help="From asking it to stop to killing it.  [default: 10]",
    ),
    click.option(
        "--sig-proxy/--no-sig-proxy",
        default=True,
        help="Pass signals on to the container.  [default: yes]",
    ),
    _one("--cidfile", value="FILE", text="Write the container's id; must not be there yet."),
    _one("--pidfile", value="FILE", text="Write the pid of the container's process."),
    _one("--result", value="FILE", text="Write what came of it as JSON, whatever happened."),
    _flag("--keep", text="Keep what the container wrote, and say where."),
    _one("--runtime", value="NAME|PATH", text="The OCI runtime.  [env: IMGFETCH_RUNTIME]"),
    click.option(
        "--rootfs-mode",
        type=click.Choice(["auto", "overlay", "copy"]),
        help="How the root file system is made.",
    ),
)


def supervision_options(function: _Function) -> _Function:
    """The options that decide how a run is watched over."""
    for option in reversed(_SUPERVISION):
        function = option(function)
    return function


def run_options(function: _Function) -> _Function:
    """The options that decide what the container is like."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
