"""What a digest may be, and what a stack of them is called."""

from __future__ import annotations

import hashlib

import pytest

from imgfetch.errors import InvalidDigestError
from imgfetch.oci.digest import ChainID, DiffID, Digest, chain_id, new_hash

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha512:{HEX * 2}"])
def test_registered_algorithms_parse_to_what_they_print(text: str) -> None:
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        ":",
        "sha256:",
        f":{HEX}",
        HEX,
        f"md5:{HEX[:32]}",
        f"sha1:{HEX[:40]}",
        f"SHA256:{HEX}",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[:63]}",
        f"sha256:{HEX}0",
        f"sha512:{HEX}",
        f"sha256:{HEX * 2}",
        f"sha256+b64:{HEX}",
        f"sha256: {HEX[1:]}",
        f"sha256:{HEX}\n",
        f"sha256:{HEX[:63]}\n",
        f"\nsha256:{HEX}",
        f"sha256:{HEX[:63]}\0",
        f"sha256:{HEX[:62]}é",
        f"sha256:{HEX[:63]}\N{ARABIC-INDIC DIGIT THREE}",
        f"sha256:{HEX[:30]}g{HEX[31:]}",
        f"sha256:{HEX}:{HEX}",
        f"sha256@{HEX}",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """S034: an unknown algorithm or spelling is an error, never "not verified"."""
    with pytest.raises(InvalidDigestError):
        Digest.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "sha256:../../../v2/other/manifests/x",
        "sha256:aa?x=",
        "a:b/../../c",
        f"sha256:{'../' * 21}a",
        f"../sha256:{HEX}",
        f"sha256:{HEX[:60]}%2f.",
    ],
)
def test_what_a_path_or_url_could_misread_never_becomes_a_digest(text: str) -> None:
    """S026: CVE-2024-3727."""
    with pytest.raises(InvalidDigestError):
        Digest.parse(text)


def test_a_digest_made_by_hand_is_checked_too() -> None:
    """S026: there is no way around the grammar."""
    with pytest.raises(InvalidDigestError):
        Digest("sha256", "../" * 21 + "a")


def test_the_error_says_what_is_accepted() -> None:
    with pytest.raises(InvalidDigestError) as caught:
        Digest.parse(f"md5:{HEX[:32]}")
    assert caught.value.lines() == [
        "digest algorithm 'md5' is not accepted",
        "expected sha256 or sha512",
    ]


def test_the_error_is_short_and_escaped_whatever_the_text() -> None:
    with pytest.raises(InvalidDigestError) as caught:
        Digest.parse("sha256:" + "\x1b" * 1_000_000)
    assert len(caught.value.message) < 1000
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_digest_of_data_is_its_hash(algorithm: str) -> None:
    expected = hashlib.new(algorithm, b"data").hexdigest()
    assert str(Digest.of(b"data", algorithm)) == f"{algorithm}:{expected}"


def test_a_hash_is_made_for_accepted_algorithms_only() -> None:
    """S034."""
    assert new_hash("sha256", b"data").hexdigest() == Digest.of(b"data").encoded
    with pytest.raises(InvalidDigestError):
        new_hash("md5")


def test_short_form_has_twelve_digits() -> None:
    assert Digest("sha256", HEX).short == HEX[:12]


def test_digests_are_values() -> None:
    assert len({Digest.parse(f"sha256:{HEX}"), Digest("sha256", HEX)}) == 1


def test_chain_id_of_one_layer_is_its_diff_id() -> None:
    diff_id = DiffID(Digest.of(b"a"))
    assert chain_id([diff_id]) == ChainID(diff_id)


def test_chain_id_hashes_the_chain_below_and_the_diff_id() -> None:
    """The example of image-spec config.md, computed by hand."""
    first, second, third = (DiffID(Digest.of(name)) for name in (b"a", b"b", b"c"))
    below = "sha256:" + hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    whole = "sha256:" + hashlib.sha256(f"{below} {third}".encode()).hexdigest()
    assert str(chain_id([first, second, third])) == whole


def test_chain_id_depends_on_the_order() -> None:
    first, second = DiffID(Digest.of(b"a")), DiffID(Digest.of(b"b"))
    assert chain_id([first, second]) != chain_id([second, first])
