"""The composition root: settings become collaborators, collaborators become verbs.

The command line and Python programs hold the same `Client`. Rooms are imported when
a verb needs them: a warm ``run`` never loads the registry's.
"""

from __future__ import annotations

from imgfetch.client.client import Client
from imgfetch.client.image_verbs import PinnedImage
from imgfetch.client.settings import Settings

__all__ = ["Client", "PinnedImage", "Settings"]
