"""Pushing to a real registry, and what other tools then see there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from imgfetch.errors import AuthenticationError, NetworkError, NotFoundError, RegistryError
from imgfetch.oci import manifest, mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.reference import Reference, Repository
from imgfetch.registry import referrers, tags
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.push import RepositoryWriter
from imgfetch.registry.repository import PlacedRepository
from imgfetch.registry.secret import Credential, OneCredential
from imgfetch.registry.settings import RegistrySettings, RetryPolicy
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.registry_content import IMAGE, read
from tests.support.registry_token import token_server
from tests.support.tools import require_tool

BLOBS = {
    IMAGE.layer_descriptor: IMAGE.layer,
    IMAGE.config_descriptor: IMAGE.config,
}
Opener = Callable[..., RegistryClient]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def open_client() -> Iterator[Opener]:
    clients: list[RegistryClient] = []

    def open_it(**settings: object) -> RegistryClient:
        clients.append(RegistryClient(RegistrySettings(**settings)))  # type: ignore[arg-type]  # by name
        return clients[-1]

    yield open_it
    for client in clients:
        client.close()


def placed(
    client: RegistryClient, registry: DockerRegistry, path: str = "team/app"
) -> PlacedRepository:
    return client.repository(Repository(registry.host, path))


def opener(raw: bytes) -> Callable[[], BytesIO]:
    return lambda: BytesIO(raw)


def push_image(writer: RepositoryWriter, tag: str | None = "1") -> None:
    for descriptor, raw in BLOBS.items():
        writer.push(descriptor, opener(raw))
    writer.push_manifest(manifest.parse(IMAGE.manifest), IMAGE.descriptor, tag)


@pytest.mark.parametrize("piece", [None, 10_000, 1 << 20])
def test_a_pushed_image_is_what_was_pushed(
    registry: DockerRegistry, open_client: Opener, piece: int | None
) -> None:
    client = open_client()
    push_image(RepositoryWriter(placed(client, registry), piece=piece))
    source = client.source(Reference.parse(f"{registry.host}/team/app:1"))
    assert source.resolve().descriptor == IMAGE.descriptor
    for descriptor, raw in BLOBS.items():
        assert read(source.fetch(descriptor)) == raw


def test_another_tool_sees_the_same_manifest(registry: DockerRegistry, open_client: Opener) -> None:
    push_image(RepositoryWriter(placed(open_client(), registry)))
    raw = subprocess.run(
        [
            require_tool("skopeo"), "inspect", "--raw", "--tls-verify=false",
            f"docker://{registry.host}/team/app:1",
        ],
        capture_output=True,
        check=True,
    ).stdout  # fmt: skip
    assert raw == IMAGE.manifest


def test_what_is_there_is_known(registry: DockerRegistry, open_client: Opener) -> None:
    writer = RepositoryWriter(placed(open_client(), registry))
    everything = [*BLOBS, IMAGE.descriptor]
    assert [writer.has(descriptor) for descriptor in everything] == [False] * 3
    push_image(writer)
    assert [writer.has(descriptor) for descriptor in everything] == [True] * 3


def test_blobs_are_mounted_from_another_repository(
    registry: DockerRegistry, open_client: Opener
) -> None:
    client = open_client()
    push_image(RepositoryWriter(placed(client, registry)))
    other = RepositoryWriter(placed(client, registry, "other/app"))
    assert other.mount(IMAGE.layer_descriptor, "team/app")
    assert other.has(IMAGE.layer_descriptor)
    absent = Descriptor.of(b"absent", mediatype.OCI_LAYER)
    assert not other.mount(absent, "team/app")


def test_an_empty_blob_can_be_pushed(registry: DockerRegistry, open_client: Opener) -> None:
    empty = Descriptor.of(b"", mediatype.OCI_LAYER)
    for piece in (None, 1000):
        writer = RepositoryWriter(
            placed(open_client(), registry, f"empty/{piece or 0}"), piece=piece
        )
        writer.push(empty, opener(b""))
        assert writer.has(empty)


def test_bytes_other_than_promised_are_refused(
    registry: DockerRegistry, open_client: Opener
) -> None:
    writer = RepositoryWriter(placed(open_client(), registry))
    lie = Descriptor(mediatype.OCI_LAYER, Digest.of(b"one"), 3)
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        writer.push(lie, opener(b"two"))


def test_a_manifest_whose_blobs_are_missing_is_refused(
    registry: DockerRegistry, open_client: Opener
) -> None:
    writer = RepositoryWriter(placed(open_client(), registry))
    with pytest.raises(RegistryError, match="blob unknown"):
        writer.push_manifest(manifest.parse(IMAGE.manifest), IMAGE.descriptor, "1")


def test_a_read_only_registry_refuses(tmp_path: Path, open_client: Opener) -> None:
    with docker_registry(tmp_path, readonly=True) as registry:
        writer = RepositoryWriter(placed(open_client(), registry))
        with pytest.raises(RegistryError, match="405"):
            push_image(writer)


def test_pushing_needs_a_token_for_pushing(tmp_path: Path, open_client: Opener) -> None:
    with (
        token_server(tmp_path, {"alice": "pw"}, public=frozenset({"pull"})) as tokens,
        docker_registry(tmp_path / "registry", token=tokens.auth) as registry,
    ):
        alice = OneCredential(registry.host, Credential("alice", "pw"))
        with pytest.raises(NotFoundError):
            push_image(RepositoryWriter(placed(open_client(), registry)))
        client = open_client(credentials=alice)
        push_image(RepositoryWriter(placed(client, registry), piece=10_000))
        assert client.source(Reference.parse(f"{registry.host}/team/app:1")).resolve().origin


def test_credentials_are_checked_at_login(tmp_path: Path, open_client: Opener) -> None:
    good, bad = Credential("alice", "pw"), Credential("alice", "wrong")
    with docker_registry(tmp_path / "1", htpasswd={"alice": "pw"}) as registry:
        assert open_client().check(registry.host, good)
        with pytest.raises(AuthenticationError):
            open_client().check(registry.host, bad)
    with (
        token_server(tmp_path, {"alice": "pw"}) as tokens,
        docker_registry(tmp_path / "2", token=tokens.auth) as registry,
    ):
        assert open_client().check(registry.host, good)
        with pytest.raises(AuthenticationError):
            open_client().check(registry.host, bad)
    with docker_registry(tmp_path / "3") as registry:
        assert not open_client().check(registry.host, good)


def test_tags_are_listed(registry: DockerRegistry, open_client: Opener) -> None:
    repository = placed(open_client(), registry)
    writer = RepositoryWriter(repository)
    for tag in ("b", "a", "c-1.0_x"):
        push_image(writer, tag)
    assert sorted(tags.tags(repository)) == ["a", "b", "c-1.0_x"]
    with pytest.raises(NotFoundError):
        list(tags.tags(placed(open_client(), registry, "none")))


def artifact(kind: str) -> tuple[bytes, Descriptor]:
    """A manifest that refers to the image."""
    empty = Descriptor.of(b"{}", mediatype.OCI_EMPTY)
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "artifactType": kind,
        "config": empty.to_json(),
        "layers": [empty.to_json()],
        "subject": IMAGE.descriptor.to_json(),
        "annotations": {"kind": kind},
    }
    raw = json.dumps(document).encode()
    return raw, Descriptor.of(raw, mediatype.OCI_MANIFEST)


def test_referrers_are_kept_under_a_tag_where_there_is_no_api(
    registry: DockerRegistry, open_client: Opener
) -> None:
    repository = placed(open_client(), registry)
    writer = RepositoryWriter(repository)
    push_image(writer)
    digest = IMAGE.descriptor.digest
    assert referrers.referrers(repository, digest) == ()
    writer.push(Descriptor.of(b"{}", mediatype.OCI_EMPTY), opener(b"{}"))
    pushed = []
    for kind in ("application/vnd.test.sbom", "application/vnd.test.signature"):
        raw, descriptor = artifact(kind)
        for _ in range(2):
            writer.push_manifest(manifest.parse(raw), descriptor)
        pushed.append(descriptor)
    found = referrers.referrers(repository, digest)
    assert [entry.digest for entry in found] == [entry.digest for entry in pushed]
    assert found[0].artifact_type == "application/vnd.test.sbom"
    assert found[0].annotations == {"kind": "application/vnd.test.sbom"}
    only = referrers.referrers(repository, digest, "application/vnd.test.signature")
    assert [entry.digest for entry in only] == [pushed[1].digest]


def test_a_registry_that_is_gone_is_told_at_once(
    registry: DockerRegistry, open_client: Opener
) -> None:
    client = open_client(retry=RetryPolicy(retries=0))
    writer = RepositoryWriter(placed(client, registry))
    push_image(writer)
    registry.stop()
    with pytest.raises(NetworkError, match="refuses connections"):
        push_image(writer)
