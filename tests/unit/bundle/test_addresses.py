from __future__ import annotations

from collections.abc import Callable

import pytest

from imgfetch.bundle import addresses
from imgfetch.bundle.options import Device, PublishedPort
from imgfetch.errors import InvalidOptionError


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", [PublishedPort("", 0, 80)]),
        ("8080:80", [PublishedPort("", 8080, 80)]),
        (":80", [PublishedPort("", 0, 80)]),
        ("53:53/udp", [PublishedPort("", 53, 53, "udp")]),
        ("127.0.0.1:8080:80", [PublishedPort("127.0.0.1", 8080, 80)]),
        ("127.0.0.1::80/tcp", [PublishedPort("127.0.0.1", 0, 80)]),
        ("[::1]:8080:80", [PublishedPort("::1", 8080, 80)]),
        ("8000-8001:80-81", [PublishedPort("", 8000, 80), PublishedPort("", 8001, 81)]),
    ],
)
def test_ports(text: str, ports: list[PublishedPort]) -> None:
    assert list(addresses.parse_publish(text)) == ports


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("db:10.0.0.1", ("db", "10.0.0.1")),
        ("db=10.0.0.1", ("db", "10.0.0.1")),
        ("db:::1", ("db", "::1")),
        ("db:[2001:db8::1]", ("db", "2001:db8::1")),
        ("host.docker.internal:host-gateway", ("host.docker.internal", "host-gateway")),
    ],
)
def test_hosts(text: str, host: tuple[str, str]) -> None:
    assert addresses.parse_add_host(text) == host


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/fuse", Device("/dev/fuse", "/dev/fuse")),
        ("/dev/fuse:r", Device("/dev/fuse", "/dev/fuse", "r")),
        ("/dev/sda:/dev/xvda", Device("/dev/sda", "/dev/xvda")),
        ("/dev/sda:/dev/xvda:rw", Device("/dev/sda", "/dev/xvda", "rw")),
    ],
)
def test_devices(text: str, device: Device) -> None:
    assert addresses.parse_device(text) == device


def test_name_servers() -> None:
    assert addresses.parse_dns("10.0.0.1") == "10.0.0.1"
    assert addresses.parse_dns("::1") == "::1"
    assert addresses.parse_dns_search(".") == "."
    assert addresses.parse_dns_search("example.org") == "example.org"
    assert addresses.parse_dns_option("ndots:2") == "ndots:2"


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((addresses.parse_publish, text) for text in (
            "", "0", "65536", "a:80", "80/sctp", "1:2:3:4", "1-2:80", "2-1:2-1", "::1:80:80",
            "999.1.1.1:80:80", "80\n", "[::g]:1:1",
        )),
        *((addresses.parse_add_host, text) for text in (
            "", "db", "db:", ":10.0.0.1", "db:x", "a b:10.0.0.1", "db:10.0.0.1\nevil:1.1.1.1",
        )),
        *((addresses.parse_device, text) for text in (
            "", "dev/fuse", "/dev/a:/dev/b:x", "/dev/a:/dev/b:rr", "/dev/a:/dev/../../b",
            "/dev/a:/dev/b:r:w", "/dev/a\n",
        )),
        *((addresses.parse_dns, text) for text in ("", "localhost", "1.1.1", "1.1.1.1\nsearch x")),
        *((addresses.parse_dns_search, text) for text in ("", "a b", "a\nnameserver 6.6.6.6")),
        *((addresses.parse_dns_option, text) for text in ("", "a b", "ndots:x", "ndots:1\n")),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value),
)  # fmt: skip
def test_other_values_are_refused(parse: Callable[[str], object], text: str) -> None:
    """S152: no line break gets into /etc/hosts or /etc/resolv.conf."""
    with pytest.raises(InvalidOptionError):
        parse(text)
