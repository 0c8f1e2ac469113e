"""Pulling from a real registry: docker-registry of Debian, open and behind passwords."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from imgfetch.errors import AuthenticationError, NotFoundError, TLSError
from imgfetch.interfaces import Source
from imgfetch.oci import manifest
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.manifest import Index, Manifest
from imgfetch.oci.reference import Reference
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.secret import Credential, OneCredential
from imgfetch.registry.settings import RegistrySettings
from tests.support.docker_registry import DockerRegistry, Tls, docker_registry
from tests.support.images import Executable, File, ImageBuilder, WrittenIndex, write_index
from tests.support.registry_content import read
from tests.support.registry_token import token_server
from tests.support.tools import require_tool

ALICE = Credential("alice", "s3cret")
PASSWORDS = {"alice": "s3cret"}


@dataclass(frozen=True, slots=True)
class Shelf:
    """A registry's directory with an image for two platforms in it, under ``team/app:1``."""

    directory: Path
    index: WrittenIndex


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    directory = tmp_path_factory.mktemp("registry")
    layout = tmp_path_factory.mktemp("layout")
    base = ImageBuilder().layer({"bin/app": Executable(bytes(range(256)) * 2000)})
    images = {
        "linux/amd64": base.layer({"etc/arch": File("amd64")}, "zstd"),
        "linux/arm64": base.layer({"etc/arch": File("arm64")}),
    }
    index = write_index(layout, images, "app:1", attestations=True)
    with docker_registry(directory) as registry:
        subprocess.run(
            [
                require_tool("skopeo"), "copy", "--all", "--quiet", "--dest-tls-verify=false",
                f"oci:{layout}:app:1", f"docker://{registry.host}/team/app:1",
            ],
            check=True,
        )  # fmt: skip
    return Shelf(directory, index)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return certificates(tmp_path)


def certificates(directory: Path) -> Tls:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    (directory / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(str(directory / "key.pem"))
    return Tls(directory / "cert.pem", directory / "key.pem")


class Opener(Protocol):
    def __call__(
        self,
        registry: DockerRegistry,
        name: str = "team/app:1",
        settings: RegistrySettings | None = None,
    ) -> Source: ...


@pytest.fixture
def open_source() -> Iterator[Opener]:
    with ExitStack() as clients:

        def open_it(
            registry: DockerRegistry,
            name: str = "team/app:1",
            settings: RegistrySettings | None = None,
        ) -> Source:
            client = RegistryClient(settings)
            clients.callback(client.close)
            return client.source(Reference.parse(f"{registry.host}/{name}"))

        yield open_it


def pull(source: Source) -> dict[Digest, bytes]:
    """Everything that belongs to an image, by digest of what came."""
    received: dict[Digest, bytes] = {}

    def take(descriptor: Descriptor, raw: bytes) -> None:
        assert len(raw) == descriptor.size
        received[Digest.of(raw)] = raw

    top = source.resolve()
    pending = [(top.descriptor, read(top))]
    while pending:
        descriptor, raw = pending.pop()
        take(descriptor, raw)
        parsed = manifest.parse(raw, descriptor.media_type)
        if isinstance(parsed, Index):
            pending += [(entry, read(source.fetch(entry))) for entry in parsed.manifests]
        else:
            assert isinstance(parsed, Manifest)
            for blob in (parsed.config, *parsed.layers):
                take(blob, read(source.fetch(blob)))
    source.close()
    return received


def names(shelf: Shelf) -> set[Digest]:
    images = shelf.index.images
    blobs = {blob.digest for image in images for blob in (image.config, *image.layers)}
    return {shelf.index.digest, *(image.digest for image in images), *blobs}


@pytest.fixture
def plain(shelf: Shelf) -> Iterator[DockerRegistry]:
    with docker_registry(shelf.directory) as registry:
        yield registry


def test_a_whole_index_is_pulled_from_a_plain_registry(
    open_source: Opener, shelf: Shelf, plain: DockerRegistry
) -> None:
    assert names(shelf) <= set(pull(open_source(plain)))


def test_a_transfer_is_taken_up_in_the_middle(
    open_source: Opener, shelf: Shelf, plain: DockerRegistry
) -> None:
    layer = shelf.index.images[0].layers[0]
    source = open_source(plain)
    whole = read(source.fetch(layer))
    assert Digest.of(whole) == layer.digest
    assert read(source.fetch(layer), 1000) == whole[1000:]


def test_r012_what_is_not_there_is_told_as_such(open_source: Opener, plain: DockerRegistry) -> None:
    for name in ("team/app:2", "team/none:1", f"team/app@{Digest.of(b'')}"):
        with pytest.raises(NotFoundError, match="not found"):
            open_source(plain, name).resolve()


def test_r010_a_plain_registry_on_the_loopback_is_found_without_a_delay(
    open_source: Opener,
    plain: DockerRegistry,
) -> None:
    """One request more than needed, and no waiting for a TLS handshake that never ends."""
    source = open_source(plain)
    source.resolve()
    log = plain.log.read_text("utf-8")
    assert log.count("GET /v2/ ") == 1
    assert log.count("GET /v2/team/app/manifests/1 ") == 1


def test_passwords_over_tls(open_source: Opener, shelf: Shelf, tls: Tls, tmp_path: Path) -> None:
    with docker_registry(shelf.directory, tls=tls, htpasswd=PASSWORDS) as registry:
        credentials = OneCredential(registry.host, ALICE)
        settings = RegistrySettings(credentials=credentials, ca_file=tmp_path / "ca.pem")
        assert names(shelf) <= set(pull(open_source(registry, settings=settings)))


def test_a_wrong_password_is_told_as_such(
    open_source: Opener, shelf: Shelf, tls: Tls, tmp_path: Path
) -> None:
    with docker_registry(shelf.directory, tls=tls, htpasswd=PASSWORDS) as registry:
        credentials = OneCredential(registry.host, Credential("alice", "wrong"))
        settings = RegistrySettings(credentials=credentials, ca_file=tmp_path / "ca.pem")
        with pytest.raises(AuthenticationError, match="refused the credentials of 'alice'"):
            open_source(registry, settings=settings).resolve()
        anonymous = RegistrySettings(ca_file=tmp_path / "ca.pem")
        with pytest.raises(AuthenticationError, match="asks for a name and a password"):
            open_source(registry, settings=anonymous).resolve()


def test_an_unknown_authority_is_refused_unless_told_otherwise(
    open_source: Opener, shelf: Shelf, tls: Tls
) -> None:
    with docker_registry(shelf.directory, tls=tls) as registry:
        with pytest.raises(TLSError, match="not accepted"):
            open_source(registry).resolve()
        settings = RegistrySettings(insecure=frozenset({registry.host}))
        assert open_source(registry, settings=settings).resolve().descriptor.size


def test_tokens_of_a_token_server(open_source: Opener, shelf: Shelf, tmp_path: Path) -> None:
    with (
        token_server(tmp_path, PASSWORDS) as tokens,
        docker_registry(shelf.directory, token=tokens.auth) as registry,
    ):
        settings = RegistrySettings(credentials=OneCredential(registry.host, ALICE))
        assert names(shelf) <= set(pull(open_source(registry, settings=settings)))
        assert len(tokens.server.seen) == 1
        with pytest.raises(NotFoundError):
            open_source(registry).resolve()


def test_anonymous_tokens(open_source: Opener, shelf: Shelf, tmp_path: Path) -> None:
    with (
        token_server(tmp_path, PASSWORDS, public=frozenset({"pull"})) as tokens,
        docker_registry(shelf.directory, token=tokens.auth) as registry,
    ):
        assert names(shelf) <= set(pull(open_source(registry)))
        assert tokens.server.seen[0].authorization is None


def test_identity_tokens(open_source: Opener, shelf: Shelf, tmp_path: Path) -> None:
    with (
        token_server(tmp_path, PASSWORDS, refresh_tokens={"refresh": "alice"}) as tokens,
        docker_registry(shelf.directory, token=tokens.auth) as registry,
    ):
        credentials = OneCredential(registry.host, Credential(identity_token="refresh"))
        settings = RegistrySettings(credentials=credentials)
        assert open_source(registry, settings=settings).resolve().descriptor.size
        assert [seen.method for seen in tokens.server.seen] == ["POST"]


def test_tokens_that_expire_between_blobs_are_renewed(
    open_source: Opener, shelf: Shelf, tmp_path: Path
) -> None:
    """R009: the registry refuses what our clock still believes in."""
    with (
        token_server(tmp_path, PASSWORDS) as tokens,
        docker_registry(shelf.directory, token=tokens.auth) as registry,
    ):
        # docker-registry allows for a minute of difference between clocks.
        tokens.lifetime = -61
        settings = RegistrySettings(credentials=OneCredential(registry.host, ALICE))
        with pytest.raises(NotFoundError):
            open_source(registry, settings=settings).resolve()
        tokens.lifetime = 300
        assert names(shelf) <= set(pull(open_source(registry, settings=settings)))
