"""The options of ``run``, ``bundle`` and ``spec``: from words to `RunOptions`.

Docker's names and meanings. Each value's grammar is `imgfetch.bundle`'s; here is only
which option feeds which field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from imgfetch.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imgfetch.bundle.options import (
        FileOptions,
        Limits,
        NetworkOptions,
        ProcessOptions,
        RunOptions,
        SecurityOptions,
    )
    from imgfetch.cli.root import Invocation


@dataclass(frozen=True, slots=True)
class Caller:
    """What options may take from the process that gave them.

    Attributes:
        environment: its environment variables.
        directory: its working directory, for relative paths.
        console_size: rows and columns of its terminal; None without one.
    """

    environment: Mapping[str, str]
    directory: str
    console_size: tuple[int, int] | None


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
    _many("-v", "--volume", value="SRC:DST[:OPTS]", text="Bind a path: ro, rw, rslave …"),
    _many("--mount", value="type=…,…", text="A mount: type=bind|tmpfs|image, src, dst, ro …"),
    _many("--tmpfs", value="DST[:OPTS]", text="An empty file system in memory."),
    _flag("--read-only", text="The root file system can't be written."),
    _one("-w", "--workdir", value="DIR", text="Working directory."),
    _one("-u", "--user", value="USER[:GROUP]", text="Names in the image, or numbers."),
    _many("--group-add", value="GROUP", text="A further group."),
    _one("--entrypoint", value="COMMAND", text="Instead of the image's; empty for none."),
    _one("--network", value="MODE", text="auto, private, host or none."),
    _one("--hostname", value="NAME", text="Host name inside."),
    _many("--add-host", value="NAME:IP", text="A line of /etc/hosts."),
    _many("--dns", value="IP", text="A name server, instead of the host's."),
    _one("--name", value="NAME", text="The container's name."),
    _many("--cap-add", value="CAP", text="Add a capability, or ALL."),
    _many("--cap-drop", value="CAP", text="Drop a capability, or ALL."),
    _many("--security-opt", value="OPT", text="seccomp=FILE|unconfined, no-new-privileges …"),
    _flag("--privileged", text="Every capability there is; no seccomp, nothing masked."),
    _many("--device", value="HOST[:DST[:rwm]]", text="A device of the host."),
    _many("--ulimit", value="NAME=SOFT[:HARD]", text="A resource limit."),
    _many("--sysctl", value="KEY=VALUE", text="A namespaced kernel setting."),
    _one("-m", "--memory", value="SIZE", text="Limit of memory."),
    _one("--memory-swap", value="SIZE", text="Limit of memory and swap together; -1 for none."),
    _one("--cpus", value="N", text="Limit of processors, e.g. 1.5."),
    _one("--cpuset-cpus", value="LIST", text="Processors to run on, e.g. 0-2."),
    _one("--pids-limit", value="N", text="Limit of processes; -1 for none."),
    _one("--shm-size", value="SIZE", text="Size of /dev/shm."),
    _one("--stop-signal", value="SIGNAL", text="What ends the container."),
    _many("-l", "--label", value="K[=V]", text="A label, for people."),
    _many("--annotation", value="K=V", text="An annotation, for the runtime."),
)


_SUPERVISION = (
    _flag("--rm", text="Leave nothing behind: what every run does."),
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


def parse_here(
    invocation: Invocation, values: Mapping[str, Any], arguments: Sequence[str]
) -> RunOptions:
    """The run options of this process's command line.

    Raises:
        BundleError: a value outside its grammar.
    """
    import os

    settings = invocation.settings()
    try:
        size = os.get_terminal_size(0)
        console_size = (size.lines, size.columns)
    except OSError:
        console_size = None
    caller = Caller(settings.environment, os.getcwd(), console_size)
    return parse(values, arguments, network=settings.network, caller=caller)


def parse(
    values: Mapping[str, Any], arguments: Sequence[str], *, network: str, caller: Caller
) -> RunOptions:
    """The run options of one command line.

    Args:
        values: by the options' names, as click gives them; others are ignored.
        arguments: the words after the image.
        network: the setting for runs that ask for no network in particular.
        caller: what of the calling process the options may refer to.

    Raises:
        BundleError: a value outside its grammar.
    """
    from imgfetch.bundle.grammar import parse_label, parse_name
    from imgfetch.bundle.options import RunOptions

    name = values["name"]
    return RunOptions(
        process=_process(values, arguments, caller),
        files=_files(values, caller),
        network=_network(values, values["network"] or network),
        security=_security(values),
        limits=_limits(values),
        annotations=dict(parse_label(text, "annotation") for text in values["annotation"]),
        labels=dict(parse_label(text) for text in values["label"]),
        name=None if name is None else parse_name(name),
    )


def _process(values: Mapping[str, Any], arguments: Sequence[str], caller: Caller) -> ProcessOptions:
    from imgfetch.bundle.grammar import parse_signal
    from imgfetch.bundle.options import ProcessOptions
    from imgfetch.bundle.privileges import parse_ulimit

    entrypoint, stop_signal = values["entrypoint"], values["stop_signal"]
    return ProcessOptions(
        args=tuple(arguments),
        # As in docker: one word, and an empty one clears the image's.
        entrypoint=None if entrypoint is None else (entrypoint,) if entrypoint else (),
        env=_environment(values, caller),
        workdir=values["workdir"],
        user=values["user"],
        group_add=values["group_add"],
        interactive=values["interactive"],
        tty=values["tty"],
        console_size=caller.console_size if values["tty"] else None,
        stop_signal=None if stop_signal is None else parse_signal(stop_signal, "stop signal"),
        ulimits=tuple(map(parse_ulimit, values["ulimit"])),
    )


def _environment(values: Mapping[str, Any], caller: Caller) -> tuple[tuple[str, str | None], ...]:
    """What a later one sets again wins: the caller's, then files, then --env."""
    from imgfetch.bundle.environment import parse_env, parse_env_file

    variables: list[tuple[str, str | None]] = []
    if values["env_host"]:
        variables.extend(caller.environment.items())
    for path in values["env_file"]:
        try:
            with open(path, "rb") as file:
                variables.extend(parse_env_file(file.read(), path, caller.environment))
        except OSError as error:
            message = f"--env-file {path}: {error.strerror}"
            raise InvalidOptionError(message) from error
    variables.extend(parse_env(text, caller.environment) for text in values["env"])
    return tuple(variables)


def _files(values: Mapping[str, Any], caller: Caller) -> FileOptions:
    from imgfetch.bundle.addresses import parse_device
    from imgfetch.bundle.grammar import parse_size
    from imgfetch.bundle.mounts import parse_mount, parse_tmpfs, parse_volume
    from imgfetch.bundle.options import FileOptions

    given: dict[str, Any] = {}
    if values["shm_size"] is not None:
        given["shm_size"] = parse_size(values["shm_size"], "shm-size")
    return FileOptions(
        mounts=(
            *(parse_volume(text, cwd=caller.directory) for text in values["volume"]),
            *(parse_mount(text, cwd=caller.directory) for text in values["mount"]),
            *map(parse_tmpfs, values["tmpfs"]),
        ),
        read_only=values["read_only"],
        devices=tuple(map(parse_device, values["device"])),
        **given,
    )


def _network(values: Mapping[str, Any], mode: str) -> NetworkOptions:
    from imgfetch.bundle.addresses import parse_add_host, parse_dns
    from imgfetch.bundle.grammar import parse_hostname
    from imgfetch.bundle.options import NetworkOptions

    if mode not in {"auto", "private", "host", "none"}:
        message = f"invalid network {mode!r}"
        raise InvalidOptionError(message, expected="auto, private, host or none")
    hostname = values["hostname"]
    return NetworkOptions(
        mode=mode,  # type: ignore[arg-type]  # one of the four
        hostname=None if hostname is None else parse_hostname(hostname),
        add_hosts=tuple(map(parse_add_host, values["add_host"])),
        dns=tuple(map(parse_dns, values["dns"])),
    )


def _security(values: Mapping[str, Any]) -> SecurityOptions:
    from imgfetch.bundle.options import SecurityOptions
    from imgfetch.bundle.privileges import parse_capability, parse_security_opt, parse_sysctl

    security = SecurityOptions(
        cap_add=tuple(map(parse_capability, values["cap_add"])),
        cap_drop=tuple(map(parse_capability, values["cap_drop"])),
        privileged=values["privileged"],
        sysctls=dict(map(parse_sysctl, values["sysctl"])),
    )
    for text in values["security_opt"]:
        security = parse_security_opt(security, text)
    return security


def _limits(values: Mapping[str, Any]) -> Limits:
    from imgfetch.bundle import grammar
    from imgfetch.bundle.options import Limits

    parsers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "memory": ("memory", lambda text: grammar.parse_size(text, "memory")),
        "memory_swap": ("memory_swap", grammar.parse_memory_swap),
        "cpus": ("cpus", grammar.parse_cpus),
        "cpuset_cpus": ("cpuset_cpus", grammar.parse_cpuset),
        "pids_limit": ("pids", grammar.parse_pids_limit),
    }
    given = {
        field: parse_text(values[option])
        for option, (field, parse_text) in parsers.items()
        if values[option] is not None
    }
    return Limits(**given)
