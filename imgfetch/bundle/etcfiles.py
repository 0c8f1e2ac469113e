"""``/etc/hosts``, ``/etc/hostname`` and ``/etc/resolv.conf`` as text.

hosts(5), hostname(5), resolv.conf(5); as docker writes them. They are files of ours
that are bound over the image's, which are never written to (CVE-2024-1753 class).
"""

from __future__ import annotations

from imgfetch.errors import InvalidOptionError
from imgfetch.lean.typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imgfetch.bundle.options import NetworkOptions

_LOCAL: Final = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hosts_file(
    options: NetworkOptions,
    *,
    hostname: str,
    address: str | None = None,
    gateway: str | None = None,
    host_file: str | None = None,
) -> str:
    """``/etc/hosts``.

    Args:
        options: for the names to add.
        hostname: the container's.
        address: the container's; None for the loopback's.
        gateway: where the host is for the container; None where it can't be reached.
        host_file: the host's file, when its network is used.

    Raises:
        InvalidOptionError: ``host-gateway`` without a gateway.
    """
    lines = [_LOCAL if host_file is None else _terminated(host_file)]
    if host_file is None:
        lines.append(f"{address or '127.0.1.1'}\t{hostname}\n")
    if options.add_hosts:
        lines += _added(options.add_hosts, gateway)
    return "".join(lines)


def _added(hosts: Iterable[tuple[str, str]], gateway: str | None) -> Iterator[str]:
    """The lines for names and addresses that were asked for."""
    from imgfetch.bundle.addresses import HOST_GATEWAY  # most ask for none

    for name, target in hosts:
        if target == HOST_GATEWAY and gateway is None:
            message = f"--add-host {name}:{HOST_GATEWAY}: the host can't be reached"
            raise InvalidOptionError(message, hint="give an address, or another --network")
        yield f"{gateway if target == HOST_GATEWAY else target}\t{name}\n"


def hostname_file(hostname: str) -> str:
    """``/etc/hostname``."""
    return f"{hostname}\n"


def resolv_conf(
    options: NetworkOptions, host_file: str, *, own_network: bool, forwarder: str | None = None
) -> str:
    """``/etc/resolv.conf``.

    Args:
        options: replace what the host has.
        host_file: the host's file.
        own_network: whether the loopback is the container's own, so that a name server
            that listens on the host's can't be asked.
        forwarder: a name server that the network helper offers in place of those.
    """
    parsed = [line.split() for line in host_file.splitlines()]
    servers = list(options.dns) or _values(parsed, "nameserver")
    if own_network and not options.dns:
        servers = [server for server in servers if not _is_loopback(server)]
        if forwarder is not None:
            servers = [forwarder]
    search = list(options.dns_search) or _last(parsed, ("search", "domain"))
    choices = list(options.dns_options) or _last(parsed, ("options",))
    lines = [f"nameserver {server}\n" for server in servers]
    if search and search != ["."]:
        lines.insert(0, f"search {' '.join(search)}\n")
    if choices:
        lines.append(f"options {' '.join(choices)}\n")
    return "".join(lines)


def _values(lines: Iterable[list[str]], keyword: str) -> list[str]:
    return [words[1] for words in lines if len(words) > 1 and words[0] == keyword]


def _last(lines: Iterable[list[str]], keywords: tuple[str, ...]) -> list[str]:
    """The words of the last line of a kind: it overrides those before, resolv.conf(5)."""
    found = [words[1:] for words in lines if words and words[0] in keywords]
    return found[-1] if found else []


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address.partition("%")[0] == "::1"


def _terminated(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
