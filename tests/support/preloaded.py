"""Commands that start by a fork: the process has imported all of imgfetch already.

For tests of hundreds of commands, where starting Python and measuring coverage would take most
of the time. What begins with the command's own first line is the same as for a user.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from unittest.mock import patch

import pytest

import imgfetch
from imgfetch.cli.main import main
from imgfetch.fs import linux
from tests.support.cli import Imgfetch, Result

_PATIENCE = 60


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    """Processes in which `begin` may be called: without coverage, and of a single thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.support.struck"])
    with patch.dict(os.environ, unmeasured(), clear=True):
        forkserver.ensure_running()
    with ProcessPoolExecutor(os.cpu_count(), context, _import_everything) as executor:
        yield executor


def unmeasured() -> dict[str, str]:
    """This process's environment without what measures coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def _import_everything() -> None:
    for module in pkgutil.walk_packages(imgfetch.__path__, "imgfetch."):
        # It only makes things faster: what can't be imported fails where it is needed.
        if not module.name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(module.name)


@dataclass(frozen=True, slots=True)
class Begun:
    """A command that has begun.

    Attributes:
        pid: of its process.
    """

    pid: int
    _go: int
    _out: int
    _err: int

    def go_on(self) -> None:
        """Lets the command come to its first line."""
        os.close(self._go)

    def result(self) -> Result:
        """Waits for its end."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return Result(status, _whole(self._out), _whole(self._err))


def begin(command: Imgfetch, *args: str) -> Begun:
    """Starts a command, which waits for `Begun.go_on`.

    Args:
        command: who runs it, and where.
        *args: its arguments.
    """
    out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
    wait, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(go)
            _become(command, args, out, err)
            os.read(wait, 1)
            os.close(wait)
            main()
        except SystemExit as end:
            os._exit(end.code if isinstance(end.code, int) else 1)
        finally:
            os._exit(1)
    os.close(wait)
    return Begun(pid, go, out, err)


def run(command: Imgfetch, *args: str) -> Result:
    """Runs a command to its end."""
    begun = begin(command, *args)
    begun.go_on()
    return begun.result()


def _become(command: Imgfetch, args: tuple[str, ...], out: int, err: int) -> None:
    linux.die_with_parent(signal.SIGKILL)
    signal.alarm(_PATIENCE)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, out, err)):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(command.environment())
    os.chdir(command.home)
    os.umask(0o022)
    sys.argv = command.argv(*args)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - as long as the process


def _whole(descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        file.seek(0)
        return file.read()
