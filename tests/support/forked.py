"""Running a function in a process of its own: for what can't be undone in the tests' process.

Namespaces, credentials and the working directory are changed in the child only.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import importlib
import os
import pickle
import pkgutil
import signal
import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest

import imgfetch.fs
import imgfetch.layer
import imgfetch.lean
import imgfetch.snapshot
import imgfetch.tar
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.snapshot.userns import enter
from tests.support.users import PATH, User

Result = TypeVar("Result")

_PR_SET_DUMPABLE = 4
_HIGH = 100


def forked(work: Callable[[], Result], user: User | None = None, timeout: int = 60) -> Result:
    """Runs a function in a child and gives what it returned.

    Args:
        work: what to run; its result has to be picklable.
        user: whose process it is; whoever runs the tests by default.
        timeout: seconds until the child is killed.

    Raises:
        AssertionError: the function raised something; the text is its traceback.
    """
    if user:
        _load_rooms()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        # Low numbers are left to the function.
        _run(work, user, fcntl.fcntl(write, fcntl.F_DUPFD_CLOEXEC, _HIGH), timeout)
    os.close(write)
    with open(read, "rb") as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the child ended with {status}:\n{answer.decode(errors='replace')}"
    result: Result = pickle.loads(answer)  # noqa: S301 - written by our own child
    return result


def in_namespaces(
    work: Callable[[IdMapping], Result], user: User | None = None, timeout: int = 60
) -> Result:
    """Runs a function in a child that is root in namespaces of its own.

    Args:
        work: as for `forked`; gets the ids there are.
        user: as for `forked`.
        timeout: as for `forked`.
    """
    return forked(lambda: work(enter(search_path=PATH, warn=_fail)), user, timeout)


@functools.cache
def _load_rooms() -> None:
    """Imports what a user may come to need and can't, where the checkout is closed to others."""
    for room in (imgfetch.layer, imgfetch.snapshot, imgfetch.fs, imgfetch.tar, imgfetch.lean):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)


def become(user: User) -> None:
    """Makes this process a user's, for good."""
    if os.geteuid() == user.uid:
        return
    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    make_dumpable()
    os.chdir(user.home)


def make_dumpable() -> None:
    """Gives this process its own files in ``/proc`` again, as executing a program would.

    The kernel takes them away when credentials change.
    """
    assert ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0) == 0


def _run(work: Callable[[], object], user: User | None, write: int, timeout: int) -> None:
    status = 1
    try:
        linux.die_with_parent(signal.SIGKILL)
        # pytest's own alarm and its handlers stay with the parent.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(timeout)
        if user:
            become(user)
        answer = pickle.dumps(work())
        status = 0
    except BaseException:  # noqa: BLE001 - told to the parent
        answer = traceback.format_exc().encode(errors="replace")
    finally:
        with open(write, "wb") as pipe:
            pipe.write(answer)
        os._exit(status)


def _fail(message: str) -> None:
    pytest.fail(f"unexpected warning: {message}")
