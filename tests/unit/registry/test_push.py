"""Uploads that break, and registries that answer pushes in their own ways."""

from __future__ import annotations

import itertools
from io import BytesIO

import pytest

from imgfetch.errors import DigestMismatchError, NetworkError, RegistryError
from imgfetch.oci import manifest
from imgfetch.oci.reference import Repository
from imgfetch.registry.push import RepositoryWriter
from imgfetch.registry.secret import Credential
from imgfetch.registry.settings import Timeouts
from tests.support.registry_content import IMAGE, demanding
from tests.support.registry_server import Answer, Responder, ScriptedServer, Seen
from tests.support.registry_world import Passwords, World

LAYER = IMAGE.layer
BLOB = IMAGE.layer_descriptor
START = "POST /v2/app/blobs/uploads/"
UPLOAD = "/v2/app/blobs/uploads/1?state=secret"
WHOLE = "PUT /v2/app/blobs/uploads/1"
PIECE = "PATCH /v2/app/blobs/uploads/1"
HEAD = f"HEAD {IMAGE.layer_path()}"
BEGUN = Answer(202, b"", {"Location": UPLOAD})
DONE = Answer(201)


def opened() -> BytesIO:
    return BytesIO(LAYER)


def writer(
    world: World, routes: dict[str, Responder], piece: int | None = None
) -> tuple[RepositoryWriter, ScriptedServer]:
    server = world.host("registry.test", routes)
    client = world.client(credentials=Passwords({"registry.test": Credential("alice", "pw")}))
    return RepositoryWriter(
        client.repository(Repository("registry.test", "app")), piece=piece
    ), server


def test_a_blob_goes_in_one_piece(world: World) -> None:
    push, server = writer(world, {START: BEGUN, WHOLE: DONE})
    push.push(BLOB, opened)
    (sent,) = server.asked(WHOLE)
    assert sent.body == LAYER
    assert sent.headers["content-length"] == str(len(LAYER))
    assert sent.target == f"{UPLOAD}&digest={BLOB.digest}".replace("sha256:", "sha256%3A")


def test_an_absolute_location_is_fine(world: World) -> None:
    begun = Answer(202, b"", {"Location": f"https://registry.test{UPLOAD}"})
    push, server = writer(world, {START: begun, WHOLE: DONE})
    push.push(BLOB, opened)
    assert server.asked(WHOLE)


def test_a_missing_location_is_an_error(world: World) -> None:
    push, _ = writer(world, {START: Answer(202)})
    with pytest.raises(RegistryError, match="where to send"):
        push.push(BLOB, opened)


def test_s003_a_location_elsewhere_gets_no_credentials(world: World) -> None:
    elsewhere = world.host("upload.test", {"PUT /x": DONE})
    begun = Answer(202, b"", {"Location": "https://upload.test/x"})
    push, server = writer(
        world, {START: demanding(begun, Credential("alice", "pw").basic(), 'Basic realm="r"')}
    )
    push.push(BLOB, opened)
    assert server.seen[-1].authorization is not None
    assert [(seen.body, seen.authorization) for seen in elsewhere.seen] == [(LAYER, None)]


def test_s004_a_location_without_tls_is_refused(world: World) -> None:
    plain = world.host("registry.test", {}, port=80, tls=False)
    begun = Answer(202, b"", {"Location": f"http://registry.test{UPLOAD}"})
    push, _ = writer(world, {START: begun})
    with pytest.raises(RegistryError, match="without TLS"):
        push.push(BLOB, opened)
    assert plain.connections == 0


def test_a_broken_upload_begins_anew(world: World) -> None:
    push, server = writer(world, {START: BEGUN, WHOLE: [Answer(raw=b""), DONE]})
    push.push(BLOB, opened)
    assert len(server.asked(START)) == 2
    assert server.asked(WHOLE)[-1].body == LAYER


def test_an_upload_that_always_breaks_is_given_up(world: World) -> None:
    push, server = writer(world, {START: BEGUN, WHOLE: Answer(raw=b"")})
    with pytest.raises(NetworkError):
        push.push(BLOB, opened)
    assert len(server.asked(START)) == 4


def test_a_challenge_in_the_middle_sends_the_body_again(world: World) -> None:
    basic = Credential("alice", "pw").basic()
    push, server = writer(world, {START: BEGUN, WHOLE: demanding(DONE, basic, 'Basic realm="r"')})
    push.push(BLOB, opened)
    assert [seen.body == LAYER for seen in server.asked(WHOLE)] == [True, True]


@pytest.mark.parametrize("status", [429, 503])
def test_r020_a_busy_registry_is_asked_again(world: World, status: int) -> None:
    push, server = writer(world, {START: [Answer(status), BEGUN], WHOLE: [Answer(status), DONE]})
    push.push(BLOB, opened)
    assert len(server.asked(START)) == 2
    assert len(server.asked(WHOLE)) == 2


def test_pieces_follow_each_other(world: World) -> None:
    def piece(seen: Seen) -> Answer:
        last = seen.headers["content-range"].split("-")[1]
        return Answer(202, b"", {"Location": UPLOAD, "Range": f"0-{last}"})

    push, server = writer(world, {START: BEGUN, PIECE: piece, WHOLE: DONE}, 40_000)
    push.push(BLOB, opened)
    sent = server.asked(PIECE)
    assert [seen.headers["content-range"] for seen in sent] == [
        "0-39999", "40000-79999", f"80000-{len(LAYER) - 1}",
    ]  # fmt: skip
    assert b"".join(seen.body for seen in sent) == LAYER
    assert server.asked(WHOLE)[0].body == b""


def test_a_broken_piece_goes_on_where_the_registry_is(world: World) -> None:
    numbers = itertools.count()
    received = bytearray()

    def piece(seen: Seen) -> Answer:
        if next(numbers) == 1:
            received.extend(seen.body[:5000])
            return Answer(raw=b"")
        received.extend(seen.body)
        return Answer(202, b"", {"Location": UPLOAD, "Range": f"0-{len(received) - 1}"})

    def progress(_: Seen) -> Answer:
        return Answer(204, b"", {"Location": UPLOAD, "Range": f"bytes=0-{len(received) - 1}"})

    routes: dict[str, Responder] = {
        START: BEGUN, PIECE: piece, WHOLE: DONE, "GET /v2/app/blobs/uploads/1": progress,
    }  # fmt: skip
    push, _ = writer(world, routes, 40_000)
    push.push(BLOB, opened)
    assert bytes(received) == LAYER


def test_a_registry_may_want_larger_pieces(world: World) -> None:
    begun = Answer(202, b"", {"Location": UPLOAD, "OCI-Chunk-Min-Length": "100000"})
    push, server = writer(world, {START: begun, PIECE: BEGUN, WHOLE: DONE}, 10)
    push.push(BLOB, opened)
    assert len(server.asked(PIECE)) == 2


def test_a_registry_may_mount_on_its_own(world: World) -> None:
    push, server = writer(world, {START: DONE})
    assert push.mount(BLOB, "base/app")
    push.push(BLOB, opened)
    assert server.seen[0].target.endswith("from=base%2Fapp")
    assert len(server.seen) == 2


def test_an_upload_opened_in_place_of_a_mount_is_closed(world: World) -> None:
    delete = "DELETE /v2/app/blobs/uploads/1"
    push, server = writer(world, {START: BEGUN, delete: Answer(204)})
    assert not push.mount(BLOB, "base")
    assert len(server.asked(delete)) == 1


def no_head(seen: Seen) -> Answer:
    return Answer(403)


REDIRECT = Answer(307, b"", {"Location": "https://storage.test/x?for=GET"})


@pytest.mark.parametrize(
    ("storage", "there"),
    [(Answer(206, b"x"), True), (Answer(200, LAYER), True), (Answer(404), False)],
)
def test_r024_a_redirected_head_is_decided_by_get(
    world: World, storage: Answer, there: bool
) -> None:
    behind = world.host("storage.test", {"HEAD /x": no_head, "GET /x": storage})
    push, _ = writer(world, {HEAD: REDIRECT, f"GET {IMAGE.layer_path()}": REDIRECT})
    assert push.has(BLOB) is there
    assert behind.asked("HEAD *") == []
    assert behind.asked("GET /x")[0].headers["range"] == "bytes=0-0"


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, False)])
def test_a_head_tells_what_is_there(world: World, status: int, there: bool) -> None:
    push, _ = writer(world, {HEAD: Answer(status)})
    assert push.has(BLOB) is there


def test_a_registry_that_took_a_manifest_for_another_is_an_error(world: World) -> None:
    took = Answer(201, b"", {"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    push, _ = writer(world, {"PUT /v2/app/manifests/1": took})
    with pytest.raises(DigestMismatchError, match="another one"):
        push.push_manifest(manifest.parse(IMAGE.manifest), IMAGE.descriptor, "1")


def test_a_manifest_is_sent_as_it_is(world: World) -> None:
    push, server = writer(world, {"PUT *": DONE})
    push.push_manifest(manifest.parse(IMAGE.manifest), IMAGE.descriptor)
    (sent,) = server.seen
    assert (sent.path, sent.body) == (
        f"/v2/app/manifests/{IMAGE.descriptor.digest}",
        IMAGE.manifest,
    )
    assert sent.headers["content-type"] == IMAGE.descriptor.media_type


def test_a_registry_may_take_its_time_to_keep_a_blob(world: World) -> None:
    slow = Answer(201, hold=0.5)
    server = world.host("registry.test", {START: BEGUN, WHOLE: slow})
    client = world.client(timeouts=Timeouts(connect=5, read=0.2, commit=10))
    push = RepositoryWriter(client.repository(Repository("registry.test", "app")))
    push.push(BLOB, opened)
    assert len(server.asked(WHOLE)) == 1
