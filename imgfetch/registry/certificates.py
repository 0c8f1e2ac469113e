"""Certificates for single hosts: containers-certs.d(5), the same as docker's.

``<directory>/<host[:port]>/``: every ``*.crt`` is an authority to trust besides the
system's; ``NAME.cert`` with ``NAME.key`` is our own certificate for that host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgfetch.errors import TLSError
from imgfetch.registry.tls import TlsPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from imgfetch.registry.url import Origin


def for_host(directories: Iterable[Path], origin: Origin) -> TlsPolicy:
    """What the directories say of a host; the first directory that knows it counts.

    Raises:
        TLSError: a certificate without its key, or a key without its certificate.
    """
    for directory in directories:
        for name in (f"{origin.host}:{origin.port}", origin.host):
            if (directory / name).is_dir():
                return _read(directory / name)
    return TlsPolicy()


def _read(directory: Path) -> TlsPolicy:
    try:
        files = sorted(directory.iterdir())
    except OSError as error:
        message = f"can't read the certificates in {directory}: {error.strerror}"
        raise TLSError(message) from error
    authorities = tuple(path for path in files if path.suffix == ".crt")
    pairs = [path for path in files if path.suffix == ".cert"]
    for path in files:
        other = {".cert": ".key", ".key": ".cert"}.get(path.suffix)
        if other is not None and path.with_suffix(other) not in files:
            message = f"{path} has no {path.with_suffix(other).name} beside it"
            raise TLSError(message, hint="a .crt is an authority, a .cert is a client's own")
    if not pairs:
        return TlsPolicy(authorities=authorities)
    return TlsPolicy(
        authorities=authorities,
        client_certificate=pairs[0],
        client_key=pairs[0].with_suffix(".key"),
    )
