"""Asking whether a name has moved before asking for what it stands for.

Registries count what they hand out, and Docker Hub gives little without an account; a HEAD
counts as nothing. Its answer is believed only where it says that nothing has changed: what
is used then is what the store has under that name, verified as ever.
"""

from __future__ import annotations

from imgfetch.interfaces import Source
from imgfetch.lean.typing import TYPE_CHECKING, Protocol
from imgfetch.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from imgfetch.interfaces import ContentStore, ReferenceStore
    from imgfetch.oci.digest import Digest
    from imgfetch.oci.reference import Reference
    from imgfetch.oci.unverified import Unverified


class HintingSource(Source, Protocol):
    """A source that can be asked cheaply what it has."""

    def hint(self) -> Digest | None:
        """What the name is said to stand for; None where that is not said."""
        ...


class UnlessUnchanged:
    """A source that begins with a hint; see `imgfetch.interfaces.Source`.

    Args:
        source: where the image is.
        known: what its name stands for in the store.
    """

    def __init__(self, source: HintingSource, known: Descriptor) -> None:
        self.name = source.name
        self._source = source
        self._known = known

    def resolve(self) -> Unverified:
        """See `imgfetch.interfaces.Source`."""
        if self._source.hint() == self._known.digest:
            # Not transferred where the store has it; where it was damaged there, fetched again.
            return self._source.fetch(self._known)
        return self._source.resolve()

    def fetch(self, descriptor: Descriptor) -> Unverified:
        """See `imgfetch.interfaces.Source`."""
        return self._source.fetch(descriptor)

    def close(self) -> None:
        """See `imgfetch.interfaces.Source`."""
        self._source.close()


def unless_unchanged(
    source: HintingSource, reference: Reference, references: ReferenceStore, store: ContentStore
) -> Source:
    """A source that is asked for no document that the store has under its name already."""
    found = None if reference.pinned else references.lookup(str(reference))
    if found is None or not found.media_type or not store.contains(found):
        return source
    return UnlessUnchanged(source, Descriptor(found.media_type, found.digest, found.size))
