"""Where images are asked for: mirrors, blocked registries, certificates, proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.errors import PolicyError, TLSError, UsageError
from imgfetch.oci.reference import Reference
from imgfetch.registry import certificates, configuration, hosts_toml, place, registries_conf
from imgfetch.registry.proxies import Proxy, proxy_for
from imgfetch.registry.settings import RegistrySettings
from imgfetch.registry.url import Origin, Url

DIGEST = "sha256:" + "0" * 64


def conf(tmp_path: Path, text: str) -> registries_conf.RegistriesConf:
    path = tmp_path / "registries.conf"
    path.write_text(text, "utf-8")
    return registries_conf.load([path])


def shown(reference: str, settings: RegistrySettings) -> list[str]:
    """The places for a reference: scheme, registry, repository."""
    found = place.places(Reference.parse(reference), settings)
    return [
        f"{','.join(map(str, item.origins))} {item.registry}/{item.repository}" for item in found
    ]


def with_conf(tmp_path: Path, text: str) -> RegistrySettings:
    return RegistrySettings(registries=conf(tmp_path, text))


HUB = "https://registry-1.docker.io docker.io/"
MIRRORS = """
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.test:5000/hub"
[[registry.mirror]]
location = "plain.test"
insecure = true
"""


def test_without_configuration_a_registry_is_asked_itself() -> None:
    settings = RegistrySettings()
    assert shown("alpine", settings) == [f"{HUB}library/alpine"]
    assert shown("quay.io/a/b:1", settings) == ["https://quay.io quay.io/a/b"]
    assert shown("quay.io:8443/a:1", settings) == ["https://quay.io:8443 quay.io:8443/a"]


def test_loopback_hosts_may_be_plain() -> None:
    for host in ("localhost", "127.0.0.1", "127.9.9.9", "[::1]", "x.localhost"):
        found = shown(f"{host}:5000/a", RegistrySettings())
        assert found == [f"http://{host}:5000,https://{host}:5000 {host}:5000/a"]


@pytest.mark.parametrize("host", ["localhost.test", "127.0.0.1.test", "x.local", "10.0.0.1"])
def test_s021_no_other_host_may_be_plain(host: str) -> None:
    assert shown(f"{host}:5000/a", RegistrySettings()) == [f"https://{host}:5000 {host}:5000/a"]


@pytest.mark.parametrize("named", ["x.test", "x.test:5000"])
def test_a_host_named_by_the_user_is_plain(named: str) -> None:
    settings = RegistrySettings(plain_http=frozenset({named}))
    assert shown("x.test:5000/a", settings) == ["http://x.test:5000 x.test:5000/a"]


def test_mirrors_come_in_order_and_the_registry_last(tmp_path: Path) -> None:
    assert shown("alpine", with_conf(tmp_path, MIRRORS)) == [
        "https://mirror.test:5000 mirror.test:5000/hub/library/alpine",
        "https://plain.test,http://plain.test plain.test/library/alpine",
        f"{HUB}library/alpine",
    ]


def test_a_registry_may_be_replaced(tmp_path: Path) -> None:
    text = '[[registry]]\nprefix = "old.test/team"\nlocation = "new.test/moved"\n'
    settings = with_conf(tmp_path, text)
    assert shown("old.test/team/app:1", settings) == ["https://new.test new.test/moved/app"]
    assert shown("old.test/teams/app:1", settings) == ["https://old.test old.test/teams/app"]


def test_a_prefix_does_not_reach_over_a_port(tmp_path: Path) -> None:
    settings = with_conf(tmp_path, '[[registry]]\nprefix = "a.test"\nlocation = "b.test"\n')
    assert shown("a.test:5000/x", settings) == ["https://a.test:5000 a.test:5000/x"]


def test_a_wildcard_is_for_all_below_a_domain(tmp_path: Path) -> None:
    text = '[[registry]]\nprefix = "*.corp.test"\nlocation = "cache.test"\n'
    settings = with_conf(tmp_path, text)
    assert shown("a.b.corp.test/x/y", settings) == ["https://cache.test cache.test/x/y"]
    assert shown("evil-corp.test/x", settings) == ["https://evil-corp.test evil-corp.test/x"]


def test_the_longest_prefix_decides(tmp_path: Path) -> None:
    text = """
[[registry]]
prefix = "a.test"
blocked = true
[[registry]]
prefix = "a.test/good"
location = "a.test/good"
"""
    settings = with_conf(tmp_path, text)
    assert shown("a.test/good/x", settings) == ["https://a.test a.test/good/x"]
    with pytest.raises(PolicyError, match="blocked"):
        shown("a.test/bad", settings)


def test_a_single_tag_can_be_blocked(tmp_path: Path) -> None:
    settings = with_conf(tmp_path, '[[registry]]\nprefix = "a.test/x:bad"\nblocked = true\n')
    assert shown("a.test/x:good", settings)
    with pytest.raises(PolicyError):
        shown("a.test/x:bad", settings)


def test_s020_mirrors_may_be_for_digests_only(tmp_path: Path) -> None:
    text = MIRRORS.replace("[[registry.mirror]]", "[[registry.mirror]]", 1)
    text = text.replace(
        'location = "docker.io"', 'location = "docker.io"\nmirror-by-digest-only = true'
    )
    settings = with_conf(tmp_path, text)
    by_tag, by_digest = Reference.parse("alpine:3"), Reference.parse(f"alpine@{DIGEST}")
    found = place.places(by_tag, settings)
    assert [item.serves(by_tag) for item in found] == [False, False, True]
    assert [item.serves(by_digest) for item in found] == [True, True, True]


def test_later_files_replace_rules_of_earlier_ones(tmp_path: Path) -> None:
    first, second = tmp_path / "1.conf", tmp_path / "2.conf"
    first.write_text('[[registry]]\nprefix = "a.test"\nblocked = true\n[aliases]\n"x" = "q.io/x"\n')
    second.write_text('[[registry]]\nprefix = "a.test"\n[aliases]\n"y" = "q.io/y"\n')
    found = registries_conf.load([first, second, tmp_path / "missing.conf"])
    assert shown("a.test/x", RegistrySettings(registries=found))
    assert found.candidates("x:1") == ["q.io/x:1"]
    assert found.candidates(f"y@{DIGEST}") == [f"q.io/y@{DIGEST}"]
    assert found.candidates(f"y:2@{DIGEST}") == [f"q.io/y:2@{DIGEST}"]
    assert found.candidates("z/y:1") == ["z/y:1"]
    assert found.candidates("z") == ["z"]


@pytest.mark.parametrize(
    "text",
    [
        "[registries.search]\nregistries = []",
        "[[registry]]\nblocked = 1\nprefix='a'",
        "[[registry]]\n",
        "[registry]\n",
        "[[registry]]\nprefix='a.test'\n[[registry.mirror]]\ninsecure=true\n",
        "[[registry]]\nprefix='a'\n[[registry.mirror]]\nlocation='b'\npull-from-mirror='x'",
        "aliases = 1",
        "[[registry]]\nprefix = 7",
        "[[registry]]\nprefix='a.test'\nlocation='b.test'\nmirror = 7",
        "not toml",
        "\x00",
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"registries\.conf"):
        conf(tmp_path, text)


def test_a_location_that_makes_no_name_is_an_error(tmp_path: Path) -> None:
    settings = with_conf(tmp_path, '[[registry]]\nprefix="a.test"\nlocation="B.test/UPPER"\n')
    with pytest.raises(UsageError, match="makes no repository"):
        shown("a.test/x", settings)


HOSTS = """
server = "https://registry-1.docker.io"
[host."https://mirror.test:5000"]
capabilities = ["pull"]
ca = "ca.crt"
client = [["me.cert", "me.key"]]
[host."http://plain.test/prefix"]
skip_verify = true
[host."https://exact.test/api/hub"]
override_path = true
"""


def test_hosts_toml_gives_places_in_order(tmp_path: Path) -> None:
    directory = tmp_path / "docker.io"
    directory.mkdir()
    (directory / "hosts.toml").write_text(HOSTS, "utf-8")
    settings = RegistrySettings(hosts=hosts_toml.load([tmp_path]))
    reference = Reference.parse("alpine:3")
    mirror, plain, exact, own = place.places(reference, settings)
    assert (str(mirror.origins[0]), mirror.serves(reference)) == ("https://mirror.test:5000", False)
    assert mirror.tls is not None
    assert mirror.tls.authorities == (directory / "ca.crt",)
    assert (mirror.tls.client_certificate, mirror.tls.client_key) == (
        directory / "me.cert",
        directory / "me.key",
    )
    assert (plain.api, plain.insecure, plain.namespace) == ("/prefix/v2", True, "docker.io")
    assert exact.api == "/api/hub"
    assert (own.mirror, own.namespace, own.api) == (False, "", "/v2")


def test_hosts_toml_has_a_default_and_names_with_ports(tmp_path: Path) -> None:
    for name in ("_default", "a.test_5000_"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hosts.toml").write_text('[host."https://m.test"]\n', "utf-8")
    found = hosts_toml.load([tmp_path, tmp_path / "missing"])
    settings = RegistrySettings(hosts=found)
    assert set(found) == {"_default", "a.test:5000"}
    assert shown("q.test/x", settings) == [
        "https://m.test m.test/x",
        "https://q.test q.test/x",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "server = 1",
        "host = 1",
        '[host."ftp://x"]',
        '[host."https://x"]\nskip_verify = "yes"',
        '[host."https://x"]\ncapabilities = "pull"',
        '[host."https://x"]\n[host."https://x".header]\nx = 1',
        '[host."https://x"]\n[host."https://x".header]\nx = "a\\nb"',
        '[host."https://x"]\n[host."https://x".header]\n"x y" = "a"',
        '[host."https://x"]\n[host."https://x".header]\nHost = "a"',
        '[host."https://x"]\nheader = "x"',
        '[host."https://x"]\nclient = [["a", "b", "c"]]',
        "[",
    ],
)
def test_hosts_toml_that_is_not_understood_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.test").mkdir()
    (tmp_path / "a.test/hosts.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"hosts\.toml"):
        hosts_toml.load([tmp_path])


REGISTRY = Origin("https", "registry.test", 5000)


def test_r037_certificates_of_the_first_directory_that_knows_the_host(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for directory in (
        first / "other.test",
        second / "registry.test:5000",
        second / "registry.test",
    ):
        directory.mkdir(parents=True)
    known = second / "registry.test:5000"
    for name in ("a.crt", "b.crt", "me.cert", "me.key", "notes.txt"):
        (known / name).touch()
    policy = certificates.for_host([first, second], REGISTRY)
    assert policy.authorities == (known / "a.crt", known / "b.crt")
    assert (policy.client_certificate, policy.client_key) == (known / "me.cert", known / "me.key")
    assert certificates.for_host([first], REGISTRY).authorities == ()


@pytest.mark.parametrize("name", ["me.cert", "me.key"])
def test_r037_half_of_a_client_certificate_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "registry.test").mkdir()
    (tmp_path / "registry.test" / name).touch()
    with pytest.raises(TLSError, match="beside it"):
        certificates.for_host([tmp_path], REGISTRY)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("example.com", "https://example.com", True),
        ("example.com", "https://sub.example.com", True),
        ("example.com", "https://evil-example.com", False),
        ("example.com", "https://example.com.evil", False),
        (".example.com", "https://sub.example.com", True),
        (".example.com", "https://example.com", False),
        ("*.example.com", "https://a.example.com", True),
        ("example.com:8443", "https://example.com:8443", True),
        ("example.com:8443", "https://example.com", False),
        ("a, EXAMPLE.com ,b", "https://example.com.", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://ten.test", False),
        ("10.1.2.3", "https://10.1.2.3:5000", True),
        ("10.1.2.3:5000", "https://10.1.2.3:5000", True),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::1]:443", "https://[fd00::1]", True),
        ("*", "https://anything.test", True),
        (".", "https://anything.test", False),
        ("", "https://anything.test", False),
    ],
)
def test_r036_no_proxy(no_proxy: str, url: str, direct: bool) -> None:
    proxies = {"https": "http://proxy.test:3128", "no": no_proxy}
    found = proxy_for(proxies, Url.parse(url).origin)
    assert found == (None if direct else Proxy("http", "proxy.test", 3128))


def test_r036_schemes_have_their_own_proxies() -> None:
    proxies = {"http": "one.test:1", "all": "http://two.test:2"}
    assert proxy_for(proxies, Origin("http", "a.test", 80)) == Proxy("http", "one.test", 1)
    assert proxy_for(proxies, Origin("https", "a.test", 443)) == Proxy("http", "two.test", 2)
    assert proxy_for(proxies, Origin("http", "127.0.0.1", 5000)) is None
    assert proxy_for({}, Origin("https", "a.test", 443)) is None


def test_proxies_of_the_environment() -> None:
    environment = {
        "HTTPS_PROXY": "http://upper", "https_proxy": "http://lower", "HTTP_PROXY": "http://cgi",
        "NO_PROXY": "x", "all_proxy": "",
    }  # fmt: skip
    assert configuration.proxies(environment) == {"https": "http://lower", "no": "x"}


def test_r037_the_environments_authorities() -> None:
    both = {"REQUESTS_CA_BUNDLE": "/a", "SSL_CERT_FILE": "/b"}
    assert configuration.ca_bundle(both) == Path("/a")
    assert configuration.ca_bundle({"SSL_CERT_FILE": "/b"}) == Path("/b")
    assert configuration.ca_bundle({"SSL_CERT_FILE": ""}) is None


def test_a_users_registries_conf_replaces_the_systems(tmp_path: Path) -> None:
    home, system = tmp_path / "home", tmp_path / "etc"
    for directory in (home / ".config/containers", system / "containers/registries.conf.d"):
        directory.mkdir(parents=True)
    rule = '[[registry]]\nprefix = "{0}"\nblocked = true\n'
    (system / "containers/registries.conf").write_text(rule.format("a.test"), "utf-8")
    (system / "containers/registries.conf.d/1.conf").write_text(rule.format("b.test"), "utf-8")
    assert set(configuration.registries({}, home, system).rules) == {"a.test", "b.test"}
    (home / ".config/containers/registries.conf").write_text(rule.format("c.test"), "utf-8")
    assert set(configuration.registries({}, home, system).rules) == {"b.test", "c.test"}
    named = {"CONTAINERS_REGISTRIES_CONF": str(system / "containers/registries.conf")}
    assert set(configuration.registries(named, home, system).rules) == {"a.test"}


def test_everything_configured_in_one_value(tmp_path: Path) -> None:
    settings = configuration.settings(
        {"https_proxy": "http://p"}, tmp_path, system=tmp_path, user_agent="x"
    )
    assert settings.proxies == {"https": "http://p"}
    assert settings.user_agent == "x"
    assert settings.credentials.lookup("quay.io", "a") is None
