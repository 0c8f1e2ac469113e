"""What a client is made from: values, whoever decided them."""

from __future__ import annotations

from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """What the collaborators are made from.

    Attributes:
        store: absolute path of the store's directory.
        store_ro: absolute paths of further stores, which are only read.
        locked: path of the lock file that all images have to be in; None for none.
        offline: whether only the store may answer.
        platform: in place of this machine's.
        runtime: name or path of the OCI runtime; None to look for one.
        network: the network of a run that asks for none in particular.
        rootfs_mode: ``auto``, ``overlay``, ``fuse-overlayfs`` or ``copy``.
        jobs: how many blobs are fetched at once.
        authfile: credentials file in place of docker's.
        creds: ``user:password`` for this client's registries.
        plain_http: registries to speak HTTP to.
        insecure: registries whose certificate is not checked.
        ca: file with further certificates to trust.
        token_hosts: ``REGISTRY=HOST``: further hosts whose token servers may see the credentials
            for a registry.
        retries: tries after the first.
        environment: the environment variables that collaborators may look at.
    """

    store: str
    store_ro: tuple[str, ...] = ()
    locked: str | None = None
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
    token_hosts: tuple[str, ...] = ()
    retries: int = 3
    environment: Mapping[str, str] = field(default_factory=dict)
