"""Where credentials come from, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgfetch.errors import AuthenticationError
from imgfetch.registry.authfile import AuthFile
from imgfetch.registry.credentials import configured
from imgfetch.registry.secret import Credential, NoCredentials, OneCredential
from tests.support.registry_auth import HUB, auth, file, hosts, write


def account(found: tuple[str, Credential] | None) -> str | None:
    return found[1].username if found else None


@pytest.mark.parametrize(
    "key", [HUB, "docker.io", "index.docker.io", "https://registry-1.docker.io/v2/", "DOCKER.IO/"]
)
def test_r001_docker_hub_has_many_names_and_one_credential(key: str) -> None:
    found = file(auths={key: auth("alice:pw")}).find("docker.io", "library/alpine")
    assert found == ("docker.io", Credential("alice", "pw"))


@pytest.mark.parametrize(
    "key", ["quay.io", "https://quay.io", "https://quay.io/v1/", "http://quay.io/v2/", "quay.io/"]
)
def test_keys_are_read_as_docker_wrote_them(key: str) -> None:
    assert account(file(auths={key: auth("alice:pw")}).find("quay.io", "a/b")) == "alice"


def test_the_most_specific_entry_wins() -> None:
    auths = {
        "quay.io": auth("host:1"),
        "quay.io/team": auth("team:2"),
        "quay.io/team/app": auth("app:3"),
    }
    found = file(auths=auths)
    names = {
        path: account(found.find("quay.io", path)) for path in ("x", "team/x", "team/app", "teams")
    }
    assert names == {"x": "host", "team/x": "team", "team/app": "app", "teams": "host"}


def test_ports_are_part_of_the_host() -> None:
    found = file(auths={"a.test:5000": auth("alice:pw")})
    assert account(found.find("a.test:5000", "x")) == "alice"
    assert found.find("a.test", "x") is None
    assert found.find("a.test:50000", "x") is None


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        (auth("u:p:with:colons"), Credential("u", "p:with:colons")),
        (auth("u:p\0\0"), Credential("u", "p")),
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({**auth("u:"), "identitytoken": "t"}, Credential("u", identity_token="t")),
        (auth("<token>:t"), Credential(identity_token="t")),
        ({"registrytoken": "r"}, Credential(registry_token="r")),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": None, "email": "x"}, None),
    ],
    ids=str,
)
def test_r007_all_forms_of_entries(entry: dict[str, Any], credential: Credential | None) -> None:
    found = file(auths={"a.test": entry}).find("a.test", "x")
    assert (found[1] if found else None) == credential


@pytest.mark.parametrize("entry", [{"auth": "%%%"}, {"auth": "bm9jb2xvbg=="}, {"auth": 7}, "x", 7])
def test_a_malformed_entry_is_an_error_only_where_it_is_used(entry: object) -> None:
    found = file(auths={"bad.test": entry, "good.test": auth("alice:pw")})
    assert account(found.find("good.test", "x")) == "alice"
    with pytest.raises(AuthenticationError, match=r"entry for bad\.test in config\.json"):
        found.find("bad.test", "x")


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"auths": 7}', b'{"credsStore": 7}', b"\xff"])
def test_a_malformed_file_is_an_error_that_names_it(raw: bytes) -> None:
    with pytest.raises(AuthenticationError, match=r"from config\.json"):
        AuthFile.parse(raw, "config.json")


def test_secrets_do_not_show(tmp_path: Path) -> None:
    found = file(auths={"a.test": auth("alice:s3cret")})
    credential = found.find("a.test", "")
    assert "s3cret" not in repr(credential)
    assert auth("alice:s3cret")["auth"] not in repr(found)


def test_sources_come_in_the_documented_order(tmp_path: Path) -> None:
    run, home = tmp_path / "run", tmp_path / "home"
    write(run / "containers/auth.json", hosts(b="runtime", c="runtime"))
    write(home / ".config/containers/auth.json", hosts(c="podman", d="podman"))
    write(home / ".docker/config.json", hosts(d="docker", e="docker"))
    text = json.dumps(hosts(a="variable", b="variable"))
    environment = {"XDG_RUNTIME_DIR": str(run), "DOCKER_AUTH_CONFIG": text}
    found = configured(environment, home=home)
    accounts = {host: found.lookup(f"{host}.test", "x") for host in "abcdef"}
    assert {host: item.username if item else None for host, item in accounts.items()} == {
        "a": "variable", "b": "variable", "c": "runtime", "d": "podman", "e": "docker", "f": None,
    }  # fmt: skip


def test_a_named_file_stands_alone(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", hosts(a="docker"))
    named = write(tmp_path / "named.json", hosts(b="named"))
    by_variable = configured({"REGISTRY_AUTH_FILE": str(named)}, home=tmp_path)
    by_option = configured({"REGISTRY_AUTH_FILE": "/none"}, home=tmp_path, authfile=named)
    for found in (by_variable, by_option):
        assert found.lookup("a.test", "x") is None
        assert found.lookup("b.test", "x") == Credential("named", "pw")


def test_r112_docker_config_names_a_directory(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/config.json", hosts(a="there"))
    found = configured({"DOCKER_CONFIG": str(tmp_path / "elsewhere")}, home=tmp_path)
    assert found.lookup("a.test", "x") == Credential("there", "pw")


def test_r111_missing_and_empty_files_are_no_credentials(tmp_path: Path) -> None:
    write(tmp_path / ".docker/config.json", "")
    assert configured({}, home=tmp_path).lookup("a.test", "x") is None
    assert configured({}, home=tmp_path / "none").lookup("a.test", "x") is None


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="no file with credentials"):
        configured({}, home=tmp_path, authfile=tmp_path / "missing")


def test_r111_a_directory_in_place_of_a_file_is_no_credentials(tmp_path: Path) -> None:
    (tmp_path / ".docker/config.json").mkdir(parents=True)
    assert configured({}, home=tmp_path).lookup("a.test", "x") is None


def test_r111_a_file_that_cannot_be_read_is_an_error_and_not_anonymity(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").symlink_to("config.json")
    with pytest.raises(AuthenticationError, match="can't read credentials"):
        configured({}, home=tmp_path)


def test_creds_are_for_one_registry_only() -> None:
    alice, bob = Credential("alice", "1"), Credential("bob", "2")
    found = OneCredential("a.test", alice, OneCredential("b.test", bob))
    assert [found.lookup(host, "x") for host in ("a.test", "b.test", "c.test")] == [
        alice,
        bob,
        None,
    ]
    assert NoCredentials().lookup("a.test", "x") is None
