"""Proxies: everything goes through them, and nothing of theirs goes further."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import pytest

from imgfetch.errors import (
    NetworkError,
    RegistryError,
    TLSError,
    UsageError,
)
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.reference import Reference
from imgfetch.registry.settings import RetryPolicy
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, demanding, read
from tests.support.registry_proxy import proxy, socks_proxy
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


def test_r036_tls_goes_through_the_tls_of_a_proxy(world: World) -> None:
    """Both certificates are checked, each for its own name."""
    layer = bytes(range(256)) * 4096
    descriptor = Descriptor.of(layer, IMAGE.layer_descriptor.media_type)
    routes = IMAGE.routes() | {f"GET /v2/app/blobs/{descriptor.digest}": Answer(200, layer)}
    world.host("registry.test", routes)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    world.authority.issue_cert("proxy.test").configure_cert(context)
    with proxy(dict(world.names.ports), tls=context) as running:
        world.names.ports.clear()
        world.names.ports["proxy.test", 3128] = world.names.ports["other.test", 3128] = running.port
        for name, fails in (("proxy.test", False), ("other.test", True)):
            client = world.client(proxies={"https": f"https://{name}:3128"})
            image = client.source(Reference.parse("registry.test/app:1"))
            if fails:
                with pytest.raises(TLSError, match="not accepted"):
                    image.resolve()
                continue
            assert image.resolve().descriptor == IMAGE.descriptor
            assert read(image.fetch(descriptor)) == layer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A resolver that knows what is put into it, and the test's own servers."""
    known: dict[str, str] = {}
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Sequence[tuple[object, ...]]:
        if host == "127.0.0.1":
            return real(host, *rest, **options)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], rest[0]))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def test_r036_a_socks_proxy_may_be_given_addresses(world: World, resolver: dict[str, str]) -> None:
    """With socks5 this machine resolves names; with socks5h the proxy does."""
    port = world.host("registry.test", IMAGE.routes()).port
    resolver["registry.test"] = "203.0.113.9"
    with socks_proxy({("203.0.113.9", 443): port}) as running:
        world.names.ports.clear()
        world.names.ports["proxy.test", 1080] = running.port
        client = world.client(proxies={"https": "socks5://proxy.test"})
        image = client.source(Reference.parse("registry.test/app:1"))
        assert image.resolve().descriptor == IMAGE.descriptor
        assert running.heads == ["203.0.113.9:443"]


@pytest.mark.parametrize("password", ["", "pat:pr0xy"])
def test_r036_a_socks_proxy_resolves_names_and_connects(world: World, password: str) -> None:
    registry = world.host("registry.test", IMAGE.routes())
    userinfo = f"{password}@" if password else ""
    with socks_proxy(dict(world.names.ports), password=password) as running:
        world.names.ports.clear()
        world.names.ports["proxy.test", 1080] = running.port
        client = world.client(proxies={"all": f"socks5h://{userinfo}proxy.test"})
        image = client.source(Reference.parse("registry.test/app:1"))
        assert image.resolve().descriptor == IMAGE.descriptor
        assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
        assert running.heads == ["registry.test:443"]
    assert len(registry.seen) == 2


@pytest.mark.parametrize(
    ("url", "password", "words"),
    [
        ("socks5h://proxy.test", "", "can't be reached"),
        ("socks5h://proxy.test", "a:b", "asks for a name and a password"),
        ("socks5h://a:c@proxy.test", "a:b", "the name or the password is wrong"),
        ("socks5://proxy.test", "", "can't be resolved"),
        ("http://elsewhere.test:1", "", "Name or service not known"),
    ],
)
@pytest.mark.usefixtures("resolver")
def test_r036_what_a_proxy_objects_to_is_told(
    world: World, url: str, password: str, words: str
) -> None:
    with socks_proxy({}, password=password) as running:
        world.names.ports["proxy.test", 1080] = running.port
        client = world.client(proxies={"https": url}, retry=RetryPolicy(retries=0))
        with pytest.raises(NetworkError, match=words):
            client.source(Reference.parse("registry.test/app:1")).resolve()


def test_r036_a_proxy_that_speaks_something_else_is_told(world: World) -> None:
    host = world.host("proxy.test", {}, tls=False, greeting=b"220 mail.test ESMTP\r\n" * 4)
    world.names.ports["proxy.test", 1080] = host.port
    for scheme, words in (("http", "no answer in HTTP"), ("socks5h", "no answer in SOCKS5")):
        client = world.client(proxies={"https": f"{scheme}://proxy.test:1080"})
        # What was said may be lost when the other end hangs up on what it did not read.
        with pytest.raises(NetworkError, match=rf"{words}|broke"):
            client.source(Reference.parse("registry.test/app:1")).resolve()
