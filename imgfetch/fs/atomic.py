"""Files that show up whole or not at all, and survive a power loss once they are there.

The order is always: write a temporary file on the same file system, ``fsync`` it, rename
it, ``fsync`` the directory. Without the first sync a crash leaves an empty file under the
final name (ext4 with delayed allocation); without the second the name itself may be gone.
Modes are exact, whatever the umask.
"""

from __future__ import annotations

import os

from imgfetch.fs.space import is_no_space, no_space
from imgfetch.lean.contextlib import contextmanager, suppress
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def make_directory(path: str, mode: int = PRIVATE_DIRECTORY) -> None:
    """Make one directory with exactly this mode; one that is there is left as it is.

    Raises:
        OSError: it can't be made.
    """
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        return
    # mkdir takes the umask's bits away.
    os.chmod(path, mode)


def make_directories(path: str, mode: int = PRIVATE_DIRECTORY) -> None:
    """Make a directory and those above it that are missing, each with exactly this mode.

    Raises:
        OSError: one can't be made.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        parent = os.path.dirname(path) or "."
        if parent == path:
            break
        path = parent
    for directory in reversed(missing):
        make_directory(directory, mode)


def sync_directory(path: str) -> None:
    """Make the names in a directory survive a power loss."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``: a plain ``write`` may take only part of it."""
    written = os.write(fd, data)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        rest = rest[os.write(fd, rest) :]


def publish(fd: int, temporary: str, target: str) -> None:
    """Give a complete temporary file its name, which it takes from any other file.

    Args:
        fd: the file, open.
        temporary: the name it has.
        target: the name it gets, on the same file system.
    """
    os.fsync(fd)
    os.rename(temporary, target)
    sync_directory(os.path.dirname(target) or ".")


def replace_file(
    target: str, data: bytes, *, directory: str | None = None, mode: int = PRIVATE_FILE
) -> None:
    """Write a file so that everybody sees the old content or the new.

    Args:
        target: the file's path.
        data: the new content.
        directory: where the temporary file goes; beside the target by default.
        mode: the file's mode.

    Raises:
        NoSpaceError: the file system is full; the old content is still there.
        OSError: anything else; the same.
    """
    with staged_file(target, directory=directory, mode=mode, size=len(data)) as fd:
        write_all(fd, data)


@contextmanager
def staged_file(
    target: str, *, directory: str | None = None, mode: int = PRIVATE_FILE, size: int = 0
) -> Generator[int, None, None]:
    """A new file to write to, which gets its name when the block ends without an error.

    Args:
        target: the file's path.
        directory: where the temporary file goes; beside the target by default.
        mode: the file's mode.
        size: bytes to be written, for the error when they don't fit; 0 when unknown.

    Yields:
        The open file, for reading and writing.

    Raises:
        NoSpaceError: the file system is full; nothing is left of the new file.
        OSError: anything else; the same.
    """
    directory = directory or os.path.dirname(target) or "."
    temporary = f"{directory}/{temporary_name(os.path.basename(target))}"
    try:
        fd = os.open(temporary, _NEW_FILE, mode)
        try:
            os.fchmod(fd, mode)
            yield fd
            publish(fd, temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)
    except OSError as error:
        if is_no_space(error):
            raise no_space(directory, needed=size, error=error) from error
        raise


def temporary_name(name: str) -> str:
    """A name that nobody else uses and that says what the file was going to be."""
    return f".{name}.{os.urandom(8).hex()}.tmp"


def is_temporary_name(name: str) -> bool:
    """Whether a name was made by `temporary_name`: what is left of a crash looks like that."""
    return name.startswith(".") and name.endswith(".tmp")
