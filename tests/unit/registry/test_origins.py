"""No credential leaves the origin it is for."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from imgfetch.errors import (
    AuthenticationError,
    NetworkError,
    NotFoundError,
    TLSError,
)
from imgfetch.oci.reference import Reference
from tests.support.registry_content import IMAGE, demanding, read
from tests.support.registry_guarded import (
    BASIC,
    LAYER,
    MANIFEST,
    bearer,
    redirect,
    source,
)
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen
from tests.support.registry_world import World


def test_s006_a_strangers_token_server_gets_no_password(world: World) -> None:
    world.host("registry.test", {MANIFEST: bearer("https://evil.example/token")})
    evil = world.host("evil.example", {"GET /token": Answer(200, b'{"token":"t"}')})
    with pytest.raises(NotFoundError) as caught:
        source(world).resolve()
    assert [seen.authorization for seen in evil.seen] == [None]
    assert all("alice" not in seen.target for seen in evil.seen)
    assert "were not sent to its token server evil.example" in (caught.value.hint or "")


def test_s006_a_token_server_of_the_same_domain_gets_the_password(world: World) -> None:
    routes = IMAGE.routes() | {
        MANIFEST: demanding(
            IMAGE.manifest_answer(),
            "Bearer t",
            'Bearer realm="https://auth.registry.test/token",service="r"',
        )
    }
    world.host("registry.test", routes)
    auth = world.host("auth.registry.test", {"GET /token": Answer(200, b'{"token":"t"}')})
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert [seen.authorization for seen in auth.seen] == [BASIC]


def test_s006_a_token_server_that_the_user_allows_gets_the_password(world: World) -> None:
    world.host(
        "registry.test",
        {
            MANIFEST: demanding(
                IMAGE.manifest_answer(), "Bearer t", 'Bearer realm="https://sso.example/t"'
            )
        },
    )
    auth = world.host("sso.example", {"GET /t": Answer(200, b'{"token":"t"}')})
    allowed = {"registry.test": frozenset({"sso.example"})}
    assert source(world, token_hosts=allowed).resolve().descriptor == IMAGE.descriptor
    assert [seen.authorization for seen in auth.seen] == [BASIC]


@pytest.mark.parametrize(
    "realm",
    [
        "",
        "file:///etc/passwd",
        "http://auth.registry.test/token",
        "https://user:pass@auth.registry.test/token",
        "ftp://auth.registry.test/",
        "https://auth.registry.test:99999/",
    ],
)
def test_s007_a_malformed_realm_is_refused(world: World, realm: str) -> None:
    auth = [
        world.host("auth.registry.test", {}),
        world.host("auth.registry.test", {}, port=80, tls=False),
    ]
    world.host("registry.test", {MANIFEST: bearer(realm)})
    with pytest.raises(AuthenticationError) as caught:
        source(world).resolve()
    assert "pass" not in "".join(caught.value.lines()).replace("/etc/passwd", "")
    assert all(server.seen == [] for server in auth)


def test_s007_a_relative_realm_is_the_registrys(world: World) -> None:
    server = world.host(
        "registry.test",
        {
            MANIFEST: demanding(IMAGE.manifest_answer(), "Bearer t", 'Bearer realm="/token"'),
            "GET /token": Answer(200, b'{"token":"t"}'),
        },
    )
    assert source(world).resolve().descriptor == IMAGE.descriptor
    assert [seen.authorization for seen in server.asked("GET /token")] == [BASIC]


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/", "https://auth.registry.test/other", "https://evil.test/"]
)
def test_s008_a_redirect_of_the_token_server_is_refused(world: World, location: str) -> None:
    world.host("registry.test", {MANIFEST: bearer("https://auth.registry.test/token")})
    auth = world.host("auth.registry.test", {"GET /token": redirect(location, 302)})
    evil = world.host("evil.test", {})
    with pytest.raises(AuthenticationError, match="redirect: refused"):
        source(world).resolve()
    assert len(auth.seen) == 1
    assert evil.seen == []


@pytest.mark.parametrize("insecure", [frozenset(), frozenset({"other.test", "registry.test"})])
def test_s009_tls_is_checked_at_the_token_server(world: World, insecure: frozenset[str]) -> None:
    world.host("registry.test", {MANIFEST: bearer("https://auth.registry.test/token")})
    stranger = trustme.CA()
    auth = world.host("auth.registry.test", {}, authority=stranger)
    with pytest.raises(TLSError, match=r"certificate of auth\.registry\.test"):
        source(world, insecure=insecure).resolve()
    assert auth.seen == []


def test_s010_an_unchecked_connection_serves_no_checked_request(world: World) -> None:
    stranger = trustme.CA()
    server = world.host("registry.test", IMAGE.routes(), authority=stranger)
    lax = source(world, insecure=frozenset({"registry.test:443"}))
    assert lax.resolve().descriptor == IMAGE.descriptor
    with pytest.raises(TLSError, match="not accepted"):
        source(world).resolve()
    assert len(server.asked(MANIFEST)) == 1


def test_s010_skipping_checks_for_one_host_leaves_the_others_checked(world: World) -> None:
    stranger = trustme.CA()
    world.host("registry.test", {LAYER: redirect("https://cdn.test/x")}, authority=stranger)
    cdn = world.host("cdn.test", {}, authority=stranger)
    image = source(world, insecure=frozenset({"registry.test"}))
    with pytest.raises(TLSError, match=r"cdn\.test"):
        read(image.fetch(IMAGE.layer_descriptor))
    assert cdn.seen == []


def test_s011_netrc_is_not_read(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: ScriptedServer
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login mallory password leaked\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server = world.host(
        "registry.test",
        {
            MANIFEST: demanding(IMAGE.manifest_answer(), "Bearer t", 'Bearer realm="/token"'),
            "GET /token": Answer(200, b'{"token":"t"}'),
            LAYER: redirect("https://storage.test/layer"),
        },
    )
    image = source(world)
    image.resolve()
    read(image.fetch(IMAGE.layer_descriptor))
    sent = {seen.authorization for seen in (*server.seen, *storage.seen)}
    assert sent == {None, BASIC, "Bearer t"}


def test_s011_proxies_of_the_environment_are_not_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    world.host("registry.test", IMAGE.routes())
    assert source(world).resolve().descriptor == IMAGE.descriptor


def test_s018_a_token_is_not_used_for_another_registry(world: World) -> None:
    def routes(token: str) -> dict[str, Responder]:
        manifest = IMAGE.manifest_answer()
        return {
            MANIFEST: demanding(manifest, f"Bearer {token}", 'Bearer realm="/token",service="x"'),
            "GET /token": Answer(200, b'{"token":"%s"}' % token.encode()),
        }

    one = world.host("one.test", routes("first"))
    two = world.host("two.test", routes("second"))
    client = world.client()
    for name in ("one.test", "two.test", "one.test"):
        client.source(Reference.parse(f"{name}/app:1")).resolve()
    assert {seen.authorization for seen in one.seen} == {None, "Bearer first"}
    assert {seen.authorization for seen in two.seen} == {None, "Bearer second"}


def test_s018_a_token_is_not_used_for_another_repository(world: World) -> None:
    def token(seen: Seen) -> Answer:
        name = "a" if "repository%3Aa%3Apull" in seen.target else "b"
        return Answer(200, b'{"token":"%s"}' % name.encode())

    def needs(name: str) -> Responder:
        return demanding(
            IMAGE.manifest_answer(), f"Bearer {name}", 'Bearer realm="/token",service="x"'
        )

    server = world.host(
        "registry.test",
        {
            "GET /v2/a/manifests/1": needs("a"),
            "GET /v2/b/manifests/1": needs("b"),
            "GET /token": token,
        },
    )
    client = world.client()
    for name in ("a", "b", "a"):
        client.source(Reference.parse(f"registry.test/{name}:1")).resolve()
    assert len(server.asked("GET /token")) == 2


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_s021_there_is_no_way_back_to_plain_http(world: World, greeting: bytes) -> None:
    """Port 80 is open and has the image, port 443 speaks no TLS."""
    plain = world.host("registry.test", IMAGE.routes(), port=80, tls=False)
    world.host("registry.test", {}, tls=False, greeting=greeting)
    with pytest.raises(NetworkError):
        source(world).resolve()
    assert plain.connections == 0


def test_s021_a_host_configured_for_it_is_asked_without_tls(world: World) -> None:
    world.host("registry.test", IMAGE.routes(), port=80, tls=False)
    image = source(world, plain_http=frozenset({"registry.test"}))
    assert image.resolve().descriptor == IMAGE.descriptor


def test_r032_cookies_are_not_kept(world: World) -> None:
    routes = IMAGE.routes()
    cookie = {"Set-Cookie": "sid=1; Path=/", "Content-Type": "text/plain"}
    routes[MANIFEST] = Answer(200, IMAGE.manifest, cookie)
    server = world.host("registry.test", routes)
    image = source(world)
    image.resolve()
    image.resolve()
    read(image.fetch(IMAGE.layer_descriptor))
    assert not any("cookie" in seen.headers for seen in server.seen)


def test_a_certificate_for_another_name_is_refused(world: World) -> None:
    server = world.host("other.test", IMAGE.routes())
    world.names.ports["registry.test", 443] = server.port
    with pytest.raises(TLSError, match="not accepted") as caught:
        source(world).resolve()
    assert "--ca FILE" in (caught.value.hint or "")
    assert isinstance(caught.value.__cause__, OSError | ssl.SSLError)
