"""The options of ``run``, ``bundle`` and ``spec``: from words to `RunOptions`.

Docker's meanings; the names are in `imgfetch.cli.run_flags`. Each value's grammar is
`imgfetch.bundle`'s; here is only which option feeds which field.
"""

from __future__ import annotations

from imgfetch.errors import InvalidOptionError
from imgfetch.lean.dataclasses import dataclass, replace
from imgfetch.lean.typing import TYPE_CHECKING, Any

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
    from imgfetch.cli.invocation import Invocation


# The options that limit what a container may use.
_LIMITS = (
    *("memory", "memory_swap", "memory_reservation", "cpu_shares", "cpus", "cpuset_cpus"),
    *("cpuset_mems", "pids_limit"),
)


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
    from imgfetch.bundle.options import RunOptions

    return RunOptions(
        process=_process(values, arguments, caller),
        files=_files(values, caller),
        network=_network(values, values["network"] or network),
        security=_security(values),
        limits=_limits(values),
        patch=_patch(values["spec_patch"]),
        **_naming(values),
    )


def _naming(values: Mapping[str, Any]) -> dict[str, Any]:
    if not _given(values, "name", "label", "annotation"):
        return {}
    from imgfetch.bundle.grammar import parse_label, parse_name

    name = values["name"]
    return {
        "annotations": dict(parse_label(text, "annotation") for text in values["annotation"]),
        "labels": dict(map(parse_label, values["label"])),
        "name": None if name is None else parse_name(name),
    }


def _patch(path: str | None) -> Mapping[str, Any] | None:
    """The caller's own file: JSON, and an object."""
    if path is None:
        return None
    import json

    try:
        with open(path, "rb") as file:
            value = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        message = f"--spec-patch {path}: {getattr(error, 'strerror', None) or error}"
        raise InvalidOptionError(message) from error
    if not isinstance(value, dict):
        message = f"--spec-patch {path}: not an object"
        raise InvalidOptionError(message, expected='e.g. {"hostname": "other"}')
    return value


def _process(values: Mapping[str, Any], arguments: Sequence[str], caller: Caller) -> ProcessOptions:
    from imgfetch.bundle.options import ProcessOptions

    entrypoint = values["entrypoint"]
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
        init=values["init"],
        oom_score_adj=values["oom_score_adj"],
        preserve_fds=values["preserve_fds"],
        **_attributes(values),
    )


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of processes, as the kernel has them."""
    if not _given(values, "umask", "stop_signal", "ulimit"):
        return {}
    from imgfetch.bundle.grammar import parse_signal, parse_umask
    from imgfetch.bundle.privileges import parse_ulimit

    umask, stop_signal = values["umask"], values["stop_signal"]
    return {
        "umask": None if umask is None else parse_umask(umask),
        "stop_signal": None if stop_signal is None else parse_signal(stop_signal, "stop signal"),
        "ulimits": tuple(map(parse_ulimit, values["ulimit"])),
    }


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


def _given(values: Mapping[str, Any], *names: str) -> bool:
    """Whether there is anything to parse: the grammars of what nobody uses are not loaded."""
    return any(values[name] is not None and values[name] != () for name in names)


def _files(values: Mapping[str, Any], caller: Caller) -> FileOptions:
    from imgfetch.bundle.options import FileOptions

    if not _given(values, "volume", "mount", "tmpfs", "device", "secret", "shm_size"):
        return FileOptions(read_only=values["read_only"])
    from imgfetch.bundle.addresses import parse_device
    from imgfetch.bundle.grammar import parse_size
    from imgfetch.bundle.mounts import parse_mount, parse_secret, parse_tmpfs, parse_volume

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
        secrets=tuple(parse_secret(text, cwd=caller.directory) for text in values["secret"]),
        **given,
    )


def _network(values: Mapping[str, Any], mode: str) -> NetworkOptions:
    from imgfetch.bundle.options import NetworkOptions

    if mode not in {"auto", "private", "host", "none"}:
        message = f"invalid network {mode!r}"
        raise InvalidOptionError(message, expected="auto, private, host or none")
    if not _given(values, "hostname", "publish", "add_host", "dns", "dns_search", "dns_option"):
        return NetworkOptions(mode, publish_all=values["publish_all"])  # type: ignore[arg-type]  # one of the four
    from imgfetch.bundle import addresses
    from imgfetch.bundle.grammar import parse_hostname

    hostname = values["hostname"]
    return NetworkOptions(
        mode=mode,  # type: ignore[arg-type]  # one of the four
        hostname=None if hostname is None else parse_hostname(hostname),
        publish=tuple(port for text in values["publish"] for port in addresses.parse_publish(text)),
        publish_all=values["publish_all"],
        add_hosts=tuple(map(addresses.parse_add_host, values["add_host"])),
        dns=tuple(map(addresses.parse_dns, values["dns"])),
        dns_search=tuple(map(addresses.parse_dns_search, values["dns_search"])),
        dns_options=tuple(map(addresses.parse_dns_option, values["dns_option"])),
    )


def _security(values: Mapping[str, Any]) -> SecurityOptions:
    from imgfetch.bundle.options import SecurityOptions

    userns = values["userns"] or "auto"
    if userns not in {"auto", "host", "keep-id"}:
        message = f"invalid user namespace {userns!r}"
        raise InvalidOptionError(message, expected="auto, host or keep-id")
    security = SecurityOptions(
        privileged=values["privileged"],
        **{kind: values[kind] for kind in ("pid", "ipc", "uts") if values[kind] is not None},
        userns=userns,  # type: ignore[arg-type]  # one of the three
    )
    if not _given(values, "cap_add", "cap_drop", "sysctl", "uidmap", "gidmap", "security_opt"):
        return security
    from imgfetch.bundle.grammar import parse_id_range
    from imgfetch.bundle.privileges import parse_capability, parse_security_opt, parse_sysctl

    security = replace(
        security,
        cap_add=tuple(map(parse_capability, values["cap_add"])),
        cap_drop=tuple(map(parse_capability, values["cap_drop"])),
        sysctls=dict(map(parse_sysctl, values["sysctl"])),
        uid_maps=tuple(parse_id_range(text, "uidmap") for text in values["uidmap"]),
        gid_maps=tuple(parse_id_range(text, "gidmap") for text in values["gidmap"]),
    )
    for text in values["security_opt"]:
        security = parse_security_opt(security, text)
    return security


def _limits(values: Mapping[str, Any]) -> Limits:
    from imgfetch.bundle.options import Limits

    if not _given(values, *_LIMITS):
        return Limits()
    from imgfetch.bundle import grammar

    parsers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "memory": ("memory", lambda text: grammar.parse_size(text, "memory")),
        "memory_swap": ("memory_swap", grammar.parse_memory_swap),
        "memory_reservation": (
            "memory_reservation",
            lambda text: grammar.parse_size(text, "memory-reservation"),
        ),
        "cpu_shares": ("cpu_shares", int),
        "cpuset_mems": ("cpuset_mems", lambda text: grammar.parse_cpuset(text, "cpuset-mems")),
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
