"""A real registry for tests: Debian's docker-registry on a loopback port of the system's choosing.

The port is read from the registry's own log, so that no two tests can ask for the same one.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.tools import require_tool

_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Tls:
    """What a registry needs to speak TLS.

    Attributes:
        certificate: path of the certificate chain, PEM.
        key: path of its key, PEM.
        client_authorities: paths of the authorities whose clients may connect; empty for all.
    """

    certificate: Path
    key: Path
    client_authorities: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """The token server that a registry believes.

    Attributes:
        realm: URL of the token server.
        service: the registry's name in tokens (``aud``).
        issuer: the server's name in tokens (``iss``).
        certificates: path of the bundle whose keys sign tokens, PEM.
    """

    realm: str
    service: str
    issuer: str
    certificates: Path


@dataclass(frozen=True, slots=True)
class Upstream:
    """The registry that a pull-through cache stands in front of."""

    url: str
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class DockerRegistry:
    """A running registry.

    Attributes:
        host: ``127.0.0.1:PORT``, as references have it.
        port: the TCP port.
        url: scheme and host.
        data_dir: where the registry keeps its files.
        log: path of its log, access log included.
        process: its process, for tests that want it gone.
    """

    host: str
    port: int
    url: str
    data_dir: Path
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the registry now; nothing listens on the port afterwards."""
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def docker_registry(
    directory: Path,
    *,
    tls: Tls | None = None,
    htpasswd: Mapping[str, str] | None = None,
    token: TokenAuth | None = None,
    proxy: Upstream | None = None,
    readonly: bool = False,
    env: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[DockerRegistry]:
    """Run a registry below ``directory`` (it may have run there before) until the block ends.

    Args:
        directory: for its configuration, log and data.
        tls: speak TLS; plain HTTP without it.
        htpasswd: passwords by user name.
        token: believe tokens of this server.
        proxy: be a pull-through cache of this registry.
        readonly: refuse pushes.
        env: more variables, e.g. ``REGISTRY_STORAGE_DELETE_ENABLED``.
        port: a port that a registry of this test had before; 0 for one of the system's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = _config(directory, tls, token, proxy, readonly=readonly, port=port)
    if htpasswd is not None:
        config["auth"] = {"htpasswd": _htpasswd(directory, htpasswd)}
    # YAML takes JSON as it is.
    (directory / "config.yml").write_text(json.dumps(config), "utf-8")
    log = directory / "registry.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [require_tool("docker-registry"), "serve", str(directory / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"HOME": str(directory), "OTEL_TRACES_EXPORTER": "none", **(env or {})},
        )
    try:
        bound = _wait_for_port(process, log)
        host = f"127.0.0.1:{bound}"
        scheme = "https" if tls else "http"
        registry = DockerRegistry(
            host, bound, f"{scheme}://{host}", directory / "data", log, process
        )
        yield registry
    finally:
        process.kill()
        process.wait()


def _config(
    directory: Path,
    tls: Tls | None,
    token: TokenAuth | None,
    proxy: Upstream | None,
    *,
    readonly: bool,
    port: int,
) -> dict[str, Any]:
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "data")},
            "delete": {"enabled": True},
            "maintenance": {
                "uploadpurging": {"enabled": False},
                "readonly": {"enabled": readonly},
            },
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of a test"},
    }
    if tls:
        config["http"]["tls"] = {
            "certificate": str(tls.certificate),
            "key": str(tls.key),
            "clientcas": [str(path) for path in tls.client_authorities],
        }
    if token:
        config["auth"] = {
            "token": {
                "realm": token.realm,
                "service": token.service,
                "issuer": token.issuer,
                "rootcertbundle": str(token.certificates),
            }
        }
    if proxy:
        config["proxy"] = {
            "remoteurl": proxy.url,
            "username": proxy.username,
            "password": proxy.password,
        }
    return config


def _htpasswd(directory: Path, passwords: Mapping[str, str]) -> dict[str, str]:
    import bcrypt

    path = directory / "htpasswd"
    # docker-registry takes bcrypt only; four rounds are the fewest there can be.
    lines = [
        f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"
        for user, password in passwords.items()
    ]
    path.write_text("".join(lines), "utf-8")
    return {"realm": "a test", "path": str(path)}


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        found = _LISTENING.search(log.read_text("utf-8", "replace"))
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.01)
    message = f"docker-registry did not start:\n{log.read_text('utf-8', 'replace')}"
    raise AssertionError(message)
