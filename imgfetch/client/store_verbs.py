"""The half of `Client` that is about the store itself: names, room, damage, lock files."""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.client.housekeeping import DiskUsage, Pruned
    from imgfetch.client.publishing import Publishing
    from imgfetch.client.runtimes import InstalledRuntime
    from imgfetch.findings import Finding
    from imgfetch.workflow.doctor import Diagnosis
    from imgfetch.workflow.evict import Limits
    from imgfetch.workflow.fsck import Damage
    from imgfetch.workflow.images import StoredImage
    from imgfetch.workflow.lock import Change
    from imgfetch.workflow.sync import Step


class StoreVerbs:
    """What can be done with a store, beyond taking images into it and running them."""

    _collaborators: Collaborators

    def images(self) -> list[StoredImage]:
        """Every name in the store, what of it is there, and how it is used."""
        from imgfetch.client import housekeeping

        return housekeeping.images(self._collaborators)

    def tag(self, name: str, new: str) -> str:
        """Give an image in the store another name, which it takes from any other image.

        Returns:
            The new name, complete.
        """
        from imgfetch.client import housekeeping

        return housekeeping.tag(self._collaborators, name, new)

    def pin(self, name: str, *, pinned: bool = True) -> str:
        """Let a name in the store be removed by hand only, or not any more.

        Neither `prune` nor `sync` removes it then, and `remove` only with force.

        Returns:
            The name, complete.
        """
        from imgfetch.client import housekeeping

        return housekeeping.pin(self._collaborators, name, pinned=pinned)

    def remove(self, name: str, *, force: bool = False) -> list[str]:
        """Take names away from the store; `collect` frees what they kept.

        Args:
            name: a name, or a repository's digest for all its names.
            force: also when it is pinned, or a running container uses the image.

        Returns:
            The names taken away.
        """
        from imgfetch.client import housekeeping

        return housekeeping.remove(self._collaborators, name, force=force)

    def collect(self) -> Pruned:
        """Free what no name leads to: blobs, and layers unpacked for runs.

        As an ordinary user, takes this process into namespaces of its own, as `run` does.

        Returns:
            What was freed; nothing where pulls are under way, which may be about to name
            what has no name yet.
        """
        from imgfetch.client import housekeeping

        return housekeeping.collect(self._collaborators)

    def prune(self, limits: Limits | None = None, *, dry_run: bool = False) -> Pruned:
        """Take away names that were not used for long, and free what no name leads to.

        What a running container uses stays. Else as `collect`.

        Args:
            limits: what is to be kept; all names by default.
            dry_run: only tell what would be freed.
        """
        from imgfetch.client import housekeeping
        from imgfetch.workflow.evict import Limits

        return housekeeping.prune(self._collaborators, limits or Limits(), dry_run=dry_run)

    def check(self, *, repair: bool = False) -> list[Damage]:
        """Look for damage in the store, every blob hashed again.

        Args:
            repair: set damaged content aside and fetch it again where that is possible. As
                an ordinary user, may take this process into namespaces, as `run` does.
        """
        from imgfetch.client import checking

        return checking.check(self._collaborators, repair=repair)

    def disk_usage(self) -> DiskUsage:
        """What the store takes of its file system."""
        from imgfetch.client import housekeeping

        return housekeeping.disk_usage(self._collaborators)

    # Lock files

    def lock(
        self,
        names: Iterable[str] = (),
        *,
        path: str,
        complete: bool = False,
        platforms: Iterable[str] = (),
        all_platforms: bool = False,
        upgrade: Iterable[str] | None = (),
        write: bool = True,
    ) -> list[Change]:
        """Write down what references stand for; what is locked stays as it is.

        Args:
            names: images to be in the lock file, besides those that are.
            path: of the lock file; made if it isn't there.
            complete: whether other images leave it.
            platforms: to lock images for; this machine's by default.
            all_platforms: all there are.
            upgrade: what is to be moved to what it stands for now; None for all.
            write: False to change nothing, and only tell the difference.
        """
        from imgfetch.client import locking

        return locking.lock(
            self._collaborators,
            names,
            path,
            complete=complete,
            platforms=platforms,
            all_platforms=all_platforms,
            upgrade=upgrade,
            write=write,
        )

    def sync(self, path: str, *, prune: bool = False, dry_run: bool = False) -> list[Step]:
        """Make the store hold what a lock file names.

        Args:
            path: of the lock file.
            prune: take all other names away; `collect` frees what they kept.
            dry_run: change nothing, and only tell what would be done.
        """
        from imgfetch.client import syncing

        return syncing.sync(self._collaborators, path, prune=prune, dry_run=dry_run)

    def sync_to(
        self,
        path: str,
        place: str,
        publishing: Publishing | None = None,
        *,
        dry_run: bool = False,
    ) -> list[Step]:
        """Copy what a lock file names to another place, all platforms that are locked.

        Comes from the store if it is there, else from where it was locked, past the store.

        Args:
            path: of the lock file.
            place: ``REGISTRY[/PREFIX]``, where names keep their paths, or ``oci:DIR``.
            publishing: whether referrers go along, and credentials for where it comes from.
            dry_run: send nothing, and only tell what would be sent.
        """
        from imgfetch.client import syncing
        from imgfetch.client.publishing import Publishing

        chosen = publishing or Publishing()
        return syncing.sync_to(self._collaborators, path, place, chosen, dry_run=dry_run)

    def installed_runtime(self) -> InstalledRuntime | None:
        """The OCI runtime, asked for its version; None where there is none.

        Runs don't ask: it would take them longer than all else that they do.
        """
        from imgfetch.client import runtimes

        return runtimes.installed_runtime(self._collaborators)

    def doctor(self, registries: Iterable[str] = (), *, known: Iterable[Finding] = ()) -> Diagnosis:
        """Find out what works on this machine, with this store; runs a container to see.

        Everything is looked at in processes of its own, and nothing is left.

        Args:
            registries: to be asked; those of images in the store by default. None is when
                the settings say offline.
            known: what was found before, of the settings for example.
        """
        from imgfetch.client import doctor

        return doctor.doctor(self._collaborators, registries, known)
