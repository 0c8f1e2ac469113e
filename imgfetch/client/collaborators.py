"""From settings to the objects that do the work, each made when it is first needed."""

from __future__ import annotations

import os
from _thread import allocate_lock  # threading takes milliseconds to import

from imgfetch.client.naming import parse_name
from imgfetch.errors import PolicyError
from imgfetch.lean.typing import TYPE_CHECKING
from imgfetch.oci.platform import Platform
from imgfetch.oci.transport import PathName, RegistryName, StoreName

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, TypeAlias

    from imgfetch.cas.directory import LayoutStore
    from imgfetch.cas.layered import LayeredStore
    from imgfetch.client.registries import Registries
    from imgfetch.client.settings import Settings
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import (
        BlobReader,
        LayerDiff,
        LayerStats,
        Progress,
        Snapshotter,
        Source,
    )
    from imgfetch.layer.applier import Applier
    from imgfetch.oci.image import Image, Layer
    from imgfetch.oci.reference import Reference
    from imgfetch.oci.transport import ImageName
    from imgfetch.registry.source import RegistrySource
    from imgfetch.runtime.program import RuntimeProgram
    from imgfetch.workflow.lockfile import LockedImage, LockFile
    from imgfetch.workflow.obtain import Alongside, Obtained, Policy

    Store: TypeAlias = LayoutStore | LayeredStore


class Collaborators:
    """What verbs work with, for one client.

    Args:
        settings: see `Settings`.
        progress: told how far the work has come.
    """

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self._registries: Registries | None = None
        self._lock = allocate_lock()
        self._own_store: LayoutStore | None = None
        self._store: Store | None = None
        self._locked: LockFile | None = None
        self._short_names: dict[str, ImageName] = {}

    def close(self) -> None:
        """Close connections."""
        if self._registries is not None:
            self._registries.close()

    @property
    def registries(self) -> Registries:
        """Clients of registries."""
        # Another one's connections would be closed by nobody.
        with self._lock:
            if self._registries is None:
                from imgfetch.client.registries import Registries

                self._registries = Registries(self.settings, self.progress.warn)
            return self._registries

    @property
    def store(self) -> Store:
        """The store and the read-only ones; nothing is read or made before it is used."""
        if self._store is None:
            self._store = self._with_others(self.own_store) if self.settings.store_ro else None
        return self._store or self.own_store

    @property
    def own_store(self) -> LayoutStore:
        """The store without the read-only ones: what can be deleted from."""
        if self._own_store is None:
            self._own_store = self.open_store(self.settings.store)
        return self._own_store

    def _with_others(self, own: LayoutStore) -> LayeredStore:
        from imgfetch.cas.layered import LayeredStore
        from imgfetch.cas.reader import LayoutReader

        warn = self.progress.warn
        others = [LayoutReader(path, warn=warn) for path in self.settings.store_ro]
        return LayeredStore(own, others, warn=warn)

    def open_store(self, path: str) -> LayoutStore:
        """A store in another place."""
        from imgfetch.cas.directory import LayoutStore

        return LayoutStore(path, warn=self.progress.warn)

    @property
    def search_path(self) -> str:
        """Where programs are looked for, as PATH."""
        return self.settings.environment.get("PATH", os.defpath)

    def platform(self, text: str | None = None) -> Platform:
        """The platform of that name; else the setting's; else this machine's."""
        chosen = text or self.settings.platform
        if chosen is not None:
            return Platform.parse(chosen)
        return Platform.from_machine(os.uname().machine)

    def parse(self, text: str, *, stored: bool = False) -> ImageName:
        """An image name, with what the user's configuration says of short names.

        Args:
            text: the name.
            stored: whether it can only be meant for what is in the store.

        Raises:
            InvalidReferenceError: outside the grammar, or short where that is not allowed.
            UsageError: the configuration can't be read.
        """
        found = parse_name(text, self.settings.environment)
        return found[0] if len(found) == 1 else self._searched(text, found, stored=stored)

    def _searched(self, text: str, found: list[ImageName], *, stored: bool) -> ImageName:
        """Which of several names a short one stands for: found once, and used from then on."""
        from imgfetch.client import searching

        known = self._short_names.get(text) or searching.in_store(self, found)
        if known is None:
            if stored:
                return found[0]
            known = self._short_names[text] = searching.at_registries(self, found)
        return known

    def remote(self, name: ImageName) -> Callable[[], Source] | None:
        """How to open a name's source; None where there is none but the store."""
        if isinstance(name, StoreName) or (
            self.settings.offline and not isinstance(name, PathName)
        ):
            return None
        return lambda: self._open_source(name)

    def _open_source(self, name: ImageName) -> Source:
        if isinstance(name, PathName):
            from imgfetch.archive import open_source

            ingest = f"{self.settings.store}/ingest"
            return open_source(name, scratch=ingest if os.path.isdir(ingest) else None)
        return self._registry_source(name.reference)

    def _registry_source(self, reference: Reference) -> RegistrySource:
        registry = reference.repository.registry
        return self.registries.client(registry, self.settings.creds).source(reference)

    def _remote_unless_unchanged(
        self, name: ImageName, target: Store
    ) -> Callable[[], Source] | None:
        """As `remote`, and asking no registry for what it is known to have."""
        opener = self.remote(name)
        if opener is None or not isinstance(name, RegistryName):
            return opener

        def open_source() -> Source:
            from imgfetch.workflow.unchanged import unless_unchanged

            source = self._registry_source(name.reference)
            return unless_unchanged(source, name.reference, target, target)

        return open_source

    def obtain(
        self,
        name: ImageName,
        platforms: tuple[Platform, ...] | None,
        policy: Policy,
        store: Store | None = None,
        alongside: Alongside | None = None,
    ) -> Obtained:
        """An image whose content is in a store, fetched if need be; names nothing.

        With a lock file in the settings, the image that is locked and no other.
        ``alongside`` is what `Obtainer` has it for.

        Raises:
            PolicyError: not in the lock file, or another image than is locked.
        """
        locked = self.locked_image(name)
        if locked is None:
            obtained = self.obtain_unlocked(name, platforms, policy, store, alongside)
        else:
            path = self.settings.locked or ""
            exact = self.exact(name)
            obtained = self.obtain_locked(locked, path, policy, exact, platforms, store, alongside)
        for image in obtained.images:
            (store or self.store).mark_used(image.descriptor.digest)
        return obtained

    def obtain_locked(
        self,
        locked: LockedImage,
        path: str,
        policy: Policy,
        name: ImageName | None = None,
        platforms: tuple[Platform, ...] | None = None,
        store: Store | None = None,
        alongside: Alongside | None = None,
    ) -> Obtained:
        """The image that a lock file names.

        Args:
            locked: from the lock file.
            path: of the lock file, for errors.
            policy: when to ask the registry.
            name: one of the digests in the lock file; what the reference stood for by default.
            platforms: those wanted; None for all that are locked.
            store: where it is kept; the store by default.
            alongside: see `obtain`.

        Raises:
            PolicyError: another image than is locked.
        """
        exact = name or RegistryName(locked.pinned)
        chosen = platforms or tuple(one.platform for one in locked.platforms)
        obtained = self.obtain_unlocked(exact, chosen, policy, store, alongside)
        locked.check(obtained.top, obtained.images, path)
        return obtained

    def exact(self, name: ImageName) -> ImageName:
        """With a lock file in the settings, a name by the digest that it is locked to.

        Raises:
            PolicyError: not in the lock file.
        """
        locked = self.locked_image(name)
        if locked is None or isinstance(name, PathName) or name.reference.pinned:
            return name
        return type(name)(locked.pinned)

    def locked_image(self, name: ImageName) -> LockedImage | None:
        """What the lock file in the settings says of a name; None without a lock file.

        Raises:
            PolicyError: not in the lock file.
        """
        path = self.settings.locked
        if path is None:
            return None
        if isinstance(name, PathName):
            message = f"{name} can't be in the lock file {path}"
            raise PolicyError(message, hint="lock files are for images of registries")
        if self._locked is None:
            from imgfetch.client.locking import read_lock_file

            self._locked = read_lock_file(path)
        return self._locked.find(name.reference, path)

    def obtain_unlocked(
        self,
        name: ImageName,
        platforms: tuple[Platform, ...] | None,
        policy: Policy,
        store: Store | None = None,
        alongside: Alongside | None = None,
    ) -> Obtained:
        """As `obtain`, whatever lock file there is."""
        from imgfetch.workflow.obtain import Obtainer, Wanted
        from imgfetch.workflow.stored import StoredSource

        target = store or self.store

        def has_layers(image: Image) -> bool:
            return all(target.contains(layer) for layer in image.manifest.layers)

        stored = None
        pinned = False
        if not isinstance(name, PathName):
            stored = StoredSource(name.reference, target, target)
            pinned = name.reference.pinned
        obtainer = Obtainer(
            target,
            self.progress,
            is_complete=has_layers,
            jobs=self.settings.jobs,
            alongside=alongside,
        )
        wanted = Wanted(str(name), platforms, policy, pinned)
        return obtainer.obtain(wanted, stored, self._remote_unless_unchanged(name, target))

    def snapshotter(
        self, mapping: IdMapping, *, mode: str | None = None, content: BlobReader, path: str
    ) -> Snapshotter:
        """Makes root filesystems in a store's directory."""
        from imgfetch.snapshot.automatic import snapshotter

        chosen = mode or self.settings.rootfs_mode
        own = snapshotter(
            path,
            mapping,
            mode=chosen,
            content=content,
            applier=LazyApplier(mapping),
            progress=self.progress,
            search_path=self.search_path,
        )
        if not self.settings.store_ro or chosen in {"copy", "fuse-overlayfs"}:
            return own
        from imgfetch.snapshot.elsewhere import ElsewhereSnapshotter

        return ElsewhereSnapshotter(self.settings.store_ro, mapping, own)

    def runtime(self, wanted: str | None) -> RuntimeProgram:
        """The OCI runtime.

        Raises:
            RuntimeMissingError: there is none.
        """
        from imgfetch.runtime.program import find_runtime

        return find_runtime(wanted or self.settings.runtime, self.search_path)


class LazyApplier:
    """Applies layers with the owners that exist under a mapping.

    A warm run has nothing to apply: what that takes is imported when there is something.

    Args:
        mapping: the ids of this process's user namespace.
    """

    def __init__(self, mapping: IdMapping) -> None:
        self._mapping = mapping

    def apply(self, blob: BinaryIO, layer: Layer, root: int) -> LayerStats:
        """See `imgfetch.interfaces.LayerApplier`."""
        return self._applier().apply(blob, layer, root)

    def diff(self, blob: BinaryIO, layer: Layer, root: int, *, opaque: str) -> LayerDiff | None:
        """See `imgfetch.interfaces.LayerApplier`."""
        return self._applier().diff(blob, layer, root, opaque=opaque)

    def _applier(self) -> Applier:
        from imgfetch.layer.applier import Applier
        from imgfetch.layer.options import ApplyOptions
        from imgfetch.layer.ownership import ExactOwners, SingleOwner

        owners = SingleOwner() if self._mapping.single else ExactOwners()
        return Applier(ApplyOptions(owners=owners))
