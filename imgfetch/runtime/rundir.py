"""The directory of a run, which lives as long as the process that supervises it.

``runs/<id>`` is locked by that process. One that is not locked belonged to a process
that was killed, and is cleared away by whoever runs next.
"""

from __future__ import annotations

import os

from imgfetch.errors import ImgfetchError, InvalidOptionError, StoreError
from imgfetch.fs.atomic import make_directories
from imgfetch.fs.claim import claim_abandoned, make_claimed
from imgfetch.fs.lock import locked
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.lean import contextlib
from imgfetch.lean.dataclasses import dataclass
from imgfetch.lean.pathlib import Path
from imgfetch.runtime.layout import DETACHED, EXIT

NAMES = "names"
"""Where names lead to ids; no id is called that."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run's directory while this process supervises it.

    Attributes:
        path: absolute.
        container_id: the last part of it.
        name: that a person chose; None for none.
        descriptor: keeps it ours.
    """

    path: Path
    container_id: str
    name: str | None
    descriptor: int

    @classmethod
    def make(cls, runs: str, container_id: str, name: str | None = None) -> RunDirectory:
        """Make the directory of a new run.

        Args:
            runs: absolute path of the store's ``runs``; made if it isn't there.
            container_id: a new id.
            name: see `check_container_name`.

        Raises:
            InvalidOptionError: another living container has the name.
            NoSpaceError: no space or inodes left.
            StoreError: it can't be made.
        """
        path = f"{runs}/{container_id}"
        try:
            make_directories(runs)
            descriptor = make_claimed(path)
        except FileExistsError:
            raise  # an id that was used before: nothing that a person could have done
        except OSError as error:
            raise _refusal(runs, error) from error
        made = cls(Path(path), container_id, name, descriptor)
        try:
            if name is not None:
                _take_name(runs, name, container_id)
        except BaseException:
            made.remove()
            raise
        return made

    def remove(self) -> None:
        """Remove it, with all that is in it; mounts have to be gone."""
        try:
            if self.name is not None:
                give_name_back(str(self.path.parent), self.name, self.container_id)
            from imgfetch.fs.removal import remove_tree

            remove_tree(self.path)
        finally:
            os.close(self.descriptor)


def _refusal(runs: str, error: OSError) -> ImgfetchError:
    if is_no_space(error):
        return no_space(os.path.dirname(runs), error=error)
    message = f"a run needs a directory in {runs}: {error.strerror}"
    from imgfetch.remedies import OTHER_STORE

    return StoreError(message, hint=OTHER_STORE)


def collect_dead(runs: str) -> list[str]:
    """Clear away what runs that were killed have left.

    Has to be called in the namespaces that runs are made in: files of subordinate ids
    can't be removed from outside.

    Returns:
        The containers' ids.
    """
    try:
        found = os.listdir(runs)
    except FileNotFoundError:
        return []
    return [
        container_id
        for container_id in found
        if container_id != NAMES and _collect(f"{runs}/{container_id}", container_id)
    ]


def _collect(path: str, container_id: str) -> bool:
    if os.path.lexists(f"{path}/{EXIT}"):
        return False
    descriptor = claim_abandoned(path)
    if descriptor is None:
        return False
    from imgfetch.fs.removal import remove_tree
    from imgfetch.runtime.cgroups import remove_leftover

    try:
        if not remove_leftover(path, container_id) or _is_kept(path):
            return False
        remove_tree(path)
    except (OSError, StoreError):
        # Made in another user namespace, by another version or by hand: it is in nobody's way.
        return False
    finally:
        os.close(descriptor)
    return True


def _is_kept(path: str) -> bool:
    """Whether a container is somebody's to remove, even if nobody saw how it ended."""
    if not os.path.lexists(f"{path}/{DETACHED}"):
        return False
    import json

    try:
        with open(f"{path}/{DETACHED}", "rb") as file:
            return not json.load(file)["remove"]
    except (OSError, ValueError, LookupError, TypeError):
        return True


def _take_name(runs: str, name: str, container_id: str) -> None:
    make_directories(f"{runs}/{NAMES}")
    link = f"{runs}/{NAMES}/{name}"
    with locked(f"{runs}/{NAMES}/.lock"):
        owner = name_owner(runs, name)
        if owner is not None and os.path.isdir(f"{runs}/{owner}") and not _is_dead(runs, owner):
            message = f"the container name {name!r} is in use by container {owner[:12]}"
            raise InvalidOptionError(message)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink(container_id, link)


def give_name_back(runs: str, name: str, container_id: str) -> None:
    """Free a container's name, if it still is this container's."""
    with locked(f"{runs}/{NAMES}/.lock"):
        if name_owner(runs, name) == container_id:
            os.unlink(f"{runs}/{NAMES}/{name}")


def name_owner(runs: str, name: str) -> str | None:
    """The id of the container that has a name; it may be dead."""
    try:
        return os.readlink(f"{runs}/{NAMES}/{name}")
    except OSError:
        return None


def _is_dead(runs: str, container_id: str) -> bool:
    """Whether a container's supervisor was killed; kept results are not dead."""
    path = f"{runs}/{container_id}"
    if os.path.lexists(f"{path}/{EXIT}") or _is_kept(path):
        return False
    descriptor = claim_abandoned(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
