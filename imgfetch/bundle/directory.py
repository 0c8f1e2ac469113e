"""A bundle's directory: ``config.json`` and the files about the network.

runtime-spec bundle.md. The root filesystem beside them is made by snapshots or by
unpacking, not here.
"""

from __future__ import annotations

import os

from imgfetch.errors import InvalidOptionError
from imgfetch.fs.atomic import PRIVATE_FILE, replace_file, write_all
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.lean import json
from imgfetch.lean.typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG: Final = "config.json"

_PUBLIC_FILE: Final = 0o644
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def encode_spec(document: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """A specification as JSON.

    Raises:
        InvalidOptionError: a string that is not UTF-8 (lone surrogates).
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(document, ensure_ascii=False, separators=separators, indent=indent)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = "the options or the image's config hold text that is not UTF-8"
        raise InvalidOptionError(
            message, actual=repr(text[error.start : error.start + 20])
        ) from error


def write_config(directory: str, document: Mapping[str, Any]) -> None:
    """Write a bundle's ``config.json`` for keeps: whole or not at all, readable by its owner.

    Raises:
        InvalidOptionError: see `encode_spec`.
        NoSpaceError: the file system is full.
        OSError: anything else.
    """
    data = encode_spec(document, indent=2) + b"\n"
    replace_file(os.path.join(directory, CONFIG), data)


def write_run_config(directory: str, document: Mapping[str, Any]) -> None:
    """Write ``config.json`` for one run: nobody needs it after a crash, so nothing is synced.

    Raises:
        InvalidOptionError: see `encode_spec`.
        NoSpaceError: the file system is full.
        OSError: anything else; it is there already, for one.
    """
    _write_new(os.path.join(directory, CONFIG), encode_spec(document), PRIVATE_FILE)


def write_etc_files(directory: str, files: Mapping[str, str]) -> dict[str, str]:
    """Write the files that are bound over those in ``/etc``.

    Args:
        directory: of the run; absolute.
        files: text by path in the container.

    Returns:
        The file on the host by path in the container.

    Raises:
        NoSpaceError: the file system is full.
        OSError: anything else.
    """
    written = {}
    for path, text in files.items():
        target = os.path.join(directory, os.path.basename(path))
        # The container's user has to be able to read it, whatever the umask.
        _write_new(target, text.encode("utf-8", "surrogateescape"), _PUBLIC_FILE)
        written[path] = target
    return written


def _write_new(path: str, data: bytes, mode: int) -> None:
    try:
        fd = os.open(path, _NEW, mode)
        try:
            os.fchmod(fd, mode)
            write_all(fd, data)
        finally:
            os.close(fd)
    except OSError as error:
        if is_no_space(error):
            raise no_space(os.path.dirname(path), needed=len(data), error=error) from error
        raise
