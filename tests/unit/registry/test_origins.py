"""No credential leaves the origin it is for, and no registry leads where it must not."""

from __future__ import annotations

import base64
import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from imgfetch.errors import (
    AuthenticationError,
    ImgfetchError,
    NetworkError,
    NotFoundError,
    RegistryError,
    TLSError,
)
from imgfetch.oci.reference import Reference
from imgfetch.registry.secret import Credential
from imgfetch.registry.settings import Timeouts
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, blob, demanding, read
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen
from tests.support.registry_world import Passwords, World

ALICE = Credential("alice", "s3cret")
PASSWORDS = Passwords({"registry.test": ALICE})
BASIC = "Basic " + base64.b64encode(b"alice:s3cret").decode()
LAYER = f"GET {IMAGE.layer_path()}"
MANIFEST = "GET /v2/app/manifests/1"


def source(world: World, **settings: Any) -> RegistrySource:
    return world.client(**{"credentials": PASSWORDS, **settings}).source(
        Reference.parse("registry.test/app:1")
    )


def redirect(location: str, status: int = 307) -> Answer:
    return Answer(status, b"", {"Location": location})


def basic_registry(world: World, more: dict[str, Responder] | None = None) -> ScriptedServer:
    """A registry that wants alice's password for everything."""
    routes = IMAGE.routes() | (more or {})
    return world.host(
        "registry.test",
        {key: demanding(route, BASIC, 'Basic realm="r"') for key, route in routes.items()},
    )


def layer_behind(world: World, answer: Answer) -> ScriptedServer:
    return basic_registry(world, {LAYER: answer})


@pytest.fixture
def storage(world: World) -> ScriptedServer:
    return world.host("storage.test", {"GET /layer": blob(IMAGE.layer)})


def test_s001_foreign_urls_of_a_layer_are_not_asked(world: World) -> None:
    """Descriptors don't even keep ``urls``: the blob is asked for at the registry."""
    evil = world.host("evil.test", {})
    server = basic_registry(world)
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert server.asked(LAYER)
    assert evil.seen == []


def test_s002_credentials_stay_behind_at_a_redirect_to_another_host(
    world: World, storage: ScriptedServer
) -> None:
    layer_behind(world, redirect("https://storage.test/layer"))
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert [seen.authorization for seen in storage.seen] == [None]


@pytest.mark.parametrize(
    "challenge", ['Basic realm="x"', 'Bearer realm="https://registry.test/token",service="r"']
)
def test_s002_another_origins_challenge_is_not_answered(world: World, challenge: str) -> None:
    evil = world.host("evil.test", {"GET /x": Answer(401, b"", {"WWW-Authenticate": challenge})})
    server = layer_behind(world, redirect("https://evil.test/x"))
    with pytest.raises(RegistryError, match=r"storage at evil\.test refused"):
        read(source(world).fetch(IMAGE.layer_descriptor))
    assert [seen.authorization for seen in evil.seen] == [None]
    assert server.asked("GET /token") == []


@pytest.mark.parametrize(
    ("host", "port"),
    [("s3.registry.test", 443), ("registry.test", 8443), ("registry.test.", 443)],
)
def test_s003_another_port_a_subdomain_and_a_final_dot_are_other_origins(
    world: World, host: str, port: int
) -> None:
    other = world.host(host, {"GET /layer": blob(IMAGE.layer)}, port=port)
    layer_behind(world, redirect(f"https://{host}:{port}/layer"))
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert [seen.authorization for seen in other.seen] == [None]


def test_s003_within_the_origin_credentials_are_kept(world: World) -> None:
    server = basic_registry(
        world, {LAYER: redirect("/elsewhere"), "GET /elsewhere": blob(IMAGE.layer)}
    )
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert server.asked("GET /elsewhere")[0].authorization == BASIC


def test_s003_credentials_do_not_come_back_with_the_origin(
    world: World,
) -> None:
    world.host("other.test", {"GET /x": redirect("https://registry.test/back")})
    server = world.host(
        "registry.test",
        {
            LAYER: demanding(redirect("https://other.test/x"), BASIC, 'Basic realm="r"'),
            "GET /back": blob(IMAGE.layer),
        },
    )
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert [seen.authorization for seen in server.asked("GET /back")] == [None]


@pytest.mark.parametrize("target", ["http://registry.test/x", "http://cdn.test/x"])
def test_s004_a_redirect_away_from_tls_is_refused(world: World, target: str) -> None:
    plain = [
        world.host("cdn.test", {}, port=80, tls=False),
        world.host("registry.test", {}, port=80, tls=False),
    ]
    layer_behind(world, redirect(target))
    with pytest.raises(RegistryError, match="without TLS") as caught:
        read(source(world).fetch(IMAGE.layer_descriptor))
    assert "--plain-http" in (caught.value.hint or "")
    assert all(server.connections == 0 for server in plain)


def test_s004_a_host_configured_for_it_may_be_plain(world: World) -> None:
    world.host("cdn.test", {"GET /x": blob(IMAGE.layer)}, port=80, tls=False)
    layer_behind(world, redirect("http://cdn.test/x"))
    image = source(world, plain_http=frozenset({"cdn.test"}))
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("meta.test", "169.254.169.254"),
        ("loop.test", "127.0.0.1"),
        ("zero.test", "0.0.0.0"),  # noqa: S104 - an address to be refused
        ("six.test", "::1"),
        ("mapped.test", "::ffff:169.254.169.254"),
        ("nat64.test", "64:ff9b::a9fe:a9fe"),
        ("alibaba.test", "100.100.100.200"),
        ("aws.test", "fd00:ec2::254"),
    ],
)
def test_s005_a_redirect_to_the_machine_or_its_link_is_refused(
    world: World, host: str, address: str
) -> None:
    victim = world.host(host, {"GET /x": blob(IMAGE.layer)}, address=address)
    layer_behind(world, redirect(f"https://{host}/x"))
    with pytest.raises(RegistryError, match="address: refused"):
        read(source(world).fetch(IMAGE.layer_descriptor))
    assert victim.seen == []


def test_s005_a_registry_on_the_loopback_may_lead_there(world: World) -> None:
    world.host("registry.test", {LAYER: redirect("https://local.test/x")}, address="127.0.0.1")
    world.host("local.test", {"GET /x": blob(IMAGE.layer)}, address="127.0.0.1")
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer


def test_s005_another_registrys_place_does_not_count(world: World) -> None:
    """A client that knows a registry on the loopback is not led there by a public one."""
    client = world.client()
    world.host("near.test", IMAGE.routes(), address="127.0.0.1")
    client.source(Reference.parse("near.test/app:1")).resolve()
    world.host("registry.test", {LAYER: redirect(f"https://near.test{IMAGE.layer_path()}")})
    image = client.source(Reference.parse("registry.test/app:1"))
    with pytest.raises(RegistryError, match="loopback address: refused"):
        read(image.fetch(IMAGE.layer_descriptor))


def test_s005_private_networks_are_allowed(world: World) -> None:
    layer_behind(world, redirect("https://storage.test/layer"))
    world.host("storage.test", {"GET /layer": blob(IMAGE.layer)}, address="10.1.2.3")
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer


def bearer(realm: str) -> Answer:
    challenge = f'Bearer realm="{realm}",service="r",scope="repository:app:pull"'
    return Answer(401, b"", {"WWW-Authenticate": challenge})


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


def test_s013_the_body_of_a_redirect_is_not_read(world: World, storage: ScriptedServer) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        while sent < 400 << 20:
            sent += 1 << 20
            yield bytes(1 << 20)

    answer = Answer(302, body(), {"Location": "https://storage.test/layer"}, length=400 << 20)
    layer_behind(world, answer)
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert sent < 32 << 20


@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_s014_bodies_are_not_decoded(world: World, status: int) -> None:
    """Neither on purpose nor by the libraries: 50 layers of gzip stay 50 layers of gzip."""
    headers = {"Content-Encoding": ", ".join(["gzip"] * 50), "Content-Type": "text/plain"}
    world.host("registry.test", {"GET *": Answer(status, b"\x1f\x8b not gzip", headers)})
    with pytest.raises(ImgfetchError) as caught:
        source(world).resolve()
    assert not isinstance(caught.value, NetworkError)


def endless() -> Iterator[bytes]:
    yield b'{"token": "'
    while True:
        yield b"x" * 65536


@pytest.mark.parametrize("status", [200, 404])
def test_s015_an_endless_manifest_is_given_up(world: World, status: int) -> None:
    world.host("registry.test", {"GET *": Answer(status, endless(), chunked=True)})
    with pytest.raises(RegistryError) as caught:
        source(world).resolve()
    assert status == 404 or "too large" in caught.value.message


def test_s015_an_endless_token_is_given_up(world: World) -> None:
    world.host("registry.test", {MANIFEST: bearer("/token"), "GET /token": Answer(200, endless())})
    with pytest.raises(RegistryError, match=r"token .* too large"):
        source(world).resolve()


SHORT = Timeouts(connect=5, read=5, stall_window=0.2, stall_bytes=1000, document=120)


def test_s017_a_body_that_drips_is_given_up(world: World) -> None:
    answer = Answer(200, IMAGE.manifest, {"Content-Type": "text/plain"}, drip=0.02)
    world.host("registry.test", {MANIFEST: answer})
    with pytest.raises(NetworkError, match="too slowly"):
        source(world, timeouts=SHORT).resolve()


def test_s017_a_head_that_drips_is_given_up(world: World) -> None:
    head = {"X-Padding": "x" * 20000}
    world.host("registry.test", {MANIFEST: Answer(200, b"", head, drip=0.02)})
    with pytest.raises(NetworkError, match="too slowly"):
        source(world, timeouts=SHORT).resolve()


def test_s017_a_server_that_says_nothing_is_given_up(world: World) -> None:
    world.host("registry.test", {MANIFEST: Answer(hold=60)})
    with pytest.raises(NetworkError, match="stopped sending"):
        source(world, timeouts=Timeouts(connect=5, read=0.2)).resolve()


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


def test_s025_presigned_addresses_are_not_shown(world: World) -> None:
    world.host("storage.test", {"GET /layer": Answer(500, b"X-Amz-Signature")})
    layer_behind(world, redirect("https://storage.test/layer?X-Amz-Signature=abcdef&sig=012345"))
    with pytest.raises(RegistryError) as caught:
        read(source(world).fetch(IMAGE.layer_descriptor))
    assert "abcdef" not in "".join(caught.value.lines())
    assert "012345" not in repr(caught.value)


def test_r022_a_loop_of_redirects_names_the_chain_without_secrets(world: World) -> None:
    layer_behind(world, redirect(f"{IMAGE.layer_path()}?sig=012345"))
    with pytest.raises(RegistryError, match="more than 5 redirects") as caught:
        read(source(world).fetch(IMAGE.layer_descriptor))
    assert "012345" not in "".join(caught.value.lines())
    assert (caught.value.actual or "").count(" -> ") == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_r022_every_kind_of_redirect_is_followed(
    world: World, status: int, storage: ScriptedServer
) -> None:
    layer_behind(world, redirect("https://storage.test/layer", status))
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert len(storage.seen) == 1


@pytest.mark.parametrize(
    "location", ["", "https://", "javascript:x", "https://a b/", "https://u:p@storage.test/"]
)
def test_r022_a_redirect_to_nowhere_is_an_error(world: World, location: str) -> None:
    layer_behind(world, redirect(location))
    with pytest.raises(RegistryError):
        read(source(world).fetch(IMAGE.layer_descriptor))


def test_r023_a_storage_that_refuses_two_ways_to_sign_gets_one(world: World) -> None:
    def storage(seen: Seen) -> Answer:
        return Answer(200, IMAGE.layer) if seen.authorization is None else Answer(400)

    world.host("bucket.s3.test", {"GET /*": storage})
    layer_behind(world, redirect("https://bucket.s3.test/layer?X-Amz-Signature=1"))
    assert read(source(world).fetch(IMAGE.layer_descriptor)) == IMAGE.layer


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


@pytest.mark.parametrize("breaks", [Answer(raw=b""), Answer(200, IMAGE.layer, cut=5), None])
def test_s025_tracebacks_show_no_presigned_address(world: World, breaks: Answer | None) -> None:
    if breaks is not None:
        world.host("storage.test", {"GET /layer": breaks})
    layer_behind(world, redirect("https://storage.test/layer?X-Amz-Signature=abcdef"))
    with pytest.raises(NetworkError) as caught:
        read(source(world).fetch(IMAGE.layer_descriptor))
    lines = traceback.format_exception(caught.value)
    assert "abcdef" not in "".join(lines)
    assert "s3cret" not in "".join(lines)
