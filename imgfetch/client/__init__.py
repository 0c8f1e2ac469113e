"""The composition root: settings become collaborators, collaborators become verbs.

Verbs work in the calling process, and some change it for good: the command line holds this
`Client`, and so do the children of `imgfetch.library`, whose `Client` is for programs. Rooms are
imported when a verb needs them: a warm ``run`` never loads the registry's.
"""

from __future__ import annotations

from imgfetch.lean.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgfetch.client.client import Client
    from imgfetch.client.image_verbs import PinnedImage
    from imgfetch.client.settings import Settings

__all__ = ["Client", "PinnedImage", "Settings"]


def __getattr__(name: str) -> object:
    # A warm run needs none of them.
    if name == "Client":
        from imgfetch.client.client import Client

        return Client
    if name == "PinnedImage":
        from imgfetch.client.image_verbs import PinnedImage

        return PinnedImage
    if name == "Settings":
        from imgfetch.client.settings import Settings

        return Settings
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
