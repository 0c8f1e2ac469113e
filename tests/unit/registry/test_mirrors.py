"""Mirrors that fail, lie and ask for passwords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trustme

from imgfetch.errors import (
    AuthenticationError,
    DigestMismatchError,
    NotFoundError,
    PolicyError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.reference import Reference
from imgfetch.registry import hosts_toml, registries_conf
from imgfetch.registry.registries_conf import RegistriesConf
from imgfetch.registry.secret import Credential
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, SmallImage, demanding, read
from tests.support.registry_server import Answer, Responder, ScriptedServer
from tests.support.registry_world import Passwords, World

MANIFEST = "GET /v2/app/manifests/1"
LAYER = f"GET {IMAGE.layer_path()}"
ALICE = Credential("alice", "s3cret")
OTHER = SmallImage.of(b"another layer")


def conf(world: World, options: str = "") -> RegistriesConf:
    path = world.directory / "registries.conf"
    path.write_text(
        f'[[registry]]\nlocation = "registry.test"\n{options}\n'
        '[[registry.mirror]]\nlocation = "mirror.test"\n',
        "utf-8",
    )
    return registries_conf.load([path])


class Warnings(list[str]):
    """Warnings, collected."""


def source(
    world: World, *, options: str = "", name: str = "registry.test/app:1", **settings: Any
) -> tuple[RegistrySource, Warnings]:
    warnings = Warnings()
    client = world.client(warn=warnings.append, registries=conf(world, options), **settings)
    return client.source(Reference.parse(name)), warnings


def both(world: World, mirror: dict[str, Responder]) -> tuple[ScriptedServer, ScriptedServer]:
    return (
        world.host("registry.test", IMAGE.routes()),
        world.host("mirror.test", mirror),
    )


def test_a_mirror_that_works_is_all_that_is_asked(world: World) -> None:
    registry, _ = both(world, IMAGE.routes())
    image, warnings = source(world)
    resolved = image.resolve()
    assert resolved.descriptor == IMAGE.descriptor
    assert resolved.origin == "mirror.test"
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert registry.seen == []
    assert warnings == []


def no_such_name(world: World) -> None:
    del world.names.ports["mirror.test", 443]
    del world.names.addresses["mirror.test"]


def unknown_authority(world: World) -> None:
    world.host("mirror.test", IMAGE.routes(), authority=trustme.CA())


def answers(answer: Answer) -> Callable[[World], None]:
    def serve(world: World) -> None:
        world.host("mirror.test", {"*": answer})

    return serve


WRONG = {
    "no such name": no_such_name,
    "unknown authority": unknown_authority,
    "401": answers(Answer(401, b"", {"WWW-Authenticate": 'Basic realm="m"'})),
    "403": answers(Answer(403)),
    "404": answers(Answer(404)),
    "429": answers(Answer(429)),
    "500": answers(Answer(500)),
    "html": answers(Answer(200, b"<html>", {"Content-Type": "text/html"})),
    "cut": answers(Answer(200, IMAGE.manifest, cut=5)),
    "no http": answers(Answer(raw=b"hello")),
}


@pytest.mark.parametrize("breaks", WRONG.values(), ids=WRONG)
def test_r035_a_mirror_that_fails_is_passed_over(
    world: World, breaks: Callable[[World], None]
) -> None:
    both(world, IMAGE.routes())
    breaks(world)
    image, warnings = source(world)
    resolved = image.resolve()
    assert (resolved.descriptor, resolved.origin) == (IMAGE.descriptor, "registry.test")
    assert read(image.fetch(IMAGE.config_descriptor)) == IMAGE.config
    assert warnings[0].startswith("mirror.test is passed over: ")
    assert world.clock.slept == []


def test_r035_a_mirror_that_does_not_answer_is_waited_for_once(world: World) -> None:
    both(world, IMAGE.routes())
    world.names.ports.pop(("mirror.test", 443))
    image, warnings = source(world)
    image.resolve()
    read(image.fetch(IMAGE.layer_descriptor))
    read(image.fetch(IMAGE.config_descriptor))
    assert world.names.dialed.count(("mirror.test", 443)) == 1
    assert len(warnings) == 1


def test_r035_a_mirror_that_lacks_much_is_told_of_once(world: World) -> None:
    _, mirror = both(world, {})
    image, warnings = source(world)
    image.resolve()
    read(image.fetch(IMAGE.layer_descriptor))
    read(image.fetch(IMAGE.config_descriptor))
    assert len(mirror.seen) == 3
    assert len(warnings) == 1


def test_r035_all_errors_are_told(world: World) -> None:
    world.host("registry.test", {})
    world.host("mirror.test", {"*": Answer(500)})
    image, _ = source(world)
    with pytest.raises(NotFoundError, match=r"at registry\.test.*before that:.*mirror\.test.*500"):
        image.resolve()


def test_r035_a_mirror_that_goes_away_in_the_middle_of_a_blob(world: World) -> None:
    mirror = IMAGE.routes() | {LAYER: Answer(200, IMAGE.layer, cut=1000)}
    registry, _ = both(world, mirror)
    image, _ = source(world)
    image.resolve()
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert registry.asked(LAYER)[0].headers["range"] == "bytes=1000-"


def test_r035_a_mirror_that_gives_another_manifest_is_passed_over(world: World) -> None:
    headers = {"Content-Type": mediatype.OCI_MANIFEST}
    path = f"GET /v2/app/manifests/{IMAGE.descriptor.digest}"
    both(world, {path: Answer(200, OTHER.manifest, headers)})
    image, warnings = source(world, name=f"registry.test/app@{IMAGE.descriptor.digest}")
    assert image.resolve().origin == "registry.test"
    assert "failed verification" in warnings[0]
    assert read(image.fetch(IMAGE.descriptor)) == IMAGE.manifest


def test_r035_a_mirror_that_gives_another_blob_is_not_asked_again(world: World) -> None:
    lie = bytes(len(IMAGE.layer))
    _, mirror = both(world, IMAGE.routes() | {LAYER: Answer(200, lie)})
    image, warnings = source(world)
    with pytest.raises(DigestMismatchError, match=r"from mirror\.test"):
        read(image.fetch(IMAGE.layer_descriptor))
    assert "not asked again" in warnings[0]
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert len(mirror.asked(LAYER)) == 1


def test_s019_a_mirror_gets_nothing_of_the_registrys_credentials(world: World) -> None:
    challenge = Answer(401, b"", {"WWW-Authenticate": 'Basic realm="m"'})
    registry, mirror = both(world, {"*": challenge})
    registry.routes = {
        key: demanding(route, ALICE.basic(), 'Basic realm="r"')
        for key, route in IMAGE.routes().items()
    }
    image, _ = source(world, credentials=Passwords({"registry.test": ALICE}))
    assert image.resolve().origin == "registry.test"
    assert {seen.authorization for seen in mirror.seen} == {None}


def test_s019_a_mirror_has_its_own_credentials(world: World) -> None:
    mirror: dict[str, Responder] = {
        key: demanding(route, ALICE.basic(), 'Basic realm="m"')
        for key, route in IMAGE.routes().items()
    }
    both(world, mirror)
    image, _ = source(world, credentials=Passwords({"mirror.test": ALICE}))
    assert image.resolve().origin == "mirror.test"


def test_s020_a_mirror_for_digests_is_not_asked_for_tags(world: World) -> None:
    _, mirror = both(world, IMAGE.routes())
    image, _ = source(world, options="mirror-by-digest-only = true")
    assert image.resolve().origin == "registry.test"
    assert mirror.seen == []
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert len(mirror.asked(LAYER)) == 1


def test_a_blocked_registry_is_not_asked(world: World) -> None:
    registry, mirror = both(world, IMAGE.routes())
    with pytest.raises(PolicyError, match="blocked"):
        source(world, options="blocked = true")
    assert registry.seen == mirror.seen == []


def test_an_insecure_mirror_may_be_plain(world: World) -> None:
    path = world.directory / "registries.conf"
    path.write_text(
        '[[registry]]\nlocation = "registry.test"\n'
        '[[registry.mirror]]\nlocation = "plain.test"\ninsecure = true\n',
        "utf-8",
    )
    world.host("registry.test", {})
    plain = world.host("plain.test", IMAGE.routes(), port=80, tls=False)
    client = world.client(registries=registries_conf.load([path]))
    assert client.source(Reference.parse("registry.test/app:1")).resolve().origin == "plain.test"
    assert plain.asked(MANIFEST)


def test_a_mirror_that_refuses_is_no_reason_to_ask_anonymously(world: World) -> None:
    """S024: broken credentials stop everything, also where another place could be asked."""

    class Broken:
        def lookup(self, registry: str, repository: str) -> Credential | None:
            message = "the credential helper 'x' is missing"
            raise AuthenticationError(message)

    world.host("mirror.test", {})
    world.host("registry.test", {"*": Answer(401, b"", {"WWW-Authenticate": 'Basic realm="r"'})})
    image, _ = source(world, credentials=Broken())
    with pytest.raises(AuthenticationError, match="helper"):
        image.resolve()


def test_s019_headers_for_a_mirror_go_to_it_alone(world: World) -> None:
    """Not to the storage that it leads to, nor to its token server or the registry."""
    there = Answer(307, b"", {"Location": "https://storage.test/x"})
    challenge = 'Bearer realm="https://auth.mirror.test/t"'
    registry, mirror = both(
        world,
        {
            MANIFEST: demanding(IMAGE.manifest_answer(), "Bearer t", challenge),
            LAYER: demanding(there, "Bearer t", challenge),
        },
    )
    token = world.host("auth.mirror.test", {"GET /t": Answer(200, b'{"token":"t"}')})
    storage = world.host("storage.test", {"GET /x": Answer(200, IMAGE.layer)})
    directory = world.directory / "registry.test"
    directory.mkdir()
    (directory / "hosts.toml").write_text(
        '[host."https://mirror.test".header]\nX-Key = ["a", "b"]\nauthorization = "Basic x"\n',
        "utf-8",
    )
    hosts = hosts_toml.load([world.directory])
    assert "Basic" not in repr(hosts)
    image = world.client(hosts=hosts).source(Reference.parse("registry.test/app:1"))
    image.resolve()
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert read(image.fetch(IMAGE.config_descriptor)) == IMAGE.config
    assert {seen.headers["x-key"] for seen in mirror.seen} == {"a, b"}
    # Until the mirror wants something better.
    assert [seen.authorization for seen in mirror.asked(MANIFEST)] == ["Basic x", "Bearer t"]
    others = [*registry.seen, *token.seen, *storage.seen]
    assert len(others) == 3
    assert not any("x-key" in seen.headers or seen.authorization for seen in others)
