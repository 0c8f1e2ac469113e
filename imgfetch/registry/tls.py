"""What TLS certificates are accepted, for one host."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING

from imgfetch.errors import TLSError
from imgfetch.lean.dataclasses import dataclass

if TYPE_CHECKING:
    from pathlib import Path


# How OpenSSL names the files of a directory that it looks authorities up in.
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """What a host's certificate is checked against, and what we show of ourselves.

    Connections made under one policy are never used under another: an unchecked
    connection must not serve a request that asks for a checked one (CVE-2024-35195).

    Attributes:
        verify: whether certificates are checked at all.
        authorities: PEM files of authorities to trust besides the system's.
        client_certificate: PEM file of our own certificate.
        client_key: PEM file of its key.
        system: PEM file of authorities in place of the system's.
    """

    verify: bool = True
    authorities: tuple[Path, ...] = ()
    client_certificate: Path | None = None
    client_key: Path | None = None
    system: Path | None = None

    def context(self, *, looking_up: bool = False) -> ssl.SSLContext:
        """The policy as the ssl module takes it.

        Args:
            looking_up: whether to look the system's authorities up one by one where it has a
                directory for that. Reading all of them takes twenty milliseconds; what is not
                found in the directory may still be in the system's file.

        Raises:
            TLSError: a file can't be read or holds no certificate.
        """
        directory = _directory() if looking_up and self.system is None else None
        context = ssl.create_default_context(cafile=self._bundle(), capath=directory)
        context.set_alpn_protocols(["http/1.1"])
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for path in self.authorities:
            try:
                context.load_verify_locations(path)
            except (OSError, ssl.SSLError) as error:
                message = f"can't use the certificate authorities in {path}: {_reason(error)}"
                raise TLSError(message) from error
        if self.client_certificate is not None:
            try:
                # Without a password callback OpenSSL would ask on the terminal.
                context.load_cert_chain(self.client_certificate, self.client_key, password="")
            except (OSError, ssl.SSLError, ValueError) as error:
                name = self.client_certificate
                message = f"can't use the client certificate {name}: {_reason(error)}"
                raise TLSError(message) from error
        return context

    def _bundle(self) -> Path | None:
        if self.system is not None and not self.system.is_file():
            message = f"there is no file of certificate authorities {self.system}"
            raise TLSError(message, hint="REQUESTS_CA_BUNDLE or SSL_CERT_FILE names it")
        return self.system


def _directory() -> str | None:
    """The system's directory of authorities, if it is one to look them up in."""
    directory = ssl.get_default_verify_paths().capath
    try:
        with os.scandir(directory or "/nonexistent") as entries:
            return directory if any(_HASHED.fullmatch(entry.name) for entry in entries) else None
    except OSError:
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)
