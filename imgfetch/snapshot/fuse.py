"""Root filesystems by fuse-overlayfs(1), where the kernel mounts no overlay for users.

What is below is one tree of all layers, as `imgfetch.snapshot.flat` has it: fuse-overlayfs
marks deleted files in ways of its own, which the kernel would not understand in snapshots.
The program is a child of this process and ends with it; the mount is in this process's
mount namespace, and ends with the last process in there.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Final

from imgfetch.errors import NamespaceError
from imgfetch.fs import linux
from imgfetch.fs.atomic import make_directory
from imgfetch.fs.programs import find_program
from imgfetch.snapshot.stack import ROOTFS, make_upper, unmount_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from imgfetch.oci.image import Layer
    from imgfetch.snapshot.directory import SnapshotDirectory
    from imgfetch.snapshot.flat import FlatSnapshotter

PROGRAM: Final = "fuse-overlayfs"

_DEVICE: Final = "/dev/fuse"
_LOG: Final = "fuse.log"
_LOWER: Final = "lower"
# It is up after some ten milliseconds.
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.002


def find_fuse_overlayfs(search_path: str, device: str = _DEVICE) -> str:
    """The path of the program.

    Args:
        search_path: as PATH.
        device: through which it speaks to the kernel.

    Raises:
        NamespaceError: it is not there, or can't mount anything here; says what to do.
    """
    from imgfetch import remedies

    program = find_program(PROGRAM, search_path)
    if program is None:
        message = f"{PROGRAM} is not installed"
        raise NamespaceError(message, hint=remedies.INSTALL_FUSE_OVERLAYFS)
    if not os.access(device, os.R_OK | os.W_OK):
        message = f"{PROGRAM} needs {device}, which can't be opened"
        raise NamespaceError(message, hint=remedies.device(device, there=os.path.exists(device)))
    return program


class FuseSnapshotter:
    """One snapshot for all layers, below a writable layer of the run's own.

    Has to be used in namespaces of `imgfetch.snapshot.userns.enter`.

    Args:
        directory: where snapshots are kept.
        flat: makes them.
        search_path: where the program is looked for, as PATH.
    """

    def __init__(
        self, directory: SnapshotDirectory, flat: FlatSnapshotter, search_path: str
    ) -> None:
        self._directory = directory
        self._flat = flat
        self._search_path = search_path
        self._daemons: dict[str, int] = {}

    def prepare(self, layers: Sequence[Layer]) -> None:
        """See `FlatSnapshotter.prepare`."""
        self._flat.prepare(layers)

    def mount(self, layers: Sequence[Layer], directory: Path) -> Path:
        """See `Snapshotter.mount`; the snapshot has to be prepared.

        Raises:
            NamespaceError: there is no such program, or it can't mount here.
        """
        program = find_fuse_overlayfs(self._search_path)
        root = directory / ROOTFS
        make_directory(f"{root}", 0o755)
        names = self._flat.stack(layers)
        if not names:
            return root
        tree = self._directory.tree(names[0])
        # The program splits paths at colons, and lets backslashes escape: where a store's path
        # has such characters it fails, and the caller does something else.
        os.symlink(tree, directory / _LOWER)
        make_upper(f"{directory}/upper", tree)
        make_directory(f"{directory}/work")
        self._daemons[f"{directory}"] = _start(program, f"{directory}")
        return root

    def unmount(self, directory: Path) -> None:
        """Take away what `mount` has mounted, and end the program."""
        unmount_stack(directory)
        daemon = self._daemons.pop(f"{directory}", None)
        if daemon is not None:
            _end(daemon)

    def close(self) -> None:
        """Let snapshots go: others may remove them."""
        self._flat.close()


def _start(program: str, directory: str) -> int:
    """Start the program, and wait until the root filesystem is mounted."""
    outside = os.stat(f"{directory}/{ROOTFS}").st_dev
    parent = os.getpid()
    daemon = os.fork()
    if daemon == 0:
        try:
            linux.die_with_parent(signal.SIGKILL)
            if os.getppid() == parent:
                _become(program, directory)
        finally:
            os._exit(1)
    deadline = time.monotonic() + _PATIENCE
    while os.stat(f"{directory}/{ROOTFS}").st_dev == outside:
        ended, _ = os.waitpid(daemon, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            if not ended:
                _end(daemon)
            message = f"{PROGRAM} can't mount in {directory}: {_said(directory)}"
            raise NamespaceError(message, hint="--rootfs-mode copy does without")
        time.sleep(_PAUSE)
    return daemon


def _become(program: str, directory: str) -> None:
    os.chdir(directory)
    # Keys pressed on the caller's terminal are not for it.
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    layers = f"lowerdir={_LOWER},upperdir=upper,workdir=work"
    os.execve(program, [program, "-f", "-o", layers, ROOTFS], {})  # noqa: S606 - no shell wanted


def _end(daemon: int) -> None:
    try:
        os.kill(daemon, signal.SIGKILL)
        os.waitpid(daemon, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # whoever is process 1 may have taken its end in


def _said(directory: str) -> str:
    try:
        with open(f"{directory}/{_LOG}", encoding="utf-8", errors="replace") as log:
            lines = log.read().strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"
