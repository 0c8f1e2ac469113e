"""``exec``: what a further process in a container is like, from the container's own."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgfetch.bundle.environment import check_strings
from imgfetch.bundle.process import fit_ids, leads_through_proc
from imgfetch.bundle.users import resolve_user
from imgfetch.errors import InvalidOptionError, RuntimeFailedError, StoreCorruptError, StoreError
from imgfetch.fs.atomic import make_directory, replace_file
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.rootdir import RootDir
from imgfetch.runtime.execution import PROCESS, Execution, join
from imgfetch.runtime.layout import CONFIG
from imgfetch.runtime.runc import Stdio

if TYPE_CHECKING:
    from collections.abc import Generator

    from imgfetch.interfaces import Progress
    from imgfetch.runtime.containers import Container

_RANDOM = 8
_ROOTFS = "rootfs"


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be executed in a container.

    Attributes:
        args: the command and its arguments.
        env: variables besides the container's; None for one that is taken away.
        user: None for the container's.
        workdir: None for the container's.
        interactive: whether it gets the caller's standard input; else an empty one.
        tty: whether it has a pseudo-terminal.
    """

    args: tuple[str, ...]
    env: tuple[tuple[str, str | None], ...] = ()
    user: str | None = None
    workdir: str | None = None
    interactive: bool = False
    tty: bool = False


def execute(container: Container, command: Command, *, search_path: str, progress: Progress) -> int:
    """Run a command in a container, and give its exit status.

    Joins the container's namespaces for good: for a process that does nothing else.

    Raises:
        StoreError: the container does not run.
        BundleError: the command is impossible there.
        CommandError: it can't be started.
        RuntimeFailedError: the runtime failed.
    """
    watchdog = join(container)
    with _end_noticed(container):
        process = _process(container.path, command, progress)
        with _directory(container) as directory:
            replace_file(f"{directory / PROCESS}", json.dumps(process).encode())
            stdio = Stdio(command.interactive, command.tty)
            return Execution(container, directory, search_path, watchdog, stdio).run()


@contextmanager
def _end_noticed(container: Container) -> Generator[None]:
    """Tell a container that ends meanwhile from a bug, and from a runtime that fails.

    Its files are gone then, nothing can be started in its pid namespace (ENOMEM), and a
    runtime that is in there already is killed.
    """
    try:
        yield
    except (OSError, RuntimeFailedError) as error:
        if container.process() is None:
            message = f"container {container.container_id[:12]} has ended"
            raise StoreError(message, hint="imgfetch ps -a shows how") from error
        raise


@contextmanager
def _directory(container: Container) -> Generator[Path]:
    directory = Path(container.path, f"exec-{os.urandom(_RANDOM).hex()}")
    make_directory(f"{directory}")
    try:
        yield directory
    finally:
        with suppress(FileNotFoundError):  # together with the container
            remove_tree(directory)


def _process(path: str, command: Command, progress: Progress) -> dict[str, Any]:
    try:
        with open(f"{path}/{CONFIG}", "rb") as file:
            process: dict[str, Any] = json.load(file)["process"]
    except FileNotFoundError:
        raise  # the container has ended
    except (OSError, ValueError, LookupError) as error:
        message = f"{path}/{CONFIG} can't be read"
        raise StoreCorruptError(message) from error
    check_strings(command.args, "an argument")
    process["args"] = list(command.args)
    process["terminal"] = command.tty
    process.pop("consoleSize", None)
    env = dict(entry.split("=", 1) for entry in process.get("env", ()))
    env.pop("TERM", None)
    if command.tty:
        env["TERM"] = "xterm"
    if command.user is not None:
        env["HOME"] = _change_user(process, f"{path}/{_ROOTFS}", command.user, progress)
    for name, value in command.env:
        env.pop(name, None)
        if value is not None:
            env[name] = value
    process["env"] = [f"{name}={value}" for name, value in env.items()]
    if command.workdir is not None:
        process["cwd"] = _checked(command.workdir)
    return process


def _change_user(process: dict[str, Any], root: str, text: str, progress: Progress) -> str:
    """Put another user into a process's description; returns that one's home."""
    with RootDir.open(root) as tree:
        user = resolve_user(text, tree)
    warnings: list[str] = []
    fitted = fit_ids(user, IdMapping.current(), warnings)
    for warning in warnings:
        progress.warn(warning)
    umask = process["user"].get("umask")
    process["user"] = {"uid": fitted.uid, "gid": fitted.gid}
    if umask is not None:
        process["user"]["umask"] = umask
    if fitted.additional_gids:
        process["user"]["additionalGids"] = list(fitted.additional_gids)
    return fitted.home


def _checked(workdir: str) -> str:
    if workdir.startswith("/") and "\0" not in workdir and not leads_through_proc(workdir):
        return workdir
    message = f"invalid working directory {workdir[:200]!r}"
    raise InvalidOptionError(message, expected="an absolute path outside /proc")
