"""Registries that ask for credentials, with an image in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trustme

from tests.e2e.published import by_digest
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry, Tls, docker_registry
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.registry_token import token_server
from tests.support.upload import upload

USER, PASSWORD = "alice", "correct horse:battery"
REPOSITORY = "team/app"

Guard = Literal["password", "token"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A registry's directory with an image in it.

    Attributes:
        directory: see `docker_registry`.
        image: what is there under ``team/app:1``.
    """

    directory: Path
    image: WrittenImage


@dataclass(frozen=True, slots=True)
class Guarded:
    """A running registry that asks for credentials.

    Attributes:
        registry: the registry.
        image: what is in it.
        options: what the command needs to reach it, credentials aside.
    """

    registry: DockerRegistry
    image: WrittenImage
    options: tuple[str, ...]

    @property
    def host(self) -> str:
        """The registry's name."""
        return self.registry.host

    @property
    def reference(self) -> str:
        """The image in it."""
        return f"{self.host}/{REPOSITORY}:1"

    @property
    def pinned(self) -> str:
        """The image in it by its digest."""
        return by_digest(self.reference, str(self.image.digest))

    def login(self, imgfetch: Imgfetch, *options: str | Path, password: str = PASSWORD) -> str:
        """Logs in, and says where that was written down."""
        arguments = ["login", "-u", USER, "--password-stdin", *self.options, *options, self.host]
        return imgfetch(*arguments, input=f"{password}\n").succeeded().lines[0]


def fill(directory: Path) -> Shelf:
    """Makes a registry's directory with an image in it."""
    layout = directory / "layout"
    image = (
        ImageBuilder()
        .layer({"a": File("a" * 50_000)})
        .layer({"b": File("b")}, "zstd")
        .write(layout)
    )
    with docker_registry(directory) as registry:
        upload(registry.host, layout, image.descriptor, REPOSITORY, "1")
    return Shelf(directory, image)


@contextmanager
def guarded(shelf: Shelf, guard: Guard, directory: Path) -> Iterator[Guarded]:
    """Runs a registry that asks for a password over TLS, or for a token."""
    if guard == "password":
        tls, authority = certificates(directory)
        with docker_registry(shelf.directory, tls=tls, htpasswd={USER: PASSWORD}) as registry:
            yield Guarded(registry, shelf.image, ("--ca", str(authority)))
    else:
        with (
            token_server(directory, {USER: PASSWORD}) as tokens,
            docker_registry(shelf.directory, token=tokens.auth) as registry,
        ):
            yield Guarded(registry, shelf.image, ())


def certificates(directory: Path) -> tuple[Tls, Path]:
    """A certificate for the loopback interface, and the authority that signed it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    chain, key, ca = directory / "cert.pem", directory / "key.pem", directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    chain.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(key))
    return Tls(chain, key), ca
