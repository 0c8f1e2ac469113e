"""Who runs containers in these tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.published import Published
from tests.support.cli import Imgfetch, Result


@dataclass(frozen=True, slots=True)
class Somebody:
    """A user whose store has the images of `Published`; the registry is not needed any more.

    Attributes:
        imgfetch: the user's command.
        published: the images.
    """

    imgfetch: Imgfetch
    published: Published

    def run(
        self,
        *options: str | Path,
        command: Sequence[str] = (),
        image: str | None = None,
        input: bytes | str | None = None,  # noqa: A002 - subprocess.run's name
    ) -> Result:
        """Runs a container, without a network unless an option asks for one."""
        chosen = [] if "--network" in options else ["--network", "none"]
        return self.imgfetch(
            "run", *chosen, *options, image or self.published.busybox, *command, input=input
        )

    def workspace(self) -> Path:
        """A new directory of this user's."""
        if self.imgfetch.user:
            return self.imgfetch.user.directory("workspace")
        path = self.imgfetch.home / f"workspace-{len(list(self.imgfetch.home.iterdir()))}"
        path.mkdir()
        return path
