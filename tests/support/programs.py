"""What programs that hold a client share: a store with images, and how to look at themselves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imgfetch
from tests.support.busybox import busybox_builder
from tests.support.stencils import stencil_builder
from tests.support.users import CHECKOUT, PATH, User, command_as

BUSYBOX = "registry.test/busybox:1"
STENCIL = "registry.test/stencil:1"


def write_images(layout: Path) -> None:
    """Writes `BUSYBOX` and `STENCIL` into a layout."""
    busybox_builder().write(layout, BUSYBOX)
    stencil_builder().write(layout, STENCIL)


def settings(store: Path, **changes: object) -> imgfetch.Settings:
    """Settings that depend on nothing of whoever runs the tests."""
    given: dict[str, object] = {"network": "none", "environment": {"PATH": PATH}, **changes}
    return imgfetch.Settings(str(store), **given)  # type: ignore[arg-type]  # as tests give them


def filled(store: Path, layout: Path) -> imgfetch.Settings:
    """A store with both images, unpacked; its settings."""
    write_images(layout)
    chosen = settings(store)
    with imgfetch.Client(chosen) as client:
        for name in (BUSYBOX, STENCIL):
            client.pull(f"oci:{layout}:{name}", unpack=True)
    return chosen


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What a library has to leave as it is, of the process that uses it."""

    namespaces: dict[str, str]
    descriptors: frozenset[str]
    signals: dict[int, object]
    mask: frozenset[int]
    directory: str
    ids: tuple[int, ...]
    threads: frozenset[str]
    children: frozenset[str]

    @classmethod
    def now(cls) -> ProcessState:
        """Of this process."""
        names = os.listdir("/proc/self/ns")
        numbers = [n for n in signal.valid_signals() if n not in {signal.SIGKILL, signal.SIGSTOP}]
        return cls(
            {name: os.readlink(f"/proc/self/ns/{name}") for name in names},
            frozenset(os.listdir("/proc/self/fd")),
            {number: signal.getsignal(number) for number in numbers},
            frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            os.getcwd(),
            (*os.getresuid(), *os.getresgid()),
            frozenset(thread.name for thread in threading.enumerate()),
            _children(),
        )


def _children() -> frozenset[str]:
    """The ids of this process's children, of whichever of its threads."""
    while True:
        try:
            return frozenset(
                child
                for task in Path("/proc/self/task").iterdir()
                for child in (task / "children").read_text().split()
            )
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread has ended meanwhile, and others have its children now


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Runs a function in threads at once, given each one's number; raises the first failure."""
    failures: list[BaseException] = []
    together = threading.Barrier(count)

    def guarded(number: int) -> None:
        try:
            together.wait(60)
            work(number)
        except BaseException as failure:  # noqa: BLE001 - raised below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def start_program(
    text: str, *arguments: str | Path, user: User | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program that may import this package; its pid is the program's own."""
    return subprocess.Popen(
        [*(command_as(user) if user else ()), sys.executable, "-c", text, *map(str, arguments)],
        env={
            **(user.environment() if user else {"PATH": PATH, "HOME": "/nonexistent"}),
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONWARNINGS": "error",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=user.home if user else "/",
    )
