"""The commands of the documentation, read out of its pages, and a world in which they are true."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.busybox import busybox_builder
from tests.support.cli import PROGRAM, Imgfetch
from tests.support.contents import Dir, File
from tests.support.docker_registry import DockerRegistry
from tests.support.images import ImageBuilder
from tests.support.lifecycle import lifecycle_builder
from tests.support.upload import upload
from tests.support.users import CHECKOUT, command_as

DOCS = CHECKOUT / "docs"

# A block of commands, and, where it comes next, what they print.
_BLOCKS = re.compile(
    r"^```sh\n(?P<commands>.*?)^```$(?:\n\n^```text\n(?P<printed>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)

# The names that pages use stand for a registry that the test has started.
_REGISTRIES = """\
[[registry]]
prefix = "docker.io"
location = "{host}"

[[registry]]
prefix = "registry.example"
location = "{host}"
"""


@dataclass(frozen=True, slots=True)
class Block:
    """Some commands of a page.

    Attributes:
        commands: for a shell.
        printed: what the page says that they print, with `…` for anything; None if it says nothing.
    """

    commands: str
    printed: str | None

    def is_answered_by(self, output: str) -> bool:
        """Whether commands printed what the page says."""
        if self.printed is None:
            return True
        parts = map(re.escape, self.printed.rstrip("\n").split("…"))
        return re.fullmatch("(?s:.*?)".join(parts), output.rstrip("\n")) is not None


def pages() -> list[str]:
    """The pages that have commands, by their paths below docs/."""
    found = sorted(DOCS.rglob("*.md"))
    return [str(page.relative_to(DOCS)) for page in found if blocks(page)]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    matches = _BLOCKS.finditer(page.read_text("utf-8"))
    return [Block(match["commands"], match["printed"]) for match in matches]


def publish(registry: DockerRegistry, layout: Path) -> None:
    """Puts the images that pages speak of into a registry."""
    images = {
        "library/alpine:3": _alpine(),
        "stencils/postgres:15": lifecycle_builder("15.4"),
        "stencils/postgres:16": lifecycle_builder("16.1"),
    }
    for name, builder in images.items():
        repository, _, tag = name.partition(":")
        upload(registry.host, layout, builder.write(layout).descriptor, repository, tag)


def _alpine() -> ImageBuilder:
    """An image with what the pages use of Alpine."""
    return busybox_builder().layer(
        {"etc": Dir(), "etc/os-release": File('NAME="Alpine Linux"\nVERSION_ID=3.20.0\n')}
    )


def prepare(reader: Imgfetch, registry: DockerRegistry) -> None:
    """Lets the names that pages use stand for a registry."""
    directory = reader.home / ".config" / "containers"
    directory.mkdir(parents=True)
    (directory / "registries.conf").write_text(_REGISTRIES.format(host=registry.host))


def follow(page: Path, reader: Imgfetch) -> list[tuple[Block, str]]:
    """Runs the commands of a page as they stand there, by one shell, which ends at a failure.

    Returns:
        Each block, and what it printed.
    """
    found = blocks(page)
    marks = [f"mark-{number}-{page.stem}" for number in range(len(found))]
    script = "".join(
        f"{block.commands}\necho {mark}\n" for block, mark in zip(found, marks, strict=True)
    )
    path = f"{PROGRAM.parent}:{reader.environment()['PATH']}"
    prefix = command_as(reader.user) if reader.user else []
    done = subprocess.run(
        [*prefix, "bash", "-euo", "pipefail", "-c", script],
        env=reader.environment({"PATH": path}),
        cwd=reader.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"{page}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    printed = []
    rest = done.stdout
    for mark in marks:
        output, _, rest = rest.partition(f"{mark}\n")
        printed.append(output)
    return list(zip(found, printed, strict=True))
