"""Resolve and fetch: descriptors of bytes, not of headers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from imgfetch.errors import (
    DigestMismatchError,
    DocumentError,
    NetworkError,
    RegistryError,
    UnsupportedContentError,
)
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.reference import Reference
from imgfetch.registry.source import RegistrySource
from tests.support.registry_content import IMAGE, read
from tests.support.registry_server import Answer, Responder, ScriptedServer
from tests.support.registry_world import World


def serve(world: World, routes: dict[str, Responder]) -> ScriptedServer:
    return world.host("registry.test", routes)


def source(world: World, reference: str = "registry.test/app:1") -> RegistrySource:
    return world.client().source(Reference.parse(reference))


def test_a_tag_resolves_to_the_descriptor_of_the_bytes(world: World) -> None:
    serve(world, IMAGE.routes())
    resolved = source(world).resolve()
    assert resolved.descriptor == IMAGE.descriptor
    assert read(resolved) == IMAGE.manifest
    assert read(resolved, 10) == IMAGE.manifest[10:]
    assert resolved.origin == "registry.test"


def test_nothing_is_asked_before_it_is_needed(world: World) -> None:
    server = serve(world, IMAGE.routes())
    fetched = source(world).fetch(IMAGE.layer_descriptor)
    assert server.seen == []
    assert read(fetched) == IMAGE.layer
    assert [str(seen) for seen in server.seen] == [f"GET {IMAGE.layer_path()}"]


def test_blobs_and_manifests_are_fetched_by_digest(world: World) -> None:
    serve(world, IMAGE.routes())
    image = source(world)
    assert read(image.fetch(IMAGE.config_descriptor)) == IMAGE.config
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert read(image.fetch(IMAGE.descriptor), 7) == IMAGE.manifest[7:]


def test_s031_a_digest_header_that_differs_from_the_bytes_is_an_error(world: World) -> None:
    lie = {
        "Docker-Content-Digest": str(Digest.of(b"other")),
        "Content-Type": mediatype.OCI_MANIFEST,
    }
    serve(world, {"GET /v2/app/manifests/1": Answer(200, IMAGE.manifest, lie)})
    with pytest.raises(DigestMismatchError) as caught:
        source(world).resolve()
    assert caught.value.actual == str(IMAGE.descriptor.digest)


@pytest.mark.parametrize("header", ["sha256:ABC", "md5:00", "sha256:../../x"])
def test_s031_a_digest_header_outside_the_grammar_is_an_error(world: World, header: str) -> None:
    headers = {"Docker-Content-Digest": header, "Content-Type": mediatype.OCI_MANIFEST}
    serve(world, {"GET /v2/app/manifests/1": Answer(200, IMAGE.manifest, headers)})
    with pytest.raises(RegistryError, match="invalid digest"):
        source(world).resolve()


def test_s031_a_missing_digest_header_is_fine(world: World) -> None:
    headers = {"Content-Type": mediatype.OCI_MANIFEST}
    serve(world, {"GET /v2/app/manifests/1": Answer(200, IMAGE.manifest, headers)})
    assert source(world).resolve().descriptor == IMAGE.descriptor


def test_s032_another_manifest_than_the_digest_asked_for_is_an_error(world: World) -> None:
    pinned = Digest.of(b"wanted")
    headers = {"Docker-Content-Digest": str(pinned), "Content-Type": mediatype.OCI_MANIFEST}
    serve(world, {f"GET /v2/app/manifests/{pinned}": Answer(200, IMAGE.manifest, headers)})
    with pytest.raises(DigestMismatchError) as caught:
        source(world, f"registry.test/app@{pinned}").resolve()
    assert (caught.value.expected, caught.value.actual) == (
        str(pinned),
        str(IMAGE.descriptor.digest),
    )


def test_s033_with_a_tag_and_a_digest_only_the_digest_is_asked_for(world: World) -> None:
    server = serve(world, IMAGE.routes(tag="elsewhere"))
    digest = IMAGE.descriptor.digest
    resolved = source(world, f"registry.test/app:1@{digest}").resolve()
    assert resolved.descriptor.digest == digest
    assert [seen.path for seen in server.seen] == [f"/v2/app/manifests/{digest}"]


def test_s034_a_sha512_pin_is_checked_with_sha512(world: World) -> None:
    digest = Digest.of(IMAGE.manifest, "sha512")
    headers = {"Content-Type": mediatype.OCI_MANIFEST}
    serve(world, {f"GET /v2/app/manifests/{digest}": Answer(200, IMAGE.manifest, headers)})
    assert source(world, f"registry.test/app@{digest}").resolve().descriptor.digest == digest


@pytest.mark.parametrize(
    "announced",
    [
        "application/octet-stream",
        "text/plain",
        "application/json",
        f"{mediatype.OCI_MANIFEST}; charset=utf-8",
        f"{mediatype.OCI_MANIFEST};charset=utf-8",
        mediatype.OCI_MANIFEST.upper(),
        None,
    ],
)
def test_r016_generic_types_are_replaced_by_what_the_document_is(
    world: World, announced: str | None
) -> None:
    headers = {"Content-Type": announced} if announced else {}
    serve(world, {"GET /v2/app/manifests/1": Answer(200, IMAGE.manifest, headers)})
    assert source(world).resolve().descriptor.media_type == mediatype.OCI_MANIFEST


def test_r017_an_index_without_a_media_type_is_told_by_its_structure(world: World) -> None:
    raw = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    serve(world, {"GET /v2/app/manifests/1": Answer(200, raw)})
    assert source(world).resolve().descriptor == Descriptor.of(raw, mediatype.OCI_INDEX)


def test_s030_a_type_other_than_the_documents_own_is_an_error(world: World) -> None:
    headers = {"Content-Type": mediatype.DOCKER_MANIFEST}
    serve(world, {"GET /v2/app/manifests/1": Answer(200, IMAGE.manifest, headers)})
    with pytest.raises(DocumentError, match="not what it was announced as"):
        source(world).resolve()


def test_s030_a_manifest_served_as_another_type_than_its_descriptors_is_an_error(
    world: World,
) -> None:
    path = f"GET /v2/app/manifests/{IMAGE.descriptor.digest}"
    headers = {"Content-Type": mediatype.DOCKER_MANIFEST}
    serve(world, {path: Answer(200, IMAGE.manifest, headers)})
    with pytest.raises(DocumentError, match="another type"):
        read(source(world).fetch(IMAGE.descriptor))


def test_r018_all_four_types_are_accepted_in_one_header(world: World) -> None:
    server = serve(world, IMAGE.routes())
    source(world).resolve()
    accept = server.seen[0].headers["accept"].split(", ")
    assert set(accept) == {
        mediatype.OCI_INDEX,
        mediatype.OCI_MANIFEST,
        mediatype.DOCKER_INDEX,
        mediatype.DOCKER_MANIFEST,
    }


def test_r019_schema_1_is_named(world: World) -> None:
    raw = json.dumps({"schemaVersion": 1, "name": "app"}).encode()
    headers = {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}
    serve(world, {"GET /v2/app/manifests/1": Answer(200, raw, headers)})
    with pytest.raises(UnsupportedContentError, match="schema 1"):
        source(world).resolve()


@pytest.mark.parametrize(
    "name",
    ["alpine", "library/alpine", "docker.io/alpine", "index.docker.io/library/alpine"],
)
def test_r001_docker_hub_is_asked_under_its_own_name(world: World, name: str) -> None:
    hub = world.host("registry-1.docker.io", IMAGE.routes("library/alpine", "latest"))
    assert source(world, name).resolve().descriptor == IMAGE.descriptor
    assert hub.seen[0].headers["host"] == "registry-1.docker.io"


def test_r013_a_web_page_is_told_as_such(world: World) -> None:
    page = Answer(200, b"<!doctype html>sign in", {"Content-Type": "text/html; charset=utf-8"})
    serve(world, {"GET /v2/app/manifests/1": page})
    with pytest.raises(RegistryError, match="web page") as caught:
        source(world).resolve()
    assert "sign in" in (caught.value.hint or "")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff\xfe", b"{", b'{"schemaVersion":2}'])
def test_r013_a_body_that_is_no_manifest_is_an_error_of_ours(world: World, body: bytes) -> None:
    headers = {"Content-Type": mediatype.OCI_MANIFEST}
    serve(world, {"GET /v2/app/manifests/1": Answer(200, body, headers)})
    with pytest.raises(DocumentError):
        source(world).resolve()


def test_every_request_says_who_asks_and_wants_no_encoding(world: World) -> None:
    server = serve(world, IMAGE.routes())
    image = world.client(user_agent="imgfetch/9").source(Reference.parse("registry.test/app:1"))
    image.resolve()
    read(image.fetch(IMAGE.layer_descriptor))
    assert {seen.headers["user-agent"] for seen in server.seen} == {"imgfetch/9"}
    assert {seen.headers["accept-encoding"] for seen in server.seen} == {"identity"}
    assert not any("cookie" in seen.headers for seen in server.seen)


def test_connections_are_used_again(world: World) -> None:
    server = serve(world, IMAGE.routes())
    image = source(world)
    image.resolve()
    for _ in range(3):
        read(image.fetch(IMAGE.layer_descriptor))
    assert server.connections == 1


def test_closing_a_transfer_early_ends_it(world: World) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    big = Descriptor(mediatype.OCI_LAYER, IMAGE.layer_descriptor.digest, 1 << 40)
    serve(world, {"GET /v2/app/blobs/*": Answer(200, endless(), length=1 << 40)})
    chunks = source(world).fetch(big).chunks(0)
    assert next(chunks).startswith(b"xx")
    chunks.close()


HEAD = "HEAD /v2/app/manifests/1"
TOLD = {"Docker-Content-Digest": str(IMAGE.descriptor.digest)}


def test_r014_a_head_gives_a_hint_without_a_pull(world: World) -> None:
    server = serve(world, {HEAD: Answer(200, b"", TOLD, length=12345)})
    assert source(world).hint() == IMAGE.descriptor.digest
    assert [seen.method for seen in server.seen] == ["HEAD"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(200, b"", {"Docker-Content-Digest": "sha256:nonsense"}),
        Answer(403),
        Answer(405),
        Answer(404),
        Answer(500),
        Answer(raw=b""),
    ],
    ids=["no digest", "bad digest", "403", "405", "404", "500", "broken"],
)
def test_r014_a_head_without_a_digest_is_no_hint_and_get_decides(
    world: World, answer: Answer
) -> None:
    serve(world, {HEAD: answer} | IMAGE.routes())
    image = source(world)
    assert image.hint() is None
    assert image.resolve().descriptor == IMAGE.descriptor
    assert world.clock.slept == []


def test_r021_a_registry_that_hangs_up_is_asked_so_often_and_no_more(world: World) -> None:
    """By HEAD once, by GET as often as the policy says."""
    server = serve(world, {"* /v2/app/*": Answer(raw=b"")})
    image = source(world)
    assert image.hint() is None
    with pytest.raises(NetworkError):
        image.resolve()
    assert [seen.method for seen in server.seen] == ["HEAD", *["GET"] * 4]


def test_r021_a_token_server_that_hangs_up_is_not_asked_for_each_retry(world: World) -> None:
    asking = Answer(401, b"", {"WWW-Authenticate": 'Bearer realm="/token",service="s"'})
    server = serve(world, {"GET /token": Answer(raw=b""), "* /v2/app/*": asking})
    with pytest.raises(NetworkError):
        source(world).resolve()
    # Once more than the policy says: the first time on a connection that was used before.
    assert len(server.asked("GET /token")) == 5
    assert len(server.asked("GET /v2/app/*")) == 1


def test_r014_r015_get_decides_where_head_says_something_else(world: World) -> None:
    other = {"Docker-Content-Digest": str(Digest.of(b"other"))}
    serve(world, {HEAD: Answer(200, b"", other, length=1)} | IMAGE.routes())
    image = source(world)
    assert image.hint() == Digest.of(b"other")
    assert image.resolve().descriptor == IMAGE.descriptor


def test_r033_warnings_are_passed_on_once_and_cannot_do_harm(world: World) -> None:
    headers = ['299 - "old \\"tag\\" \x1b]0;x"', "110 - stale", "299 proxy 'x'"]
    manifest = IMAGE.manifest_answer()
    serve(
        world,
        {
            "GET /v2/app/manifests/1": replace(
                manifest, headers={**manifest.headers, "Warning": headers}
            )
        },
    )
    told: list[str] = []
    image = world.client(warn=told.append).source(Reference.parse("registry.test/app:1"))
    image.resolve()
    image.resolve()
    assert told == ['registry.test says: old "tag" \\x1b]0;x']


def test_a_head_leaves_its_connection_to_others(world: World) -> None:
    told = Answer(200, bytes(50_000), TOLD)
    server = serve(world, {HEAD: told} | IMAGE.routes())
    image = source(world)
    for _ in range(3):
        image.hint()
    image.resolve()
    assert server.connections == 1
