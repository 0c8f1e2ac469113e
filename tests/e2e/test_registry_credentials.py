"""Credentials of all kinds, for registries that ask for a password and for a token."""

from __future__ import annotations

import base64
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.e2e.guarded import PASSWORD, REPOSITORY, USER, Guard, Guarded, Shelf, fill, guarded
from tests.support.cli import Imgfetch
from tests.support.docker_registry import docker_registry
from tests.support.users import PATH

BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

HELPER = """\
#!/bin/sh
# Keeps one secret in a file, as docker's helpers keep many in a keyring.
file="$HOME/secret"
case $1 in
    get) cat "$file" 2>/dev/null || { echo "credentials not found in native keychain"; exit 1; } ;;
    store) cat >"$file" ;;
    erase) rm "$file" ;;
esac
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return fill(tmp_path_factory.mktemp("registry"))


@pytest.fixture(params=["password", "token"])
def registry(request: pytest.FixtureRequest, shelf: Shelf, tmp_path: Path) -> Iterator[Guarded]:
    guard: Guard = request.param
    with guarded(shelf, guard, tmp_path) as running:
        yield running


@pytest.fixture
def behind_password(shelf: Shelf, tmp_path: Path) -> Iterator[Guarded]:
    with guarded(shelf, "password", tmp_path) as running:
        yield running


def explained(imgfetch: Imgfetch, *arguments: str) -> list[dict[str, object]]:
    output = imgfetch("auth", "explain", "--format", "json", *arguments).succeeded().stdout
    assert PASSWORD.encode() not in output
    assert BASIC.encode() not in output
    entries = json.loads(output)
    assert all(entry.keys() == {"source", "used", "account", "detail"} for entry in entries)
    return [entry for entry in entries if entry["used"]]


def with_helper(imgfetch: Imgfetch, config: dict[str, object]) -> dict[str, str]:
    """Writes docker's configuration and a helper that it may name, and gives its environment."""
    programs = imgfetch.home / "bin"
    programs.mkdir(exist_ok=True)
    helper = programs / "docker-credential-test"
    helper.write_text(HELPER, "utf-8")
    helper.chmod(0o755)
    (imgfetch.home / ".docker").mkdir(exist_ok=True)
    (imgfetch.home / ".docker/config.json").write_text(json.dumps(config), "utf-8")
    return {"PATH": f"{programs}:{PATH}"}


def test_from_login_to_logout(imgfetch: Imgfetch, registry: Guarded) -> None:
    """R001, S025: config.json is made, used for everything, and emptied again."""
    imgfetch("pull", *registry.options, registry.reference).exited(8 if registry.options else 7)
    path = imgfetch.home / ".docker/config.json"
    assert registry.login(imgfetch) == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_bytes()) == {"auths": {registry.host: {"auth": BASIC}}}
    [used] = explained(imgfetch, registry.host)
    assert (used["source"], used["account"]) == (f"{path} (entry {registry.host})", USER)
    options = registry.options
    pulled = imgfetch("pull", *options, registry.reference).succeeded()
    assert pulled.lines == [registry.pinned]
    pushed = imgfetch("push", *options, registry.reference, f"{registry.host}/pushed/app:2")
    assert pushed.succeeded().lines == [f"{registry.host}/pushed/app@{registry.image.digest}"]
    copied = imgfetch("copy", *options, registry.reference, f"{registry.host}/copied/app:3")
    assert copied.succeeded().lines == [f"{registry.host}/copied/app@{registry.image.digest}"]
    assert imgfetch("tags", *options, f"{registry.host}/copied/app").succeeded().lines == ["3"]
    assert imgfetch("logout", registry.host).succeeded().lines == [str(path)]
    assert explained(imgfetch, registry.host) == []
    assert json.loads(path.read_bytes())["auths"] == {}
    imgfetch("tags", *options, f"{registry.host}/copied/app").exited(8 if options else 7)


def test_a_wrong_password_is_not_written_down(imgfetch: Imgfetch, registry: Guarded) -> None:
    arguments = ["login", "-u", USER, "--password-stdin", *registry.options, registry.host]
    refused = imgfetch(*arguments, input="wrong").exited(8)
    assert "refused" in refused.errors
    assert not (imgfetch.home / ".docker/config.json").exists()


def test_a_credential_helper_keeps_and_gives_the_password(
    imgfetch: Imgfetch, registry: Guarded
) -> None:
    env = with_helper(imgfetch, {"credsStore": "test"})
    mine = Imgfetch(imgfetch.store, imgfetch.home, env=env)
    assert registry.login(mine) == "the credential helper 'test'"
    secret = imgfetch.home / "secret"
    assert json.loads(secret.read_bytes())["ServerURL"] == registry.host
    assert "auths" not in json.loads((imgfetch.home / ".docker/config.json").read_bytes())
    mine("pull", *registry.options, registry.reference).succeeded()
    [used] = explained(mine, registry.host)
    assert str(used["source"]).endswith("(helper test)")
    mine("logout", registry.host).succeeded()
    assert not secret.exists()


def test_s024_a_helper_that_is_missing_is_an_error(
    imgfetch: Imgfetch, behind_password: Guarded
) -> None:
    with_helper(imgfetch, {"credHelpers": {behind_password.host: "nowhere"}})
    failed = imgfetch("pull", *behind_password.options, behind_password.reference).exited(8)
    assert "docker-credential-nowhere" in failed.errors


def test_podmans_keys_with_paths(imgfetch: Imgfetch, behind_password: Guarded) -> None:
    """The most specific key decides, and podman's file comes before docker's."""
    host = behind_password.host
    wrong = base64.b64encode(b"alice:wrong").decode()
    path = imgfetch.home / ".config/containers/auth.json"
    path.parent.mkdir(parents=True)
    auths = {host: {"auth": wrong}, f"{host}/team": {"auth": BASIC}, f"{host}/te": {"auth": wrong}}
    path.write_text(json.dumps({"auths": auths}), "utf-8")
    with_helper(imgfetch, {"auths": {host: {"auth": wrong}}})
    imgfetch("pull", *behind_password.options, behind_password.reference).succeeded()
    [used] = explained(imgfetch, f"{host}/{REPOSITORY}")
    assert used["source"] == f"{path} (entry {host}/team)"
    failed = imgfetch("tags", *behind_password.options, f"{host}/other/app").exited(8)
    assert f"refused the credentials of '{USER}'" in failed.errors


def test_login_writes_where_another_entry_would_hide_it(
    imgfetch: Imgfetch, behind_password: Guarded
) -> None:
    path = imgfetch.home / ".config/containers/auth.json"
    path.parent.mkdir(parents=True)
    old = base64.b64encode(b"bob:old").decode()
    path.write_text(json.dumps({"auths": {behind_password.host: {"auth": old}}}), "utf-8")
    assert behind_password.login(imgfetch) == str(path)
    imgfetch("pull", *behind_password.options, behind_password.reference).succeeded()


def test_a_file_and_a_password_of_ones_own(
    imgfetch: Imgfetch, behind_password: Guarded, tmp_path: Path
) -> None:
    file = tmp_path / "auth.json"
    assert behind_password.login(imgfetch, "--authfile", file) == str(file)
    pull = ["pull", *behind_password.options]
    imgfetch(*pull, behind_password.reference).exited(8)
    imgfetch(*pull, "--authfile", file, behind_password.reference).succeeded()
    variable = {"REGISTRY_AUTH_FILE": str(file)}
    imgfetch(*pull, "--policy", "always", behind_password.reference, env=variable).succeeded()
    creds = f"{USER}:{PASSWORD}"
    imgfetch(*pull, "--policy", "always", "--creds", creds, behind_password.reference).succeeded()
    assert not (imgfetch.home / ".docker").exists()
    assert imgfetch("logout", "--authfile", file, behind_password.host).lines == [str(file)]


def test_login_needs_somebody_to_ask(imgfetch: Imgfetch) -> None:
    refused = imgfetch("login", "registry.invalid").exited(2)
    assert "--password-stdin" in refused.errors
    imgfetch("login", "--password-stdin", "registry.invalid", input="x").exited(2)
    imgfetch("login", "-u", "x", "--password-stdin", "host/with/path", input="x").exited(3)


def test_login_asks_on_a_terminal(imgfetch: Imgfetch, behind_password: Guarded) -> None:
    """The password is not shown, and standard output is the result alone."""
    program, *arguments = imgfetch.argv("login", *behind_password.options, behind_password.host)
    child = pexpect.spawn(program, arguments, timeout=30, env=imgfetch.environment())
    shown = io.BytesIO()
    child.logfile_read = shown
    child.expect_exact("Username: ")
    child.sendline(USER)
    child.expect_exact("Password: ")
    child.sendline(PASSWORD)
    child.expect_exact(str(imgfetch.home / ".docker/config.json"))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert PASSWORD.encode() not in shown.getvalue()


def test_a_registry_that_asks_nobody_is_told_of(imgfetch: Imgfetch, shelf: Shelf) -> None:
    with docker_registry(shelf.directory) as open_to_all:
        done = imgfetch("login", "-u", USER, "--password-stdin", open_to_all.host, input="any")
        assert "were not checked" in done.succeeded().errors


def test_logout_of_nothing_is_no_error(imgfetch: Imgfetch) -> None:
    result = imgfetch("logout", "registry.invalid").succeeded()
    assert result.stdout == b""
    assert "no credentials" in result.errors
    assert "without credentials" in imgfetch("auth", "explain", "registry.invalid").errors
