"""Authorities and certificates of our own, for the hosts they are for."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trustme

from imgfetch.errors import (
    TLSError,
)
from imgfetch.oci.reference import Reference
from tests.support.registry_content import IMAGE, read
from tests.support.registry_server import Answer, Seen
from tests.support.registry_world import World
from tests.support.tools import require_tool

LAYER = f"GET {IMAGE.layer_path()}"


def client_certificate(world: World) -> tuple[Path, trustme.CA]:
    authority = trustme.CA()
    leaf = authority.issue_cert("me@example.test")
    directory = world.directory / "certs.d/registry.test"
    directory.mkdir(parents=True)
    (directory / "me.cert").write_bytes(leaf.cert_chain_pems[0].bytes())
    (directory / "me.key").write_bytes(leaf.private_key_pem.bytes())
    return directory.parent, authority


def test_r037_our_own_certificate_is_shown_to_its_host_alone(world: World) -> None:
    directory, authority = client_certificate(world)
    contexts = {name: world.tls(name) for name in ("registry.test", "storage.test")}
    authority.configure_trust(contexts["registry.test"])
    contexts["registry.test"].verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(contexts["storage.test"])
    contexts["storage.test"].verify_mode = ssl.CERT_OPTIONAL
    shown: list[object] = []

    def storage(seen: Seen) -> Answer:
        shown.append(seen.certificate)
        return Answer(200, IMAGE.layer)

    routes = IMAGE.routes() | {LAYER: Answer(307, b"", {"Location": "https://storage.test/x"})}
    world.host("registry.test", routes, context=contexts["registry.test"])
    world.host("storage.test", {"GET /x": storage}, context=contexts["storage.test"])
    client = world.client(certificate_directories=(directory,))
    image = client.source(Reference.parse("registry.test/app:1"))
    image.resolve()
    assert read(image.fetch(IMAGE.layer_descriptor)) == IMAGE.layer
    assert shown == [None]


def test_r037_authorities_of_a_host_are_trusted_for_it_alone(world: World) -> None:
    stranger = trustme.CA()
    directory = world.directory / "certs.d/registry.test"
    directory.mkdir(parents=True)
    stranger.cert_pem.write_to_path(str(directory / "ca.crt"))
    world.host("registry.test", IMAGE.routes(), authority=stranger)
    world.host("other.test", IMAGE.routes(), authority=stranger)
    client = world.client(certificate_directories=(directory.parent,))
    assert client.source(Reference.parse("registry.test/app:1")).resolve().origin
    with pytest.raises(TLSError):
        client.source(Reference.parse("other.test/app:1")).resolve()


def test_r037_a_bundle_stands_in_for_the_systems_authorities(world: World) -> None:
    world.host("registry.test", IMAGE.routes())
    client = world.client(ca_file=None, ca_bundle=world.ca_file)
    assert client.source(Reference.parse("registry.test/app:1")).resolve().origin


@pytest.mark.parametrize("setting", ["ca_file", "ca_bundle"])
def test_r037_a_missing_file_of_authorities_is_named(world: World, setting: str) -> None:
    world.host("registry.test", IMAGE.routes())
    missing = world.directory / "missing.pem"
    settings: dict[str, Any] = {setting: missing}
    client = world.client(**settings)
    with pytest.raises(TLSError, match=r"missing\.pem"):
        client.source(Reference.parse("registry.test/app:1")).resolve()


@pytest.mark.parametrize("where", ["directory", "file"])
def test_r037_authorities_of_the_system_are_looked_up_or_read(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """In its directory first; a host whose authority is only in the file is asked again."""
    directory = world.directory / "certs"
    directory.mkdir()
    named = trustme.CA() if where == "file" else world.authority
    named.cert_pem.write_to_path(str(directory / _hashed_name(named)))
    monkeypatch.setenv("SSL_CERT_DIR", str(directory))
    monkeypatch.setenv("SSL_CERT_FILE", str(world.ca_file if where == "file" else "/dev/null"))
    host = world.host("registry.test", IMAGE.routes())
    world.host("other.test", IMAGE.routes(), authority=trustme.CA())
    client = world.client(ca_file=None)
    assert client.source(Reference.parse("registry.test/app:1")).resolve().origin
    assert host.connections == (1 if where == "directory" else 2)
    with pytest.raises(TLSError, match="local issuer"):
        client.source(Reference.parse("other.test/app:1")).resolve()
    assert world.names.dialed.count(("other.test", 443)) == 2


def _hashed_name(authority: trustme.CA) -> str:
    """How OpenSSL names an authority's file in a directory that it looks things up in."""
    command = [require_tool("openssl"), "x509", "-noout", "-subject_hash"]
    pem = authority.cert_pem.bytes()
    done = subprocess.run(command, input=pem, capture_output=True, check=True, timeout=20)
    return f"{done.stdout.decode().strip()}.0"
