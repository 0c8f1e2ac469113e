"""`Client`: everything that can be done with images, for programs with threads."""

from __future__ import annotations

from imgfetch.client.collaborators import Collaborators
from imgfetch.client.container_verbs import ContainerVerbs
from imgfetch.client.content_verbs import ContentVerbs
from imgfetch.client.registry_verbs import RegistryVerbs
from imgfetch.errors import UsageError
from imgfetch.interfaces import NoProgress
from imgfetch.lean.typing import TYPE_CHECKING, Literal, TypedDict
from imgfetch.library.events import CallbackProgress
from imgfetch.library.exec_verbs import ExecVerbs
from imgfetch.library.run_verbs import RunVerbs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    from imgfetch.client.settings import Settings
    from imgfetch.library.events import Event


class SettingsKeywords(TypedDict, total=False):
    """The settings of a client, in place of those of the environment and the config file.

    Attributes:
        store: the store's directory.
        store_ro: further stores, which are only read.
        locked: path of the lock file that all images have to be in.
        offline: whether only the store may answer.
        platform: in place of this machine's.
        runtime: name or path of the OCI runtime.
        network: the network of a run that asks for none in particular.
        rootfs_mode: ``auto``, ``overlay``, ``fuse-overlayfs`` or ``copy``.
        jobs: how many blobs are fetched at once.
        authfile: credentials file in place of docker's.
        creds: ``user:password`` for this client's registries.
        plain_http: registries to speak HTTP to.
        insecure_skip_verify: registries whose certificate is not checked.
        ca: file with further certificates to trust.
        retries: tries after the first.
    """

    store: str
    store_ro: Sequence[str]
    locked: str
    offline: bool
    platform: str
    runtime: str
    network: Literal["auto", "private", "host", "none"]
    rootfs_mode: Literal["auto", "overlay", "fuse-overlayfs", "copy"]
    jobs: int
    authfile: str
    creds: str
    plain_http: Sequence[str]
    insecure_skip_verify: Sequence[str]
    ca: str
    retries: int


class Client(RunVerbs, ExecVerbs, ContainerVerbs, RegistryVerbs, ContentVerbs):
    """Everything that can be done with images, for one store.

    >>> with imgfetch.Client() as client:
    ...     client.run("alpine:3", ["echo", "-n", "hello"]).stdout
    b'hello'

    A client is immutable, and all its methods may be called from any number of threads at
    once. None of them changes the process: what has to enter namespaces, to fork or to take
    signals over is done in a child, a Python interpreter of its own. The rest shares the
    client's connections. Two threads that want the same content have it fetched once.

    Containers that `run` and `popen` start end with the calling process, however that ends;
    those of `start` don't. A process that is forked (and executes nothing) while a container
    runs keeps that container alive as well.

    Image names are of any transport, see `imgfetch.oci.transport`; a `Reference` or
    `PinnedImage` will do where ``image`` is asked for. Every verb raises `ImgfetchError` of
    the branch that fits, and nothing else on bad input.

    Args:
        settings: all settings as values; then nothing is read from the environment. None for
            those of the command line, with the keywords' in their place.
        config: path of the config file; None for the command line's.
        progress: called with what happens (`Event`), from several threads at once. What it
            raises ends the work, and is raised by the verb.
        python: path of the interpreter for children; None for the one this program runs in.
        **given: see `SettingsKeywords`.

    Raises:
        UsageError: settings that are unusable, or given twice.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        config: str | None = None,
        progress: Callable[[Event], object] | None = None,
        python: str | None = None,
        **given: Unpack[SettingsKeywords],
    ) -> None:
        if settings is None:
            from imgfetch.cli.settings import SETTINGS, build, load

            unknown = sorted(given.keys() - SETTINGS.keys())
            if unknown:
                message = f"{unknown[0]} is no setting"
                raise UsageError(message)
            settings = build(load(given, config))
        elif given or config is not None:
            message = "settings are given as a value and one by one"
            raise UsageError(message, hint="dataclasses.replace changes a value")
        self._progress = progress
        self._python = python
        told = NoProgress() if progress is None else CallbackProgress(progress)
        self._collaborators = Collaborators(settings, told)

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
        """Close connections. Containers that run go on, and the client can be used again."""
        self._collaborators.close()

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self._collaborators.settings
