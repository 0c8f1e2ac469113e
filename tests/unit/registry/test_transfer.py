"""Blobs arrive whole or not at all, however the transfer breaks."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import zstandard

from imgfetch.errors import NetworkError, NotFoundError, RegistryError, SizeMismatchError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.reference import Reference
from imgfetch.oci.unverified import Unverified
from imgfetch.registry.settings import RetryPolicy, Timeouts
from tests.support.registry_content import IMAGE, SmallImage, blob, partial, read
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen
from tests.support.registry_world import World

LAYER = IMAGE.layer
SIZE = len(LAYER)
ROUTE = f"GET {IMAGE.layer_path()}"


def layer(world: World, **settings: Any) -> Unverified:
    image = world.client(**settings).source(Reference.parse("registry.test/app:1"))
    return image.fetch(IMAGE.layer_descriptor)


def serve(world: World, answer: Responder) -> ScriptedServer:
    return world.host("registry.test", {ROUTE: answer})


def ranges(server: ScriptedServer) -> list[str | None]:
    return [seen.headers.get("range") for seen in server.asked(ROUTE)]


def test_r030_a_transfer_from_the_start_asks_for_no_range(world: World) -> None:
    server = serve(world, blob(LAYER))
    assert read(layer(world)) == LAYER
    assert ranges(server) == [None]


def test_a_transfer_from_an_offset_asks_for_the_rest(world: World) -> None:
    server = serve(world, blob(LAYER))
    assert read(layer(world), 1000) == LAYER[1000:]
    assert ranges(server) == ["bytes=1000-"]


def test_nothing_is_asked_for_beyond_the_end(world: World) -> None:
    server = serve(world, Answer(500))
    assert read(layer(world), SIZE) == b""
    assert server.seen == []


def test_an_empty_blob_is_not_asked_for(world: World) -> None:
    server = serve(world, Answer(500))
    image = world.client().source(Reference.parse("registry.test/app:1"))
    assert read(image.fetch(Descriptor.of(b"", mediatype.OCI_LAYER))) == b""
    assert server.seen == []


BREAKS = {
    "cut": Answer(200, LAYER, cut=1000),
    "reset": Answer(200, LAYER, cut=1000, reset=True),
    "cut in a chunk": Answer(200, LAYER, chunked=True, cut=1000),
    "without a length": Answer(200, LAYER, length=None, cut=1000),
    "in the first byte": Answer(200, LAYER, cut=0),
}


@pytest.mark.parametrize("first", BREAKS.values(), ids=BREAKS)
def test_r028_a_broken_transfer_goes_on_where_it_broke(world: World, first: Answer) -> None:
    numbers = itertools.count()
    server = serve(world, lambda seen: blob(LAYER)(seen) if next(numbers) else first)
    assert read(layer(world)) == LAYER
    second = ranges(server)[1]
    assert second in {None, "bytes=1000-"}


def test_r027_a_body_with_a_short_length_is_completed(world: World) -> None:
    short = Answer(200, LAYER[:1000])
    serve(world, [short, partial(LAYER, 1000)])
    assert read(layer(world)) == LAYER


def test_r027_a_body_that_stays_short_is_an_error(world: World) -> None:
    serve(world, lambda seen: Answer(200, LAYER[:1000]))
    with pytest.raises(SizeMismatchError, match="shorter") as caught:
        read(layer(world))
    assert (caught.value.expected, caught.value.actual) == (f"{SIZE} bytes", "1000 bytes")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, LAYER + b"more"),
        Answer(200, LAYER + b"more", chunked=True),
        Answer(200, LAYER + b"more", length=None),
        Answer(200, LAYER, length=SIZE + 1),
    ],
)
def test_s036_a_longer_body_is_an_error(world: World, answer: Answer) -> None:
    serve(world, answer)
    with pytest.raises(SizeMismatchError, match="longer"):
        read(layer(world))


def test_s036_an_endless_body_is_given_up_at_its_size(world: World) -> None:
    serve(world, Answer(200, itertools.repeat(bytes(65536)), chunked=True))
    received: list[bytes] = []
    with pytest.raises(SizeMismatchError, match="longer"):
        received.extend(layer(world).chunks(0))
    assert sum(map(len, received)) <= SIZE


@pytest.mark.parametrize("length", [None, "-5", "many", f"{SIZE}, {SIZE}"])
def test_r027_lengths_that_are_none_are_done_without(world: World, length: str | None) -> None:
    serve(world, Answer(200, LAYER, length=length))
    assert read(layer(world)) == LAYER


def test_r027_http_1_0_bodies_end_with_the_connection(world: World) -> None:
    serve(world, Answer(raw=b"HTTP/1.0 200 OK\r\n\r\n" + LAYER))
    assert read(layer(world)) == LAYER


ODD_ANSWERS_TO_RANGES = {
    "everything": Answer(200, LAYER),
    "another range": Answer(206, LAYER[500:], {"Content-Range": f"bytes 500-{SIZE - 1}/{SIZE}"}),
    "no Content-Range": Answer(206, LAYER[1000:]),
    "multipart": Answer(206, b"--x", {"Content-Type": "multipart/byteranges; boundary=x"}),
    "400": Answer(400, b"no ranges here"),
    "416": Answer(416),
}


@pytest.mark.parametrize("answer", ODD_ANSWERS_TO_RANGES.values(), ids=ODD_ANSWERS_TO_RANGES)
def test_r029_odd_answers_to_a_range_lead_to_the_whole(world: World, answer: Answer) -> None:
    serve(world, lambda seen: answer if "range" in seen.headers else Answer(200, LAYER))
    assert read(layer(world), 1000) == LAYER[1000:]


def test_r029_a_range_of_a_blob_of_another_size_is_an_error(world: World) -> None:
    where = {"Content-Range": f"bytes 1000-{SIZE}/{SIZE + 1}"}
    serve(world, Answer(206, LAYER[1000:] + b"x", where))
    with pytest.raises(SizeMismatchError, match="longer"):
        read(layer(world), 1000)


def test_r029_a_range_of_unknown_total_is_fine(world: World) -> None:
    where = {"Content-Range": f"bytes 1000-{SIZE - 1}/*"}
    serve(world, Answer(206, LAYER[1000:], where))
    assert read(layer(world), 1000) == LAYER[1000:]


def test_r028_a_server_that_always_breaks_is_given_up(world: World) -> None:
    server = serve(world, lambda _: Answer(200, LAYER, cut=0))
    with pytest.raises(NetworkError, match="broke"):
        read(layer(world))
    assert len(server.asked(ROUTE)) == 4
    assert len(world.clock.slept) == 3


def test_r028_progress_gives_the_retries_back_and_costs_no_waiting(world: World) -> None:
    step = 5000

    def answer(seen: Seen) -> Answer:
        offset = int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        whole = partial(LAYER, offset, cut=step) if offset else Answer(200, LAYER, cut=step)
        return whole if SIZE - offset > step else partial(LAYER, offset)

    serve(world, answer)
    policy = RetryPolicy(retries=1, refill_bytes=step)
    assert read(layer(world, retry=policy)) == LAYER
    assert world.clock.slept == []


def test_r028_a_stalled_transfer_goes_on(world: World) -> None:
    ended = threading.Event()

    def body() -> Iterator[bytes]:
        yield LAYER[:1000]
        ended.wait(5)

    stalled = Answer(200, body(), length=SIZE)
    serve(world, [stalled, partial(LAYER, 1000)])
    try:
        assert read(layer(world, timeouts=Timeouts(connect=5, read=0.3))) == LAYER
    finally:
        ended.set()


EXPIRED = b"<?xml version='1.0'?><Error><Code>ExpiredRequest</Code></Error>"


@pytest.mark.parametrize("status", [400, 403])
def test_r025_an_expired_address_is_asked_for_anew_and_the_offset_kept(
    world: World, status: int
) -> None:
    tickets = itertools.count(1)

    def registry(_: Seen) -> Answer:
        return Answer(307, b"", {"Location": f"https://storage.test/x?ticket={next(tickets)}"})

    def storage(seen: Seen) -> Answer:
        if seen.target.endswith("ticket=1"):
            return Answer(200, LAYER, cut=1000)
        return Answer(status, EXPIRED) if seen.target.endswith("ticket=2") else blob(LAYER)(seen)

    serve(world, registry)
    store = world.host("storage.test", {"GET /x": storage})
    assert read(layer(world)) == LAYER
    assert [(seen.target, seen.headers.get("range")) for seen in store.seen] == [
        ("/x?ticket=1", None),
        ("/x?ticket=2", "bytes=1000-"),
        ("/x?ticket=3", "bytes=1000-"),
    ]


def test_r025_a_storage_that_always_refuses_is_an_error(world: World) -> None:
    serve(world, Answer(307, b"", {"Location": "https://storage.test/x?sig=1"}))
    store = world.host("storage.test", {"GET /x": Answer(403, EXPIRED)})
    with pytest.raises(RegistryError, match=r"the storage at storage\.test refused: HTTP 403"):
        read(layer(world))
    assert len(store.seen) == 2


def test_a_missing_blob_is_told_at_once(world: World) -> None:
    server = serve(world, Answer(404))
    with pytest.raises(NotFoundError, match=str(IMAGE.layer_descriptor.digest)):
        read(layer(world))
    assert len(server.seen) == 1


def test_several_transfers_share_a_client(world: World) -> None:
    serve(world, blob(LAYER))
    content = layer(world)
    both = [content.chunks(0), content.chunks(500)]
    parts = [b"".join(chunks) for chunks in both]
    assert parts == [LAYER, LAYER[500:]]
    assert Digest.of(parts[0]).encoded == hashlib.sha256(LAYER).hexdigest()


def compressed(name: str, raw: bytes) -> bytes:
    if name == "zstd":
        return zstandard.compress(raw)
    return gzip.compress(raw)


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "zstd"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("offset", [0, 1000])
def test_r026_a_body_compressed_on_the_way_is_decoded(
    world: World, name: str, chunked: bool, offset: int
) -> None:
    body = compressed(name, LAYER)

    def answer(seen: Seen) -> Answer:
        start = int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Encoding": name}
        if not start:
            return Answer(200, body, headers, chunked=chunked)
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return Answer(206, body[start:], headers, chunked=chunked)

    serve(world, answer)
    assert read(layer(world), offset) == LAYER[offset:]


@pytest.mark.parametrize("offset", [0, 1000])
def test_r026_a_layer_labelled_as_an_encoding_of_itself_is_left_alone(
    world: World, offset: int
) -> None:
    """Some storages keep ``Content-Encoding: gzip`` beside every layer."""
    image = SmallImage.of(gzip.compress(LAYER))

    def answer(seen: Seen) -> Answer:
        plain = blob(image.layer)(seen)
        return replace(plain, headers={**plain.headers, "Content-Encoding": "gzip"})

    world.host("registry.test", {f"GET {image.layer_path()}": answer})
    source = world.client().source(Reference.parse("registry.test/app:1"))
    assert read(source.fetch(image.layer_descriptor), offset) == image.layer[offset:]


@pytest.mark.parametrize("name", ["gzip", "br", "identity"])
def test_r026_an_encoding_that_is_none_is_left_alone(world: World, name: str) -> None:
    serve(world, Answer(200, LAYER, {"Content-Encoding": name}, chunked=True))
    assert read(layer(world)) == LAYER


def test_r026_a_broken_encoding_is_an_error(world: World) -> None:
    body = gzip.compress(LAYER)[:-20]
    serve(world, Answer(200, body, {"Content-Encoding": "gzip"}))
    with pytest.raises(RegistryError, match="broken Content-Encoding"):
        read(layer(world))


def test_s014_an_encoding_that_grows_is_given_up_at_the_blobs_size(world: World) -> None:
    body = gzip.compress(bytes(64 << 20))
    serve(world, Answer(200, body, {"Content-Encoding": "gzip"}))
    with pytest.raises(SizeMismatchError, match="longer"):
        read(layer(world))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_r026_a_compressed_manifest_is_decoded(world: World, name: str) -> None:
    headers = {"Content-Encoding": name, "Content-Type": mediatype.OCI_MANIFEST}
    manifest = Answer(200, compressed(name, IMAGE.manifest), headers)
    world.host("registry.test", {"GET /v2/app/manifests/1": manifest})
    source = world.client().source(Reference.parse("registry.test/app:1"))
    assert source.resolve().descriptor == IMAGE.descriptor


def test_s014_a_manifest_that_grows_is_given_up(world: World) -> None:
    body = gzip.compress(bytes(64 << 20))
    world.host(
        "registry.test",
        {"GET /v2/app/manifests/1": Answer(200, body, {"Content-Encoding": "gzip"})},
    )
    source = world.client().source(Reference.parse("registry.test/app:1"))
    with pytest.raises(RegistryError, match="too large"):
        source.resolve()
