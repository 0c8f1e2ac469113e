"""Owners, modes, extended attributes and times of what a layer makes.

Always in the order owner, mode, extended attributes, time, after the content: writing and
chown(2) take setuid bits and capabilities away, and everything changes times.

Through descriptors, so that no link is ever followed: os.chmod with a directory
descriptor follows links, and is used only on names that were made a moment ago in a
directory nobody else writes to.

Calls that would change nothing are left out, which for most files is all but the time.
What "nothing" is gets learned from the first files made, not assumed: the umask, default
ACLs, setgid directories, squashing servers and mount options have a say in it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from imgfetch.errors import LayerError
from imgfetch.layer.failure import elsewhere
from imgfetch.layer.recorded import record_owner
from imgfetch.layer.xattrs import XattrWriter
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from imgfetch.layer.directory import Directory
    from imgfetch.layer.options import ApplyOptions
    from imgfetch.layer.ownership import Owner
    from imgfetch.tar.entry import Entry

MODE_BITS = 0o7777


class _Plan(NamedTuple):
    """What has to be done to a new file.

    Attributes:
        owner: to be set; None to leave it.
        chmod: whether the mode has to be set.
        unmapped: whether the owner is left for want of ids.
    """

    owner: Owner | None
    chmod: bool
    unmapped: bool


_NOTHING = _Plan(owner=None, chmod=False, unmapped=False)


class MetadataWriter:
    """Gives files and directories the metadata of entries.

    Args:
        options: how owners and extended attributes are treated.

    Attributes:
        xattrs: sets extended attributes.
        unmapped: number of entries whose owner was not set for want of ids.
    """

    def __init__(self, options: ApplyOptions) -> None:
        self._policy = options.owners
        self.xattrs = XattrWriter(strict=options.strict_xattrs)
        self.unmapped = 0
        self._records = options.record_owners
        self._owners: dict[tuple[int, int], Owner | None] = {}
        self._plans: dict[tuple[int, int, int, bool], _Plan] = {}
        # What files and directories get when they are made: the owner, and the modes that
        # directories come out with as they were asked for.
        self._natural_owner: tuple[int, int] | None = None
        self._directory_modes: set[int] = set()

    def finish_file(self, fd: int, entry: Entry, *, inherits: bool) -> None:
        """A file just made with the permissions of ``entry.mode``, and written.

        Args:
            fd: of it.
            entry: whose metadata it gets.
            inherits: whether its directory passes its group on.
        """
        kind = (entry.mode, entry.uid, entry.gid, inherits)
        plan = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = self._plan(fd, entry, inherits=inherits)
        if plan is not _NOTHING or entry.xattrs:
            self._carry_out(plan, fd, entry)
        mtime = entry.mtime_ns
        os.utime(fd, ns=(mtime, mtime))

    def _carry_out(self, plan: _Plan, fd: int, entry: Entry) -> None:
        if plan.owner is not None:
            _chown(fd, plan.owner, entry)
        if plan.chmod:
            os.fchmod(fd, entry.mode)
        if plan.unmapped:
            self.unmapped += 1
        self.xattrs.set_all(fd, entry)
        if plan.unmapped and self._records:
            record_owner(fd, entry)

    def finish_node(self, name: bytes, directory: int, entry: Entry) -> None:
        """A pipe, a device or a link just made: none of them can be opened for this."""
        owner = self.owner(entry)
        if owner is not None:
            _chown(name, owner, entry, directory)
        if entry.kind != "symlink":
            os.chmod(name, entry.mode, dir_fd=directory)
        self.xattrs.drop_all(entry)
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)

    def directory_is_finished(self, directory: Directory, entry: Entry) -> bool:
        """Whether a directory already is all that an entry says, but for the time."""
        return (
            directory.made_with == entry.mode
            and entry.mode in self._directory_modes
            and not directory.inherits
            and not entry.xattrs
            and not (self._records and (entry.uid or entry.gid))
            and self._owner_of(entry) in {None, self._natural_owner}
        )

    def finish_directory(self, fd: int, directory: Directory, entry: Entry) -> None:
        """A directory, new or of a layer below; its content is complete.

        Args:
            fd: of it, not O_PATH.
            directory: what is known of it.
            entry: whose metadata it gets.
        """
        status = os.fstat(fd)
        mode = status.st_mode & MODE_BITS
        if directory.made_with == mode and not directory.inherits:
            self._directory_modes.add(mode)
            self._learn_owner(status, inherits=False)
        owner = self._owner_of(entry)
        if owner is not None and owner != (status.st_uid, status.st_gid):
            _chown(fd, owner, entry)
        if mode != entry.mode:
            os.fchmod(fd, entry.mode)
        if directory.made_with is None:
            self.xattrs.clear_others(fd, entry)
        self.xattrs.set_all(fd, entry)
        if self._records and owner is None:
            record_owner(fd, entry)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def owner(self, entry: Entry) -> Owner | None:
        """The owner that an entry gets here; counts those that get none."""
        owner = self._owner_of(entry)
        if owner is None and (entry.uid or entry.gid):
            self.unmapped += 1
        return owner

    def _owner_of(self, entry: Entry) -> Owner | None:
        ids = (entry.uid, entry.gid)
        try:
            return self._owners[ids]
        except KeyError:
            owner = self._owners[ids] = self._policy.owner(*ids)
            return owner

    def _plan(self, fd: int, entry: Entry, *, inherits: bool) -> _Plan:
        """What files of an entry's mode and owner lack, going by the first of them."""
        status = os.fstat(fd)
        self._learn_owner(status, inherits=inherits)
        owner = self._owner_of(entry)
        natural = owner == self._natural_owner and not inherits
        plan = _Plan(
            owner=None if natural else owner,
            # chown(2) takes setuid bits away, which then have to be set again.
            chmod=status.st_mode & MODE_BITS != entry.mode,
            unmapped=owner is None and bool(entry.uid or entry.gid),
        )
        return _NOTHING if plan == _NOTHING else plan

    def _learn_owner(self, status: os.stat_result, *, inherits: bool) -> None:
        if self._natural_owner is None and not inherits:
            self._natural_owner = (status.st_uid, status.st_gid)


def _chown(file: int | bytes, owner: Owner, entry: Entry, directory: int | None = None) -> None:
    """Set an owner, on a descriptor or on a name that is not followed.

    Raises:
        LayerError: the id is not one of this user namespace, or may not be given away.
    """
    try:
        if isinstance(file, int):
            os.fchown(file, owner.uid, owner.gid)
        else:
            os.chown(file, owner.uid, owner.gid, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EPERM, errno.EACCES}:
            raise
        owned = f"{printable(entry.name)} belongs to {owner.uid}:{owner.gid}"
        message = f"{owned}, which can't be set here"
        hint = elsewhere(file if isinstance(file, int) else directory) or (
            "Give the user more ids in /etc/subuid and /etc/subgid,"
            " or unpack with all owners mapped to one."
        )
        raise LayerError(message, actual=error.strerror, hint=hint) from error
