"""Credentials tried at a registry before they are kept."""

from __future__ import annotations

import pytest

from imgfetch.errors import AuthenticationError, RegistryError
from imgfetch.registry.secret import Credential
from tests.support.registry_content import demanding
from tests.support.registry_guarded import ALICE, BASIC
from tests.support.registry_server import Answer
from tests.support.registry_world import World

BEARER = 'Bearer realm="https://registry.test/token",service="r"'
TOKEN = Answer(200, b'{"token":"t"}')


def test_a_password_that_is_taken_is_good(world: World) -> None:
    world.host("registry.test", {"GET /v2/": demanding(Answer(), BASIC, 'Basic realm="r"')})
    assert world.client().check("registry.test", ALICE)


def test_a_token_server_is_asked_for_no_scope(world: World) -> None:
    server = world.host(
        "registry.test",
        {"GET /v2/": demanding(Answer(), "Bearer t", BEARER), "GET /token": TOKEN},
    )
    assert world.client().check("registry.test", ALICE)
    (asked,) = server.asked("GET /token")
    assert "scope" not in asked.target
    assert asked.authorization == BASIC


def test_a_registry_that_asks_for_nothing_proves_nothing(world: World) -> None:
    world.host("registry.test", {"GET /v2/": Answer()})
    assert not world.client().check("registry.test", ALICE)


@pytest.mark.parametrize("challenge", ['Basic realm="r"', BEARER])
def test_a_password_that_is_refused_is_told(world: World, challenge: str) -> None:
    world.host(
        "registry.test",
        {"GET /v2/": demanding(Answer(), "no way", challenge), "GET /token": TOKEN},
    )
    with pytest.raises(AuthenticationError) as caught:
        world.client().check("registry.test", Credential("alice", "s3cret"))
    assert "s3cret" not in "".join(caught.value.lines())


def test_a_host_that_is_no_registry_is_told(world: World) -> None:
    world.host("registry.test", {})
    with pytest.raises(RegistryError, match="no registry that speaks"):
        world.client().check("registry.test", ALICE)


def test_only_the_registry_itself_sees_the_credentials(world: World) -> None:
    """A token server in another domain gets nothing, so the credentials can't be good."""
    world.host(
        "registry.test",
        {"GET /v2/": demanding(Answer(), "Bearer x", 'Bearer realm="https://evil.example/t"')},
    )
    evil = world.host("evil.example", {"GET /t": TOKEN})
    with pytest.raises(AuthenticationError) as caught:
        world.client().check("registry.test", ALICE)
    assert "were not sent to its token server evil.example" in (caught.value.hint or "")
    assert [seen.authorization for seen in evil.seen] == [None]
