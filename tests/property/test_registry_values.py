"""What holds for every header, address and Range that a registry can send."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from imgfetch.errors import AuthenticationError, RegistryError
from imgfetch.registry import challenge, diagnostics, proxies, retry, token
from imgfetch.registry.authfile import AuthFile
from imgfetch.registry.url import Origin, Url

HERE = Url.parse("https://registry.test/v2/")
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(st.text()))
def test_any_header_is_parsed_without_an_error(headers: list[str]) -> None:
    for found in challenge.parse(headers):
        assert found.scheme == found.scheme.lower()


@given(NAMES, st.dictionaries(NAMES.map(str.lower), VALUES, max_size=4))
def test_a_well_formed_challenge_is_read_as_it_was_meant(
    scheme: str, parameters: dict[str, str]
) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = f"{scheme} " + ", ".join(f"{k}={quoted(v)}" for k, v in parameters.items())
    (found,) = challenge.parse([header])
    assert (found.scheme, dict(found.parameters)) == (scheme.lower(), parameters)


@given(st.text())
def test_a_location_is_an_address_that_is_read_one_way_or_refused(location: str) -> None:
    with contextlib.suppress(RegistryError):
        url = HERE.join(location)
        assert Url.parse(url.wire) == url
        assert url.origin.scheme in {"http", "https"}
        assert "@" not in url.origin.netloc
        assert url.wire.isprintable()


@given(st.text(), st.text(min_size=1))
def test_nothing_of_a_query_is_shown(path: str, secret: str) -> None:
    with contextlib.suppress(RegistryError):
        url = HERE.join(f"/x?sig=s3cret{secret}")
        assert "s3cret" not in f"{url}{url!r}"


@given(st.text(), st.floats(0, 1e10))
def test_any_retry_after_is_a_time_or_nothing(value: str, now: float) -> None:
    found = retry.retry_after(value, now)
    assert found is None or found >= 0


@given(st.binary())
def test_any_error_body_makes_one_printable_line(raw: bytes) -> None:
    said = diagnostics.explanation(raw)
    assert said.isprintable()
    assert len(said) <= 200


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(JSON)
def test_any_json_error_body_makes_one_printable_line(document: object) -> None:
    assert diagnostics.explanation(json.dumps({"errors": document}).encode()).isprintable()
    assert diagnostics.explanation(json.dumps(document).encode()).isprintable()


REQUEST = token.TokenRequest(HERE, "service", ("repository:a:pull",), "")


@given(JSON | st.dictionaries(st.sampled_from(["token", "access_token", "expires_in"]), JSON))
def test_any_token_answer_is_a_token_or_an_error_of_ours(document: object) -> None:
    with contextlib.suppress(AuthenticationError):
        found = token.parse(json.dumps(document).encode(), REQUEST, 100.0)
        assert found.expires >= 150
        assert "\n" not in found.header


@given(JSON | st.fixed_dictionaries({"auths": st.dictionaries(st.text(), JSON)}))
def test_any_file_with_credentials_is_read_or_an_error_of_ours(document: object) -> None:
    with contextlib.suppress(AuthenticationError):
        AuthFile.parse(json.dumps(document).encode(), "x").find("docker.io", "a/b")


@given(st.text(), NAMES)
def test_any_no_proxy_is_read(entries: str, name: str) -> None:
    origin = Origin("https", f"{name.lower()}.test", 443)
    assert proxies.excluded(f"{entries},{origin.host}", origin)


@given(NAMES, NAMES)
def test_no_proxy_ends_at_dots(prefix: str, name: str) -> None:
    host = f"{name.lower()}.test"
    assert not proxies.excluded(host, Origin("https", f"{prefix.lower()}{host}", 443))
