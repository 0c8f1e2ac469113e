"""Ordinary users reach the checkout, wherever it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import users
from tests.support.users import (
    CHECKOUT,
    User,
    any_user,
    plain_user,
    run_as,
    subid_user,
)

__all__ = ["any_user", "plain_user", "subid_user"]


def test_a_user_has_no_privileges_and_runs_what_is_installed(any_user: User) -> None:
    program = "import imgfetch, os; print(os.getuid(), os.getgroups())"
    done = run_as(any_user, [CHECKOUT / ".venv/bin/python", "-c", program])
    assert done.stdout.decode() == f"{any_user.uid} []\n", done.stderr
    listed = Path("/etc/subuid").read_text() if Path("/etc/subuid").exists() else ""
    assert (f"{any_user.name}:" in listed) == any_user.has_subids


def test_a_closed_directory_is_opened_for_the_user_alone(
    plain_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    wanted = closed / "a" / "checkout"
    wanted.mkdir(parents=True)
    closed.chmod(0o700)
    (wanted / "file").write_text("content")
    (closed / "secret").write_text("secret")
    monkeypatch.setattr(users, "CHECKOUT", wanted)
    assert run_as(plain_user, ["cat", wanted / "file"]).stdout == b"content"
    assert run_as(plain_user, ["cat", closed / "secret"]).returncode == 1
    assert (closed / "secret").exists()
