"""`Client`: everything that can be done with images, for one store."""

from __future__ import annotations

from imgfetch.client.archive_verbs import ArchiveVerbs
from imgfetch.client.collaborators import Collaborators
from imgfetch.client.content_verbs import ContentVerbs
from imgfetch.client.image_verbs import ImageVerbs
from imgfetch.client.process_verbs import ProcessVerbs
from imgfetch.client.registry_verbs import RegistryVerbs
from imgfetch.client.store_verbs import StoreVerbs
from imgfetch.interfaces import NoProgress
from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from imgfetch.client.settings import Settings
    from imgfetch.interfaces import Progress


class Client(ProcessVerbs, ImageVerbs, StoreVerbs, RegistryVerbs, ArchiveVerbs, ContentVerbs):
    """Everything that can be done with images, for one store, in the calling process.

    Programs hold `imgfetch.library.client.Client`, which leaves the process as it is.

    Image names are of any transport, see `imgfetch.oci.transport`. Every verb raises
    `imgfetch.errors.ImgfetchError` of the branch that fits, and nothing else on bad
    input.

    Args:
        settings: see `Settings`.
        progress: told how far the work has come.
    """

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        self._collaborators = Collaborators(settings, progress or NoProgress())

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
        self._collaborators.close()
