"""A real pull-through cache in front of a real registry, present and gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from imgfetch.oci import manifest
from imgfetch.oci.reference import Reference, Repository
from imgfetch.registry import hosts_toml, registries_conf
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.push import RepositoryWriter
from imgfetch.registry.settings import RegistrySettings
from imgfetch.registry.source import RegistrySource
from tests.support.docker_registry import DockerRegistry, Upstream, docker_registry
from tests.support.registry_content import IMAGE, read


@dataclass(frozen=True, slots=True)
class Pair:
    """A registry with an image in it, and a cache in front of it."""

    registry: DockerRegistry
    cache: DockerRegistry
    stack: ExitStack
    warnings: list[str]

    def source(self, settings: RegistrySettings) -> RegistrySource:
        """The image, by these settings."""
        client = RegistryClient(settings, warn=self.warnings.append)
        self.stack.callback(client.close)
        return client.source(Reference.parse(f"{self.registry.host}/team/app:1"))

    def configured(self, directory: Path, options: str = "") -> RegistrySettings:
        """Settings by containers-registries.conf(5)."""
        path = directory / "registries.conf"
        path.write_text(
            f'[[registry]]\nlocation = "{self.registry.host}"\n{options}\n'
            f'[[registry.mirror]]\nlocation = "{self.cache.host}"\n',
            "utf-8",
        )
        return RegistrySettings(registries=registries_conf.load([path]))

    def asked(self, registry: DockerRegistry) -> str:
        """A registry's log."""
        return registry.log.read_text("utf-8")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        registry = stack.enter_context(docker_registry(tmp_path / "registry"))
        cache = stack.enter_context(
            docker_registry(tmp_path / "cache", proxy=Upstream(registry.url))
        )
        client = RegistryClient()
        stack.callback(client.close)
        writer = RepositoryWriter(client.repository(Repository(registry.host, "team/app")))
        writer.push(IMAGE.layer_descriptor, lambda: BytesIO(IMAGE.layer))
        writer.push(IMAGE.config_descriptor, lambda: BytesIO(IMAGE.config))
        writer.push_manifest(manifest.parse(IMAGE.manifest), IMAGE.descriptor, "1")
        yield Pair(registry, cache, stack, [])


def test_the_cache_serves_everything(pair: Pair, tmp_path: Path) -> None:
    source = pair.source(pair.configured(tmp_path))
    resolved = source.resolve()
    assert (resolved.descriptor, resolved.origin) == (IMAGE.descriptor, pair.cache.host)
    assert read(source.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert read(source.fetch(IMAGE.layer_descriptor), 1000) == IMAGE.layer[1000:]
    assert pair.warnings == []


def test_r035_a_cache_that_is_gone_is_passed_over(pair: Pair, tmp_path: Path) -> None:
    pair.cache.stop()
    source = pair.source(pair.configured(tmp_path))
    assert source.resolve().origin == pair.registry.host
    assert "refuses connections" in pair.warnings[0]


def test_r035_a_cache_that_goes_away_during_a_pull(pair: Pair, tmp_path: Path) -> None:
    source = pair.source(pair.configured(tmp_path))
    assert source.resolve().origin == pair.cache.host
    pair.cache.stop()
    assert read(source.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert read(source.fetch(IMAGE.descriptor)) == IMAGE.manifest
    assert len(pair.warnings) == 1


def test_s020_a_cache_for_digests_is_not_asked_for_tags(pair: Pair, tmp_path: Path) -> None:
    source = pair.source(pair.configured(tmp_path, "mirror-by-digest-only = true"))
    assert source.resolve().origin == pair.registry.host
    assert "manifests/1 " not in pair.asked(pair.cache)
    assert read(source.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert str(IMAGE.layer_descriptor.digest) in pair.asked(pair.cache)


def test_a_cache_by_hosts_toml(pair: Pair, tmp_path: Path) -> None:
    directory = tmp_path / "certs.d" / pair.registry.host
    directory.mkdir(parents=True)
    text = f'server = "{pair.registry.url}"\n[host."{pair.cache.url}"]\n'
    (directory / "hosts.toml").write_text(text, "utf-8")
    settings = RegistrySettings(hosts=hosts_toml.load([directory.parent]))
    source = pair.source(settings)
    assert source.resolve().origin == pair.cache.host
    assert f"ns={pair.registry.host}" in pair.asked(pair.cache)
    pair.cache.stop()
    assert source.resolve().origin == pair.registry.host
