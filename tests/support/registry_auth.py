"""Files with credentials and credential helpers, as users have them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgfetch.registry.authfile import AuthFile
from imgfetch.registry.credentials import ConfiguredCredentials, HelperRunner

HUB = "https://index.docker.io/v1/"


def auth(pair: str) -> dict[str, str]:
    """An entry as ``docker login`` writes it."""
    return {"auth": base64.b64encode(pair.encode()).decode()}


def file(**document: Any) -> AuthFile:
    """A file with these contents."""
    return AuthFile.parse(json.dumps(document).encode(), "config.json")


def helper(directory: Path, name: str, body: str) -> Path:
    """A credential helper that is a shell script."""
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return path


def answering(username: str, secret: str) -> str:
    """A helper's script that gives a credential and writes down what it was asked."""
    return f"""cat >"$0.asked"; echo "$@" >"$0.arguments"
printf '{{"ServerURL":"x","Username":"{username}","Secret":"{secret}"}}'"""


def with_helpers(directory: Path, **document: Any) -> ConfiguredCredentials:
    """Credentials by one file, with helpers from one directory."""
    environment = {"PATH": f"{directory}:/usr/bin:/bin", "SECRET_OF_OURS": "x", "HOME": "/nowhere"}
    return ConfiguredCredentials([file(**document)], HelperRunner(environment))


def write(path: Path, document: Mapping[str, Any] | str) -> Path:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, "utf-8")
    return path


def hosts(**accounts: str) -> dict[str, Any]:
    """A file's contents: an account for each of some hosts."""
    return {"auths": {f"{host}.test": auth(f"{name}:pw") for host, name in accounts.items()}}
