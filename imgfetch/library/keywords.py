"""The keywords of a run: those of the command line's ``run``, as Python has them.

`imgfetch.cli.run_options` gives them their meaning: this is only which keyword is which option.
Lists have plural names, except for those that docker's users know by another.
"""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError, UsageError
from imgfetch.lean.dataclasses import replace
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imgfetch.bundle.options import Mount, RunOptions
    from imgfetch.client import Settings
    from imgfetch.client.running import Supervision
    from imgfetch.workflow.obtain import Policy

Word = str | os.PathLike[str]


class ContainerOptions(TypedDict, total=False):
    """What a container is like. Texts are as on the command line.

    Attributes:
        env: environment variables; None takes one of the image's away.
        env_files: paths of files with variables, a line each.
        env_host: whether to start from the client's whole environment.
        volumes: ``[SRC:]DST[:OPTS]``: paths, named volumes, or ones that end with the run.
        mounts: ``type=bind|tmpfs|volume|image,…``, or `BindMount` and the like.
        tmpfs: ``DST[:OPTS]``: empty file systems in memory.
        secrets: ``id=NAME,src=FILE``: files in ``/run/secrets``.
        read_only: whether the root file system can't be written.
        workdir: the working directory.
        user: ``USER[:GROUP]``, names or numbers.
        group_add: further groups.
        entrypoint: instead of the image's; empty for none.
        tty: whether there is a pseudo-terminal.
        init: whether a small init is process 1.
        network: ``auto``, ``private``, ``host`` or ``none``.
        publish: ``[[IP:]PORT:]PORT[/udp]``: ports that lead inside.
        publish_all: whether all ports that the image exposes are published.
        hostname: the host name inside.
        add_hosts: ``NAME:IP``: lines of ``/etc/hosts``.
        dns: name servers, instead of the host's.
        dns_search: search domains, instead of the host's.
        dns_options: resolver options, instead of the host's.
        name: of the container.
        memory: limit of memory, in bytes or as ``512m``.
        memory_swap: limit of memory and swap together; -1 for none.
        memory_reservation: what it should have of memory.
        cpus: limit of processors, e.g. 1.5.
        cpu_shares: its weight among others.
        cpuset_cpus: processors to run on, e.g. ``0-2``.
        cpuset_mems: memory nodes to use.
        pids_limit: limit of processes; -1 for none.
        shm_size: size of ``/dev/shm``.
        oom_score_adj: how soon it is killed when memory runs out.
        ulimits: ``NAME=SOFT[:HARD]``: resource limits.
        umask: of its process.
        stop_signal: what ends the container, a name or a number.
        cap_add: capabilities to add, or ``ALL``.
        cap_drop: capabilities to drop, or ``ALL``.
        security_opts: ``seccomp=FILE|unconfined``, ``no-new-privileges`` and so on.
        privileged: every capability there is; no seccomp, nothing masked.
        devices: ``HOST[:DST[:rwm]]``: devices of the host.
        userns: ``auto``, ``host`` or ``keep-id``.
        uid_maps: ``C:H:N``: users C on inside are H on outside.
        gid_maps: the same for groups.
        pid: ``private`` or ``host``: whose processes it sees.
        ipc: ``private`` or ``host``: whose shared memory it has.
        uts: ``private`` or ``host``: whose host name it has.
        sysctls: namespaced kernel settings.
        labels: for people.
        annotations: for the runtime.
        spec_patch: a JSON merge patch (RFC 7396) for the specification.
    """

    env: Mapping[str, str | None]
    env_files: Sequence[Word]
    env_host: bool
    volumes: Sequence[str]
    mounts: Sequence[str | Mount]
    tmpfs: Sequence[str]
    secrets: Sequence[str]
    read_only: bool
    workdir: Word | None
    user: str | int | None
    group_add: Sequence[str | int]
    entrypoint: str | Sequence[str] | None
    tty: bool
    init: bool
    network: Literal["auto", "private", "host", "none"] | None
    publish: Sequence[str | int]
    publish_all: bool
    hostname: str | None
    add_hosts: Sequence[str]
    dns: Sequence[str]
    dns_search: Sequence[str]
    dns_options: Sequence[str]
    name: str | None
    memory: str | int | None
    memory_swap: str | int | None
    memory_reservation: str | int | None
    cpus: float | str | None
    cpu_shares: int | None
    cpuset_cpus: str | None
    cpuset_mems: str | None
    pids_limit: int | None
    shm_size: str | int | None
    oom_score_adj: int | None
    ulimits: Sequence[str]
    umask: int | None
    stop_signal: str | int | None
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    security_opts: Sequence[str]
    privileged: bool
    devices: Sequence[str]
    userns: Literal["auto", "host", "keep-id"] | None
    uid_maps: Sequence[str]
    gid_maps: Sequence[str]
    pid: Literal["private", "host"] | None
    ipc: Literal["private", "host"] | None
    uts: Literal["private", "host"] | None
    sysctls: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec_patch: Mapping[str, Any] | None


class RunKeywords(ContainerOptions, total=False):
    """What a container is like, and how it is watched over.

    Attributes:
        platform: of the image, ``os/architecture[/variant]``.
        policy: when to ask the registry: ``missing``, ``always``, ``newer`` or ``never``.
        stop_timeout: seconds between asking it to stop and killing it; 10 by default.
        runtime: name or path of the OCI runtime.
        rootfs_mode: ``auto``, ``overlay``, ``fuse-overlayfs`` or ``copy``.
        keep: whether what it wrote is kept in the store: see `RunResult.kept`.
        strict: whether a runtime is refused that containers are known to get out of.
    """

    platform: str | None
    policy: Policy
    stop_timeout: float
    runtime: str | None
    rootfs_mode: Literal["auto", "overlay", "fuse-overlayfs", "copy"] | None
    keep: bool
    strict: bool


# Keywords by what their options take; those with another name than the option have both.
_FLAGS: Final = ("env_host", "read_only", "tty", "init", "publish_all", "privileged")
_WORDS: Final = (
    "workdir", "user", "network", "hostname", "name", "memory", "memory_swap",
    "memory_reservation", "cpus", "cpuset_cpus", "cpuset_mems", "pids_limit", "shm_size",
    "stop_signal", "userns", "pid", "ipc", "uts",
)  # fmt: skip
_NUMBERS: Final = ("cpu_shares", "oom_score_adj")
_LISTS: Final = {
    "env_files": "env_file", "volumes": "volume", "tmpfs": "tmpfs", "secrets": "secret",
    "group_add": "group_add", "publish": "publish", "add_hosts": "add_host", "dns": "dns",
    "dns_search": "dns_search", "dns_options": "dns_option", "ulimits": "ulimit",
    "cap_add": "cap_add", "cap_drop": "cap_drop", "security_opts": "security_opt",
    "devices": "device", "uid_maps": "uidmap", "gid_maps": "gidmap",
}  # fmt: skip
_PAIRS: Final = {"sysctls": "sysctl", "labels": "label", "annotations": "annotation"}


def run_options(
    argv: str | Sequence[Word] | None,
    given: Mapping[str, Any],
    settings: Settings,
    *,
    interactive: bool = False,
) -> RunOptions:
    """The options of a run.

    Args:
        argv: the words after the image; None for the image's own.
        given: `ContainerOptions`.
        settings: of the client.
        interactive: whether the container gets a standard input.

    Raises:
        BundleError: a value outside its grammar.
        UsageError: a keyword that is not there, or words in place of a list of words.
    """
    from imgfetch.cli.run_options import Caller, parse

    caller = Caller(settings.environment, os.getcwd(), None)
    values = _values(given)
    values["interactive"] = interactive
    options = parse(values, words(argv), network=settings.network, caller=caller)
    process, files = options.process, options.files
    if given.get("env"):
        process = replace(process, env=(*process.env, *variables(given["env"])))
    entrypoint = given.get("entrypoint")
    if entrypoint is not None:
        process = replace(process, entrypoint=words(entrypoint) if entrypoint else ())
    mounts = [mount for mount in given.get("mounts", ()) if not isinstance(mount, str)]
    if mounts:
        files = replace(files, mounts=(*files.mounts, *mounts))
    patch = given.get("spec_patch")
    return replace(options, process=process, files=files, patch=patch)


def supervision(given: Mapping[str, Any], timeout: float | None = None) -> Supervision:
    """How a run is watched over.

    Args:
        given: `RunKeywords`.
        timeout: seconds that the container may run.
    """
    from imgfetch.client.running import Supervision

    return Supervision(
        runtime=given.get("runtime"),
        rootfs_mode=given.get("rootfs_mode"),
        timeout=timeout,
        stop_timeout=given.get("stop_timeout", 10),
        keep=given.get("keep", False),
        strict=given.get("strict", False),
    )


def split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`ContainerOptions`, and what else there is."""
    known = RunKeywords.__annotations__.keys() - ContainerOptions.__annotations__.keys()
    rest = {name: value for name, value in given.items() if name in known}
    # What is none of either is refused with the options.
    return {name: value for name, value in given.items() if name not in known}, rest


def words(argv: str | Sequence[Word] | None) -> tuple[str, ...]:
    """The words of a command line; text alone is one word, as in `subprocess`."""
    if argv is None:
        return ()
    return (argv,) if isinstance(argv, str) else tuple(os.fspath(word) for word in argv)


def variables(env: Mapping[str, str | None]) -> tuple[tuple[str, str | None], ...]:
    """Environment variables as options have them.

    Raises:
        InvalidOptionError: a name that can't be one, or a NUL.
    """
    for name, value in env.items():
        if not name or "=" in name or "\0" in f"{name}{value or ''}":
            message = f"invalid environment variable {name[:200]!r}"
            raise InvalidOptionError(message, expected="a name without =, and no NUL")
    return tuple(env.items())


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options by their names on the command line, all of them."""
    unknown = sorted(given.keys() - ContainerOptions.__annotations__.keys())
    if unknown:
        message = f"{unknown[0]} is no option of a container"
        raise UsageError(message)
    values: dict[str, Any] = {"env": (), "entrypoint": None, "spec_patch": None, "preserve_fds": 0}
    for name in _FLAGS:
        values[name] = bool(given.get(name, False))
    for name in _WORDS:
        value = given.get(name)
        values[name] = None if value is None else _text(value)
    for name in _NUMBERS:
        values[name] = given.get(name)
    for name, option in _LISTS.items():
        values[option] = tuple(map(_text, _listed(name, given)))
    for name, option in _PAIRS.items():
        pairs: Mapping[str, str] = given.get(name, {})
        values[option] = tuple(f"{key}={value}" for key, value in pairs.items())
    mounts: Iterable[Any] = _listed("mounts", given)
    values["mount"] = tuple(mount for mount in mounts if isinstance(mount, str))
    umask = given.get("umask")
    values["umask"] = None if umask is None else f"{umask:o}"
    return values


def _listed(name: str, given: Mapping[str, Any]) -> Sequence[Any]:
    value: Sequence[Any] = given.get(name, ())
    if isinstance(value, str):
        message = f"{name} is a list"
        raise UsageError(message, expected=f"{name}=[{value!r}]", actual=repr(value))
    return value


def _text(value: object) -> str:
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
