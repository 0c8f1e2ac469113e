"""References, whatever is typed."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgfetch.errors import InvalidDigestError, InvalidReferenceError
from imgfetch.oci.digest import ENCODED_LENGTH, Digest
from imgfetch.oci.reference import Reference, Repository

_ALNUM = string.ascii_lowercase + string.digits
_ATOM = st.text(_ALNUM, min_size=1, max_size=8)


def _joined(
    parts: st.SearchStrategy[str], separators: st.SearchStrategy[str]
) -> st.SearchStrategy[str]:
    rest = st.lists(st.tuples(separators, parts), max_size=3)
    return st.builds(lambda first, more: first + "".join(map("".join, more)), parts, rest)


_COMPONENTS = _joined(_ATOM, st.sampled_from([".", "_", "__", "-", "---"]))
_PATHS = _joined(_COMPONENTS, st.just("/"))
_LABELS = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,9}[A-Za-z0-9])?", fullmatch=True)
_HOSTS = st.one_of(
    st.just("localhost"),
    st.lists(_LABELS, min_size=2, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format).filter(lambda host: "." not in host),
)
_PORTS = st.one_of(st.just(""), st.integers(0, 65535).map(":{}".format))
_TAGS = st.from_regex(re.compile(r"\w[\w.-]{0,127}", re.ASCII), fullmatch=True)
DIGESTS = st.sampled_from(sorted(ENCODED_LENGTH)).flatmap(
    lambda algorithm: st.builds(
        Digest,
        st.just(algorithm),
        st.text(
            "0123456789abcdef",
            min_size=ENCODED_LENGTH[algorithm],
            max_size=ENCODED_LENGTH[algorithm],
        ),
    )
)
_REPOSITORIES = st.one_of(
    st.builds(Repository, st.builds(str.__add__, _HOSTS, _PORTS), _PATHS),
    st.builds(
        Repository, st.just("docker.io"), _joined(_COMPONENTS, st.just("/")).map("u/{}".format)
    ),
)
REFERENCES = st.one_of(
    st.builds(Reference, _REPOSITORIES, _TAGS, st.none() | DIGESTS),
    st.builds(Reference, _REPOSITORIES, st.none(), DIGESTS),
)
# Text that is nearly a reference finds more than any text does.
_NEARLY = st.text("aZ0.:/@-_%?#[] \n\0é", max_size=30)
_BENT = st.builds(
    lambda reference, place, text: str(reference)[:place] + text + str(reference)[place:],
    REFERENCES,
    st.integers(0, 60),
    st.text(max_size=2) | st.sampled_from(["/", "..", "@", ":", "%2f", "\r\n"]),
)
ANYTHING = st.one_of(st.text(), _NEARLY, _BENT, REFERENCES.map(str))


@given(REFERENCES)
def test_what_is_printed_is_read_back(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


def _parsed(text: str) -> Reference | InvalidReferenceError:
    """What becomes of a text; anything else that is raised fails the test."""
    try:
        return Reference.parse(text)
    except InvalidReferenceError as error:
        return error


@given(ANYTHING)
@example("a" * 300)
@example("index.docker.io/index.docker.io/a")
def test_what_is_accepted_has_one_canonical_form(text: str) -> None:
    reference = _parsed(text)
    if isinstance(reference, InvalidReferenceError):
        return
    assert Reference.parse(str(reference)) == reference
    assert str(Reference.parse(str(reference))) == str(reference)


@given(ANYTHING)
def test_nothing_that_is_accepted_leaves_its_part_of_a_url(text: str) -> None:
    """S023."""
    reference = _parsed(text)
    if isinstance(reference, InvalidReferenceError):
        return
    repository = reference.repository
    assert set(repository.registry) <= set(string.ascii_letters + string.digits + ".-:[]")
    assert set(repository.path) <= set(_ALNUM + "._-/")
    assert not {"", ".", ".."} & set(repository.path.split("/"))
    assert len(repository.registry) <= 255
    assert len(repository.path) <= 255
    assert set(reference.tag or "") <= set(string.ascii_letters + string.digits + "._-")
    assert not (reference.tag or "_").startswith((".", "-"))
    assert reference.tag is not None or reference.digest is not None


@given(ANYTHING)
def test_a_refusal_quotes_the_text_escaped_and_short(text: str) -> None:
    error = _parsed(text)
    if isinstance(error, InvalidReferenceError):
        assert error.message.startswith(f"invalid reference {text[:200]!r}: ")
        assert len(error.lines()) == 2
        assert error.message.isprintable()
        assert len(error.message) < 2500


@given(
    st.text()
    | st.builds("{}:{}".format, st.text(max_size=8), st.text("0123456789abcdefgA", max_size=130))
)
@example("sha256:" + "a" * 64 + "\n")
def test_a_digest_is_what_the_grammar_says_and_nothing_else(text: str) -> None:
    """S026, S034."""
    in_grammar = re.fullmatch(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", text)
    if in_grammar:
        assert str(Digest.parse(text)) == text
    else:
        with pytest.raises(InvalidDigestError):
            Digest.parse(text)


@given(DIGESTS)
def test_every_digest_is_read_back(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest
