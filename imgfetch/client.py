"""The composition root: settings become collaborators, collaborators become verbs.

The command line and Python programs hold the same `Client`. Rooms are imported when
a verb needs them: a warm ``run`` never loads the registry's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imgfetch import __version__
from imgfetch.errors import NotInStoreError
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference, Repository
from imgfetch.oci.transport import PathName, StoreName, parse_image_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from imgfetch.cas.directory import LayoutStore
    from imgfetch.interfaces import ContentStore, Progress, Source, Stage
    from imgfetch.oci.descriptor import Descriptor
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.image import Image
    from imgfetch.oci.transport import ImageName
    from imgfetch.registry.client import RegistryClient
    from imgfetch.registry.secret import Credentials
    from imgfetch.workflow.images import StoredImage
    from imgfetch.workflow.obtain import Obtained, Policy


@dataclass(frozen=True, slots=True)
class Settings:
    """What the collaborators are made from.

    Attributes:
        store: absolute path of the store's directory.
        offline: whether only the store may answer.
        platform: in place of this machine's.
        runtime: name or path of the OCI runtime; None to look for one.
        network: the network of a run that asks for none in particular.
        rootfs_mode: ``auto``, ``overlay`` or ``copy``.
        jobs: how many blobs are fetched at once.
        authfile: credentials file in place of docker's.
        creds: ``user:password`` for this client's registries.
        plain_http: registries to speak HTTP to.
        insecure: registries whose certificate is not checked.
        ca: file with further certificates to trust.
        retries: tries after the first.
        environment: the environment variables that collaborators may look at.
    """

    store: str
    offline: bool = False
    platform: str | None = None
    runtime: str | None = None
    network: str = "auto"
    rootfs_mode: str = "auto"
    jobs: int = 4
    authfile: str | None = None
    creds: str | None = None
    plain_http: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca: str | None = None
    retries: int = 3
    environment: Mapping[str, str] = field(default_factory=dict)


class NoProgress:
    """For those who don't want to know."""

    def update(self, descriptor: Descriptor, stage: Stage, done: int) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class PinnedImage:
    """One platform's image by digest.

    Attributes:
        name: without tag and digest.
        digest: of the manifest (or of the index, where that was asked for).
    """

    name: str
    digest: Digest

    def __str__(self) -> str:
        """``name@digest``."""
        return f"{self.name}@{self.digest}"


class Client:
    """Everything that can be done with images, for one store.

    Args:
        settings: see `Settings`.
        progress: told how far the work has come.
    """

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        self.settings = settings
        self.progress = progress or NoProgress()
        self._registries: dict[str, RegistryClient] = {}

    def __enter__(self) -> Self:
        """Use as a context manager to have connections closed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close connections."""
        self.close()

    def close(self) -> None:
        """Close connections."""
        for registry in self._registries.values():
            registry.close()
        self._registries.clear()

    # Collaborators

    @property
    def store(self) -> LayoutStore:
        """The store; opening it costs nothing before it is used."""
        from imgfetch.cas.directory import LayoutStore

        return LayoutStore(self.settings.store)

    def platform(self, text: str | None = None) -> Platform:
        """The platform of that name; else the setting's; else this machine's."""
        chosen = text or self.settings.platform
        if chosen is not None:
            return Platform.parse(chosen)
        return Platform.from_machine(os.uname().machine)

    def _open_source(self, name: ImageName) -> Source:
        if isinstance(name, PathName):
            from imgfetch.archive import open_source

            return open_source(name)
        registry = name.reference.repository.registry
        if registry not in self._registries:
            self._registries[registry] = _registry_client(self.settings, registry)
        return self._registries[registry].source(name.reference)

    def _remote(self, name: ImageName) -> Callable[[], Source] | None:
        """How to open a name's source; None where there is none but the store."""
        if isinstance(name, StoreName) or (
            self.settings.offline and not isinstance(name, PathName)
        ):
            return None
        return lambda: self._open_source(name)

    # Verbs

    def resolve(
        self, name: str, *, platform: str | None = None, index: bool = False
    ) -> PinnedImage:
        """What a name stands for: nothing is stored.

        Args:
            name: an image name of any transport.
            platform: see `platform`.
            index: stop at the index, if there is one.

        Raises:
            ImgfetchError: of the branch that fits.
        """
        from imgfetch.cas.memory import MemoryStore
        from imgfetch.workflow.resolve import Documents, select_image
        from imgfetch.workflow.stored import StoredSource

        parsed = parse_image_name(name)
        opener = self._remote(parsed)
        store: ContentStore = MemoryStore()
        if opener is not None:
            source = opener()
        else:
            store = self.store
            source = StoredSource(_reference(parsed), self.store, store)
        try:
            documents = Documents(source, store, self.progress)
            top = documents.top()
            if index:
                return PinnedImage(_bare_name(parsed, top), top.digest)
            image = select_image(documents, top, self.platform(platform), name)
            return PinnedImage(_bare_name(parsed, top), image.descriptor.digest)
        finally:
            source.close()

    def obtain(
        self,
        name: ImageName,
        *,
        platforms: tuple[Platform, ...] | None,
        policy: Policy = "missing",
        is_complete: Callable[[Image], bool] | None = None,
    ) -> Obtained:
        """An image whose content is in the store, fetched if need be; names nothing."""
        from imgfetch.workflow.obtain import Obtainer, Wanted
        from imgfetch.workflow.stored import StoredSource

        store = self.store

        def has_layers(image: Image) -> bool:
            return all(store.contains(layer) for layer in image.manifest.layers)

        stored = None
        pinned = False
        if not isinstance(name, PathName):
            stored = StoredSource(name.reference, store, store)
            pinned = name.reference.pinned
        wanted = Wanted(str(name), platforms, policy, pinned)
        obtainer = Obtainer(
            store, self.progress, is_complete=is_complete or has_layers, jobs=self.settings.jobs
        )
        return obtainer.obtain(wanted, stored, self._remote(name))

    def pull(
        self,
        name: str,
        *,
        platforms: Iterable[str] = (),
        all_platforms: bool = False,
        policy: Policy = "always",
    ) -> list[PinnedImage]:
        """Fetch, verify, store and name an image.

        Returns:
            One entry for each platform.

        Raises:
            ImgfetchError: of the branch that fits.
        """
        parsed = parse_image_name(name)
        chosen = tuple(self.platform(text) for text in platforms) or (self.platform(),)
        store = self.store
        with store.lease():
            obtained = self.obtain(
                parsed, platforms=None if all_platforms else chosen, policy=policy
            )
            reference = _stored_reference(parsed, obtained.top)
            if store.lookup(str(reference)) != obtained.top:
                store.tag(str(reference), obtained.top)
        return [
            PinnedImage(str(reference.repository), image.descriptor.digest)
            for image in obtained.images
        ]

    def images(self) -> list[StoredImage]:
        """Every name in the store, and what of it is there."""
        from imgfetch.workflow.images import list_images
        from imgfetch.workflow.resolve import Documents

        return list_images(self.store, Documents(None, self.store, self.progress))

    def inspect(self, name: str, *, platform: str | None = None) -> dict[str, Any]:
        """An image's documents: from the store, else from its source, storing nothing."""
        from imgfetch.cas.memory import MemoryStore
        from imgfetch.workflow.images import describe
        from imgfetch.workflow.resolve import Documents, select_image
        from imgfetch.workflow.stored import StoredSource, find

        parsed = parse_image_name(name)
        opener = self._remote(parsed)
        store: ContentStore = self.store
        stored = not isinstance(parsed, PathName) and (
            opener is None or find(parsed.reference, self.store, store) is not None
        )
        if opener is None or stored:
            source: Source = StoredSource(_reference(parsed), self.store, store)
        else:
            source, store = opener(), MemoryStore()
        try:
            documents = Documents(source, store, self.progress)
            top = documents.top()
            image = select_image(documents, top, self.platform(platform), name)
            return describe(str(parsed), top, image)
        finally:
            source.close()

    def collect(self) -> int:
        """Free what no name leads to.

        Returns:
            How many bytes were freed; 0 where pulls or runs are under way, which may be
            about to name what has no name yet.
        """
        from imgfetch.cas.gc import collect
        from imgfetch.errors import StoreLockedError

        try:
            return collect(self.store)
        except StoreLockedError as error:
            self.progress.warn(f"{error.message}: nothing was freed")
            return 0

    def remove(self, name: str) -> list[str]:
        """Take names away from the store; `collect` frees what they kept.

        Returns:
            The names taken away.

        Raises:
            NotInStoreError: no such name.
        """
        from imgfetch.workflow.images import untag

        return untag(_reference(parse_image_name(name)), self.store)


def _reference(name: ImageName) -> Reference:
    """A name's reference, for names that have one."""
    if isinstance(name, PathName):
        message = f"{name} is no name in the store"
        raise NotInStoreError(message)
    return name.reference


def _stored_reference(name: ImageName, top: Descriptor) -> Reference:
    """The reference under which an image is kept.

    Images of layouts and archives keep the name they carry when it names a registry,
    and are ``localhost/…`` otherwise, as in podman.
    """
    if not isinstance(name, PathName):
        return name.reference
    carried = name.ref or top.ref_name
    if carried and "/" in carried:
        return Reference.parse(carried)
    stem = os.path.basename(name.path.rstrip("/")).partition(".")[0].lower()
    path = "".join(char if char.isascii() and char.isalnum() else "-" for char in stem).strip("-")
    repository, _, tag = (carried or "").rpartition(":")
    return Reference(Repository("localhost", repository or path or "image"), tag or "latest")


def _bare_name(name: ImageName, top: Descriptor) -> str:
    return str(_stored_reference(name, top).repository)


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
