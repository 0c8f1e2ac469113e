"""Verbs about lock files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imgfetch.client.looking import documents_of
from imgfetch.errors import InvalidReferenceError, UsageError
from imgfetch.oci.transport import PathName, RegistryName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.oci.platform import Platform
    from imgfetch.oci.reference import Reference
    from imgfetch.oci.transport import ImageName
    from imgfetch.workflow.lock import Change
    from imgfetch.workflow.lockfile import LockedImage, LockFile

_FILE_MODE = 0o644


def lock(
    with_: Collaborators,
    names: Iterable[str],
    path: str,
    *,
    complete: bool,
    platforms: Iterable[str],
    all_platforms: bool,
    upgrade: Iterable[str] | None,
    write: bool,
) -> list[Change]:
    """See `Client.lock`."""
    from imgfetch.workflow.lock import Wanted, changes, update
    from imgfetch.workflow.lockfile import LockFile

    wanted = {_lockable(parsed): parsed for parsed in map(with_.parse, names)}
    before = read_lock_file(path) if os.path.lexists(path) else LockFile()
    after = update(
        before,
        Wanted(
            tuple(wanted),
            complete=complete,
            platforms=None if all_platforms else tuple(map(with_.platform, platforms)),
            upgrade=None if upgrade is None else [_lockable(with_.parse(name)) for name in upgrade],
        ),
        with_.platform(),
        lambda reference, chosen: _resolve(
            with_, reference, wanted.get(reference, RegistryName(reference)), chosen
        ),
    )
    if write and (after != before or not os.path.lexists(path)):
        _write(path, after)
    return changes(before, after)


def _lockable(name: ImageName) -> Reference:
    if isinstance(name, PathName):
        message = f"{name} can't be locked"
        raise InvalidReferenceError(message, expected="an image of a registry or of the store")
    return name.reference


def _resolve(
    with_: Collaborators,
    reference: Reference,
    name: ImageName,
    platforms: tuple[Platform, ...] | None,
) -> LockedImage:
    """What a name stands for now; nothing is stored."""
    from imgfetch.workflow.lockfile import LockedImage
    from imgfetch.workflow.resolve import all_images, select_image

    with documents_of(with_, name, stored_first=False) as documents:
        top = documents.top()
        if platforms is None:
            images = all_images(documents, top)
        else:
            images = [select_image(documents, top, one, str(name)) for one in platforms]
        return LockedImage.of(reference, top, images)


def read_lock_file(path: str) -> LockFile:
    """The content of a lock file.

    Raises:
        UsageError: it can't be read.
        ContentError: it is malformed, or of another version.
    """
    from imgfetch.workflow.lockfile import LockFile

    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError as error:
        message = f"lock file {path}: {error.strerror}"
        hint = f"to make it: imgfetch lock -o {path} REF..."
        raise UsageError(message, hint=hint) from error
    return LockFile.from_toml(raw, path)


def _write(path: str, content: LockFile) -> None:
    from imgfetch.fs.atomic import replace_file

    try:
        replace_file(path, content.to_toml(), mode=_FILE_MODE)
    except OSError as error:
        message = f"lock file {path}: {error.strerror}"
        raise UsageError(message) from error
