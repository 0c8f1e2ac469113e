"""Credentials that are kept, forgotten and explained."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from imgfetch.errors import AuthenticationError
from imgfetch.registry.authfile import AuthFile
from imgfetch.registry.credentials import ConfiguredCredentials, HelperRunner, configured
from imgfetch.registry.login import CredentialFile, explain
from imgfetch.registry.secret import Credential
from tests.support.registry_auth import HUB, answering, auth, helper, hosts, write

ALICE = Credential("alice", "s3cret")


def target(path: Path, helpers: Path | None = None) -> CredentialFile:
    return CredentialFile(path, HelperRunner({"PATH": f"{helpers or ''}:/usr/bin:/bin"}))


def test_login_writes_what_docker_reads(tmp_path: Path) -> None:
    path = tmp_path / "new/config.json"
    assert target(path).store("docker.io", ALICE) == str(path)
    assert json.loads(path.read_bytes()) == {"auths": {HUB: auth("alice:s3cret")}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_r114_login_keeps_everything_else(tmp_path: Path) -> None:
    before = {
        "auths": {"https://a.test/v1/": auth("old:1"), "b.test": {}},
        "psFormat": "x",
        "n": [1],
    }
    path = write(tmp_path / "config.json", before)
    target(path).store("a.test", ALICE)
    assert json.loads(path.read_bytes()) == {
        "auths": {"b.test": {}, "a.test": auth("alice:s3cret")}, "psFormat": "x", "n": [1],
    }  # fmt: skip


def test_r114_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    real = write(tmp_path / "real/config.json", {})
    link = tmp_path / "config.json"
    link.symlink_to("real/config.json")
    target(link).store("a.test", ALICE)
    assert link.readlink() == Path("real/config.json")
    assert "a.test" in json.loads(real.read_bytes())["auths"]


def test_r114_a_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", {})
    path.chmod(0o644)
    target(path).store("a.test", ALICE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_login_and_logout_use_the_store_that_is_configured(tmp_path: Path) -> None:
    program = helper(tmp_path, "h", f'echo "$1" >>"$0.verbs"\n{answering("alice", "pw")}')
    path = write(tmp_path / "config.json", {"credsStore": "h"})
    before = path.read_bytes()
    assert target(path, tmp_path).store("a.test", ALICE) == "the credential helper 'h'"
    asked = json.loads(Path(f"{program}.asked").read_bytes())
    assert asked == {"ServerURL": "a.test", "Username": "alice", "Secret": "s3cret"}
    assert target(path, tmp_path).erase("a.test")
    assert path.read_bytes() == before
    assert Path(f"{program}.verbs").read_text("utf-8").split() == ["store", "get", "erase"]


def test_a_store_that_refuses_is_an_error(tmp_path: Path) -> None:
    helper(tmp_path, "h", "exit 1")
    path = write(tmp_path / "config.json", {"credsStore": "h"})
    with pytest.raises(AuthenticationError, match="can't store"):
        target(path, tmp_path).store("a.test", ALICE)


def test_logout_forgets_every_spelling(tmp_path: Path) -> None:
    path = write(tmp_path / "config.json", {"auths": {HUB: {}, "docker.io": {}, "a.test": {}}})
    assert target(path).erase("docker.io")
    assert json.loads(path.read_bytes()) == {"auths": {"a.test": {}}}
    assert not target(path).erase("docker.io")


def test_an_identity_token_is_kept_as_one(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    target(path).store("a.test", Credential(identity_token="t"))
    found = AuthFile.parse(path.read_bytes(), "x").find("a.test", "")
    assert found == ("a.test", Credential(identity_token="t"))


def test_a_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    blocked = write(tmp_path / "file", "x")
    with pytest.raises(AuthenticationError, match="can't use the file"):
        target(blocked / "config.json").store("a.test", ALICE)


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(AuthenticationError):
        target(tmp_path / "a").store("a.test", ALICE)


def test_r114_logins_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    names = [f"{number}.test" for number in range(8)]
    threads = [threading.Thread(target=target(path).store, args=(name, ALICE)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(path.read_bytes())["auths"]) == names
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_explain_names_sources_and_accounts_and_no_secret(tmp_path: Path) -> None:
    helper(tmp_path, "empty", "echo 'credentials not found in native keychain'; exit 1")
    files = [
        AuthFile("first.json", {}, "empty", {"z.test": "missing"}),
        AuthFile("second.json", {"a.test": auth("alice:s3cret")}),
        AuthFile("third.json", {"a.test/team": auth("bob:s3cret"), "bad.test": 7}),
    ]
    found = ConfiguredCredentials(files, HelperRunner({"PATH": f"{tmp_path}:/usr/bin:/bin"}))
    told = explain(found, "a.test", "team/x")
    assert [(item.source, item.used, item.account) for item in told] == [
        ("first.json (helper empty)", False, ""),
        ("first.json", False, ""),
        ("second.json (entry a.test)", True, "alice"),
        ("third.json (entry a.test/team)", False, "bob"),
    ]
    assert told[2].detail == "password"
    assert "another one" in told[3].detail
    assert "s3cret" not in repr(told)
    assert "missing" in explain(found, "z.test")[0].detail
    assert "malformed" in explain(found, "bad.test")[-1].detail


def test_the_environment_of_the_process_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / ".docker/config.json", hosts(a="mallory"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setitem(os.environ, "REGISTRY_AUTH_FILE", str(tmp_path / ".docker/config.json"))
    assert configured({}, home=tmp_path / "other").lookup("a.test", "x") is None
