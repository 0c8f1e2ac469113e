"""oras-py and this package see the same things in one registry."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import oras.client
import pytest

from imgfetch.oci import manifest, mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.manifest import Manifest
from imgfetch.oci.reference import Reference, Repository
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.push import RepositoryWriter
from tests.support.docker_registry import DockerRegistry, docker_registry
from tests.support.registry_content import IMAGE, read


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path / "registry") as running:
        yield running


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    opened = RegistryClient()
    yield opened
    opened.close()


@pytest.fixture
def other(
    registry: DockerRegistry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[oras.client.OrasClient]:
    monkeypatch.setenv("HOME", str(registry.data_dir))
    opened = oras.client.OrasClient(hostname=registry.host, insecure=True)
    yield opened
    opened.session.close()


def test_an_artifact_that_oras_pushed_is_fetched_and_verified(
    registry: DockerRegistry, client: RegistryClient, other: oras.client.OrasClient, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 100
    (tmp_path / "data.bin").write_bytes(content)
    other.push(
        target=f"{registry.host}/team/artifact:1",
        files=[f"{tmp_path}/data.bin:application/vnd.test.data"],
        disable_path_validation=True,
    )
    source = client.source(Reference.parse(f"{registry.host}/team/artifact:1"))
    resolved = source.resolve()
    parsed = manifest.parse(read(resolved), resolved.descriptor.media_type)
    assert isinstance(parsed, Manifest)
    (layer,) = parsed.layers
    assert layer.media_type == "application/vnd.test.data"
    assert Descriptor.of(read(source.fetch(layer)), layer.media_type) == layer
    assert read(source.fetch(layer)) == content


def test_r039_an_image_that_was_pushed_is_the_same_to_oras(
    registry: DockerRegistry, client: RegistryClient, other: oras.client.OrasClient
) -> None:
    writer = RepositoryWriter(client.repository(Repository(registry.host, "team/app")))
    writer.push(IMAGE.layer_descriptor, lambda: BytesIO(IMAGE.layer))
    writer.push(IMAGE.config_descriptor, lambda: BytesIO(IMAGE.config))
    document = manifest.parse(IMAGE.manifest)
    assert isinstance(document, Manifest)
    writer.push_manifest(document, IMAGE.descriptor, "1")
    name = f"{registry.host}/team/app"
    seen = other.get_manifest(f"{name}:1", allowed_media_type=[mediatype.OCI_MANIFEST])
    assert seen["layers"][0]["digest"] == str(IMAGE.layer_descriptor.digest)
    assert other.get_tags(name) == ["1"]
    assert other.get_blob(name, str(IMAGE.layer_descriptor.digest)).content == IMAGE.layer
