"""Connections: used again, in large pieces, and given up with what came before."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import cast

import pytest

from imgfetch.errors import RegistryError
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.reference import Reference
from imgfetch.registry.settings import RetryPolicy, Timeouts
from imgfetch.registry.wire import Stream, Wire
from tests.support.registry_content import IMAGE, read
from tests.support.registry_server import Answer, Seen
from tests.support.registry_world import World

LAYER = IMAGE.layer_path()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(20)
        yield ours, theirs


def test_one_connection_serves_requests_one_after_the_other(world: World) -> None:
    moved = Answer(307, b"x" * 1000, {"Location": "/elsewhere"})
    routes = IMAGE.routes() | {f"GET {LAYER}": moved, "GET /elsewhere": Answer(200, IMAGE.layer)}
    host = world.host("registry.test", routes)
    image = world.client().source(Reference.parse("registry.test/app:1"))
    image.resolve()
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert image.hint() is None
    assert host.connections == 1


def test_a_chunked_answer_leaves_the_connection_usable(world: World) -> None:
    routes = IMAGE.routes() | {f"GET {LAYER}": Answer(200, IMAGE.layer, chunked=True)}
    host = world.host("registry.test", routes)
    image = world.client().source(Reference.parse("registry.test/app:1"))
    for _ in range(3):
        assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert host.connections == 1


def test_an_interim_answer_ends_the_connection_that_the_real_one_may_follow_by(
    world: World,
) -> None:
    host = world.host("registry.test", {"GET /v2/app/manifests/1": Answer(103)})
    client = world.client(retry=RetryPolicy(retries=0))
    for connections in (1, 2):
        with pytest.raises(RegistryError, match="103"):
            client.source(Reference.parse("registry.test/app:1")).resolve()
        assert host.connections == connections


def test_a_length_of_thousands_of_digits_is_none(world: World) -> None:
    answer = Answer(200, IMAGE.layer, length="9" * 5000)
    world.host("registry.test", IMAGE.routes() | {f"GET {LAYER}": answer})
    image = world.client().source(Reference.parse("registry.test/app:1"))
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer


def test_r021_a_connection_that_was_closed_meanwhile_costs_no_retry(world: World) -> None:
    """The server announces nothing, answers, and hangs up."""

    def hang_up(_: Seen) -> Answer:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(IMAGE.layer)}\r\n\r\n".encode()
        return Answer(raw=head + IMAGE.layer)

    host = world.host("registry.test", IMAGE.routes() | {f"GET {LAYER}": hang_up})
    image = world.client().source(Reference.parse("registry.test/app:1"))
    for _ in range(5):
        assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert host.connections == 5
    assert world.clock.slept == []


def test_r028_what_came_before_a_break_is_kept_however_large_the_pieces(world: World) -> None:
    layer = bytes(range(256)) * 4096
    descriptor = Descriptor.of(layer, IMAGE.layer_descriptor.media_type)
    path = f"/v2/app/blobs/{descriptor.digest}"

    def cut(seen: Seen) -> Answer:
        start = int(seen.headers.get("range", "bytes=0-")[6:-1])
        head = {"Content-Range": f"bytes {start}-{len(layer) - 1}/{len(layer)}"}
        return Answer(206 if start else 200, layer[start:], head, cut=300_000)

    host = world.host("registry.test", IMAGE.routes() | {f"GET {path}": cut})
    client = world.client(retry=RetryPolicy(refill_bytes=1))
    image = client.source(Reference.parse("registry.test/app:1"))
    assert read(image.fetch(descriptor)) == layer
    starts = [int(seen.headers.get("range", "bytes=0-")[6:-1]) for seen in host.asked()]
    assert starts == [0, 300_000, 600_000, 900_000]


class Line:
    """A stream, and the clock by which a hundred bytes of it come every so often."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.now = 0.0
        self.timeout = 30.0

    def monotonic(self) -> float:
        return self.now

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def recv_into(self, buffer: memoryview) -> int:
        self.now += min(self.pause, self.timeout)
        if self.pause > self.timeout:
            raise TimeoutError
        return min(100, len(buffer))


@pytest.mark.parametrize(("pause", "received"), [(0.001, 1000), (0.03, 500), (1, 100)])
def test_a_wire_collects_what_is_known_to_come_unless_that_takes_long(
    pause: float, received: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(pause)
    monkeypatch.setattr("imgfetch.registry.wire.time", line)
    wire = Wire(cast("Stream", line), Timeouts())
    buffer = memoryview(bytearray(1000))
    assert wire.receive(buffer) == 100
    wire.collecting = True
    assert wire.receive(buffer) == received
    assert line.timeout == Timeouts().read


def test_a_wire_gives_what_came_before_it_tells_of_a_failure(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    wire = Wire(ours, Timeouts())
    wire.begin(0.05)
    wire.collecting = True
    theirs.sendall(b"x" * 10)
    buffer = memoryview(bytearray(1000))
    assert wire.receive(buffer) == 10
    with pytest.raises(TimeoutError):
        wire.receive(buffer)


def test_a_wire_ends_with_its_last_user(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    wire = Wire(ours, Timeouts())
    theirs.sendall(b"line\n")
    file = wire.makefile("rb")
    wire.close()
    assert file.readline() == b"line\n"
    file.close()
    file.close()
    assert ours.fileno() == -1
