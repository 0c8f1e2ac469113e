"""Where credentials come from, in which order, and how they are kept."""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from imgfetch.errors import AuthenticationError
from imgfetch.registry.authfile import AuthFile
from imgfetch.registry.credentials import ConfiguredCredentials, HelperRunner, configured
from imgfetch.registry.login import CredentialFile, explain
from imgfetch.registry.secret import Credential, NoCredentials, OneCredential

HUB = "https://index.docker.io/v1/"


def auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


def file(**document: Any) -> AuthFile:
    return AuthFile.parse(json.dumps(document).encode(), "config.json")


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


# Helpers


def helper(directory: Path, name: str, body: str) -> Path:
    path = directory / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return path


def answering(username: str, secret: str) -> str:
    return f"""cat >"$0.asked"; echo "$@" >"$0.arguments"
printf '{{"ServerURL":"x","Username":"{username}","Secret":"{secret}"}}'"""


def with_helpers(directory: Path, **document: Any) -> ConfiguredCredentials:
    environment = {"PATH": f"{directory}:/usr/bin:/bin", "SECRET_OF_OURS": "x", "HOME": "/nowhere"}
    return ConfiguredCredentials([file(**document)], HelperRunner(environment))


def test_a_store_is_asked_for_the_host(tmp_path: Path) -> None:
    path = helper(tmp_path, "store", answering("alice", "pw"))
    found = with_helpers(tmp_path, credsStore="store").lookup("quay.io", "a/b")
    assert found == Credential("alice", "pw")
    assert Path(f"{path}.asked").read_text("utf-8") == "quay.io"
    assert Path(f"{path}.arguments").read_text("utf-8") == "get\n"


def test_r001_a_store_knows_docker_hub_by_its_old_name(tmp_path: Path) -> None:
    path = helper(tmp_path, "store", answering("alice", "pw"))
    with_helpers(tmp_path, credsStore="store").lookup("docker.io", "library/alpine")
    assert Path(f"{path}.asked").read_text("utf-8") == HUB


def test_r007_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    helper(tmp_path, "store", answering("<token>", "refresh"))
    found = with_helpers(tmp_path, credsStore="store").lookup("a.test", "x")
    assert found == Credential(identity_token="refresh")


def test_a_host_has_its_own_helper(tmp_path: Path) -> None:
    helper(tmp_path, "one", answering("one", "1"))
    helper(tmp_path, "two", answering("two", "2"))
    found = with_helpers(tmp_path, credsStore="one", credHelpers={"a.test": "two"})
    assert [found.lookup(host, "x") for host in ("a.test", "b.test")] == [
        Credential("two", "2"),
        Credential("one", "1"),
    ]


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("*.dkr.ecr.*.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com", True),
        ("*.dkr.ecr.*.amazonaws.com", "1234.dkr.ecr.eu-west-1.amazonaws.com.evil", False),
        ("*.test", "a.test:5000", False),
        ("*.test:5000", "a.test:5000", True),
        ("*.t[e]st", "a.test", False),
        ("*", "anything", True),
    ],
)
def test_helpers_may_be_for_patterns(tmp_path: Path, pattern: str, host: str, fits: bool) -> None:
    helper(tmp_path, "h", answering("alice", "pw"))
    found = with_helpers(tmp_path, credHelpers={pattern: "h"}).lookup(host, "x")
    assert found == (Credential("alice", "pw") if fits else None)


def test_a_helper_without_the_credential_is_not_an_error(tmp_path: Path) -> None:
    helper(tmp_path, "h", "echo 'credentials not found in native keychain'; exit 1")
    found = with_helpers(tmp_path, credsStore="h", auths={"a.test": auth("inline:pw")})
    assert found.lookup("b.test", "x") is None
    assert found.lookup("a.test", "x") == Credential("inline", "pw")


@pytest.mark.parametrize("name", ["../../tmp/x", "a b;c", "x/y", "$(id)", "a\nb", "é"], ids=ascii)
def test_s022_names_that_are_no_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(AuthenticationError, match="refused"):
        with_helpers(tmp_path, credsStore=name).lookup("a.test", "x")


def test_s022_an_empty_name_is_no_helper(tmp_path: Path) -> None:
    found = with_helpers(tmp_path, credHelpers={"a.test": ""}, auths={"a.test": auth("u:p")})
    assert found.lookup("a.test", "x") == Credential("u", "p")


def test_s022_helpers_of_the_current_directory_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "here", answering("mallory", "x"))
    monkeypatch.chdir(tmp_path)
    found = ConfiguredCredentials([file(credsStore="here")], HelperRunner({"PATH": ":.:/bin"}))
    with pytest.raises(AuthenticationError, match="no credential helper docker-credential-here"):
        found.lookup("a.test", "x")


def test_s024_a_missing_helper_is_an_error_and_not_anonymity(tmp_path: Path) -> None:
    found = with_helpers(tmp_path, credsStore="missing", auths={"a.test": auth("u:p")})
    with pytest.raises(AuthenticationError, match="docker-credential-missing"):
        found.lookup("a.test", "x")


def test_s024_a_helper_that_is_no_program_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docker-credential-text").write_text("hello", "utf-8")
    with pytest.raises(AuthenticationError, match="can't be run"):
        with_helpers(tmp_path, credsStore="text").lookup("a.test", "x")


@pytest.mark.parametrize(
    "body", ["exit 3", "echo s3cret-nonsense", "echo '[]'", "printf '{\"Secret\":7}'"]
)
def test_s024_a_helper_that_fails_is_an_error_without_its_output(tmp_path: Path, body: str) -> None:
    helper(tmp_path, "h", body)
    with pytest.raises(AuthenticationError, match="'h'") as caught:
        with_helpers(tmp_path, credsStore="h").lookup("a.test", "x")
    assert "s3cret" not in "".join(caught.value.lines())


def test_r113_a_helper_that_hangs_is_ended(tmp_path: Path) -> None:
    helper(tmp_path, "h", "exec sleep 60")
    runner = HelperRunner({"PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout=0.2)
    found = ConfiguredCredentials([file(credsStore="h")], runner)
    with pytest.raises(AuthenticationError, match="no answer"):
        found.lookup("a.test", "x")


def test_s049_helpers_get_few_variables_and_a_safe_directory(tmp_path: Path) -> None:
    path = helper(
        tmp_path, "h", f'cat >/dev/null; env >"$0.env"; pwd >"$0.pwd"\n{answering("a", "b")}'
    )
    with_helpers(tmp_path, credsStore="h").lookup("a.test", "x")
    variables = Path(f"{path}.env").read_text("utf-8")
    assert "SECRET_OF_OURS" not in variables
    assert "HOME=/nowhere" in variables
    assert Path(f"{path}.pwd").read_text("utf-8") == "/\n"


# The order of sources


def write(path: Path, document: Mapping[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, "utf-8")
    return path


def hosts(**accounts: str) -> dict[str, Any]:
    return {"auths": {f"{host}.test": auth(f"{name}:pw") for host, name in accounts.items()}}


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


# Login, logout, explain

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
