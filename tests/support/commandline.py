"""The command line without a process of its own, for tests of what it says and returns.

What enters namespaces, or starts a runtime, is run in a child: `CommandLine.forked`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imgfetch.cli.main import invoke
from tests.support.forked import forked
from tests.support.users import User


@dataclass(frozen=True, slots=True)
class Said:
    """What a command line gave.

    Attributes:
        status: the exit status.
        out: standard output.
        err: standard error.
    """

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The document on standard output."""
        return json.loads(self.out)

    def exited(self, status: int) -> Said:
        """This, if the exit status is as said; otherwise the test fails and shows why."""
        assert self.status == status, f"exit status {self.status}\n{self.out}\n{self.err}"
        return self

    def succeeded(self) -> Said:
        """This, if the command did its work."""
        return self.exited(0)

    def failed(self, status: int) -> Said:
        """This, if it failed in the one form that errors have, with nothing on stdout."""
        self.exited(status)
        lines = self.err.splitlines()
        assert self.out == ""
        assert lines[0].startswith("imgfetch: "), self.err
        assert all(line.startswith("  ") for line in lines[1:]), self.err
        assert len(lines) <= 4, self.err
        return self


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line with a store of its own.

    Attributes:
        store: the store's directory; made by the commands.
        user: whose process `forked` is; whoever runs the tests by default.
    """

    store: Path
    user: User | None = None

    def __call__(self, *arguments: str | Path) -> Said:
        """Runs a command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = invoke(self._whole(arguments))
        return Said(status, out.getvalue(), err.getvalue())

    def forked(self, *arguments: str | Path) -> Said:
        """Runs a command in a child, with what its own children say."""
        whole = self._whole(arguments)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            status = forked(lambda: self._redirected(whole, out.fileno(), err.fileno()), self.user)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="backslashreplace"))
        return Said(status, *texts)

    def _redirected(self, arguments: list[str], out: int, err: int) -> int:
        if self.user is not None:
            os.environ.update(self.user.environment())
            os.environ.pop("XDG_CONFIG_HOME", None)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as long as the process
        try:
            return invoke(arguments)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    def _whole(self, arguments: tuple[str | Path, ...]) -> list[str]:
        return ["--store", str(self.store), *map(str, arguments)]


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line of somebody without a config file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path / "store")
