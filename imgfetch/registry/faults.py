"""What requests, urllib3 and the ssl module raise, as errors of ours.

This is the one boundary: whatever is raised while connecting, sending or reading passes
through `mapped`. The message names the host and never the URL, whose query may be a
secret.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

import requests
import urllib3

from imgfetch.errors import NetworkError, TLSError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imgfetch.registry.url import Origin

FOREIGN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    # Unparsable chunk sizes and status lines, and odd bytes in headers.
    ValueError,
)

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


def root(error: BaseException) -> BaseException | None:
    """The cause worth keeping: the system's own.

    The libraries' exceptions between it and us quote whole URLs, secrets included, and a
    traceback would show them.
    """
    foreign = (requests.RequestException, urllib3.exceptions.HTTPError)
    own = [cause for cause in _causes(error) if not isinstance(cause, foreign)]
    return own[0] if own else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that it was raised from, wherever a library puts that."""
    pending, seen = [error], set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        near = (*current.args, getattr(current, "reason", None), current.__cause__)
        pending.extend(item for item in near if isinstance(item, BaseException))
        if current.__context__ is not None:
            pending.append(current.__context__)


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
    status = next((str(code) for code in (407, 403, 502, 503) if str(code) in str(error)), "")
    detail = f" (HTTP {status})" if status else ""
    hint = "the proxy asks for a name and a password" if status == "407" else "check the proxy"
    return NetworkError(f"the proxy did not connect us to {where}{detail}", hint=hint)


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


def _no_connection(error: BaseException, where: str) -> NetworkError:
    return _os_error(error.__cause__ or error, where)


# In this order: what libraries wrap comes before what they wrap it into.
_KINDS = (
    (socket.gaierror, _name),
    (urllib3.exceptions.NameResolutionError, _name),
    (urllib3.exceptions.ProxyError, _proxy),
    (ConnectionRefusedError, _refused),
    (urllib3.exceptions.NewConnectionError, _no_connection),
    (urllib3.exceptions.ConnectTimeoutError, _timeout),
    (urllib3.exceptions.ReadTimeoutError, _stalled),
    (TimeoutError, _stalled),
    (ConnectionError, _broken),
    (urllib3.exceptions.ProtocolError, _broken),
    (http.client.HTTPException, _broken),
    (OSError, _os_error),
)
