"""Which image a short name stands for, where the configuration names several registries.

The store is looked at first, then each registry is asked in turn. One that can't be asked ends
the search: which image a name stands for must not depend on who is reachable just now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import NotFoundError
from imgfetch.oci.transport import PathName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgfetch.client.collaborators import Collaborators
    from imgfetch.oci.transport import ImageName


def in_store(with_: Collaborators, candidates: Sequence[ImageName]) -> ImageName | None:
    """The first candidate that the store has a name for."""
    lookup = with_.store.lookup
    return next(
        (
            candidate
            for candidate in candidates
            if not isinstance(candidate, PathName) and lookup(str(candidate.reference))
        ),
        None,
    )


def at_registries(with_: Collaborators, candidates: Sequence[ImageName]) -> ImageName:
    """The first candidate that is at its registry; the first of all where none is.

    Raises:
        NetworkError: a registry did not answer.
        RegistryError: it answered with an error other than that there is no such image.
    """
    first = candidates[0]
    for candidate in candidates:
        opener = with_.remote(candidate)
        if opener is None:
            return first
        source = opener()
        try:
            source.resolve()
        except NotFoundError:
            continue
        finally:
            source.close()
        if candidate != first:
            with_.progress.warn(f"{first} is not there: {candidate} is used")
        return candidate
    return first
