"""Bytes against the size and digest they were promised with."""

from __future__ import annotations

import pytest

from imgfetch.errors import DigestMismatchError, SizeMismatchError
from imgfetch.oci.descriptor import Descriptor
from imgfetch.oci.digest import Digest
from imgfetch.oci.verify import Verifier, verify

CONTENT = b"some content"
PROMISE = Descriptor.of(CONTENT, "text/plain")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("content", [b"", CONTENT])
def test_content_as_promised_is_returned(algorithm: str, content: bytes) -> None:
    promise = Descriptor("text/plain", Digest.of(content, algorithm), len(content))
    assert verify(promise, content) is content


def test_chunks_of_any_kind_and_size_make_up_the_content() -> None:
    verifier = Verifier(PROMISE)
    verifier.update(CONTENT[:1])
    verifier.update(b"")
    verifier.update(memoryview(CONTENT)[1:])
    verifier.finish()
    assert verifier.received == len(CONTENT)


def test_one_byte_too_many_is_the_end() -> None:
    """S036: a body that never ends is given up at once."""
    verifier = Verifier(PROMISE, "layer x")
    verifier.update(CONTENT)
    with pytest.raises(SizeMismatchError) as caught:
        verifier.update(b"!")
    assert caught.value.lines() == [
        "layer x is longer than its descriptor says",
        "expected 12 bytes",
    ]


def test_a_missing_byte_is_found_at_the_end() -> None:
    """S036."""
    with pytest.raises(SizeMismatchError) as caught:
        verify(PROMISE, CONTENT[:-1])
    assert caught.value.lines() == [
        f"content {PROMISE.digest} is shorter than its descriptor says",
        "expected 12 bytes",
        "got      11 bytes",
    ]


def test_other_bytes_of_the_same_length_are_found() -> None:
    with pytest.raises(DigestMismatchError) as caught:
        verify(PROMISE, CONTENT[::-1])
    assert caught.value.expected == str(PROMISE.digest)
    assert caught.value.actual == str(Digest.of(CONTENT[::-1]))
