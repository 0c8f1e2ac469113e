"""Images that move while a test runs, and what names stand for in a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.upload import upload


@dataclass(frozen=True, slots=True)
class Moving:
    """A registry whose tags move when the test wants it.

    Attributes:
        registry: the registry.
        layout: what was uploaded.
    """

    registry: DockerRegistry
    layout: Path

    def publish(self, name: str, builder: ImageBuilder) -> tuple[str, WrittenImage]:
        """Lets a tag stand for an image; returns the reference."""
        written = builder.write(self.layout, name)
        reference = upload(
            self.registry.host, self.layout, written.descriptor, f"moving/{name}", "1"
        )
        return reference, written


@pytest.fixture(scope="session")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    """A registry of which tests may move all tags that they make."""
    with docker_registry(tmp_path_factory.mktemp("moving")) as registry:
        yield Moving(registry, tmp_path_factory.mktemp("images") / "layout")


def version(text: str) -> ImageBuilder:
    """An image that prints a text."""
    return busybox_builder().layer({"version": File(text)}).config(cmd=["cat", "/version"])


def names(imgfetch: Imgfetch) -> dict[str, str]:
    """Names in the store, and the digests that they stand for."""
    listed = json.loads(imgfetch("images", "--format", "json").succeeded().stdout)
    return {image["name"]: image["digest"] for image in listed}
