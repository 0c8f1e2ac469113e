"""Ports, hosts and name servers as the command line writes them.

docker's ``--publish``, ``--add-host`` and ``--dns``, ``--device`` by the way: all that
names something of the host with colons in between.
"""

from __future__ import annotations

from imgfetch.bundle.grammar import invalid, parse_decimal
from imgfetch.bundle.options import Device, PublishedPort
from imgfetch.lean import re
from imgfetch.lean.typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from imgfetch.errors import InvalidOptionError

HOST_GATEWAY: Final = "host-gateway"

_PUBLISH: Final = re.compile(
    r"(?:(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?([0-9]+(?:-[0-9]+)?)?:)?"
    r"([0-9]+(?:-[0-9]+)?)(?:/(tcp|udp))?",
    re.ASCII,
)
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)
_ACCESS: Final = re.compile(r"(?=[rwm]{1,3}\Z)(?!.*(.).*\1)[rwm]+")
_PORT_LIMIT: Final = 65535


def parse_publish(text: str) -> tuple[PublishedPort, ...]:
    """``[[ADDRESS:][PORT]:]PORT[/PROTOCOL]``; ranges of ports on both sides.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    match = _PUBLISH.fullmatch(text)
    if match is None:
        raise _invalid_publish(text)
    address = (match[1] or "").strip("[]")
    if address:
        parse_address(address, "publish address")
    inside = _ports(text, match[3])
    outside = _ports(text, match[2]) if match[2] else [0] * len(inside)
    if len(inside) != len(outside):
        raise _invalid_publish(text)
    protocol: Literal["tcp", "udp"] = "udp" if match[4] == "udp" else "tcp"
    pairs = zip(outside, inside, strict=True)
    return tuple(PublishedPort(address, host, port, protocol) for host, port in pairs)


def _invalid_publish(text: str) -> InvalidOptionError:
    return invalid(text, "publish", "[[ADDRESS:]PORT:]PORT[/tcp|/udp], e.g. 8080:80")


def _ports(text: str, word: str) -> list[int]:
    first, _, last = word.partition("-")
    low, high = parse_decimal(first), parse_decimal(last or first)
    if low is None or high is None or not 0 < low <= high <= _PORT_LIMIT:
        raise _invalid_publish(text)
    return list(range(low, high + 1))


def parse_address(text: str, what: str) -> str:
    """An IPv4 or IPv6 address.

    Raises:
        InvalidOptionError: neither.
    """
    import socket  # few runs give an address

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return text
    raise invalid(text, what, "an IP address")


def parse_add_host(text: str) -> tuple[str, str]:
    """``NAME:ADDRESS`` or ``NAME=ADDRESS``; ``host-gateway`` is an address.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    match = re.fullmatch(r"([^:=]+)[:=](.+)", text)
    if match is None or not _HOST.fullmatch(match[1]):
        raise invalid(text, "add-host", "NAME:ADDRESS")
    address = match[2]
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    return match[1], address if address == HOST_GATEWAY else parse_address(address, "add-host")


def parse_dns(text: str) -> str:
    """A name server's address.

    Raises:
        InvalidOptionError: not an address.
    """
    return parse_address(text, "dns")


def parse_dns_search(text: str) -> str:
    """A search domain; ``.`` for none at all.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    if text != "." and not _HOST.fullmatch(text):
        raise invalid(text, "dns-search", "a domain, or . for none")
    return text


def parse_dns_option(text: str) -> str:
    """A resolver option of resolv.conf(5), e.g. ``ndots:2``.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    if not re.fullmatch(r"[a-z0-9-]+(?::[0-9]+)?", text, re.ASCII):
        raise invalid(text, "dns-option", "NAME[:NUMBER], e.g. ndots:2")
    return text


def parse_device(text: str) -> Device:
    """``SRC[:DST][:ACCESS]``, where ACCESS is letters of ``rwm``.

    Raises:
        InvalidOptionError: outside the grammar.
    """
    parts = text.split(":")
    access = parts.pop() if len(parts) > 1 and _ACCESS.fullmatch(parts[-1]) else "rwm"
    paths = parts if len(parts) > 1 else parts * 2
    clean = all(path.startswith("/") and path.isprintable() for path in paths)
    if len(paths) != 2 or not clean or any(".." in path.split("/") for path in paths):  # noqa: PLR2004 - SRC:DST
        raise invalid(text, "device", "/SRC[:/DST][:rwm]")
    return Device(paths[0], paths[1], access)
