"""A registry's errors as ours: by status, with what a person can do about it.

Registries hide what one may not see, each in its own way: 401, 403 and 404 all can mean
"not there". Bodies are untrusted text: they are cut, and nothing in them reaches a
terminal as a control character.
"""

from __future__ import annotations

import http
import json
import re
from typing import TYPE_CHECKING, Any

from imgfetch.errors import AuthenticationError, NotFoundError, RateLimitError, RegistryError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.registry import challenge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imgfetch.errors import NetworkError
    from imgfetch.registry.response import Response

ERROR_LIMIT = 64 << 10
_SHOWN = 200
_ERRORS_SHOWN = 3
_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request was about, for errors.

    Attributes:
        what: e.g. ``manifest docker.io/library/alpine:3.20``.
        host: which host was asked.
        login: the registry as `login` takes it.
        account: whose credentials were sent; "" for none.
        note: why credentials were held back, where they were.
    """

    what: str
    host: str
    login: str
    account: str = ""
    note: str = ""


def about(what: str, error: NetworkError) -> NetworkError:
    """The same error, saying what was being asked for."""
    if not error.message.startswith(what):
        error.message = f"{what}: {error.message}"
        error.args = (error.message,)
    return error


def printable(text: str) -> str:
    """Text from outside without control, formatting or direction characters."""
    import unicodedata  # only errors need it

    return "".join(
        character
        if character == " " or unicodedata.category(character)[0] not in "CZ"
        else f"\\x{ord(character):02x}"
        if ord(character) < 0x100  # noqa: PLR2004 - two digits suffice
        else f"\\u{ord(character):04x}"
        for character in text
    )


def sample(raw: bytes, limit: int = _SHOWN) -> str:
    """The beginning of a body, safe to print."""
    return printable(" ".join(raw[: limit * 4].decode("utf-8", "replace").split()))[:limit]


def explanation(raw: bytes) -> str:
    """What an error's body says, as far as it says anything.

    The specification's form is ``{"errors": [{"code", "message", "detail"}]}``; others
    send ``details``, ``message``, ``error``, a page of HTML, or nothing.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return "" if raw.lstrip()[:1] == b"<" else sample(raw)
    if not isinstance(document, dict):
        return sample(raw)
    errors = document.get("errors")
    parts = []
    if isinstance(errors, list):
        parts = [_one_error(error) for error in errors[:_ERRORS_SHOWN] if isinstance(error, dict)]
    if not any(parts):
        found = (document.get(key) for key in ("details", "message", "error_description", "error"))
        parts = [value for value in found if isinstance(value, str)][:1]
    return sample("; ".join(part for part in parts if part).encode())


def warnings(headers: Iterable[str]) -> list[str]:
    """The texts of ``Warning`` headers, safe to print.

    distribution-spec "Warnings": ``299 - "text"``, and nothing else.
    """
    found = (_WARNING.fullmatch(header.strip()) for header in headers)
    return [sample(match[1].replace("\\", "").encode("latin-1")) for match in found if match]


def _one_error(error: dict[str, Any]) -> str:
    parts = (error.get("code"), error.get("message"))
    return ": ".join(part for part in parts if isinstance(part, str) and part)


def registry_error(response: Response, subject: Subject) -> RegistryError:
    """The error for a response that is not what was hoped for; ends the response."""
    raw = response.sample(ERROR_LIMIT)
    status = response.status
    said = explanation(raw)
    detail = f"HTTP {status}{_phrase(status)}" + (f": {said}" if said else "")
    if response.url.origin.netloc != subject.host:
        host = response.url.origin.netloc
        if status == http.HTTPStatus.NOT_FOUND:
            message = f"{subject.what} is not found at {host}, where {subject.host} leads: {detail}"
            return NotFoundError(message, status=status, hint="check the name")
        message = f"{subject.what}: the storage at {host} refused: {detail}"
        hint = "run the command again: addresses of storages are good for a while only"
        return RegistryError(message, status=status, hint=hint)
    message = f"{subject.what}: {subject.host} answered {detail}"
    if status == http.HTTPStatus.TOO_MANY_REQUESTS or "TOOMANYREQUESTS" in said.upper():
        hint = "wait, or log in: accounts have higher limits" if not subject.account else "wait"
        message = f"{subject.what}: {subject.host} is asked too often: {detail}"
        return RateLimitError(message, status=status, hint=hint)
    if status == http.HTTPStatus.UNAUTHORIZED and _schemes(response) == {"basic"}:
        return _basic_refused(subject, detail, status)
    if status in {401, 403, 404}:
        message = f"{subject.what} is not found at {subject.host}, or there is no access: {detail}"
        return NotFoundError(message, status=status, hint=_access_hint(subject))
    return RegistryError(message, status=status)


def _basic_refused(subject: Subject, detail: str, status: int) -> AuthenticationError:
    if subject.account:
        message = f"{subject.host} refused the credentials of {subject.account!r}: {detail}"
    else:
        message = f"{subject.host} asks for a name and a password: {detail}"
    return AuthenticationError(message, status=status, hint=f"imgfetch login {subject.login}")


def _access_hint(subject: Subject) -> str:
    if subject.note:
        return subject.note
    if subject.account:
        return f"check the name; {subject.account!r} may lack access to it"
    return f"check the name; if it is private: imgfetch login {subject.login}"


def token_error(response: Response, host: str, account: str) -> RegistryError:
    """The error for a token server that gives no token; ends the response."""
    raw = response.sample(ERROR_LIMIT)
    status = response.status
    said = explanation(raw)
    detail = f"HTTP {status}{_phrase(status)}" + (f": {said}" if said else "")
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        message = f"the token server {host} is asked too often: {detail}"
        return RateLimitError(message, status=status, hint="wait")
    if status in {400, 401, 403}:
        whose = f"the credentials of {account!r}" if account else "to give an anonymous token"
        message = f"the token server {host} refused {whose}: {detail}"
        return AuthenticationError(message, status=status, hint="check them with imgfetch login")
    return RegistryError(f"the token server {host} answered {detail}", status=status)


def _phrase(status: int) -> str:
    try:
        return f" {http.HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _schemes(response: Response) -> set[str]:
    offered = {item.scheme for item in challenge.parse(response.headers("WWW-Authenticate"))}
    return offered & {"basic", "bearer"}
