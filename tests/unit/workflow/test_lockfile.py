"""The lock file: the same content is the same text, and what is not understood is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgfetch.errors import DocumentError, PolicyError, UnsupportedContentError
from imgfetch.oci import mediatype
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.platform import Platform
from imgfetch.oci.reference import Reference
from imgfetch.workflow.lockfile import LockedImage, LockedPlatform, LockFile

ALPINE = Reference.parse("alpine:3")
LOCAL = Reference.parse("127.0.0.1:5000/x/y:tag")
AMD64, ARM = Platform("linux", "amd64"), Platform("linux", "arm", "v7")


def digest(text: str) -> Digest:
    return Digest.of(text.encode())


def locked(reference: Reference, *platforms: Platform) -> LockedImage:
    return LockedImage(
        reference,
        digest(f"{reference}"),
        mediatype.OCI_INDEX,
        tuple(LockedPlatform(one, digest(f"{reference} {one}"), 1000) for one in platforms),
    )


BOTH = LockFile.of([locked(ALPINE, AMD64, ARM), locked(LOCAL, AMD64)])

TEXT = f"""\
# Images by digest. Written by: imgfetch lock
# Checked by: imgfetch lock --check; used by: imgfetch sync, and --locked of other commands.

version = 1

[[image]]
reference = "127.0.0.1:5000/x/y:tag"
digest = "{digest("127.0.0.1:5000/x/y:tag")}"
mediaType = "application/vnd.oci.image.index.v1+json"

[[image.platform]]
platform = "linux/amd64"
digest = "{digest("127.0.0.1:5000/x/y:tag linux/amd64")}"
size = 1000

[[image]]
reference = "docker.io/library/alpine:3"
digest = "{digest("docker.io/library/alpine:3")}"
mediaType = "application/vnd.oci.image.index.v1+json"

[[image.platform]]
platform = "linux/amd64"
digest = "{digest("docker.io/library/alpine:3 linux/amd64")}"
size = 1000

[[image.platform]]
platform = "linux/arm/v7"
digest = "{digest("docker.io/library/alpine:3 linux/arm/v7")}"
size = 1000
"""


def test_the_text_is_fit_for_a_diff() -> None:
    assert BOTH.to_toml().decode() == TEXT


def test_what_was_written_is_read() -> None:
    assert LockFile.from_toml(BOTH.to_toml(), "x") == BOTH
    assert LockFile.from_toml(LockFile().to_toml(), "x") == LockFile()


def test_the_order_in_a_file_does_not_matter() -> None:
    head, first, second = TEXT.split("[[image]]")
    swapped = f"{head}[[image]]{second}\n[[image]]{first}"
    assert LockFile.from_toml(swapped.encode(), "x") == BOTH


@given(st.text(), st.integers(0, 1 << 62))
def test_any_text_survives(media_type: str, size: int) -> None:
    image = replace(locked(ALPINE, AMD64), media_type=media_type)
    platforms = (replace(image.platforms[0], size=size),)
    lock = LockFile.of([replace(image, platforms=platforms)])
    assert LockFile.from_toml(lock.to_toml(), "x") == lock


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("size = 1000", "size = -1000", "negative"),
        ("size = 1000", 'size = "1000"', "'size' is of a wrong type"),
        ("size = 1000", "size = true", "'size' is of a wrong type"),
        ("size = 1000", "", "'size' is missing"),
        ("size = 1000", "size = 1000\nallow = true", "unknown key 'allow'"),
        ("[[image]]", "[[images]]", "unknown key 'images'"),
        ("[[image]]", "[image]", "."),
        ("[[image.platform]]", "[[image.other]]", "unknown key 'other'"),
        ("sha256:", "md5:", "digest algorithm 'md5'"),
        ("linux/amd64", "amd64/linux/x/y", "invalid platform"),
        ('"docker.io/library/alpine:3"', '"alpine:3"', "not complete"),
        ('"docker.io/library/alpine:3"', '"-"', "invalid reference"),
        ('"docker.io/library/alpine:3"', '"127.0.0.1:5000/x/y:tag"', "twice"),
        ("version = 1", "version = 1\nversion = 1", "."),
        ("mediaType = ", "mediaType = 1 #", "'mediaType' is of a wrong type"),
    ],
)
def test_what_is_not_understood_is_refused(old: str, new: str, says: str) -> None:
    with pytest.raises(DocumentError, match=f"lock file some/path: .*{says}"):
        LockFile.from_toml(TEXT.replace(old, new).encode(), "some/path")


def test_an_image_without_platforms_is_refused() -> None:
    text = TEXT.partition("[[image.platform]]")[0]
    with pytest.raises(DocumentError, match="has no platforms"):
        LockFile.from_toml(text.encode(), "x")


@pytest.mark.parametrize("text", ["version = 2", "version = '1'", "", "version = 1.5"])
def test_another_version_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedContentError, match="another version"):
        LockFile.from_toml(text.encode(), "x")


@pytest.mark.parametrize("raw", [b"\xff", b"[[", b"version = 1\n" + b"a = " + b"[" * 100_000])
def test_what_is_no_toml_is_refused(raw: bytes) -> None:
    with pytest.raises(DocumentError, match="lock file x"):
        LockFile.from_toml(raw, "x")


def test_a_reference_is_found_as_it_was_locked() -> None:
    assert BOTH.find(ALPINE, "x").reference == ALPINE


@pytest.mark.parametrize("text", ["docker.io/library/alpine:3", "alpine:3 linux/arm/v7"])
def test_a_digest_is_found_if_its_repository_has_it(text: str) -> None:
    name, _, _ = text.partition(" ")
    pinned = Reference.parse(name).with_digest(digest(str(ALPINE) + text.removeprefix(name)))
    found = digest(f"{ALPINE} linux/arm/v7") if " " in text else digest(str(ALPINE))
    assert pinned.digest == found
    assert BOTH.find(pinned, "x").reference == ALPINE
    tagged = Reference(ALPINE.repository, "whatever", found)
    assert BOTH.find(tagged, "x").reference == ALPINE


@pytest.mark.parametrize(
    "reference",
    [
        Reference.parse("alpine:4"),
        Reference.parse("bash:3"),
        ALPINE.with_digest(digest("another")),
        LOCAL.with_digest(digest(str(ALPINE))),
    ],
)
def test_what_is_not_locked_is_refused(reference: Reference) -> None:
    with pytest.raises(PolicyError, match=r"is not in my\.lock") as caught:
        BOTH.find(reference, "my.lock")
    assert caught.value.hint == f"to add it: imgfetch lock {reference}"


def test_another_image_than_is_locked_is_refused() -> None:
    image = BOTH.find(ALPINE, "x")
    image.check(Descriptor("", image.digest, 1), [], "x")
    image.check(Descriptor("", image.platforms[1].digest, 1), [], "x")
    with pytest.raises(PolicyError) as caught:
        image.check(Descriptor("", digest("another"), 1), [], "my.lock")
    assert caught.value.expected == str(image.digest)
    assert caught.value.actual == str(digest("another"))
