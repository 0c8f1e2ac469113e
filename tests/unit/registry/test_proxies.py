"""Proxies: everything goes through them, and nothing of theirs goes further."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from imgfetch.errors import (
    NetworkError,
    RegistryError,
    UsageError,
)
from imgfetch.oci.reference import Reference
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, demanding, read
from tests.support.registry_proxy import proxy
from tests.support.registry_server import Answer, Responder
from tests.support.registry_world import World

MANIFEST = "GET /v2/app/manifests/1"
LAYER = f"GET {IMAGE.layer_path()}"


def through(world: World, port: int, userinfo: str = "", **settings: Any) -> RegistrySource:
    world.names.ports["proxy.test", 3128] = port
    url = f"http://{userinfo}proxy.test:3128"
    values = {"proxies": {"https": url, "http": url}, **settings}
    return world.client(**values).source(Reference.parse("registry.test/app:1"))


def test_r036_everything_goes_through_the_proxy(world: World) -> None:
    """Registry, token server and storage; the world's own resolver knows none of them."""
    servers: dict[str, dict[str, Responder]] = {
        "registry.test": {
            MANIFEST: demanding(
                IMAGE.manifest_answer(), "Bearer t", 'Bearer realm="https://auth.registry.test/t"'
            ),
            LAYER: demanding(
                Answer(307, b"", {"Location": "https://storage.test/x"}),
                "Bearer t",
                'Bearer realm="https://auth.registry.test/t"',
            ),
        },
        "auth.registry.test": {"GET /t": Answer(200, b'{"token":"t"}')},
        "storage.test": {"GET /x": Answer(200, IMAGE.layer)},
    }
    for name, routes in servers.items():
        world.host(name, routes)
    with proxy(dict(world.names.ports)) as running:
        world.names.ports.clear()
        image = through(world, running.port)
        assert image.resolve().descriptor == IMAGE.descriptor
        assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
        asked = {head.split(" ")[1] for head in running.heads}
        assert asked == {f"{name}:443" for name in servers}


def test_s012_the_proxys_password_stays_with_the_proxy(world: World) -> None:
    world.host("storage.test", {"GET /x": Answer(200, IMAGE.layer)}, port=80, tls=False)
    storage = Answer(307, b"", {"Location": "http://storage.test/x"})
    routes = IMAGE.routes() | {LAYER: storage}
    registry = world.host("registry.test", routes)
    password = "Basic " + base64.b64encode(b"pat:pr0xy").decode()
    with proxy(dict(world.names.ports), password=password) as running:
        allowed = frozenset({"storage.test"})
        image = through(world, running.port, "pat:pr0xy@", plain_http=allowed)
        image.resolve()
        assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
        assert all(password in head for head in running.heads)
    assert not any("proxy-authorization" in seen.headers for seen in registry.seen)


def test_r036_a_proxy_that_wants_a_password_says_so(world: World) -> None:
    world.host("registry.test", IMAGE.routes())
    with (
        proxy(dict(world.names.ports), password="Basic x") as running,
        pytest.raises(NetworkError, match=r"proxy.*407") as caught,
    ):
        through(world, running.port, "pat:wrong@").resolve()
    assert "wrong" not in "".join(caught.value.lines())


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]"])
def test_s005_a_proxy_is_not_asked_for_the_machine_itself(world: World, host: str) -> None:
    routes = IMAGE.routes() | {LAYER: Answer(307, b"", {"Location": f"https://{host}:9/x"})}
    world.host("registry.test", routes)
    with proxy(dict(world.names.ports)) as running:
        image = through(world, running.port)
        image.resolve()
        with pytest.raises((RegistryError, NetworkError)):
            read(image.fetch(IMAGE.layer_descriptor))
        assert {head.split(" ")[1] for head in running.heads} == {"registry.test:443"}


@pytest.mark.parametrize(
    "url", ["socks4://proxy.test:1080", "ftp://p", "http://", "http://u:pw@:x"]
)
def test_r036_a_proxy_that_cannot_be_used_is_named_without_its_password(
    world: World, url: str
) -> None:
    world.host("registry.test", IMAGE.routes())
    client = world.client(proxies={"https": url})
    with pytest.raises(UsageError, match="proxy") as caught:
        client.source(Reference.parse("registry.test/app:1")).resolve()
    assert "pw" not in "".join(caught.value.lines())
