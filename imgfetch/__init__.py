"""Fetch, keep and run container images, without a daemon.

Programs hold a `Client`; the command line is one of them. Names are imported when
they are used, so that ``import imgfetch`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from imgfetch.client import Client, PinnedImage, Settings
    from imgfetch.errors import ImgfetchError

__all__ = ["Client", "ImgfetchError", "PinnedImage", "Settings", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name in {"Client", "PinnedImage", "Settings"}:
        from imgfetch import client

        return getattr(client, name)
    if name == "ImgfetchError":
        from imgfetch.errors import ImgfetchError

        return ImgfetchError
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
