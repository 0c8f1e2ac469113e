"""containerd's ``hosts.toml``: one directory for each registry, mirrors in order.

``<directory>/<registry>/hosts.toml``, with ``_default`` for all others; the format of
containerd's "Registry Configuration". Extra headers are mostly secrets: they go to that
host and no further, and are not shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imgfetch.errors import RegistryError, UsageError
from imgfetch.lean.dataclasses import dataclass, field
from imgfetch.registry.tls import TlsPolicy
from imgfetch.registry.url import Origin, Url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_FILE_LIMIT = 1 << 20
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
# What says where a message goes and where it ends is not for files to say.
_FRAMING = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "range", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class Host:
    """One host of a file.

    Attributes:
        origin: where it is.
        api: where its API begins.
        resolves: may be asked for tags.
        pulls: may be asked for digests.
        tls: what its certificate is checked against, and what we show.
        mirror: whether it stands in for the registry.
        headers: sent along with each request to it.
    """

    origin: Origin
    api: str = "/v2"
    resolves: bool = True
    pulls: bool = True
    tls: TlsPolicy = field(default_factory=TlsPolicy)
    mirror: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Hosts:
    """A file.

    Attributes:
        server: the registry itself; None where the file does not say.
        hosts: to be asked before, in order.
    """

    server: Host | None
    hosts: tuple[Host, ...]


def load(directories: Iterable[Path]) -> dict[str, Hosts]:
    """Read every ``hosts.toml`` below some directories, by the registry it is for.

    Raises:
        UsageError: a file can't be read or understood.
    """
    found: dict[str, Hosts] = {}
    for directory in directories:
        try:
            names = sorted(entry.name for entry in directory.iterdir())
        except OSError:
            continue
        for name in names:
            path = directory / name / "hosts.toml"
            hosts = _read(path)
            if hosts is not None:
                found.setdefault(_registry(name), hosts)
    return found


def _registry(name: str) -> str:
    """The registry that a directory is for; ``host_port_`` stands for ``host:port``."""
    head, _, port = name.removesuffix("_").rpartition("_")
    return f"{head}:{port}" if head and port.isdigit() and name.endswith("_") else name


def _read(path: Path) -> Hosts | None:
    try:
        raw = path.read_bytes()
        import tomllib  # most machines have no such file

        document = tomllib.loads(raw[:_FILE_LIMIT].decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"can't read {path}: {error.strerror}"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"{path} is not TOML: {error}"
        raise UsageError(message) from error
    server = document.get("server")
    tables = document.get("host", {})
    if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
        raise _wrong(path, "host")
    hosts = tuple(_host(url, table, path, mirror=True) for url, table in tables.items())
    if server is None:
        return Hosts(None, hosts)
    return Hosts(_host(server, document, path, mirror=False), hosts)


def _host(url: object, table: Mapping[str, Any], path: Path, *, mirror: bool) -> Host:
    if not isinstance(url, str):
        raise _wrong(path, "server")
    try:
        parsed = Url.parse(url if "://" in url else f"https://{url}")
    except RegistryError as error:
        raise _wrong(path, url[:100]) from error
    capabilities = table.get("capabilities", ["pull", "resolve"])
    if not isinstance(capabilities, list):
        raise _wrong(path, "capabilities")
    base = parsed.path.rstrip("/")
    override = table.get("override_path", False)
    api = base if override is True else (base if base.endswith("/v2") else f"{base}/v2")
    return Host(
        parsed.origin,
        api,
        "resolve" in capabilities,
        "pull" in capabilities,
        _tls(table, path),
        mirror,
        _headers(table.get("header", {}), path),
    )


def _headers(table: object, path: Path) -> tuple[tuple[str, str], ...]:
    if not isinstance(table, dict):
        raise _wrong(path, "header")
    found = []
    for name, value in table.items():
        text = ", ".join(value) if _is_list_of_text(value) else value
        if (
            not _HEADER.fullmatch(name)
            or name.lower() in _FRAMING
            or not isinstance(text, str)
            or not (text.isascii() and text.isprintable())
        ):
            raise _wrong(path, f"header {name[:60]!r}")
        found.append((name, text))
    return tuple(found)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _tls(table: Mapping[str, Any], path: Path) -> TlsPolicy:
    skip = table.get("skip_verify", False)
    authorities = table.get("ca", [])
    authorities = [authorities] if isinstance(authorities, str) else authorities
    client = table.get("client", [])
    client = [client] if isinstance(client, str) else client
    # Either one file with both, or a list of files, or a list of pairs: the first counts.
    pair = client[0] if client and isinstance(client[0], list) else client[:1]
    if (
        not isinstance(skip, bool)
        or not all(isinstance(item, str) for item in (*authorities, *pair))
        or len(pair) > 2  # noqa: PLR2004 - certificate and key
    ):
        raise _wrong(path, "ca, client or skip_verify")
    here = path.parent
    return TlsPolicy(
        verify=not skip,
        authorities=tuple(here / item for item in authorities),
        client_certificate=here / pair[0] if pair else None,
        client_key=here / pair[1] if len(pair) == 2 and pair[1] else None,  # noqa: PLR2004
    )


def _wrong(path: Path, what: str) -> UsageError:
    message = f"{path}: can't use {what}"
    return UsageError(message, expected="the form of containerd's hosts.toml")
