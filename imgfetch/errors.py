"""Every error this package raises on purpose, in one tree.

The tree, with the exit status the command line gives to each branch::

    ImgfetchError
    ├── UsageError                   2   options that contradict each other
    ├── InvalidReferenceError        3   a reference outside the grammar
    ├── VerificationError            4   bytes are not what was promised
    │   ├── DigestMismatchError
    │   ├── SizeMismatchError
    │   └── DiffIDMismatchError
    ├── ContentError                 5   verified, but not something usable
    │   ├── DocumentError                a manifest, index or config is malformed
    │   ├── InvalidDigestError           a digest outside the grammar
    │   ├── UnsupportedContentError      a media type or feature not handled
    │   └── PlatformError                nothing for the platform asked for
    ├── RegistryError                6   the registry answered with an error
    │   ├── NotFoundError            7   … or there is no access to it
    │   ├── AuthenticationError      8
    │   └── RateLimitError           9
    ├── NetworkError                10   no answer at all
    │   └── TLSError
    ├── StoreError                  11
    │   ├── NotInStoreError              and offline, so it can't be had
    │   ├── StoreLockedError
    │   └── StoreCorruptError
    ├── LayerError                  12
    │   ├── MalformedLayerError          not a tar archive as the specs have it
    │   ├── UnsafeLayerError             would reach outside the root filesystem
    │   └── LayerLimitError              larger than the limits allow
    ├── BundleError                 13
    │   ├── InvalidUserError
    │   ├── InvalidMountError
    │   └── InvalidOptionError
    ├── RuntimeFailedError          14   the OCI runtime failed
    │   ├── RuntimeMissingError
    │   ├── CommandError                 run: 126 not executable, 127 not there
    │   └── NamespaceError               the kernel refused a namespace
    ├── ContainerError             125   of the library: the container ran, and did not do well
    │   ├── ContainerExitError           another exit status than 0
    │   └── ContainerTimeoutError        its time was over
    ├── NoSpaceError                15
    ├── PolicyError                 16   refused by a pin, a lock file or a policy
    └── InterruptedBySignalError 128+n

The library raises these and lets nothing else out on bad input; it never
exits, prints or prompts. Exit statuses are given by ``imgfetch.cli.exitcodes``.
"""

from __future__ import annotations


class ImgfetchError(Exception):
    """Root of the tree.

    Args:
        message: what failed, on what (registry, repository, digest, path).
        expected: what should have been there, where that helps.
        actual: what was there instead.
        hint: the next step a person can take.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: object = None,
        actual: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = None if expected is None else str(expected)
        self.actual = None if actual is None else str(actual)
        self.hint = hint

    def lines(self) -> list[str]:
        """The error as a person reads it: the message, the difference, the next step."""
        lines = [self.message]
        if self.expected is not None:
            lines.append(f"expected {self.expected}")
        if self.actual is not None:
            lines.append(f"got      {self.actual}")
        if self.hint is not None:
            lines.append(self.hint)
        return lines


class UsageError(ImgfetchError):
    """Arguments that can't be used together or don't make sense."""


class InvalidReferenceError(ImgfetchError):
    """A reference outside the grammar of distribution's ``reference`` package."""


class VerificationError(ImgfetchError):
    """Bytes that are not what their descriptor or config promised."""


class DigestMismatchError(VerificationError):
    """Content whose digest is another than its descriptor's."""


class SizeMismatchError(VerificationError):
    """Content longer or shorter than its descriptor says."""


class DiffIDMismatchError(VerificationError):
    """A layer whose uncompressed stream has another digest than the config's diffID."""


class ContentError(ImgfetchError):
    """Content that is what it was promised to be, and yet can't be used."""


class DocumentError(ContentError):
    """A JSON document that breaks its specification."""


class InvalidDigestError(ContentError):
    """A digest outside the grammar, or of an algorithm that is not accepted."""


class UnsupportedContentError(ContentError):
    """A media type, compression or feature that is not handled."""


class PlatformError(ContentError):
    """An image with nothing for the platform asked for, or with something else in it."""


class RegistryError(ImgfetchError):
    """A registry that answered with an error.

    Args:
        message: what failed, on what.
        status: the HTTP status, where there was one.
        expected: see `ImgfetchError`.
        actual: see `ImgfetchError`.
        hint: see `ImgfetchError`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        expected: object = None,
        actual: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, actual=actual, hint=hint)
        self.status = status


class NotFoundError(RegistryError):
    """Not there, or hidden: many registries don't tell the two apart."""


class AuthenticationError(RegistryError):
    """Credentials missing, refused, or not good for this."""


class RateLimitError(RegistryError):
    """Too many requests, and waiting did not help (HTTP 429)."""


class NetworkError(ImgfetchError):
    """No answer: name resolution, connection, timeout, or a broken transfer.

    Args:
        message: what failed, on what.
        transient: whether asking again soon may help.
        expected: see `ImgfetchError`.
        actual: see `ImgfetchError`.
        hint: see `ImgfetchError`.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        expected: object = None,
        actual: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, actual=actual, hint=hint)
        self.transient = transient


class TLSError(NetworkError):
    """A TLS handshake or certificate that was not accepted."""


class StoreError(ImgfetchError):
    """The store can't do what was asked."""


class NotInStoreError(StoreError):
    """Not in the store, and nowhere else to look (offline, or ``store:``)."""


class StoreLockedError(StoreError):
    """Another process holds a lock for longer than the caller was ready to wait."""


class StoreCorruptError(StoreError):
    """Something in the store is not what its name says, or is of an unknown format."""


class LayerError(ImgfetchError):
    """A layer that can't be applied."""


class MalformedLayerError(LayerError):
    """A layer that is not a well-formed (compressed) tar archive."""


class UnsafeLayerError(LayerError):
    """A layer with an entry that has no safe meaning below the root."""


class LayerLimitError(LayerError):
    """A layer beyond the limits set on size, expansion or number of entries."""


class BundleError(ImgfetchError):
    """A runtime bundle can't be made from this image and these options."""


class InvalidUserError(BundleError):
    """A user or group that is malformed or not in the image."""


class InvalidMountError(BundleError):
    """A volume, mount or tmpfs that is malformed or impossible."""


class InvalidOptionError(BundleError):
    """Any other option of a run that is malformed or impossible here."""


class RuntimeFailedError(ImgfetchError):
    """The OCI runtime failed before the container's process ran."""


class RuntimeMissingError(RuntimeFailedError):
    """No OCI runtime is installed, or not the one asked for, or another program is missing."""


class CommandError(RuntimeFailedError):
    """The container's command can't be started.

    Args:
        message: which, and why not.
        status: as shells have it: 126 when it can't be executed, 127 when it isn't there.
        expected: see `ImgfetchError`.
        actual: see `ImgfetchError`.
        hint: see `ImgfetchError`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 126,
        expected: object = None,
        actual: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, actual=actual, hint=hint)
        self.status = status


class NamespaceError(RuntimeFailedError):
    """The kernel refused a namespace, a mapping or a mount that a run needs."""


class ContainerError(ImgfetchError):
    """A container that ran, and whose end a program did not want.

    Args:
        message: which, and how it ended.
        returncode: its exit status; None where it goes on.
        stdout: what was captured of it so far; None where it was not.
        stderr: the same.
        expected: see `ImgfetchError`.
        actual: see `ImgfetchError`.
        hint: see `ImgfetchError`.
    """

    def __init__(
        self,
        message: str,
        *,
        returncode: int | None = None,
        stdout: bytes | str | None = None,
        stderr: bytes | str | None = None,
        expected: object = None,
        actual: object = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, expected=expected, actual=actual, hint=hint)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class ContainerExitError(ContainerError):
    """A container that exited with another status than 0."""


class ContainerTimeoutError(ContainerError):
    """A container that was stopped because its time was over, or is not waited for any longer."""


class NoSpaceError(ImgfetchError):
    """No space or no inodes left on a file system."""


class PolicyError(ImgfetchError):
    """Refused by a pin, a lock file or a signature policy."""


class InterruptedBySignalError(ImgfetchError):
    """A signal ended the work; everything was cleaned up on the way out.

    Args:
        signal_number: the signal, e.g. ``signal.SIGTERM``.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.signal_number = int(signal_number)

    def __reduce__(self) -> tuple[type[InterruptedBySignalError], tuple[int]]:
        # An exception is copied by calling its class with `args`, which are the message here.
        return (type(self), (self.signal_number,))
