"""The installed command, as a user or a script runs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.users import CHECKOUT, PATH, User, command_as

PROGRAM = CHECKOUT / ".venv" / "bin" / "imgfetch"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of the command gave.

    Attributes:
        returncode: the exit status; negative when a signal ended it.
        stdout: as written, not decoded.
        stderr: as written, not decoded.
    """

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.stdout.decode(errors="surrogateescape").splitlines()

    @property
    def errors(self) -> str:
        """Standard error as text."""
        return self.stderr.decode(errors="backslashreplace")

    def succeeded(self) -> Result:
        """This result, if the command did its work; otherwise the test fails and shows why."""
        return self.exited(0)

    def exited(self, status: int) -> Result:
        """This result, if the exit status is as said; otherwise the test fails and shows why."""
        assert self.returncode == status, (
            f"exit status {self.returncode}, expected {status}\n"
            f"stdout: {self.stdout[:2000]!r}\nstderr: {self.errors[-4000:]}"
        )
        return self


@dataclass(frozen=True, slots=True)
class Imgfetch:
    """The command with one store.

    Attributes:
        store: the store's directory; made by the command.
        user: who runs it; whoever runs the tests by default.
        home: HOME, and where the command starts.
        env: variables beside those of a login.
    """

    store: Path
    home: Path
    user: User | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *args: str | Path,
        input: bytes | str | None = None,  # noqa: A002 - subprocess.run's name
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> Result:
        """Runs the command to its end.

        Args:
            *args: the arguments.
            input: standard input; nothing by default.
            env: variables beside those of a login.
            timeout: seconds until it is killed and the test fails.
        """
        done = subprocess.run(
            self.argv(*args),
            env=self.environment(env),
            input=input.encode() if isinstance(input, str) else input or b"",
            capture_output=True,
            check=False,
            timeout=timeout,
            cwd=self.home,
            umask=0o022,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(
        self,
        *args: str | Path,
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
        stdin: int | None = subprocess.DEVNULL,
        stderr: int | None = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """Starts the command, for tests that send signals; its pid is the command's own.

        Args:
            *args: the arguments.
            env: variables beside those of a login.
            wrapper: a command line to put before it, such as strace's.
            stdin: as for `subprocess.Popen`.
            stderr: as for `subprocess.Popen`.
        """
        return subprocess.Popen(
            [*wrapper, *self.argv(*args)],
            env=self.environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=self.home,
            umask=0o022,
        )

    def argv(self, *args: str | Path) -> list[str]:
        """The whole command line."""
        before = command_as(self.user) if self.user else []
        return [*before, str(PROGRAM), *map(str, args)]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment: a login's, the store, and what measures coverage."""
        login = {"PATH": PATH, "HOME": str(self.home), "LANG": "C.UTF-8"}
        if self.user:
            login = self.user.environment()
        # Users without ids to spare go the others' ways but for a few steps that other tests have,
        # and to measure takes as long as to run.
        measured = self.user is None or self.user.has_subids
        coverage = {name: value for name, value in os.environ.items() if name.startswith("COV")}
        store = {"IMGFETCH_STORE": str(self.store)}
        return {**login, **(coverage if measured else {}), **store, **self.env, **(env or {})}


def imgfetch_for(user: User) -> Imgfetch:
    """The command as an ordinary user runs it, with a new store in the user's home."""
    return Imgfetch(store=user.directory("store") / "store", home=user.home, user=user)


@pytest.fixture
def imgfetch(tmp_path: Path) -> Imgfetch:
    """The command as whoever runs the tests, with a store of the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    return Imgfetch(store=tmp_path / "store", home=home)
