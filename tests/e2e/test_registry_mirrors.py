"""Mirrors, short names and blocked registries as the user's files say; tags asked for cheaply."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e.published import Published, by_digest
from tests.support.cli import Imgfetch
from tests.support.docker_registry import DockerRegistry, Upstream, docker_registry
from tests.support.images import File, ImageBuilder, WrittenImage
from tests.support.registry_layout import routes
from tests.support.registry_proxy import proxy
from tests.support.registry_server import Answer, ScriptedServer


@pytest.fixture
def cache(tmp_path: Path, registry: DockerRegistry) -> Iterator[DockerRegistry]:
    """A pull-through cache of the registry."""
    with docker_registry(tmp_path / "cache", proxy=Upstream(registry.url)) as running:
        yield running


def configure(imgfetch: Imgfetch, text: str) -> None:
    """Writes the user's registries.conf."""
    path = imgfetch.home / ".config/containers/registries.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def mirrored(registry: str, mirror: str, options: str = "") -> str:
    return (
        f'[[registry]]\nlocation = "{registry}"\n{options}\n'
        f'[[registry.mirror]]\nlocation = "{mirror}"\n'
    )


def asked(registry: DockerRegistry, image: WrittenImage) -> bool:
    """Whether a registry was asked for an image's layers."""
    log = registry.log.read_text("utf-8")
    return all(f"blobs/{layer.digest} " in log for layer in image.layers)


def test_a_pull_through_cache_gives_what_it_has(
    imgfetch: Imgfetch, published: Published, registry: DockerRegistry, cache: DockerRegistry
) -> None:
    configure(imgfetch, mirrored(registry.host, cache.host))
    pulled = imgfetch("pull", published.layered).succeeded()
    assert pulled.lines == [published.pinned(published.layered)]
    assert asked(cache, published.images[published.layered])
    cache.stop()
    shutil.rmtree(imgfetch.store)
    without = imgfetch("pull", published.layered).succeeded()
    assert without.lines == pulled.lines
    assert f"{cache.host} is passed over" in without.errors


def test_r035_a_mirror_that_goes_away_in_the_middle_of_a_layer(
    imgfetch: Imgfetch, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("abc" * 500_000)}, "none").write(layout)
    digest = image.layers[0].digest
    raw = (layout / "blobs/sha256" / digest.encoded).read_bytes()
    half = len(raw) // 2
    breaking = [Answer(200, raw, cut=half), Answer(503)]
    with (
        ScriptedServer(routes(layout, image)) as registry,
        ScriptedServer(routes(layout, image, blobs={digest: breaking})) as mirror,
    ):
        configure(imgfetch, mirrored(registry.host, mirror.host))
        imgfetch("pull", "--retries", "1", f"{registry.host}/app:1").succeeded()
        [rest] = registry.asked(f"GET /v2/app/blobs/{digest}")
    assert rest.headers["range"] == f"bytes={half}-"


@pytest.mark.parametrize("verb", ["pull", "copy"])
def test_s020_a_mirror_that_has_something_else(
    imgfetch: Imgfetch, registry: DockerRegistry, tmp_path: Path, verb: str
) -> None:
    """Its bytes are refused, and the registry is asked instead."""
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("a" * 5000)}, "none").write(layout)
    digest = image.layers[0].digest
    raw = (layout / "blobs/sha256" / digest.encoded).read_bytes()
    lying = {digest: Answer(200, raw[::-1])}
    with (
        ScriptedServer(routes(layout, image)) as honest,
        ScriptedServer(routes(layout, image, blobs=lying)) as mirror,
    ):
        configure(imgfetch, mirrored(honest.host, mirror.host))
        source, copied = f"{honest.host}/app:1", f"{registry.host}/{verb}/app:1"
        arguments = [source, copied] if verb == "copy" else [source]
        assert mirror.host in imgfetch(verb, *arguments).succeeded().errors
    if verb == "copy":
        imgfetch("pull", copied).succeeded()
    assert (imgfetch.store / "blobs/sha256" / digest.encoded).read_bytes() == raw


def test_a_blocked_registry_is_not_asked(imgfetch: Imgfetch, published: Published) -> None:
    host = published.busybox.partition("/")[0]
    configure(imgfetch, f'[[registry]]\nlocation = "{host}"\nblocked = true\n')
    for verb in ("pull", "resolve", "tags"):
        assert "blocked" in imgfetch(verb, published.busybox).exited(16).errors


def test_a_file_that_can_not_be_read_is_no_rule_less(
    imgfetch: Imgfetch, published: Published
) -> None:
    configure(imgfetch, "[[registry")
    assert "registries.conf" in imgfetch("pull", published.busybox).exited(2).errors


def test_short_names_are_what_the_user_says(imgfetch: Imgfetch, published: Published) -> None:
    repository = published.busybox.rpartition(":")[0]
    configure(imgfetch, f'[aliases]\n"bb" = "{repository}"\n')
    pinned = published.pinned(published.busybox)
    assert imgfetch("resolve", "bb:1").succeeded().lines == [pinned]
    assert imgfetch("pull", "bb:1").succeeded().lines == [pinned]
    [image] = json.loads(imgfetch("images", "--format", "json").succeeded().stdout)
    assert image["name"] == published.busybox
    for name in ("bb:1", "store:bb:1", f"bb@{pinned.partition('@')[2]}"):
        ran = imgfetch("--offline", "run", "--network", "none", name, "echo", "ran").succeeded()
        assert ran.stdout == b"ran\n"
    imgfetch("--offline", "run", "docker://bb:1", "true").exited(125)


def test_short_names_are_searched_for_in_order(imgfetch: Imgfetch, tmp_path: Path) -> None:
    """What is in the store is meant; else the first registry that has it, if all can be asked."""
    layout = tmp_path / "layout"
    image = ImageBuilder().layer({"a": File("a")}).write(layout)
    with (
        ScriptedServer({"GET *": Answer(404)}) as first,
        ScriptedServer(routes(layout, image)) as second,
    ):
        hosts = f'unqualified-search-registries = ["{first.host}", "{second.host}"]\n'
        name = f"{second.host}/app:1"
        configure(imgfetch, f'{hosts}short-name-mode = "enforcing"\n')
        assert name in imgfetch("pull", "app:1").exited(3).errors
        configure(imgfetch, hosts)
        first.routes = {"GET /v2/": Answer(200), "GET *": Answer(500)}
        imgfetch("pull", "--retries", "0", "app:1").exited(6)
        assert second.seen == []
        first.routes["GET *"] = Answer(404)
        assert name in imgfetch("pull", "app:1").succeeded().errors
        asked = len(first.seen)
        [found] = imgfetch("--offline", "resolve", "app:1").succeeded().lines
        assert found.startswith(second.host)
        imgfetch("rmi", "nothing").exited(11)
        imgfetch("rmi", "app:1").succeeded()
        assert len(first.seen) == asked


def test_r036_proxies_of_the_environment(imgfetch: Imgfetch, tmp_path: Path) -> None:
    """Names are the proxy's to resolve; the hosts in no_proxy are not its business."""
    layout, authority = tmp_path / "layout", trustme.CA()
    image = ImageBuilder().layer({"a": File("a")}).write(layout)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("registry.invalid").configure_cert(tls)
    with (
        ScriptedServer(routes(layout, image), tls=tls) as registry,
        proxy({("registry.invalid", 443): registry.port}) as between,
    ):
        options = ["--policy", "always", "--retries", "0", "--ca", str(tmp_path / "ca.pem")]
        env = {"https_proxy": f"http://127.0.0.1:{between.port}"}
        imgfetch("pull", *options, "registry.invalid/app:1", env=env).succeeded()
        assert all(head.startswith("CONNECT registry.invalid:443") for head in between.heads)
        seen = len(registry.seen)
        env["no_proxy"] = ".invalid"
        imgfetch("pull", *options, "registry.invalid/app:1", env=env).exited(10)
        assert len(registry.seen) == seen


@pytest.mark.parametrize("policy", ["newer", "always"])
def test_a_tag_that_has_not_moved_is_not_pulled_again(
    imgfetch: Imgfetch, tmp_path: Path, policy: str
) -> None:
    """S031, R014: HEAD decides that nothing has changed, and nothing else."""
    layout = tmp_path / "layout"
    one = ImageBuilder().layer({"a": File("1")}).write(layout)
    two = ImageBuilder().layer({"a": File("2")}).write(layout)
    get, head = "GET /v2/app/manifests/*", "HEAD /v2/app/manifests/1"
    with ScriptedServer(routes(layout, one)) as server:
        pull = ["pull", "--policy", policy, f"{server.host}/app:1"]

        def pulled(image: WrittenImage) -> int:
            """How many documents were handed out for a pull that gives some image."""
            before = len(server.asked(get))
            lines = imgfetch(*pull).succeeded().lines
            assert lines == [by_digest(f"{server.host}/app:1", str(image.digest))]
            return len(server.asked(get)) - before

        assert pulled(one) == 1
        assert server.asked(head) == []
        assert pulled(one) == 0
        blob = imgfetch.store / "blobs/sha256" / one.digest.encoded
        blob.chmod(0o600)
        blob.write_bytes(b"{}" + b" " * (one.descriptor.size - 2))
        assert pulled(one) == 1
        server.routes.update(routes(layout, two))
        assert pulled(two) == 1
        # It may say whatever it likes: what is in the store under another name is not meant.
        server.routes[head] = Answer(200, b"", {"Docker-Content-Digest": str(one.digest)})
        assert pulled(two) == 1
        server.routes[head] = Answer(405)
        assert pulled(two) == 1
