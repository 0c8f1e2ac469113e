"""Where credentials come from: files, variables and docker's credential helpers.

The order (documented in the README, shown by `auth explain`): what was given on the
command line; the file named by ``--authfile`` or ``REGISTRY_AUTH_FILE``, alone; the
contents of ``DOCKER_AUTH_CONFIG``; podman's ``auth.json``; docker's ``config.json``.
The first one that has something for a repository is used, with its most specific entry;
in one file a helper for the host comes first, then the helper for everything, then the
entries.

A helper is a program that gets a host on stdin and gives a secret on stdout. One that
is configured and fails is an error: to go on without would ask as somebody else
(CVE-2021-41092).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.errors import AuthenticationError, DocumentError
from imgfetch.lean.dataclasses import dataclass
from imgfetch.oci.document import load
from imgfetch.oci.reference import DOCKER_HUB
from imgfetch.registry.authfile import FILE_LIMIT, HUB_KEY, AuthFile, credential_of, normalized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imgfetch.registry.secret import Credential

_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_HELPER_LIMIT = 1 << 20
_HELPER_TIMEOUT = 30.0
# docker-credential-helpers' own words; there is no other way to tell.
_NOT_FOUND = "credentials not found"
# What a helper needs to find its files and its agent; images have no say in it.
_HELPER_VARIABLES = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "GPG_TTY", "DISPLAY",
    "WAYLAND_DISPLAY", "PASSWORD_STORE_DIR", "DOCKER_CONFIG", "AWS_PROFILE", "AWS_REGION",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG",
    "AZURE_CONFIG_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HelperRunner:
    """Runs credential helpers.

    Attributes:
        environment: the variables that helpers get.
        timeout: seconds until a helper is killed: one that asks for a passphrase on a
            terminal nobody sees would wait for ever.
    """

    environment: Mapping[str, str]
    timeout: float = _HELPER_TIMEOUT

    def get(self, helper: str, host: str) -> Credential | None:
        """Ask a helper.

        Args:
            helper: the part of its name after ``docker-credential-``.
            host: the registry, as helpers know it.

        Raises:
            AuthenticationError: it is missing, failed, or gave nonsense.
        """
        status, output = self.run(helper, "get", host.encode())
        if status:
            if output.strip().decode("utf-8", "replace").lower().startswith(_NOT_FOUND):
                return None
            message = f"the credential helper {helper!r} failed with status {status}"
            raise AuthenticationError(message, hint=f"try it: docker-credential-{helper} get")
        try:
            document = load(output, "the answer", limit=_HELPER_LIMIT)
            return credential_of(document.string("Username", ""), document.string("Secret", ""))
        except DocumentError as error:
            # Without the decoder's own words: they may quote the secret.
            message = f"the credential helper {helper!r} did not answer as helpers do"
            raise AuthenticationError(message, expected="Username and Secret as JSON") from error

    def run(self, helper: str, verb: str, data: bytes) -> tuple[int, bytes]:
        """Run a helper.

        Returns:
            Its exit status and what it wrote to stdout.

        Raises:
            AuthenticationError: its name is refused, it can't be run, or takes too long.
        """
        if not _HELPER_NAME.fullmatch(helper):
            message = f"the credential helper name {helper[:60]!r} is refused"
            raise AuthenticationError(message, expected="letters, digits, '.', '_' and '-'")
        import subprocess  # most have their credentials in a file

        program = f"docker-credential-{helper}"
        try:
            done = subprocess.run(
                [self._find(program), verb],
                input=data,
                capture_output=True,
                timeout=self.timeout,
                check=False,
                env={n: v for n, v in self.environment.items() if n in _HELPER_VARIABLES},
                cwd="/",
            )
        except subprocess.TimeoutExpired as error:
            message = f"the credential helper {helper!r} gave no answer in {self.timeout:.0f} s"
            raise AuthenticationError(message, hint=f"try it: {program} {verb}") from error
        except OSError as error:
            message = f"the credential helper {helper!r} can't be run: {error.strerror}"
            raise AuthenticationError(message, hint=f"is {program} in PATH?") from error
        return done.returncode, done.stdout

    def _find(self, program: str) -> str:
        """The helper's absolute path: never one from the current directory."""
        for directory in self.environment.get("PATH", "").split(":"):
            candidate = Path(directory) / program
            if candidate.is_absolute() and candidate.is_file():
                return str(candidate)
        message = f"there is no credential helper {program}"
        raise AuthenticationError(
            message,
            hint="install it, or take it out of the configuration (credsStore, credHelpers)",
        )


@dataclass(frozen=True, slots=True)
class ConfiguredCredentials:
    """Credentials from files and helpers, in order: see this module.

    Attributes:
        files: the files, the first choice first.
        helpers: runs credential helpers.
    """

    files: Sequence[AuthFile]
    helpers: HelperRunner

    def lookup(self, registry: str, repository: str) -> Credential | None:
        """See `Credentials`."""
        for file in self.files:
            credential = self._from_file(file, registry, repository)
            if credential is not None:
                return credential
        return None

    def _from_file(self, file: AuthFile, registry: str, repository: str) -> Credential | None:
        host = normalized(registry)
        helper = helper_for(file, host)
        if helper:
            return self.helpers.get(helper, helper_key(host))
        if file.store:
            credential = self.helpers.get(file.store, helper_key(host))
            if credential is not None:
                return credential
        found = file.find(registry, repository)
        return found[1] if found else None


def helper_for(file: AuthFile, host: str) -> str:
    """The helper that a file names for a host, "" for none; ``*`` matches in a pattern."""
    if host in file.helpers:
        return file.helpers[host]
    for pattern, helper in file.helpers.items():
        # Brackets are no wildcards here, and a * does not reach over a port or path.
        parts = (re.escape(part) for part in pattern.split("*"))
        if "*" in pattern and re.fullmatch("[^/:]*".join(parts), host):
            return helper
    return ""


def helper_key(host: str) -> str:
    """A host as docker hands it to helpers."""
    return HUB_KEY if host == DOCKER_HUB else host


def configured(
    environment: Mapping[str, str], *, home: Path, authfile: Path | None = None
) -> ConfiguredCredentials:
    """The credentials of a user, in the documented order.

    Args:
        environment: the user's variables.
        home: the user's home directory.
        authfile: the file that was asked for, which has to be there.

    Raises:
        AuthenticationError: a file is malformed, can't be read, or was asked for and
            isn't there.
    """
    return ConfiguredCredentials(
        tuple(_files(environment, home, authfile)), HelperRunner(environment)
    )


def _files(environment: Mapping[str, str], home: Path, authfile: Path | None) -> list[AuthFile]:
    named = authfile or _path(environment, "REGISTRY_AUTH_FILE")
    if named is not None:
        file = _read(named)
        if file is None:
            message = f"there is no file with credentials {named}"
            raise AuthenticationError(message, hint="imgfetch login writes one")
        return [file]
    files: list[AuthFile | None] = []
    text = environment.get("DOCKER_AUTH_CONFIG", "")
    if text:
        files.append(AuthFile.parse(text.encode(), "DOCKER_AUTH_CONFIG"))
    files += [_read(path) for path in standard_paths(environment, home)]
    return [file for file in files if file is not None]


def standard_paths(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Where files with credentials are looked for, the first choice first."""
    runtime = _path(environment, "XDG_RUNTIME_DIR")
    config = _path(environment, "XDG_CONFIG_HOME") or home / ".config"
    docker = _path(environment, "DOCKER_CONFIG") or home / ".docker"
    podman = [runtime / "containers/auth.json"] if runtime else []
    return [*podman, config / "containers/auth.json", docker / "config.json"]


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name, "")
    return Path(value) if value else None


def _read(path: Path) -> AuthFile | None:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        # A directory is what a mount of a missing file leaves behind.
        return None
    except OSError as error:
        message = f"can't read credentials from {path}: {error.strerror}"
        raise AuthenticationError(message, hint="check the file's permissions") from error
    if not raw.strip():
        return None
    return AuthFile.parse(raw, str(path))
