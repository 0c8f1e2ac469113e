"""Tags and referrers, as registries list them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from imgfetch.errors import DocumentError, ImgfetchError, NotFoundError, RegistryError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.reference import Repository
from imgfetch.registry.referrers import fallback_tag, referrers
from imgfetch.registry.repository import PlacedRepository
from imgfetch.registry.tags import tags
from tests.support.registry_content import IMAGE
from tests.support.registry_server import Answer, Responder, Seen
from tests.support.registry_world import World

LIST = "GET /v2/app/tags/list"
DIGEST = IMAGE.descriptor.digest


def repository(world: World, routes: dict[str, Responder]) -> PlacedRepository:
    world.host("registry.test", routes)
    return world.client().repository(Repository("registry.test", "app"))


def page(names: object, following: str | None = None, parameters: str = 'rel="next"') -> Answer:
    headers = {"Link": f"<{following}>; {parameters}"} if following is not None else {}
    return Answer(200, json.dumps({"name": "app", "tags": names}).encode(), headers)


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["b", "a"], ["b", "a"]),
        (None, []),
        ([], []),
        (["a", None, "b"], ["a", "b"]),
        (["a", f"sha256:{'0' * 64}", "", 7, "-x", "\x1b[0m"], ["a"]),
    ],
    ids=str,
)
def test_r031_odd_lists_are_read(world: World, names: object, listed: list[str]) -> None:
    assert list(tags(repository(world, {LIST: page(names)}))) == listed


def test_r031_no_number_of_tags_is_asked_for(world: World) -> None:
    """Some registries refuse numbers that others need."""
    server = world.host("registry.test", {LIST: page(["a"])})
    list(tags(world.client().repository(Repository("registry.test", "app"))))
    assert [seen.target for seen in server.seen] == ["/v2/app/tags/list"]


def test_r031_a_registry_without_lists_says_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match=r"tags of registry\.test/app"):
        list(tags(repository(world, {})))


@pytest.mark.parametrize(
    ("link", "parameters"),
    [
        ("/v2/app/tags/list?n=2&last=b", 'rel="next"'),
        ("https://registry.test/v2/app/tags/list?n=2&last=b", "rel=next"),
        ("?n=2&last=b", 'title="x"; rel="next"'),
    ],
)
def test_pages_are_followed(world: World, link: str, parameters: str) -> None:
    def answer(seen: Seen) -> Answer:
        return page(["c"]) if "last=b" in seen.target else page(["a", "b"], link, parameters)

    assert list(tags(repository(world, {LIST: answer}))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "link",
    [
        "http://169.254.169.254/",
        "https://evil.test/v2/app/tags/list",
        "http://registry.test/v2/app/tags/list?last=b",
        "file:///etc/passwd",
        "https://u:p@registry.test/",
    ],
)
def test_s016_a_page_elsewhere_is_refused(world: World, link: str) -> None:
    evil = world.host("evil.test", {})
    with pytest.raises(RegistryError):
        list(tags(repository(world, {LIST: page(["a"], link)})))
    assert evil.seen == []


def test_s016_pages_that_lead_in_circles_end(world: World) -> None:
    with pytest.raises(RegistryError, match="does not end"):
        list(tags(repository(world, {LIST: page(["a"], "/v2/app/tags/list")})))


def test_s015_an_endless_page_is_given_up(world: World) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"tags":["'
        while True:
            yield b"x" * 65536

    with pytest.raises(RegistryError, match="too large"):
        list(tags(repository(world, {LIST: Answer(200, body(), chunked=True)})))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags": {}}', b'{"tags": "a"}', b"<html>"])
def test_a_list_that_is_none_is_an_error(world: World, body: bytes) -> None:
    with pytest.raises(DocumentError):
        list(tags(repository(world, {LIST: Answer(200, body)})))


SBOM = Descriptor(mediatype.OCI_MANIFEST, DIGEST, 5, artifact_type="application/sbom")
OTHER = Descriptor(mediatype.OCI_MANIFEST, DIGEST, 7, artifact_type="application/other")


def index(*entries: Descriptor) -> Answer:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_INDEX,
        "manifests": [entry.to_json() for entry in entries],
    }
    return Answer(200, json.dumps(document).encode(), {"Content-Type": mediatype.OCI_INDEX})


def test_the_referrers_api_is_asked_first(world: World) -> None:
    found = repository(world, {f"GET /v2/app/referrers/{DIGEST}": index(SBOM, OTHER)})
    assert referrers(found, DIGEST) == (SBOM, OTHER)


def test_a_registry_that_does_not_filter_is_filtered_after(world: World) -> None:
    found = repository(world, {f"GET /v2/app/referrers/{DIGEST}": index(SBOM, OTHER)})
    assert referrers(found, DIGEST, "application/sbom") == (SBOM,)


def test_without_the_api_a_tag_is_read(world: World) -> None:
    tag = fallback_tag(DIGEST)
    assert tag == f"sha256-{DIGEST.encoded}"
    found = repository(world, {f"GET /v2/app/manifests/{tag}": index(SBOM)})
    assert referrers(found, DIGEST) == (SBOM,)
    assert referrers(found, DIGEST, "application/other") == ()


def test_an_image_that_nothing_refers_to_has_no_referrers(world: World) -> None:
    assert referrers(repository(world, {}), DIGEST) == ()


def test_a_manifest_in_place_of_the_list_is_an_error_or_nothing(world: World) -> None:
    found = repository(world, {f"GET /v2/app/referrers/{DIGEST}": IMAGE.manifest_answer()})
    with pytest.raises(ImgfetchError):
        referrers(found, DIGEST)
