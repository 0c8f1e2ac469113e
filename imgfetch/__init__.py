"""Fetch, keep and run container images, without a daemon.

Programs hold a `Client`, which is to images what `subprocess` is to programs. Names are
imported when they are used, so that ``import imgfetch`` costs next to nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"

# Of `typing`, whose import would cost more than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from imgfetch.bundle.options import BindMount, ImageMount, TmpfsMount, VolumeMount
    from imgfetch.client import PinnedImage, Settings
    from imgfetch.errors import (
        AuthenticationError,
        BundleError,
        CommandError,
        ContainerError,
        ContainerExitError,
        ContainerTimeoutError,
        ContentError,
        DiffIDMismatchError,
        DigestMismatchError,
        DocumentError,
        ImgfetchError,
        InterruptedBySignalError,
        InvalidDigestError,
        InvalidMountError,
        InvalidOptionError,
        InvalidReferenceError,
        InvalidUserError,
        LayerError,
        LayerLimitError,
        MalformedLayerError,
        NamespaceError,
        NetworkError,
        NoSpaceError,
        NotFoundError,
        NotInStoreError,
        PlatformError,
        PolicyError,
        RateLimitError,
        RegistryError,
        RuntimeFailedError,
        RuntimeMissingError,
        SizeMismatchError,
        StoreCorruptError,
        StoreError,
        StoreLockedError,
        TLSError,
        UnsafeLayerError,
        UnsupportedContentError,
        UsageError,
        VerificationError,
    )
    from imgfetch.library.client import Client
    from imgfetch.library.events import BlobEvent, Event, StartedEvent, WarningEvent
    from imgfetch.library.exec_verbs import ExecResult
    from imgfetch.library.keywords import ContainerOptions, RunKeywords
    from imgfetch.library.process import RunProcess
    from imgfetch.library.result import RunResult
    from imgfetch.library.run_verbs import DEVNULL, PIPE, STDOUT
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.reference import Reference

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "AuthenticationError",
    "BindMount",
    "BlobEvent",
    "BundleError",
    "Client",
    "CommandError",
    "ContainerError",
    "ContainerExitError",
    "ContainerOptions",
    "ContainerTimeoutError",
    "ContentError",
    "DiffIDMismatchError",
    "Digest",
    "DigestMismatchError",
    "DocumentError",
    "Event",
    "ExecResult",
    "ImageMount",
    "ImgfetchError",
    "InterruptedBySignalError",
    "InvalidDigestError",
    "InvalidMountError",
    "InvalidOptionError",
    "InvalidReferenceError",
    "InvalidUserError",
    "LayerError",
    "LayerLimitError",
    "MalformedLayerError",
    "NamespaceError",
    "NetworkError",
    "NoSpaceError",
    "NotFoundError",
    "NotInStoreError",
    "PinnedImage",
    "PlatformError",
    "PolicyError",
    "RateLimitError",
    "Reference",
    "RegistryError",
    "RunKeywords",
    "RunProcess",
    "RunResult",
    "RuntimeFailedError",
    "RuntimeMissingError",
    "Settings",
    "SizeMismatchError",
    "StartedEvent",
    "StoreCorruptError",
    "StoreError",
    "StoreLockedError",
    "TLSError",
    "TmpfsMount",
    "UnsafeLayerError",
    "UnsupportedContentError",
    "UsageError",
    "VerificationError",
    "VolumeMount",
    "WarningEvent",
    "__version__",
]

# Where the names are; those that are not here are errors.
_HOMES = {
    "BindMount": "bundle.options",
    "ImageMount": "bundle.options",
    "TmpfsMount": "bundle.options",
    "VolumeMount": "bundle.options",
    "PinnedImage": "client.image_verbs",
    "Settings": "client.settings",
    "Client": "library.client",
    "BlobEvent": "library.events",
    "Event": "library.events",
    "StartedEvent": "library.events",
    "WarningEvent": "library.events",
    "ExecResult": "library.exec_verbs",
    "ContainerOptions": "library.keywords",
    "RunKeywords": "library.keywords",
    "RunProcess": "library.process",
    "RunResult": "library.result",
    "DEVNULL": "library.run_verbs",
    "PIPE": "library.run_verbs",
    "STDOUT": "library.run_verbs",
    "Digest": "oci.digest",
    "Reference": "oci.reference",
}


if not TYPE_CHECKING:  # to whom a name that is not there would be there

    def __getattr__(name: str) -> object:
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value  # asked for once
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
