"""Read-only file systems in a file: squashfs and erofs, made by their own programs.

The one place outside `imgfetch.runtime` and `imgfetch.snapshot` that starts programs: these
formats are their makers' to write, and no container is ever started here. They come from
the caller's search path, never out of an image, and get nothing of the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import NoSpaceError, RuntimeFailedError, RuntimeMissingError
from imgfetch.fs.programs import find_program
from imgfetch.tar.numbers import NANOSECONDS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from imgfetch.tar.entry import Entry

SQUASHFS_TIME_LIMIT = 2**32 - 1
"""Seconds since the epoch; squashfs has nothing before and nothing after."""

# What else a program could need of an environment: messages that we can read.
_ENVIRONMENT = {"LC_ALL": "C"}
_MESSAGE_LIMIT = 2000


def find_tool(name: str, package: str, search_path: str) -> str:
    """A program's path.

    Raises:
        RuntimeMissingError: it is not installed.
    """
    program = find_program(name, search_path)
    if program is None:
        message = f"{name} is not installed"
        raise RuntimeMissingError(message, hint=f"on Debian: apt-get install {package}")
    return program


def make_squashfs(
    program: str,
    path: str,
    root: Entry,
    write_tar: Callable[[Callable[[bytes | memoryview], object]], object],
) -> None:
    """Make a squashfs of an archive.

    The same archive gives the same bytes, but for the time of the root directory: sqfstar
    4.5 puts the time of the making there, whatever it is told.

    Args:
        program: ``sqfstar``, of squashfs-tools 4.5 or later.
        path: where nothing is yet.
        root: the root directory, which the program does not take from the archive.
        write_tar: writes the archive to what it is given.

    Raises:
        RuntimeFailedError: the program failed.
        NoSpaceError: for want of space.
    """
    options = {
        "-mkfs-time": "0",
        "-root-mode": f"{root.mode:o}",
        "-root-uid": str(root.uid),
        "-root-gid": str(root.gid),
        "-root-time": str(root.mtime_ns // NANOSECONDS),
    }
    words = [word for option in options.items() for word in option]
    _run([program, "-quiet", "-no-progress", *words, path], write_tar)


def make_erofs(program: str, path: str, tree: str, uuid: str) -> None:
    """Make an erofs of a directory.

    Args:
        program: ``mkfs.erofs``, of erofs-utils 1.4 or later.
        path: where nothing is yet.
        tree: the directory.
        uuid: of the file system.

    Raises:
        RuntimeFailedError: the program failed.
        NoSpaceError: for want of space.
    """
    _run([program, "--quiet", "--preserve-mtime", "-U", uuid, path, tree], None)


def _run(
    argv: Sequence[str],
    write_input: Callable[[Callable[[bytes | memoryview], object]], object] | None,
) -> None:
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if write_input else subprocess.DEVNULL,
            stdout=messages,
            stderr=subprocess.STDOUT,
            env=_ENVIRONMENT,
        )
        try:
            if write_input is not None:
                _feed(process, write_input)
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if status:
            raise _failure(argv[0], status, messages)


def _feed(
    process: subprocess.Popen[bytes],
    write_input: Callable[[Callable[[bytes | memoryview], object]], object],
) -> None:
    stream = process.stdin
    if stream is None:
        return
    try:
        with stream:
            write_input(stream.write)
    except BrokenPipeError:
        return  # it has ended, and its status says why


def _failure(program: str, status: int, messages: BinaryIO) -> Exception:
    messages.seek(0)
    text = messages.read(_MESSAGE_LIMIT).decode(errors="replace").strip()
    if "No space left" in text:
        return NoSpaceError("no space left for the file system", actual=text)
    name = program.rpartition("/")[2]
    return RuntimeFailedError(f"{name} failed with status {status}", actual=text or None)
