"""Credential helpers: asked by name, with little, and never passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgfetch.errors import AuthenticationError
from imgfetch.registry.credentials import ConfiguredCredentials, HelperRunner
from imgfetch.registry.secret import Credential
from tests.support.registry_auth import HUB, answering, auth, file, helper, with_helpers


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
