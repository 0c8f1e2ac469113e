"""What the system says while the store works, as errors of ours."""

from __future__ import annotations

import errno

from imgfetch.errors import StoreError
from imgfetch.fs.space import is_no_space, no_space
from imgfetch.lean.contextlib import contextmanager
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_HINT = "name another with --store; --store-ro reads this one"
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def store_errors(path: str, doing: str, *, needed: int = 0) -> Generator[None, None, None]:
    """Map errors of the system.

    Args:
        path: of the store.
        doing: what was tried, for the message: ``read``.
        needed: bytes that were to be written.

    Raises:
        NoSpaceError: for a full file system or quota.
        StoreError: for any other error of the system.
    """
    try:
        yield
    except OSError as error:
        if is_no_space(error):
            raise no_space(path, needed=needed, error=error) from error
        message = f"can't {doing} the store {path}: {error.strerror}"
        actual = error.filename if error.filename != path else None
        hint = _HINT if error.errno in _READ_ONLY else None
        raise StoreError(message, actual=actual, hint=hint) from error


def is_read_only(error: StoreError) -> bool:
    """Whether an error came of a store that we may not write to."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _READ_ONLY
