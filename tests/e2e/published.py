"""The images that tests of the installed command pull from a registry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.busybox import busybox_builder
from tests.support.docker_registry import DockerRegistry
from tests.support.images import (
    Dir,
    Executable,
    File,
    ImageBuilder,
    Opaque,
    Whiteout,
    WrittenImage,
    WrittenIndex,
    host_platform,
    write_index,
)
from tests.support.stencils import stencil_builder
from tests.support.upload import upload

FOREIGN = "linux/s390x" if host_platform().architecture != "s390x" else "linux/amd64"
"""A platform that is not this machine's."""


@dataclass(frozen=True, slots=True)
class Published:
    """Images by their references in the registry.

    Attributes:
        layout: where all of them were written before.
        busybox: runs; its command is ``sh``.
        stencil: two layers, and an entrypoint that needs a workspace.
        bare: runs, and has neither entrypoint nor command.
        multi: an index, with attestations, of this machine's platform and of `FOREIGN`.
        docker: with Docker's media types.
        settings: sets a variable, and has a script whose interpreter is missing.
        layered: four layers that delete and replace each other's files.
        images: what was written, by reference.
        indexes: what was written, by reference.
    """

    layout: Path
    busybox: str
    stencil: str
    bare: str
    multi: str
    docker: str
    settings: str
    layered: str
    images: dict[str, WrittenImage]
    indexes: dict[str, WrittenIndex]

    def pinned(self, reference: str) -> str:
        """A reference by the digest that it has for this machine."""
        if reference in self.indexes:
            return by_digest(reference, str(self.indexes[reference].images[0].digest))
        return by_digest(reference, str(self.images[reference].digest))


def by_digest(reference: str, digest: str) -> str:
    """A reference with a digest in place of its tag."""
    return f"{reference.rpartition(':')[0]}@{digest}"


def layered_builder() -> ImageBuilder:
    """An image whose layers hide much of those below them."""
    return (
        busybox_builder()
        .layer({"d": Dir(), "d/a": File("a1"), "d/b": File("b1"), "e": Dir(), "e/x": File("x1")})
        .layer({"d/a": Whiteout(), "e": Opaque(), "e/y": File("y2")}, "zstd")
        .layer({"d/a": File("a3"), "d/b": Whiteout(), "f": Executable("#!/bin/sh\n")}, "none")
    )


def publish(registry: DockerRegistry, layout: Path) -> Published:
    """Writes the images, and uploads them."""
    host = registry.host
    images: dict[str, WrittenImage] = {}
    indexes: dict[str, WrittenIndex] = {}

    def image(name: str, builder: ImageBuilder) -> str:
        written = builder.write(layout, name)
        reference = upload(host, layout, written.descriptor, f"test/{name}", "1")
        images[reference] = written
        return reference

    index = write_index(
        layout,
        {str(host_platform()): busybox_builder(), FOREIGN: layered_builder()},
        "multi",
        attestations=True,
    )
    multi = upload(host, layout, index.descriptor, "test/multi", "1")
    indexes[multi] = index
    return Published(
        layout=layout,
        busybox=image("busybox", busybox_builder()),
        stencil=image("stencil", stencil_builder()),
        bare=image("bare", replace(busybox_builder(), process={})),
        multi=multi,
        docker=image("docker", replace(busybox_builder(), docker=True)),
        settings=image(
            "settings",
            busybox_builder()
            .layer({"no-interpreter": Executable("#!/no/such/interpreter\n")})
            .config(env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "FROM_IMAGE=yes", "HOME="]),
        ),
        layered=image("layered", layered_builder()),
        images=images,
        indexes=indexes,
    )
