"""``process`` of the specification: what runs, as whom, where.

runtime-spec config.md "Process"; image-spec conversion.md "Verbatim Fields" and
"Config.User"; docker where options change what the image says.
"""

from __future__ import annotations

from imgfetch.bundle import defaults, resources
from imgfetch.bundle.capabilities import granted
from imgfetch.bundle.environment import check_strings, process_environment
from imgfetch.bundle.filesystems import INIT_PATH
from imgfetch.bundle.isolation import apparmor_profile
from imgfetch.bundle.paths import normalise
from imgfetch.errors import DocumentError, InvalidOptionError, InvalidUserError
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.bundle.host import HostFacts, Place
    from imgfetch.bundle.options import ProcessOptions, RunOptions, SecurityOptions
    from imgfetch.bundle.users import ResolvedUser
    from imgfetch.fs.idmap import IdMapping, IdRange
    from imgfetch.oci.config import ImageConfig

_SIGTERM: Final = 15


def spec_process(
    image: ImageConfig,
    options: RunOptions,
    host: HostFacts,
    user: ResolvedUser,
    place: Place,
    warnings: list[str],
) -> dict[str, Any]:
    """The process.

    Raises:
        InvalidOptionError: no command, an impossible directory, variable or limit.
        InvalidUserError: an id that has no meaning in the user namespace.
        DocumentError: the image's config says something impossible.
    """
    asked = options.process
    args = command(image, asked)
    env = process_environment(
        image,
        asked.env,
        hostname=container_hostname(options, host, place),
        home=user.home,
        terminal=asked.tty,
    )
    check_strings(args, "argument")
    check_strings(env, "environment variable")
    process: dict[str, Any] = {
        "terminal": asked.tty,
        "user": _user(user, asked, host, warnings),
        "args": [INIT_PATH, "--", *args] if asked.init else list(args),
        "env": env,
        "cwd": working_directory(image, asked),
        "capabilities": _capabilities(options.security, host),
        "noNewPrivileges": options.security.no_new_privileges,
        **resources.oom_score_adj(asked, host, warnings),
    }
    if asked.tty and asked.console_size is not None:
        # crun starts with a size of 0.
        height, width = asked.console_size
        process["consoleSize"] = {"height": height, "width": width}
    limits = resources.rlimits(asked, host, warnings)
    if limits:
        process["rlimits"] = limits
    profile = apparmor_profile(options.security, host)
    if profile is not None:
        process["apparmorProfile"] = profile
    return process


def command(image: ImageConfig, asked: ProcessOptions) -> tuple[str, ...]:
    """The arguments: entrypoint and command, the image's or the caller's.

    Another entrypoint, or a cleared one, makes the image's ``Cmd`` meaningless, so it
    goes too.

    Raises:
        InvalidOptionError: neither says what to run.
    """
    if asked.entrypoint is not None:
        args = (*asked.entrypoint, *asked.args)
    else:
        args = (*image.process.entrypoint, *(asked.args or image.process.cmd))
    if not args or not args[0]:
        message = "no command: neither the image nor the options say what to run"
        raise InvalidOptionError(message, hint="put a command after the image's name")
    return args


def working_directory(image: ImageConfig, asked: ProcessOptions) -> str:
    """The working directory, ``/`` by default.

    Raises:
        InvalidOptionError: the option's is relative, or leads through ``/proc``.
        DocumentError: the image's does.
    """
    path = asked.workdir if asked.workdir is not None else image.process.working_dir or "/"
    if path.startswith("/") and "\0" not in path and not leads_through_proc(path):
        return path
    expected = "an absolute path outside /proc"
    if asked.workdir is not None:
        message = f"invalid working directory {path[:200]!r}"
        raise InvalidOptionError(message, expected=expected)
    message = f"image config: WorkingDir: {path[:200]!r}"
    raise DocumentError(message, expected=expected)


def leads_through_proc(path: str) -> bool:
    """Whether ``/proc`` is on the way along a path, whatever ``..`` comes after.

    ``/proc/self/fd/7/../..`` is a directory of the host when runc has leaked one
    (CVE-2024-21626).
    """
    names = [name for name in path.split("/") if name not in {"", "."}]
    prefixes = (normalise("/".join(names[:count])) for count in range(1, len(names) + 1))
    return any(prefix == "/proc" for prefix in prefixes)


def stop_signal(image: ImageConfig, asked: ProcessOptions) -> int:
    """The number of the signal that asks the process to end.

    Raises:
        DocumentError: the image names none that exists.
    """
    if asked.stop_signal is not None:
        return asked.stop_signal
    text = image.process.stop_signal
    if not text:
        return _SIGTERM
    from imgfetch.bundle.grammar import parse_signal

    try:
        return parse_signal(text)
    except InvalidOptionError as error:
        message = f"image config: StopSignal: {text[:40]!r}"
        raise DocumentError(message, expected=error.expected) from error


def container_hostname(options: RunOptions, host: HostFacts, place: Place) -> str:
    """The name that the container has for itself.

    Raises:
        InvalidOptionError: a name asked for, and the host's UTS namespace too.
    """
    if options.security.uts == "host":
        if options.network.hostname is not None:
            message = "--hostname can't be used with --uts=host: it would rename the host"
            raise InvalidOptionError(message)
        return host.hostname
    default = host.hostname if place.network == "host" else place.container_id[:12]
    return options.network.hostname or default


def _capabilities(security: SecurityOptions, host: HostFacts) -> dict[str, list[str]]:
    """Nothing is inheritable or ambient (CVE-2022-24769 class)."""
    names = granted(security, host.capabilities)
    sets = {name: list(names) for name in ("bounding", "effective", "permitted")}
    return {**sets, "inheritable": [], "ambient": []}


def _user(
    user: ResolvedUser, asked: ProcessOptions, host: HostFacts, warnings: list[str]
) -> dict[str, Any]:
    mapped = fit_user(user, host, warnings)
    umask = defaults.UMASK if asked.umask is None else asked.umask
    result: dict[str, Any] = {"uid": mapped.uid, "gid": mapped.gid, "umask": umask}
    if mapped.additional_gids:
        result["additionalGids"] = list(mapped.additional_gids)
    return result


def fit_user(user: ResolvedUser, host: HostFacts, warnings: list[str]) -> ResolvedUser:
    """The user as far as the ids of the user namespace allow.

    With a single id there is only root: runc can't do with another one, and refuses
    any additional group.

    Raises:
        InvalidUserError: there are many ids, and this one is not among them.
    """
    return fit_ids(user, host.container_ids, warnings)


def fit_ids(user: ResolvedUser, ids: IdMapping, warnings: list[str]) -> ResolvedUser:
    """See `fit_user`."""
    if _count(ids.uids) == 1:
        if user.uid != 0:
            warnings.append(
                f"running as root of the container instead of user {user.uid}: "
                "there is one id only; give yourself a range in /etc/subuid and /etc/subgid"
            )
        return user._replace(uid=0, gid=0, additional_gids=())
    for what, number, lines in (("user", user.uid, ids.uids), ("group", user.gid, ids.gids)):
        if not _has(lines, number):
            message = f"{what} {number} has no id here"
            raise InvalidUserError(message, hint=f"more ids in /etc/sub{what[0]}id give it one")
    groups = tuple(gid for gid in user.additional_gids if _has(ids.gids, gid))
    missing = [str(gid) for gid in user.additional_gids if gid not in groups]
    if missing:
        warnings.append(f"groups left out, for they have no id here: {', '.join(missing)}")
    return user._replace(additional_gids=groups)


def _count(lines: Sequence[IdRange]) -> int:
    return sum(line.size for line in lines)


def _has(lines: Sequence[IdRange], number: int) -> bool:
    return any(line.inside <= number < line.inside + line.size for line in lines)
