"""The services that people use, as far as a loopback interface can tell."""

from __future__ import annotations

import pytest

from imgfetch.errors import AuthenticationError, NotFoundError
from imgfetch.oci.reference import Reference
from imgfetch.registry.secret import Credential
from tests.support.registry_content import IMAGE, read
from tests.support.registry_profiles import PROFILES, Profile, serve
from tests.support.registry_world import Passwords, World

ALICE = Credential("alice", "s3cret")
TOKEN = Credential("00000000-0000-0000-0000-000000000000", identity_token="refresh")
every = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
with_tokens = pytest.mark.parametrize(
    "profile",
    [profile for profile in PROFILES.values() if profile.realm],
    ids=[name for name, profile in PROFILES.items() if profile.realm],
)


def named(profile: Profile, repository: str = "team/app") -> Reference:
    return Reference.parse(f"{profile.reference}/{repository}:1")


@with_tokens
def test_public_images_are_pulled_by_anybody(world: World, profile: Profile) -> None:
    service = serve(world, profile, IMAGE, "team/app", None)
    source = world.client().source(named(profile))
    assert source.resolve().descriptor == IMAGE.descriptor
    assert read(source.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert read(source.fetch(IMAGE.config_descriptor)) == IMAGE.config
    assert len([seen for seen in service.tokens.seen if "scope=" in seen.target]) == 1


@every
def test_private_images_are_pulled_with_a_password(world: World, profile: Profile) -> None:
    """And the password is seen by the registry or its token server, and never by the storage."""
    service = serve(world, profile, IMAGE, "team/app", ALICE)
    client = world.client(credentials=Passwords({profile.reference: ALICE}))
    source = client.source(named(profile))
    assert source.resolve().descriptor == IMAGE.descriptor
    assert read(source.fetch(IMAGE.layer_descriptor), 1000) == IMAGE.layer[1000:]
    if profile.storage:
        assert {seen.authorization for seen in service.storage.seen} == {None}
    if profile.realm:
        on_api = [seen for seen in service.registry.seen if seen.path.startswith("/v2/team")]
        assert {seen.authorization for seen in on_api} <= {None, "Bearer team/app"}
    assert not any("cookie" in seen.headers for seen in service.registry.seen)


@with_tokens
def test_private_images_are_pulled_with_an_identity_token(world: World, profile: Profile) -> None:
    """R006, R007: by POST, or by GET where the token server knows no POST."""
    serve(world, profile, IMAGE, "team/app", TOKEN)
    client = world.client(credentials=Passwords({profile.reference: TOKEN}))
    assert client.source(named(profile)).resolve().descriptor == IMAGE.descriptor


@every
def test_r012_what_is_missing_is_told_the_same_way_everywhere(
    world: World, profile: Profile
) -> None:
    serve(world, profile, IMAGE, "team/app", ALICE)
    client = world.client(credentials=Passwords({profile.reference: ALICE}))
    with pytest.raises(NotFoundError, match="not found") as caught:
        client.source(named(profile, "team/missing")).resolve()
    assert f"{profile.reference}/team/missing:1" in caught.value.message
    assert world.clock.slept == []


@every
def test_r038_a_wrong_password_is_told_at_once(world: World, profile: Profile) -> None:
    serve(world, profile, IMAGE, "team/app", ALICE)
    wrong = Credential("alice", "wrong")
    client = world.client(credentials=Passwords({profile.reference: wrong}))
    with pytest.raises(AuthenticationError, match="'alice'"):
        client.source(named(profile)).resolve()
    assert world.clock.slept == []


def test_r001_docker_hubs_short_names_are_completed(world: World) -> None:
    serve(world, PROFILES["Docker Hub"], IMAGE, "library/alpine", None)
    for name in ("alpine:1", "docker.io/alpine:1", "library/alpine:1", "index.docker.io/alpine:1"):
        source = world.client().source(Reference.parse(name))
        assert source.resolve().descriptor == IMAGE.descriptor
        assert source.name == "docker.io/library/alpine:1"
