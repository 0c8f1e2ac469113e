"""Which error gives which exit status: the table that scripts rely on."""

from __future__ import annotations

from imgfetch import errors

OK = 0
BUG = 1
USAGE = 2
# What docker run and podman run answer with when the failure is not the container's.
RUN_FAILED = 125
SIGNAL_BASE = 128
# The container's own exit status is passed through by these, so ours has to be
# the one that scripts know from docker.
CONTAINER_COMMANDS = frozenset({"run", "exec"})

EXIT_CODES: dict[type[errors.ImgfetchError], int] = {
    errors.ImgfetchError: BUG,
    errors.UsageError: USAGE,
    errors.InvalidReferenceError: 3,
    errors.VerificationError: 4,
    errors.ContentError: 5,
    errors.RegistryError: 6,
    errors.NotFoundError: 7,
    errors.AuthenticationError: 8,
    errors.RateLimitError: 9,
    errors.NetworkError: 10,
    errors.StoreError: 11,
    errors.LayerError: 12,
    errors.BundleError: 13,
    errors.RuntimeFailedError: 14,
    errors.ContainerError: RUN_FAILED,  # of the library alone
    errors.NoSpaceError: 15,
    errors.PolicyError: 16,
    errors.InterruptedBySignalError: SIGNAL_BASE,
}


def for_error(error: BaseException) -> int:
    """The exit status of an error: that of its nearest ancestor in the table."""
    if isinstance(error, errors.InterruptedBySignalError):
        return SIGNAL_BASE + error.signal_number
    for ancestor in type(error).__mro__:
        if ancestor in EXIT_CODES:
            return EXIT_CODES[ancestor]
    return BUG
