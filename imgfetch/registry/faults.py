"""What sockets, `http.client` and `ssl` raise, as errors of ours.

This is the one boundary: whatever is raised while connecting, sending or reading passes
through `mapped`. The message names the host and never the URL, whose query may be a
secret.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

from imgfetch.errors import NetworkError, TLSError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.registry.url import Origin

FOREIGN = (
    http.client.HTTPException,
    OSError,
    # Unparsable chunk sizes and status lines, and odd bytes in headers.
    ValueError,
)


class ConnectTimeoutError(TimeoutError):
    """No connection in time."""


class ProxyError(OSError):
    """A proxy did not pass a connection on; says why."""


_CLOCK = "check this machine's clock"


def mapped(error: BaseException, origin: Origin, *, proxied: bool = False) -> NetworkError:
    """The error of ours for a foreign one.

    Args:
        error: one of `FOREIGN`.
        origin: who was spoken to.
        proxied: whether through a proxy.
    """
    causes = list(_causes(error))
    via = " through the proxy" if proxied else ""
    where = f"{origin.netloc}{via}"
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if tls is not None:
        return _tls_error(tls, where, origin)
    for kind, describe in _KINDS:
        cause = next((cause for cause in causes if isinstance(cause, kind)), None)
        if cause is not None:
            return describe(cause, where)
    return NetworkError(f"the connection to {where} failed: {type(error).__name__}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _tls_error(error: ssl.SSLError, where: str, origin: Origin) -> TLSError:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = getattr(error, "verify_message", "") or "verification failed"
        message = f"the certificate of {where} is not accepted: {reason}"
        if "not yet valid" in reason or "expired" in reason:
            return TLSError(message, hint=_CLOCK)
        return TLSError(
            message,
            hint="--ca FILE trusts its authority; "
            f"--insecure-skip-verify {origin.netloc} trusts anybody",
        )
    # Only errors that come from OpenSSL itself have a reason.
    reason = getattr(error, "reason", None) or ""
    message = f"no TLS connection to {where}: {reason.replace('_', ' ').lower() or 'cut off'}"
    if reason in _PLAIN_REASONS:
        return TLSError(
            message, hint=f"if it speaks plain HTTP, allow that with --plain-http {origin.netloc}"
        )
    # A handshake that was cut is a network fault like any other.
    transient = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return TLSError(message, transient=transient)


# What OpenSSL makes of an answer in plain HTTP.
_PLAIN_REASONS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


def _name(error: BaseException, where: str) -> NetworkError:
    again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
    return NetworkError(
        f"the name of {where} can't be resolved",
        hint="check the name, or this machine's DNS settings",
        transient=again,
    )


def _proxy(error: BaseException, where: str) -> NetworkError:
    asks = "407" in str(error) or "a password" in str(error)
    hint = "the proxy asks for a name and a password" if asks else "check the proxy"
    return NetworkError(f"the proxy did not connect us to {where} ({error})", hint=hint)


def _refused(_: BaseException, where: str) -> NetworkError:
    return NetworkError(
        f"{where} refuses connections", hint="is it running, and is the port right?"
    )


def _timeout(_: BaseException, where: str) -> NetworkError:
    return NetworkError(f"{where} did not answer in time", transient=True)


def _stalled(_: BaseException, where: str) -> NetworkError:
    return NetworkError(f"{where} stopped sending, or sends too slowly", transient=True)


def _broken(_: BaseException, where: str) -> NetworkError:
    return NetworkError(f"the connection to {where} broke", transient=True)


def _os_error(error: BaseException, where: str) -> NetworkError:
    detail = getattr(error, "strerror", None) or "failed"
    return NetworkError(f"no connection to {where}: {detail}")


# In this order: what says more comes before what it is a kind of.
_KINDS = (
    (ProxyError, _proxy),
    (socket.gaierror, _name),
    (ConnectionRefusedError, _refused),
    (ConnectTimeoutError, _timeout),
    (TimeoutError, _stalled),
    (ConnectionError, _broken),
    (http.client.HTTPException, _broken),
    (OSError, _os_error),
)
