"""Volumes, other images and secrets of a run become bind mounts.

Named volumes are directories of the store that outlive runs. What lives with the run is
in its directory: anonymous volumes in the root filesystem itself, where they stay writable
when the root is not; root filesystems of other images beside it; secrets in memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgfetch.bundle.options import BindMount, ImageMount, Secret, VolumeMount
from imgfetch.bundle.targets import resolve
from imgfetch.errors import InvalidMountError
from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directories, make_directory, write_all
from imgfetch.fs.lock import locked
from imgfetch.fs.removal import remove_tree
from imgfetch.fs.rootdir import RootDir
from imgfetch.runtime.layout import IMAGES
from imgfetch.snapshot.duplicate import copy_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack

    from imgfetch.bundle.options import FileOptions, Mount
    from imgfetch.interfaces import Snapshotter
    from imgfetch.oci.image import Image

SECRET_LIMIT: Final = 1 << 20

_VOLUME_MODE: Final = 0o755
# Whoever the container's process is: what keeps others out is the container.
_SECRET_MODE: Final = 0o444
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def read_secrets(secrets: Sequence[Secret]) -> tuple[bytes, ...]:
    """What is in the files, which may be pipes.

    Raises:
        InvalidMountError: one can't be read, or is too long.
    """
    return tuple(_read_secret(secret.source) for secret in secrets)


def _read_secret(source: str) -> bytes:
    try:
        with open(source, "rb") as file:
            data = file.read(SECRET_LIMIT + 1)
    except OSError as error:
        message = f"can't read secret {source}: {error.strerror}"
        raise InvalidMountError(message) from error
    if len(data) > SECRET_LIMIT:
        message = f"secret {source} is too long"
        raise InvalidMountError(message, expected=f"at most {SECRET_LIMIT} bytes")
    return data


@dataclass(frozen=True, slots=True)
class MountMaker:
    """Makes the sources of a run's mounts.

    Attributes:
        volumes: absolute path of the directory of named volumes.
        locks: directory of lock files.
        snapshotter: mounts other images.
        images: prepared ones, by the references of mounts.
        secrets: contents, in the order of the options.
    """

    volumes: str
    locks: str
    snapshotter: Snapshotter
    images: Mapping[str, Image]
    secrets: Sequence[bytes] = ()

    def planned(self, files: FileOptions, root: str, directory: str) -> FileOptions:
        """The options with nothing but bind mounts and tmpfs; nothing is made.

        Args:
            files: options of the run.
            root: path of the root filesystem.
            directory: of the run.
        """
        with RootDir.open(root) as tree:
            mounts = [
                self._planned(mount, tree, root, f"{directory}/{IMAGES}/{number}")
                for number, mount in enumerate(files.mounts)
            ]
        secrets = tuple(
            Secret(f"{directory}/secrets/{number}", secret.target)
            for number, secret in enumerate(files.secrets)
        )
        return replace(files, mounts=tuple(mounts), secrets=secrets)

    def _planned(self, mount: Mount, tree: RootDir, root: str, image: str) -> Mount:
        if isinstance(mount, ImageMount):
            return BindMount(f"{image}/rootfs", mount.destination, read_only=True)
        if isinstance(mount, VolumeMount):
            inside = os.fsdecode(resolve(tree, os.fsencode(mount.destination)))
            source = f"{root}{inside}" if mount.name is None else f"{self.volumes}/{mount.name}"
            return BindMount(source, mount.destination, mount.read_only)
        return mount

    def make(self, files: FileOptions, root: str, directory: str, stack: ExitStack) -> None:
        """Make what `planned` names.

        Args:
            files: options of the run, as given.
            root: path of the root filesystem.
            directory: of the run.
            stack: gets what undoes mounts.

        Raises:
            InvalidMountError: a volume on something other than a directory.
            NoSpaceError: no space or inodes left.
        """
        with RootDir.open(root) as tree:
            for number, mount in enumerate(files.mounts):
                if isinstance(mount, ImageMount):
                    place = Path(f"{directory}/{IMAGES}/{number}")
                    make_directories(f"{place}")
                    stack.callback(self.snapshotter.unmount, place)
                    self.snapshotter.mount(self.images[mount.reference].layers, place)
                elif isinstance(mount, VolumeMount):
                    self._make_volume(mount, tree, root)
        if self.secrets:
            self._make_secrets(f"{directory}/secrets", stack)

    def _make_volume(self, mount: VolumeMount, tree: RootDir, root: str) -> None:
        inside = resolve(tree, os.fsencode(mount.destination))
        if mount.name is not None:
            self._fill(mount.name, f"{root}{os.fsdecode(inside)}")
            return
        try:
            os.close(tree.make_directories(inside))
        except NotADirectoryError as error:
            message = f"can't have a volume on {mount.destination}: it is not a directory"
            raise InvalidMountError(message) from error

    def _fill(self, name: str, content: str) -> None:
        """Have a named volume; an empty one gets what the image has in its place, as in docker."""
        volume, staging = f"{self.volumes}/{name}", f"{self.volumes}/.{name}"
        make_directories(self.volumes)
        with locked(f"{self.locks}/volume-{name}", unlink=True):
            if os.path.isdir(volume) and (os.listdir(volume) or not _has_content(content)):
                return
            if os.path.lexists(staging):  # left by one that was killed
                remove_tree(staging)
            make_directory(staging, _VOLUME_MODE)
            if os.path.isdir(content):
                copy_tree(content, staging)
            _sync(self.volumes)
            if not os.path.isdir(volume):
                os.rename(staging, volume)
                return
            # Others may have the empty one mounted: it has to stay the same directory.
            for entry in os.listdir(staging):
                os.rename(f"{staging}/{entry}", f"{volume}/{entry}")
            remove_tree(staging)

    def _make_secrets(self, directory: str, stack: ExitStack) -> None:
        """Files in memory that nobody sees but this process and the container."""
        make_directory(directory)
        flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
        linux.mount("tmpfs", directory, "tmpfs", flags, "mode=0700")
        stack.callback(linux.unmount, directory, linux.MNT_DETACH)
        for number, data in enumerate(self.secrets):
            fd = os.open(f"{directory}/{number}", _NEW, _SECRET_MODE)
            try:
                os.fchmod(fd, _SECRET_MODE)
                write_all(fd, data)
            finally:
                os.close(fd)


def _has_content(path: str) -> bool:
    return os.path.isdir(path) and bool(os.listdir(path))


def _sync(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        linux.syncfs(fd)
    finally:
        os.close(fd)
