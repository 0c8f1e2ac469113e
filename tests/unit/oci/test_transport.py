"""Names of images, with and without a transport."""

from __future__ import annotations

import pytest

from imgfetch.errors import InvalidReferenceError
from imgfetch.oci.reference import Reference
from imgfetch.oci.transport import PathName, RegistryName, StoreName, parse_image_name

ALPINE = Reference.parse("alpine:3")


@pytest.mark.parametrize("text", ["alpine:3", "docker://alpine:3", "docker.io/library/alpine:3"])
def test_a_name_without_transport_or_with_docker_is_in_a_registry(text: str) -> None:
    name = parse_image_name(text)
    assert name == RegistryName(ALPINE)
    assert str(name) == "docker.io/library/alpine:3"


def test_store_means_what_is_there_already() -> None:
    name = parse_image_name("store:alpine:3")
    assert name == StoreName(ALPINE)
    assert str(name) == "store:docker.io/library/alpine:3"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("oci:layout", PathName("oci", "layout")),
        ("oci:/a/b:latest", PathName("oci", "/a/b", "latest")),
        ("oci:a:b:c", PathName("oci", "a", "b:c")),
        ("oci-archive:x.tar", PathName("oci-archive", "x.tar")),
        ("oci-archive:x.tar:app:1", PathName("oci-archive", "x.tar", "app:1")),
        ("docker-archive:x.tar:a:b", PathName("docker-archive", "x.tar", "a:b")),
        ("dir:a:b", PathName("dir", "a:b")),
        ("dir:latest", PathName("dir", "latest")),
    ],
)
def test_paths_end_at_the_first_colon_where_a_reference_may_follow(
    text: str, name: PathName
) -> None:
    assert parse_image_name(text) == name
    assert str(name) == text


def test_an_empty_reference_behind_a_path_is_none() -> None:
    assert parse_image_name("oci:layout:") == PathName("oci", "layout")


@pytest.mark.parametrize("text", ["oci:", "oci::ref", "dir:", "oci-archive:", "oci:a\0b", "dir:\0"])
def test_a_transport_without_a_usable_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        parse_image_name(text)
    assert caught.value.expected == text.partition(":")[0] + ":PATH"


@pytest.mark.parametrize("text", ["docker-daemon:alpine", "containers-storage:alpine"])
def test_other_tools_stores_are_not_taken_for_repositories(text: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        parse_image_name(text)
    assert "archive" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["", "docker://", "store:", "docker://docker://a", "https://a/b"])
def test_a_malformed_reference_is_refused_behind_any_transport(text: str) -> None:
    with pytest.raises(InvalidReferenceError):
        parse_image_name(text)
