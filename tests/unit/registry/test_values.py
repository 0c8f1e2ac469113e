"""The pure parts: addresses, challenges, realms, waiting, text from outside."""

from __future__ import annotations

import socket

import pytest

from imgfetch.errors import RegistryError
from imgfetch.registry import address, challenge, diagnostics, realm, retry
from imgfetch.registry.dial import Dialed, Guard, SystemDialer, kind_of
from imgfetch.registry.realm import may_see_credentials
from imgfetch.registry.retry import Attempts, TransferAttempts, Turnstile
from imgfetch.registry.settings import RetryPolicy, SystemClock, Timeouts
from imgfetch.registry.url import Origin, Url
from imgfetch.registry.wire import Pace
from tests.support.registry_world import FakeClock


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("https://a.test", "https://a.test/"),
        ("HTTPS://A.test:443/x", "https://a.test/x"),
        ("http://a.test:80/", "http://a.test/"),
        ("http://a.test:8080/x?y=%2f#z", "http://a.test:8080/x?y=%2f"),
        ("https://[::1]:5000/v2/", "https://[::1]:5000/v2/"),
        ("https://a.test.", "https://a.test./"),
        ("https://a.test:", "https://a.test/"),
        (" https://a_b.test/?q ", "https://a_b.test/?q"),
    ],
)
def test_urls_have_one_form(text: str, wire: str) -> None:
    assert Url.parse(text).wire == wire


@pytest.mark.parametrize(
    "text",
    [
        "", "a.test/x", "//a.test/", "ftp://a.test/", "https://", "https:///x", "https://u@a.test/",
        "https://u:p@a.test/", "https://a.test\\@b.test/", "https://a.test/\n", "https://a.te\tst/",
        "https://a.test/x y", "https://a..test/", "https://-/%zz\\", "https://a.test:0/",
        "https://a.test:65536/", "https://a.test:x/", "https://ä.test/", "https://a.test/ä",
        "https://[::1/", "https://[::1]x/", "https://a%2etest/", "https://a.test/" + "x" * 20000,
    ],
)  # fmt: skip
def test_s023_urls_that_could_be_misread_are_refused(text: str) -> None:
    with pytest.raises(RegistryError, match="refused"):
        Url.parse(text)


def test_s025_a_url_prints_without_its_query() -> None:
    url = Url.parse("https://a.test/x?sig=secret")
    for shown in (str(url), repr(url), f"{url}", repr([url])):
        assert "secret" not in shown
        assert "https://a.test/x?…" in shown
    with pytest.raises(RegistryError) as caught:
        Url.parse("https://user:hunter2@a.test/")
    assert "hunter2" not in str(caught.value)


def test_relative_locations_are_completed() -> None:
    here = Url.parse("https://a.test/v2/x/blobs/1?q=1")
    assert here.join("/y").wire == "https://a.test/y"
    assert here.join("y").wire == "https://a.test/v2/x/blobs/y"
    assert here.join("//b.test/y").wire == "https://b.test/y"
    assert here.join("?z=2").wire == "https://a.test/v2/x/blobs/1?z=2"
    for bad in ("/x\r\nHost: b", "http://[", "\x00"):
        with pytest.raises(RegistryError):
            here.join(bad)


Parsed = list[tuple[str, dict[str, str]]]
BOTH: Parsed = [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        ([""], []),
        (["Basic"], [("basic", {})]),
        (['Basic realm="a"'], [("basic", {"realm": "a"})]),
        (['BASIC REALM="a"'], [("basic", {"realm": "a"})]),
        (["Basic realm=a"], [("basic", {"realm": "a"})]),
        (['Bearer realm="a,b",service="c d"'], [("bearer", {"realm": "a,b", "service": "c d"})]),
        (['Bearer realm = "a" , error=""'], [("bearer", {"realm": "a", "error": ""})]),
        ([r'Bearer realm="a\"b\\c"'], [("bearer", {"realm": 'a"b\\c'})]),
        (['Bearer realm="1", realm="2"'], [("bearer", {"realm": "1"})]),
        (['Basic realm="a", Bearer realm="b"'], BOTH),
        (['Basic realm="a"', 'Bearer realm="b"'], BOTH),
        (["Negotiate", 'Basic realm="a"'], [("negotiate", {}), ("basic", {"realm": "a"})]),
        (['Negotiate abc=, Basic realm="a"'], [("negotiate", {}), ("basic", {"realm": "a"})]),
        ([", , Basic realm=a,,service=b"], [("basic", {"realm": "a", "service": "b"})]),
        (['Bearer realm="unclosed'], [("bearer", {})]),
        (['Bearer realm="a"junk, Basic realm="b"'], [("bearer", {})]),
        (['="a"'], []),
    ],
)  # fmt: skip
def test_r008_challenges(headers: list[str], expected: Parsed) -> None:
    found = challenge.parse(headers)
    assert [(item.scheme, dict(item.parameters)) for item in found] == expected


def test_r008_a_header_full_of_challenges_ends() -> None:
    assert len(challenge.parse(["a, " * 10_000])) == 32


def test_scopes_of_a_challenge() -> None:
    (found,) = challenge.parse(['Bearer scope="a:b:c  d:e:f"'])
    assert found.scopes == ("a:b:c", "d:e:f")
    assert found.get("service") == ""


@pytest.mark.parametrize(
    ("registry", "server", "trusted"),
    [
        ("https://quay.io", "https://quay.io/v2/auth", True),
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://registry.digitalocean.com", "https://api.digitalocean.com/v2/x", True),
        ("https://rg.fr-par.scw.cloud", "https://api.scaleway.com/x", True),
        ("https://registry.corp.test:5000", "https://auth.corp.test/x", True),
        ("https://registry.corp.test", "https://corp.test.evil/x", False),
        ("https://registry.corp.test", "https://evilcorp.test/x", False),
        ("https://registry.example.co.uk", "https://evil.co.uk/x", False),
        ("https://registry.example.co.uk", "https://auth.example.co.uk/x", True),
        ("https://a.azurecr.io", "https://b.azurecr.io/x", False),
        ("https://a.azurecr.io", "https://a.azurecr.io/x", True),
        ("https://1.dkr.ecr.eu-west-1.amazonaws.com", "https://evil.amazonaws.com/x", False),
        ("https://registry.test", "https://registry.test:8443/x", False),
        ("https://10.0.0.1", "https://10.0.0.2/x", False),
        ("https://10.0.0.1", "https://10.0.0.1:8443/x", False),
        ("https://registry", "https://auth/x", False),
        ("https://[fd00::1]", "https://[fd00::2]/x", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/x", True),
        ("http://localhost:5000", "http://localhost:5001/x", True),
        ("https://registry.test", "https://REGISTRY.test/x", True),
    ],
)
def test_s006_who_may_see_a_password(registry: str, server: str, trusted: bool) -> None:
    origin = Url.parse(registry).origin
    assert may_see_credentials(Url.parse(server), origin, {}) is trusted


def test_s006_the_user_may_allow_more() -> None:
    origin, server = Url.parse("https://r.test").origin, Url.parse("https://sso.example:8443/t")
    for allowed in ("sso.example", "sso.example:8443"):
        assert may_see_credentials(server, origin, {"r.test": frozenset({allowed})})
    assert not may_see_credentials(server, origin, {"r.test": frozenset({"sso.example:1"})})
    assert not may_see_credentials(server, origin, {"q.test": frozenset({"sso.example"})})


def test_every_known_token_server_is_another_domains() -> None:
    for registry, hosts in realm.KNOWN_TOKEN_HOSTS.items():
        assert hosts
        assert registry not in hosts


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("127.0.0.1", "loopback"), ("127.255.0.1", "loopback"), ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"), ("0.0.0.0", "loopback"), ("::", "loopback"),  # noqa: S104 - refused
        ("169.254.169.254", "link-local"), ("fe80::1%eth0", "link-local"),
        ("64:ff9b::7f00:1", "loopback"), ("100.100.100.200", "metadata"),
        ("fd00:ec2::254", "metadata"), ("224.0.0.1", "reserved"), ("255.255.255.255", "reserved"),
        ("ff02::1", "reserved"), ("240.0.0.1", "reserved"),
        ("10.0.0.1", ""), ("192.168.1.1", ""), ("fd12::1", ""), ("93.184.216.34", ""),
        ("2606:4700::1", ""), ("100.64.0.1", ""),
    ],
)  # fmt: skip
def test_s005_kinds_of_addresses(given: str, kind: str) -> None:
    assert kind_of(given) == kind


class FixedDialer:
    """Says which address it connected to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ends: list[socket.socket] = []

    def dial(self, host: str, port: int, timeout: float | None) -> Dialed:
        near, far = socket.socketpair()
        self.ends += [near, far]
        return Dialed(near, self.address)


def test_s005_a_refused_connection_is_closed() -> None:
    dialer = FixedDialer("169.254.169.254")
    guard = Guard(dialer, frozenset({("registry.test", 443)}))
    with pytest.raises(RegistryError, match="link-local"):
        guard.dial("evil.test", 443, 1)
    near, far = dialer.ends
    assert near.fileno() == -1
    far.close()


def test_s005_what_the_registry_is_on_is_allowed_and_nothing_else() -> None:
    dialer = FixedDialer("127.0.0.1")
    guard = Guard(dialer, frozenset({("registry.test", 443)}))
    guard.dial("registry.test", 443, 1)
    guard.dial("other.test", 443, 1)
    dialer.address = "169.254.169.254"
    with pytest.raises(RegistryError):
        guard.dial("other.test", 443, 1)
    for end in dialer.ends:
        end.close()


def test_the_systems_dialer_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dialed = SystemDialer().dial("localhost", server.getsockname()[1], 5)
        assert dialed.address == "127.0.0.1"
        dialed.socket.close()


def test_s017_a_pace_counts_waiting_and_not_working() -> None:
    pace = Pace(Timeouts(stall_window=60, stall_bytes=100))
    for _ in range(3):
        pace.count(200, 61)
    pace.count(1, 0)
    with pytest.raises(TimeoutError):
        pace.count(1, 61)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("a.localhost", True), ("127.1.2.3", True),
        ("[::1]", True), ("localhost.test", False), ("notlocalhost", False), ("128.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - not a host to be asked without TLS
    ],
)  # fmt: skip
def test_s021_loopback_by_name(host: str, loopback: bool) -> None:
    assert address.is_loopback(host) is loopback


def test_retries_grow_with_jitter_and_end() -> None:
    policy = RetryPolicy(retries=3, base=2, cap=5)
    least = Attempts(policy, FakeClock(), lambda: 0.0)
    most = Attempts(policy, FakeClock(), lambda: 1.0)
    assert [least.delay() for _ in range(4)] == [1, 2, 4, None]
    assert [most.delay() for _ in range(4)] == [2, 4, 5, None]


def test_jitter_is_random_by_default() -> None:
    clock, policy = SystemClock(), RetryPolicy()
    assert len({Attempts(policy, clock).delay() for _ in range(10)}) > 1


def test_r028_little_progress_gives_no_retries_back() -> None:
    clock = FakeClock()
    attempts = TransferAttempts(RetryPolicy(retries=2), clock, lambda: 0.0)
    for left in (True, True, False):
        attempts.progress(100)
        assert attempts.again() is left


def test_r028_time_gives_retries_back_where_something_came() -> None:
    clock = FakeClock()
    attempts = TransferAttempts(RetryPolicy(retries=1), clock, lambda: 0.0)
    for _ in range(5):
        attempts.progress(1)
        clock.advance(61)
        assert attempts.again()
    clock.advance(61)
    assert not attempts.again()


def test_r020_a_turnstile_holds_everybody_until_the_last_wish() -> None:
    clock = FakeClock()
    turnstile = Turnstile(clock)
    turnstile.wait()
    turnstile.close_for(20)
    turnstile.close_for(5)
    turnstile.wait()
    turnstile.wait()
    assert clock.slept == [20]


def test_r020_retry_after() -> None:
    now = 1_600_000_000.0
    assert retry.retry_after("120", now) == 120
    assert retry.retry_after("Sun, 13 Sep 2020 12:26:50 GMT", now) == 10
    assert retry.retry_after("Sun, 13 Sep 2020 12:00:00 GMT", now) == 0
    for nothing in ("", "soon", "-1", "1.5", "²", "Sun, 99 Sep 2020 12:26:50 GMT"):
        assert retry.retry_after(nothing, now) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode", "plain ünïcode"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u00a0b", "a\\xa0b"),
        ("\U000e0001", "\\ue0001"),
    ],
)
def test_s059_text_from_outside_is_printable(text: str, shown: str) -> None:
    assert diagnostics.printable(text) == shown


def test_origins_print_as_people_write_them() -> None:
    assert str(Origin("https", "a.test", 443)) == "https://a.test"
    assert str(Origin("http", "[::1]", 5000)) == "http://[::1]:5000"
    assert Origin("http", "[::1]", 5000).address == "::1"
