"""From settings to the objects that do the work, each made when it is first needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imgfetch import __version__
from imgfetch.oci.platform import Platform
from imgfetch.oci.transport import PathName, StoreName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

    from imgfetch.cas.directory import LayoutStore
    from imgfetch.client.settings import Settings
    from imgfetch.fs.idmap import IdMapping
    from imgfetch.interfaces import ContentStore, LayerStats, Progress, Snapshotter, Source
    from imgfetch.oci.image import Image, Layer
    from imgfetch.oci.transport import ImageName
    from imgfetch.registry.client import RegistryClient
    from imgfetch.registry.secret import Credentials
    from imgfetch.runtime.program import RuntimeProgram
    from imgfetch.workflow.obtain import Obtained, Policy


class Collaborators:
    """What verbs work with, for one client.

    Args:
        settings: see `Settings`.
        progress: told how far the work has come.
    """

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.progress = progress
        self._registries: dict[str, RegistryClient] = {}
        self._store: LayoutStore | None = None

    def close(self) -> None:
        """Close connections."""
        for registry in self._registries.values():
            registry.close()
        self._registries.clear()

    @property
    def store(self) -> LayoutStore:
        """The store; nothing is read or made before it is used."""
        if self._store is None:
            self._store = self.open_store(self.settings.store)
        return self._store

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
        registry = name.reference.repository.registry
        if registry not in self._registries:
            self._registries[registry] = _registry_client(self.settings, registry)
        return self._registries[registry].source(name.reference)

    def obtain(
        self,
        name: ImageName,
        platforms: tuple[Platform, ...] | None,
        policy: Policy,
        store: LayoutStore | None = None,
    ) -> Obtained:
        """An image whose content is in a store, fetched if need be; names nothing."""
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
        obtainer = Obtainer(target, self.progress, is_complete=has_layers, jobs=self.settings.jobs)
        wanted = Wanted(str(name), platforms, policy, pinned)
        return obtainer.obtain(wanted, stored, self.remote(name))

    def snapshotter(
        self, mapping: IdMapping, *, mode: str | None = None, content: ContentStore, path: str
    ) -> Snapshotter:
        """Makes root filesystems in a store's directory."""
        from imgfetch.snapshot.automatic import snapshotter

        return snapshotter(
            path,
            mapping,
            mode=mode or self.settings.rootfs_mode,
            content=content,
            applier=LazyApplier(mapping),
            progress=self.progress,
        )

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
        from imgfetch.layer.applier import Applier
        from imgfetch.layer.options import ApplyOptions
        from imgfetch.layer.ownership import ExactOwners, SingleOwner

        owners = SingleOwner() if self._mapping.single else ExactOwners()
        return Applier(ApplyOptions(owners=owners)).apply(blob, layer, root)


def _registry_client(settings: Settings, registry: str) -> RegistryClient:
    """A client for one registry: credentials given on the command line are for it alone."""
    from pathlib import Path

    from imgfetch.registry.client import RegistryClient
    from imgfetch.registry.credentials import configured
    from imgfetch.registry.secret import Credential, OneCredential
    from imgfetch.registry.settings import RegistrySettings, RetryPolicy

    environment = settings.environment
    credentials: Credentials
    if settings.creds is not None:
        user, _, password = settings.creds.partition(":")
        credentials = OneCredential(registry, Credential(user, password))
    else:
        authfile = Path(settings.authfile) if settings.authfile else None
        home = Path(environment.get("HOME") or "/")
        credentials = configured(environment, home=home, authfile=authfile)
    return RegistryClient(
        RegistrySettings(
            credentials=credentials,
            plain_http=frozenset(settings.plain_http),
            insecure=frozenset(settings.insecure),
            ca_file=Path(settings.ca) if settings.ca else None,
            retry=RetryPolicy(retries=settings.retries),
            user_agent=f"imgfetch/{__version__}",
            proxies=_proxies(environment),
        )
    )


def _proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies of the environment, as curl and others read them."""
    names = {"http": "http_proxy", "https": "https_proxy", "all": "all_proxy", "no": "no_proxy"}
    proxies = {
        # HTTP_PROXY in capitals is what a CGI program gets from a request's header.
        key: environment.get(name) or ("" if key == "http" else environment.get(name.upper(), ""))
        for key, name in names.items()
    }
    return {key: value for key, value in proxies.items() if value}
