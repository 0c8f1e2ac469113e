"""Redirects: where they may lead, and what goes along."""

from __future__ import annotations

import traceback

import pytest

from imgfetch.errors import (
    NetworkError,
    NotFoundError,
    RegistryError,
)
from imgfetch.oci.reference import Reference
from tests.support.registry_content import IMAGE, blob, demanding, read
from tests.support.registry_guarded import (
    BASIC,
    LAYER,
    PASSWORDS,
    basic_registry,
    layer_behind,
    redirect,
    source,
)
from tests.support.registry_server import Answer, ScriptedServer, Seen
from tests.support.registry_world import World


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


def test_r022_a_registry_may_lead_to_another_one_for_everything(world: World) -> None:
    """As registry.k8s.io does; what is missing there is missing."""
    regional = world.host("regional.test", IMAGE.routes("hidden/app"))
    world.host(
        "registry.test",
        {
            "GET /v2/app/manifests/1": redirect("https://regional.test/v2/hidden/app/manifests/1"),
            "GET /v2/app/manifests/2": redirect("https://regional.test/v2/hidden/app/manifests/2"),
        },
    )
    client = world.client(credentials=PASSWORDS)
    resolved = client.source(Reference.parse("registry.test/app:1")).resolve()
    assert (resolved.descriptor, resolved.origin) == (IMAGE.descriptor, "regional.test")
    with pytest.raises(NotFoundError, match=r"regional\.test, where registry\.test leads"):
        client.source(Reference.parse("registry.test/app:2")).resolve()
    assert {seen.authorization for seen in regional.seen} == {None}
