"""Where an archive or a tree goes: a file or a directory that is whole or absent, or a stream.

A file gets its name when all of it is written; so does a directory. Pipes, terminals,
devices and descriptors are written to as they are, and so is what a link leads to: a rename
would take the link's place (``/dev/stdout`` is one).
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from imgfetch.errors import StoreError, UsageError
from imgfetch.fs.atomic import publish, sync_directory, write_all
from imgfetch.fs.beside import make_directory_beside, make_file_beside
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.space import is_no_space, no_space, no_space_told
from imgfetch.tar.compressor import new_compressor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from imgfetch.tar.compressor import Compression

Target = str | int
"""A path, or a descriptor to write to, which stays open."""

_UNUSABLE = (
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
)
_IN_PLACE = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC


@contextmanager
def open_output(
    target: Target, compression: Compression = "none"
) -> Generator[Callable[[bytes | memoryview], None]]:
    """A file or a stream, for the length of a ``with`` block.

    Args:
        target: a file is replaced when the block ends without an error, and stays as it
            was otherwise.
        compression: of what is written.

    Yields:
        What takes the bytes.

    Raises:
        UsageError: there can't be such a file.
        NoSpaceError: the file system is full.
        StoreError: it can't be written.
        BrokenPipeError: nobody reads the other end.
    """
    with output_errors(target), _descriptor(target) as fd:
        compressor = new_compressor(compression)

        def write(data: bytes | memoryview) -> None:
            if piece := compressor.compress(data):
                write_all(fd, piece)

        yield write
        write_all(fd, compressor.flush())


@contextmanager
def staged_path(path: str) -> Generator[str]:
    """A name for a program to make a file under, which gets its own when the block ends.

    Raises:
        UsageError: there can't be such a file.
        NoSpaceError: the file system is full.
        StoreError: it can't be written.
    """
    if not _is_replaceable(path):
        message = f"{path} is no plain file, and a program is to write it"
        raise UsageError(message, hint="name a new file")
    with output_errors(path):
        # What a program writes has no lock of its own: what it is in has one.
        directory, held = make_directory_beside(path)
        temporary = f"{directory}/{os.path.basename(path)}"
        try:
            with no_space_told(_place(path)):
                yield temporary
                fd = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    publish(fd, temporary, path)
                finally:
                    os.close(fd)
        finally:
            with suppress(OSError):
                remove_tree(directory)
            os.close(held)


@contextmanager
def staged_directory(path: str) -> Generator[str]:
    """A new directory that gets its name when the block ends without an error.

    Args:
        path: absent, or an empty directory.

    Raises:
        UsageError: something is there, or nothing can be.
        NoSpaceError: the file system is full.
        StoreError: it can't be written.
    """
    path = path.rstrip("/") or "/"
    with output_errors(path):
        if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
            message = f"{path} is there already"
            raise UsageError(message, hint="name a new or an empty directory")
        temporary, fd = make_directory_beside(path)
        try:
            with no_space_told(_place(path)):
                yield temporary
                _sync_tree(temporary)
                os.rename(temporary, path)
                sync_directory(os.path.dirname(path) or ".")
        except BaseException:
            with suppress(OSError):
                remove_tree(temporary)
            raise
        finally:
            os.close(fd)


@contextmanager
def _descriptor(target: Target) -> Generator[int]:
    if isinstance(target, int):
        yield target
    elif _is_replaceable(target):
        # Readable for whom the umask says, as with any program that makes a file.
        temporary, fd = make_file_beside(target, 0o666)
        try:
            with no_space_told(_place(target)):
                yield fd
                publish(fd, temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        finally:
            os.close(fd)
    else:
        fd = os.open(target, _IN_PLACE)
        try:
            yield fd
        finally:
            os.close(fd)


def _is_replaceable(path: str) -> bool:
    """Whether a path is a plain file's, or nobody's."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _unusable(path, error) from error


def _sync_tree(path: str) -> None:
    for directory, _, files in os.walk(path):
        for name in files:
            fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_directory(directory)


@contextmanager
def output_errors(target: Target) -> Generator[None]:
    """Map what the system says while a target is written.

    Raises:
        UsageError: there can't be such a file or directory.
        NoSpaceError: the file system is full.
        StoreError: it can't be written.
        BrokenPipeError: nobody reads the other end.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except _UNUSABLE as error:
        raise _unusable(target, error) from error
    except OSError as error:
        if is_no_space(error):
            raise no_space(_place(target), error=error) from error
        message = f"can't write {_name(target)}: {error.strerror}"
        raise StoreError(message) from error


def _unusable(target: Target, error: OSError) -> UsageError:
    return UsageError(f"can't write {_name(target)}: {error.strerror}")


def _name(target: Target) -> str:
    return target if isinstance(target, str) else "the output"


def _place(target: Target) -> str:
    if isinstance(target, str):
        return os.path.dirname(target) or "."
    return f"/proc/self/fd/{target}"
