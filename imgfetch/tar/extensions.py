"""What extension headers say of the entry that follows them: pax records and GNU's long names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import LayerLimitError, MalformedLayerError
from imgfetch.tar import header, pax
from imgfetch.tar.entry import printable

if TYPE_CHECKING:
    from imgfetch.tar.entry import Entry
    from imgfetch.tar.pax import Records

# Linux's PATH_MAX, the NUL included.
NAME_LIMIT = 4096
_NAMES = frozenset({b"path", b"linkpath"})


class Extensions:
    """The headers since the last entry, and the global ones of the archive.

    Attributes:
        everywhere: records of global headers.
    """

    def __init__(self) -> None:
        self.everywhere: Records = ()
        self._records: Records = ()
        self._names: dict[int, bytes] = {}

    def collect(self, flag: int, content: bytes) -> None:
        """Take the content of one extension header.

        Raises:
            MalformedLayerError: not what its flag says.
            LayerLimitError: more than any writer makes.
        """
        if flag == header.PAX:
            self._records += pax.parse(content)
        elif flag == header.PAX_GLOBAL:
            said = pax.check_global(pax.parse(content))
            self.everywhere = tuple(dict(self.everywhere + said).items())
        else:
            self._names[flag] = content.partition(b"\0")[0]
        if len(self._records) > 2 * pax.RECORD_LIMIT:
            message = "an entry has too many extended headers"
            raise LayerLimitError(message)

    def check_unused(self) -> None:
        """At the archive's end: nothing may be left to be said.

        Raises:
            MalformedLayerError: an entry is missing.
        """
        if self._records or self._names:
            message = "the archive ends after an extended header"
            raise MalformedLayerError(message)

    def apply(self, entry: Entry) -> tuple[Records, Entry]:
        """An entry with all that was collected for it, which is done with then.

        Returns:
            The entry's own records, and the entry.

        Raises:
            MalformedLayerError: a value outside its grammar, or names in two ways.
        """
        records, names = self._records, self._names
        self._records, self._names = (), {}
        if names:
            if any(keyword in _NAMES for keyword, _ in records):
                # GNU tar follows the one, Go the other.
                message = f"{printable(entry.name)} has long names of two formats"
                raise MalformedLayerError(message)
            entry = entry._replace(
                name=names.get(header.GNU_LONG_NAME, entry.name),
                target=names.get(header.GNU_LONG_TARGET, entry.target),
            )
        return records, pax.apply(self.everywhere + records, entry)


def check_names(entry: Entry) -> None:
    """Refuse names that only extension headers can carry.

    Raises:
        MalformedLayerError: with a NUL.
        LayerLimitError: longer than a path may be.
    """
    for name in (entry.name, entry.target):
        if b"\0" in name:
            message = f"a NUL is inside the name {printable(name)}"
            raise MalformedLayerError(message)
        if len(name) >= NAME_LIMIT:
            message = f"the name {printable(name)} is too long"
            raise LayerLimitError(message, expected=f"less than {NAME_LIMIT} bytes")
