"""Connections that fail, each told in its own words."""

from __future__ import annotations

import datetime as dt
import errno
import http.client
import os
import socket
import ssl
from pathlib import Path

import pytest

from imgfetch.errors import NetworkError, TLSError
from imgfetch.oci.reference import Reference
from imgfetch.registry import faults
from imgfetch.registry.client import RegistryClient
from imgfetch.registry.dial import Dialed
from imgfetch.registry.settings import Timeouts
from imgfetch.registry.tls import TlsPolicy
from imgfetch.registry.url import Origin
from tests.support.registry_content import IMAGE, read
from tests.support.registry_server import Answer, Seen
from tests.support.registry_world import FakeClock, World

ORIGIN = Origin("https", "registry.test", 443)
DAY = dt.timedelta(days=1)


def resolve(world: World) -> None:
    world.client().source(Reference.parse("registry.test/app:1")).resolve()


@pytest.mark.parametrize(("start", "end"), [(2 * DAY, 3 * DAY), (-3 * DAY, -2 * DAY)])
def test_r011_a_certificate_of_another_time_leads_to_the_clock(
    world: World, start: dt.timedelta, end: dt.timedelta
) -> None:
    now = dt.datetime.now(dt.UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = world.authority.issue_cert("registry.test", not_before=now + start, not_after=now + end)
    leaf.configure_cert(context)
    world.host("registry.test", IMAGE.routes(), context=context)
    with pytest.raises(TLSError, match=r"not yet valid|expired") as caught:
        resolve(world)
    assert caught.value.hint == "check this machine's clock"
    assert world.clock.slept == []


def test_a_registry_without_tls_leads_to_the_option_for_it(world: World) -> None:
    greeting = b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100
    world.host("registry.test", {}, tls=False, greeting=greeting)
    with pytest.raises(NetworkError) as caught:
        resolve(world)
    if isinstance(caught.value, TLSError):
        assert "--plain-http registry.test" in (caught.value.hint or "")


def wrapped(cause: Exception) -> Exception:
    """An exception as `http.client` raises it from another."""
    error = http.client.HTTPException("secret")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("cause", "text", "transient"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "can't be resolved", False),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "can't be resolved", True),
        (ConnectionRefusedError(111, "refused"), "refuses connections", False),
        (ConnectionResetError(104, "reset"), "broke", True),
        (BrokenPipeError(32, "pipe"), "broke", True),
        (TimeoutError("timed out"), "stopped sending", True),
        (http.client.RemoteDisconnected("gone"), "broke", True),
        (http.client.BadStatusLine("x"), "broke", True),
    ],
)
def test_r021_causes_are_found_however_they_are_wrapped(
    cause: Exception, text: str, transient: bool
) -> None:
    error = faults.mapped(wrapped(cause), ORIGIN)
    assert text in error.message
    assert "registry.test" in error.message
    assert error.transient is transient
    assert "secret" not in error.message


class Unreachable:
    """A dialer on a machine without a network."""

    def dial(self, host: str, port: int, timeout: float | None) -> Dialed:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))


def test_an_unreachable_network_is_named() -> None:
    client = RegistryClient(clock=FakeClock(), dialer=Unreachable())
    with pytest.raises(NetworkError) as caught:
        client.source(Reference.parse("registry.test/app:1")).resolve()
    expected = "registry.test/app:1: no connection to registry.test: Network is unreachable"
    assert caught.value.message == expected
    client.close()


def test_what_nobody_thought_of_has_a_name() -> None:
    error = faults.mapped(ValueError("secret"), ORIGIN)
    assert error.message == "the connection to registry.test failed: ValueError"


@pytest.mark.parametrize(("kind", "transient"), [(ssl.SSLEOFError, True), (ssl.SSLError, False)])
def test_a_handshake_that_was_cut_may_be_tried_again(
    kind: type[ssl.SSLError], transient: bool
) -> None:
    error = faults.mapped(wrapped(kind(1, "[SSL: X] x")), ORIGIN)
    assert isinstance(error, TLSError)
    assert error.transient is transient


def test_plain_http_in_place_of_tls_is_recognised() -> None:
    cause = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    cause.reason = "WRONG_VERSION_NUMBER"
    error = faults.mapped(wrapped(cause), ORIGIN)
    assert error.hint == "if it speaks plain HTTP, allow that with --plain-http registry.test"


class SteppingClock(FakeClock):
    """A clock that goes on whenever somebody looks at it."""

    def monotonic(self) -> float:
        self.advance(10)
        return super().monotonic()


def test_s017_a_document_has_a_deadline_whatever_its_pace(world: World) -> None:
    world.clock = SteppingClock()
    body = (bytes([byte]) for byte in IMAGE.manifest)
    world.host("registry.test", {"GET *": Answer(200, body, chunked=True)})
    client = world.client(timeouts=Timeouts(document=100))
    with pytest.raises(NetworkError, match="did not come in time"):
        client.source(Reference.parse("registry.test/app:1")).resolve()


@pytest.mark.parametrize("broken", [True, False])
def test_r037_a_client_certificate_that_cannot_be_used_is_named(
    tmp_path: Path, broken: bool
) -> None:
    path = tmp_path / "me.cert"
    if broken:
        path.write_text("not PEM", "utf-8")
    with pytest.raises(TLSError, match=r"client certificate .*me\.cert"):
        TlsPolicy(client_certificate=path).context()


def test_r037_authorities_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("not PEM", "utf-8")
    with pytest.raises(TLSError, match=r"authorities in .*ca\.pem"):
        TlsPolicy(authorities=(path,)).context()


def test_s013_a_short_redirect_that_breaks_is_followed_all_the_same(world: World) -> None:
    def moved(_: Seen) -> Answer:
        headers = {"Location": "/layer"}
        return Answer(307, b"x" * 100, headers, length=100, cut=10)

    routes = IMAGE.routes() | {
        f"GET {IMAGE.layer_path()}": moved,
        "GET /layer": Answer(200, IMAGE.layer),
    }
    world.host("registry.test", routes)
    source = world.client().source(Reference.parse("registry.test/app:1"))
    assert read(source.fetch(IMAGE.layer_descriptor)) == IMAGE.layer


def test_r013_an_error_body_that_breaks_is_still_an_error(world: World) -> None:
    world.host("registry.test", {"GET *": Answer(404, b"gone for", cut=4)})
    with pytest.raises(Exception, match="404"):
        resolve(world)
