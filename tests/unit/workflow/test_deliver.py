"""Under which names locked images go to another place, and what is there already."""

from __future__ import annotations

import pytest

from imgfetch.errors import InvalidReferenceError, UsageError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference
from imgfetch.workflow.deliver import check_place, destinations, is_delivered
from imgfetch.workflow.lockfile import LockedImage, LockedPlatform

INDEX, HERE, THERE, OTHER = (Digest.of(word) for word in (b"index", b"here", b"there", b"other"))


def locked(reference: str, *platforms: Digest) -> LockedImage:
    parts = tuple(LockedPlatform(Platform("linux", "amd64"), digest, 1) for digest in platforms)
    return LockedImage(Reference.parse(reference), INDEX, mediatype.OCI_INDEX, parts)


class Repository:
    """A repository with one tag."""

    def __init__(self, tag: Digest | None, *present: Digest) -> None:
        self._tag, self._present = tag, present

    def tagged(self, tag: str) -> Digest | None:
        return self._tag if tag == "1" else None

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self._present


def test_the_path_stays_as_mirrors_have_it() -> None:
    images = [locked("alpine:3", HERE), locked(f"quay.io/me/app@{INDEX}", HERE)]
    for place, prefix in (("registry.test", ""), ("registry.test:5000/a/b/", "a/b/")):
        host = place.partition("/")[0]
        found = destinations(images, place)
        assert list(map(str, found.values())) == [
            f"{host}/{prefix}library/alpine:3",
            f"{host}/{prefix}me/app@{INDEX}",
        ]


def test_two_images_with_one_name_are_refused() -> None:
    images = [locked("docker.io/me/app:1", HERE), locked("quay.io/me/app:1", HERE)]
    with pytest.raises(UsageError, match="would both be"):
        destinations(images, "registry.test")


@pytest.mark.parametrize("place", ["", "word", "a/b", "oci-archive:x", "registry.test/A"])
def test_what_names_no_registry_is_refused(place: str) -> None:
    with pytest.raises(InvalidReferenceError):
        check_place(place)


@pytest.mark.parametrize(
    ("repository", "delivered"),
    [
        (Repository(INDEX, HERE, THERE), True),
        (Repository(INDEX, HERE), False),
        (Repository(OTHER, HERE, THERE), False),
        (Repository(HERE, HERE, THERE), False),
        (Repository(None, INDEX, HERE, THERE), False),
    ],
)
def test_a_tag_has_to_stand_for_what_is_locked(repository: Repository, *, delivered: bool) -> None:
    image = locked("registry.test/app:1", HERE, THERE)
    assert is_delivered(image, Reference.parse("other.test/app:1"), repository) is delivered


def test_the_only_locked_platform_may_stand_for_the_index() -> None:
    target = Reference.parse("other.test/app:1")
    assert is_delivered(locked("registry.test/app:1", HERE), target, Repository(HERE, HERE))


def test_a_digest_has_to_be_there() -> None:
    target = Reference.parse(f"other.test/app@{INDEX}")
    image = locked(f"registry.test/app@{INDEX}", HERE)
    assert is_delivered(image, target, Repository(None, INDEX, HERE))
    assert not is_delivered(image, target, Repository(None, HERE))
