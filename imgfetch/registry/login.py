"""Logging in and out, and telling which credentials would be used.

A password is tried at the registry before it is written. Files are written whole or not
at all, readable by their owner alone; what else is in them stays as it is, and a symbolic
link to the real file stays a link.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from imgfetch.errors import AuthenticationError, DocumentError, ImgfetchError
from imgfetch.fs.atomic import make_directories, replace_file
from imgfetch.fs.lock import locked
from imgfetch.lean.dataclasses import dataclass
from imgfetch.oci.document import load
from imgfetch.registry.authfile import FILE_LIMIT, AuthFile, keys, normalized
from imgfetch.registry.credentials import (
    ConfiguredCredentials,
    HelperRunner,
    helper_for,
    helper_key,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from imgfetch.registry.secret import Credential

_PATIENCE = 30.0
_MORE_LINKS_THAN_ANYBODY_HAS = 20


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one source of credentials has for a host; never a secret.

    Attributes:
        source: the file or variable, and the helper where it names one.
        used: whether this is the one that is used.
        account: the name there; "" where there is none.
        detail: why it is not used, or what kind of credential it is.
    """

    source: str
    used: bool
    account: str
    detail: str


def explain(
    credentials: ConfiguredCredentials, registry: str, repository: str = ""
) -> list[Explanation]:
    """Every source of credentials and what it has for a host, in the order of search."""
    told: list[Explanation] = []
    for file in credentials.files:
        for source, detail, credential in _sources(credentials, file, registry, repository):
            used = credential is not None and not any(item.used for item in told)
            account = credential.username if credential else ""
            if credential is not None:
                detail = _kind(credential) if used else "another one comes before it"  # noqa: PLW2901 - decided here
            told.append(Explanation(source, used, account, detail))
    return told


def _sources(
    credentials: ConfiguredCredentials, file: AuthFile, registry: str, repository: str
) -> list[tuple[str, str, Credential | None]]:
    """The places to look in one file, in order."""
    host = normalized(registry)
    found: list[tuple[str, str, Credential | None]] = []
    own = helper_for(file, host)
    for helper in dict.fromkeys((own, "" if own else file.store)):
        if helper:
            source = f"{file.name} (helper {helper})"
            try:
                credential = credentials.helpers.get(helper, helper_key(host))
                found.append((source, "has nothing for this host", credential))
            except AuthenticationError as error:
                found.append((source, error.message, None))
    if own:
        return found
    try:
        entry = file.find(registry, repository)
    except AuthenticationError as error:
        return [*found, (file.name, error.message, None)]
    if entry is None:
        return [*found, (file.name, "has nothing for this host", None)]
    return [*found, (f"{file.name} (entry {entry[0]})", "", entry[1])]


def _kind(credential: Credential) -> str:
    if credential.registry_token:
        return "registry token"
    return "identity token" if credential.identity_token else "password"


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """A file that `store` and `erase` write: docker's ``config.json`` or podman's.

    Attributes:
        path: the file, which need not exist.
        helpers: runs the helpers that the file names.
    """

    path: Path
    helpers: HelperRunner

    def store(self, registry: str, credential: Credential) -> str:
        """Keep a credential for a registry.

        Returns:
            Where it is kept now, for people.

        Raises:
            AuthenticationError: the file or the helper can't take it.
        """
        with self._exclusively():
            return self._store(normalized(registry), credential)

    def _store(self, host: str, credential: Credential) -> str:
        document, file = self._read()
        helper = helper_for(file, host) or file.store
        if helper:
            payload = {
                "ServerURL": helper_key(host),
                "Username": credential.username or "<token>",
                "Secret": credential.password or credential.identity_token,
            }
            self._tell(helper, "store", json.dumps(payload).encode())
            return f"the credential helper {helper!r}"
        entry: dict[str, str] = {}
        if credential.has_password:
            entry["auth"] = credential.basic().removeprefix("Basic ")
        if credential.identity_token:
            entry["identitytoken"] = credential.identity_token
        auths = document.setdefault("auths", {})
        for key in _spellings(auths, host):
            del auths[key]
        auths[helper_key(host)] = entry
        self._write(document)
        return str(self.path)

    def erase(self, registry: str) -> bool:
        """Forget the credential for a registry.

        Returns:
            Whether there was one.

        Raises:
            AuthenticationError: the file or the helper can't forget it.
        """
        with self._exclusively():
            return self._erase(normalized(registry))

    def _erase(self, host: str) -> bool:
        document, file = self._read()
        helper = helper_for(file, host) or file.store
        erased = False
        if helper and self.helpers.get(helper, helper_key(host)) is not None:
            self._tell(helper, "erase", helper_key(host).encode())
            erased = True
        auths = document.get("auths") or {}
        spellings = _spellings(auths, host)
        for key in spellings:
            del auths[key]
        if spellings:
            self._write(document)
        return erased or bool(spellings)

    @contextmanager
    def _exclusively(self) -> Generator[None, None, None]:
        """Let nobody else of us write in between reading and writing."""
        try:
            target = _behind_links(str(self.path))
            make_directories(os.path.dirname(target) or ".")
            with locked(f"{target}.lock", timeout=_PATIENCE, unlink=True):
                yield
        except OSError as error:
            raise _unusable(self.path, error) from error

    def _tell(self, helper: str, verb: str, data: bytes) -> None:
        status, _ = self.helpers.run(helper, verb, data)
        if status:
            message = f"the credential helper {helper!r} can't {verb} (status {status})"
            raise AuthenticationError(message, hint=f"try it: docker-credential-{helper} {verb}")

    def _read(self) -> tuple[dict[str, Any], AuthFile]:
        try:
            raw = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raw = b""
        except OSError as error:
            raise _unusable(self.path, error) from error
        if not raw.strip():
            return {}, AuthFile(str(self.path))
        file = AuthFile.parse(raw, str(self.path))
        try:
            document = load(raw, str(self.path), limit=FILE_LIMIT)
        except DocumentError as error:
            message = f"can't read {self.path}: {error.message}"
            raise AuthenticationError(message) from error
        return dict(document.value), file

    def _write(self, document: dict[str, Any]) -> None:
        raw = json.dumps(document, indent="\t").encode() + b"\n"
        try:
            replace_file(_behind_links(str(self.path)), raw)
        except OSError as error:
            raise _unusable(self.path, error) from error


def _spellings(auths: dict[str, Any], host: str) -> list[str]:
    """All keys that stand for a host: docker has written them in several ways."""
    names = set(keys(host, ""))
    return [key for key in auths if normalized(key) in names]


def _behind_links(path: str) -> str:
    """The file that a path means, links followed: the rename must not replace a link."""
    for _ in range(_MORE_LINKS_THAN_ANYBODY_HAS):
        try:
            link = os.readlink(path)
        except OSError:
            return path
        path = os.path.join(os.path.dirname(path), link)
    message = "too many symbolic links"
    raise OSError(message)


def _unusable(path: Path, error: OSError) -> ImgfetchError:
    message = f"can't use the file with credentials {path}: {error.strerror or error}"
    return AuthenticationError(message, hint="check the file and its directory")
