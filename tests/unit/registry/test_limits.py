"""Bodies that are endless, slow, or grow: each has its limit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imgfetch.errors import (
    ImgfetchError,
    NetworkError,
    RegistryError,
)
from imgfetch.registry.settings import Timeouts
from tests.support.registry_content import IMAGE, read
from tests.support.registry_guarded import (
    MANIFEST,
    bearer,
    layer_behind,
    source,
)
from tests.support.registry_server import Answer, ScriptedServer
from tests.support.registry_world import World


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
