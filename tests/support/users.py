"""Ordinary users for tests of what works without root.

As root, `subid_user` and `plain_user` make a system user each, with and without ranges in
``/etc/subuid`` and ``/etc/subgid``, and remove them at the end. For anybody else the user is
whoever runs the tests, where that user is of the kind asked for.

To use the fixtures, import them in a ``conftest.py``.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.tools import require_tool

CHECKOUT = Path(__file__).resolve().parents[2]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SUBIDS = 65536
_OURS = re.compile(r"imgfetch-t(\d+)-\d+")

# The same fixture, imported in two places, makes a user for each.
_numbers = itertools.count()

# Shows a directory below one that is closed to others, at the same path and to nobody else:
# in a mount namespace of its own, the closed directory is replaced by an open one with only
# that directory in it.
_OPEN_A_PATH = """
set -eu
closed=$1 wanted=$2; shift 2
aside=$(mktemp --directory --tmpdir=/tmp)
mount --bind "$wanted" "$aside"
mount -t tmpfs -o mode=0755 open "$closed"
mkdir --parents "$wanted"
mount --move "$aside" "$wanted"
rmdir "$aside"
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody without privileges.

    Attributes:
        name: the login name.
        uid: the user's id.
        gid: the id of the user's group.
        home: a directory of the user's own that nobody else may read.
        has_subids: whether the user may map ranges of ids.
    """

    name: str
    uid: int
    gid: int
    home: Path
    has_subids: bool
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)

    def directory(self, prefix: str = "dir") -> Path:
        """A new directory in the user's home."""
        path = self.home / f"{prefix}-{next(self._numbers)}"
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)
        return path

    def environment(self) -> dict[str, str]:
        """What a login would set."""
        return {"PATH": PATH, "HOME": str(self.home), "USER": self.name, "LOGNAME": self.name,
                "LANG": "C.UTF-8"}  # fmt: skip


def run_as(
    user: User,
    argv: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    input: bytes | str | None = None,  # noqa: A002 - subprocess.run's name
    timeout: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program as a user, in the user's home.

    Args:
        user: who runs it.
        argv: the program and its arguments.
        env: variables beside those of a login.
        input: standard input; nothing by default.
        timeout: seconds until the program is killed and the test fails.
    """
    return subprocess.run(
        [*command_as(user), *argv],
        env={**user.environment(), **(env or {})},
        input=input.encode() if isinstance(input, str) else input or b"",
        capture_output=True,
        check=False,
        timeout=timeout,
        cwd=user.home,
        umask=0o022,
    )


def command_as(user: User) -> list[str]:
    """What to put before a command so that a user runs it; the process stays the same one."""
    return prefix(user.uid, user.gid) if os.geteuid() == 0 else []


def prefix(uid: int, gid: int) -> list[str]:
    """As `command_as`, for root and any ids.

    The checkout is at its usual path for the user, even below a directory like ``/root``.
    """
    become = [require_tool("setpriv"), f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"]
    closed = _first_closed_directory(CHECKOUT)
    if closed is None:
        return become
    alone = [require_tool("unshare"), "--mount", "--propagation=slave", "--"]
    return [*alone, "sh", "-c", _OPEN_A_PATH, "sh", str(closed), str(CHECKOUT), *become]


def _first_closed_directory(path: Path) -> Path | None:
    """The outermost directory on the way to a path that others may not pass through."""
    for directory in [*reversed(path.parents), path]:
        if not directory.stat().st_mode & 0o001:
            return directory
    return None


@pytest.fixture(scope="session")
def subid_user() -> Iterator[User]:
    """A user with a range of subordinate ids."""
    yield from _user("subid")


@pytest.fixture(scope="session")
def plain_user() -> Iterator[User]:
    """A user without subordinate ids, who can map but one."""
    yield from _user("plain")


@pytest.fixture(scope="session", params=["subid", "plain"])
def any_user(request: pytest.FixtureRequest) -> User:
    """Each of the two kinds of users in turn."""
    user = request.getfixturevalue(f"{request.param}_user")
    assert isinstance(user, User)
    return user


def _user(kind: str) -> Iterator[User]:
    if os.geteuid() != 0:
        yield _current_user(kind)
        return
    _remove_forgotten_users()
    name = f"imgfetch-t{os.getpid()}-{next(_numbers)}"
    home = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        yield _add_user(name, home, with_subids=kind == "subid")
    finally:
        _remove_user(name, home)


def _add_user(name: str, home: Path, *, with_subids: bool) -> User:
    # A system user, for useradd gives others a range of subordinate ids unasked.
    _administrate("useradd", "--system", "--user-group", "--no-log-init", "--no-create-home",
                  "--shell", "/bin/sh", "--home-dir", str(home), name)  # fmt: skip
    if with_subids:
        start = _free_subids()
        ids = f"{start}-{start + _SUBIDS - 1}"
        _administrate("usermod", "--add-subuids", ids, "--add-subgids", ids, name)
    entry = pwd.getpwnam(name)
    os.chown(home, entry.pw_uid, entry.pw_gid)
    return User(name, entry.pw_uid, entry.pw_gid, home, with_subids)


def _remove_user(name: str, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    _administrate("userdel", "--force", name)


def _remove_forgotten_users() -> None:
    """Removes users of test runs that were killed."""
    for entry in pwd.getpwall():
        match = _OURS.fullmatch(entry.pw_name)
        if match and not Path("/proc", match[1]).exists():
            _remove_user(entry.pw_name, Path(entry.pw_dir))


def _administrate(*argv: str) -> None:
    # These programs give up at once when another holds the lock of /etc/passwd, as test runs
    # side by side do. Output is not shown: userdel tells that there is no mail to remove.
    with _locked(Path("/etc")):
        subprocess.run(
            [require_tool(argv[0]), *argv[1:]], check=True, capture_output=True, timeout=60
        )


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _free_subids() -> int:
    """The start of a range that no user has yet, in either file."""
    taken = [
        int(start) + int(count)
        for path in (Path("/etc/subuid"), Path("/etc/subgid"))
        if path.exists()
        for _, start, count in (line.split(":") for line in path.read_text().splitlines() if line)
    ]
    return max([100_000, *taken])


def _current_user(kind: str) -> User:
    entry = pwd.getpwuid(os.geteuid())
    subuid = Path("/etc/subuid")
    lines = subuid.read_text().splitlines() if subuid.exists() else []
    has_subids = any(line.split(":")[0] in {entry.pw_name, str(entry.pw_uid)} for line in lines)
    if has_subids != (kind == "subid"):
        wanted = "has a range in /etc/subuid" if kind == "subid" else "has none in /etc/subuid"
        pytest.fail(f"this test needs a user who {wanted}: run it as root", pytrace=False)
    home = Path(tempfile.mkdtemp(prefix="imgfetch-home-"))
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, home, has_subids)
