"""References by distribution's grammar, completed as docker completes them."""

from __future__ import annotations

import pytest

from imgfetch.errors import InvalidReferenceError
from imgfetch.oci.digest import Digest
from imgfetch.oci.reference import Reference, Repository

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX * 2}"


@pytest.mark.parametrize(
    "text",
    [
        "alpine",
        "library/alpine",
        "docker.io/alpine",
        "docker.io/library/alpine",
        "index.docker.io/alpine",
        "index.docker.io/library/alpine",
        "registry-1.docker.io/library/alpine",
        "registry-1.docker.io/alpine",
        "Docker.IO/alpine",
        "alpine:latest",
    ],
)
def test_every_name_of_docker_hub_is_one_repository(text: str) -> None:
    """R001."""
    assert str(Reference.parse(text)) == "docker.io/library/alpine:latest"


@pytest.mark.parametrize(
    ("text", "registry", "path", "tag"),
    [
        ("user/app", "docker.io", "user/app", "latest"),
        ("docker.io/a/b/c", "docker.io", "a/b/c", "latest"),
        ("localhost", "docker.io", "library/localhost", "latest"),
        ("localhost/x", "localhost", "x", "latest"),
        ("localhost:5000/x", "localhost:5000", "x", "latest"),
        ("h:5000", "docker.io", "library/h", "5000"),
        ("h:5000/x", "h:5000", "x", "latest"),
        ("h:5000/x:1", "h:5000", "x", "1"),
        ("h/x", "docker.io", "h/x", "latest"),
        ("X/y", "X", "y", "latest"),
        ("REG.test/x", "REG.test", "x", "latest"),
        ("reg.test", "docker.io", "library/reg.test", "latest"),
        ("reg.test/x", "reg.test", "x", "latest"),
        ("reg.test/library", "reg.test", "library", "latest"),
        ("sub-dom1.reg.test/a/b:a.b-c_d", "sub-dom1.reg.test", "a/b", "a.b-c_d"),
        ("xn--n3h.test/x", "xn--n3h.test", "x", "latest"),
        ("192.0.2.1/x", "192.0.2.1", "x", "latest"),
        ("192.0.2.1:65535/x", "192.0.2.1:65535", "x", "latest"),
        ("[::1]/x", "[::1]", "x", "latest"),
        ("[::1]:5000/x:1", "[::1]:5000", "x", "1"),
        ("[2001:DB8::1]/x", "[2001:DB8::1]", "x", "latest"),
        ("a.b/a__b/a_b/a.b/a-----b", "a.b", "a__b/a_b/a.b/a-----b", "latest"),
        ("a.b/x:_", "a.b", "x", "_"),
        ("a.b/x:UPPER", "a.b", "x", "UPPER"),
        (f"a.b/x:{'t' * 128}", "a.b", "x", "t" * 128),
        (f"a.b/{'p' * 255}", "a.b", "p" * 255, "latest"),
        (f"{HEX}:tag", "docker.io", f"library/{HEX}", "tag"),
        (f"app:{HEX}", "docker.io", "library/app", HEX),
    ],
)
def test_the_first_component_is_a_registry_when_docker_says_so(
    text: str, registry: str, path: str, tag: str
) -> None:
    """R034."""
    assert Reference.parse(text) == Reference(Repository(registry, path), tag)


@pytest.mark.parametrize("digest", [SHA256, SHA512])
def test_a_digest_alone_leaves_no_tag(digest: str) -> None:
    reference = Reference.parse(f"alpine@{digest}")
    assert reference.tag is None
    assert reference.pinned
    assert str(reference) == f"docker.io/library/alpine@{digest}"


def test_with_tag_and_digest_the_digest_decides_and_the_tag_is_told() -> None:
    """S033."""
    reference = Reference.parse(f"alpine:3.20@{SHA256}")
    assert (reference.tag, str(reference.digest)) == ("3.20", SHA256)
    assert reference.pinned
    assert str(reference) == f"docker.io/library/alpine:3.20@{SHA256}"


def test_a_tag_pins_nothing() -> None:
    assert not Reference.parse("alpine:3.20").pinned


def test_with_digest_drops_the_tag() -> None:
    digest = Digest.parse(SHA512)
    assert str(Reference.parse("a.b/x:1").with_digest(digest)) == f"a.b/x@{SHA512}"


@pytest.mark.parametrize(
    "text",
    [
        "evil%0ahost=r/x",
        "evil\nhost=r/x",
        "reg.test\r\nX-Header: 1/x",
        "reg.test/x\r\n",
        "reg.test/x:1\n",
        f"reg.test/x@{SHA256}\n",
        "reg.test/x?y",
        "reg.test/x#y",
        "reg.test/x%2fy",
        "reg.test/../x",
        "reg.test/./x",
        "reg.test/..",
        "../x",
        "user@reg.test/x",
        "user:password@reg.test/x",
        "reg.test\\x",
        "reg.test /x",
        "reg.test/x y",
        "reg.test/x\0",
        "reg.test:80:80/x",
        "reg.test:80#/x",
        "reg.test:000080/x",
        "reg.test:/x",
        "http://reg.test/x",
        "//reg.test/x",
    ],
)
def test_what_could_leave_a_url_or_a_helpers_input_is_refused(text: str) -> None:
    """S023: the classes of CVE-2019-9740 and CVE-2020-5260."""
    with pytest.raises(InvalidReferenceError):
        Reference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "/",
        "x:",
        f"x:@{SHA256}",
        ":tag",
        f"@{SHA256}",
        "x@",
        "x@sha256:",
        f"x@md5:{HEX[:32]}",
        f"x@SHA256:{HEX}",
        f"x@sha256:{HEX.upper()}",
        f"x@{SHA256}@{SHA256}",
        f"x:{'t' * 129}",
        "x:.tag",
        "x:-tag",
        "x:é",
        "x:a:b",
        "a//b",
        "a/",
        "/a",
        "reg.test/",
        "reg.test/x/",
        "A",
        "reg.test/A",
        "a/B",
        "a___b",
        "a..b",
        "a._b",
        "-a",
        "a-",
        "_a",
        "a_",
        ".a/b",
        "é",
        "reg.tést/x",
        "reg.test/ⓐ",
        "reg.test./x",
        "reg..test/x",
        "-reg.test/x",
        "reg-.test/x",
        "my_reg.test/x",
        "reg.test:65536/x",
        "reg.test:123456/x",
        "reg.test:-1/x",
        "reg.test:٣/x",
        "[::1%eth0]/x",
        "[::ffff:192.0.2.1]/x",
        "[]/x",
        "[::1/x",
        "::1/x",
        "[::1]",
        "[::1]x/y",
        f"a.b/{'p' * 256}",
        f"{'r.' * 127}rr/x",
        SHA256,
        SHA512,
        HEX,
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(text: str) -> None:
    """R034."""
    with pytest.raises(InvalidReferenceError):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "a.b/App",
            ["invalid reference 'a.b/App': invalid repository name 'App'", "expected lower case"],
        ),
        (
            "a.b:70000/x",
            [
                "invalid reference 'a.b:70000/x': invalid registry 'a.b:70000'",
                "expected a port up to 65535",
            ],
        ),
        (
            "x:a/b!",
            [
                "invalid reference 'x:a/b!': invalid registry 'x:a'",
                "expected HOST or HOST:PORT",
            ],
        ),
        (
            "x@sha256:",
            [
                "invalid reference 'x@sha256:': invalid sha256 digest ''",
                "expected 64 lower-case hexadecimal digits",
            ],
        ),
        (
            HEX,
            [f"invalid reference '{HEX}': no repository", "expected NAME[:TAG][@DIGEST]"],
        ),
    ],
)
def test_the_error_names_the_part_and_what_was_expected(text: str, lines: list[str]) -> None:
    """R034."""
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse(text)
    assert caught.value.lines() == lines


@pytest.mark.parametrize("text", ["a" * 1_000_000, "a/" * 500_000, "A." * 500_000 + "/x"])
def test_a_megabyte_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        Reference.parse(text)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize(
    ("registry", "path"),
    [("", "x"), ("a.b", ""), ("a.b/c", "x"), ("a.b", "/x"), ("a.b", "x:1"), ("a.b\n", "x")],
)
def test_a_repository_made_by_hand_is_checked_too(registry: str, path: str) -> None:
    """S023."""
    with pytest.raises(InvalidReferenceError):
        Repository(registry, path)


def test_digits_alone_are_a_host_and_no_port() -> None:
    assert str(Repository("123456", "x")) == "123456/x"


def test_a_reference_made_by_hand_is_checked_too() -> None:
    """S023."""
    repository = Repository("a.b", "x")
    with pytest.raises(InvalidReferenceError):
        Reference(repository, "1\n")
    with pytest.raises(InvalidReferenceError):
        Reference(repository, None)
