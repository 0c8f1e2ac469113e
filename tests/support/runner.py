"""Runs of busybox bundles by the real runc, in a child of the tests' process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.runtime.identifiers import new_container_id
from imgfetch.runtime.mountinfo import fresh_proc_allowed
from imgfetch.runtime.program import find_runtime
from imgfetch.runtime.runc import Runc
from imgfetch.runtime.rundir import RunDirectory, collect_dead
from imgfetch.runtime.supervision import Outcome
from imgfetch.snapshot.userns import enter
from tests.support.bundles import write_bundle
from tests.support.forked import become, forked
from tests.support.tools import require_tool
from tests.support.users import PATH, User


def runc(mapping: IdMapping, **options: Any) -> Runc:
    require_tool("runc")
    return Runc(find_runtime("runc", PATH), PATH, rootless=not mapping.initial, **options)


@dataclass(frozen=True, slots=True)
class Result:
    outcome: Outcome
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs commands of a busybox bundle in a store of its own, as a user."""

    store: Path
    user: User | None

    @property
    def runs(self) -> Path:
        return self.store / "runs"

    def __call__(
        self,
        *command: str,
        stdin: bytes | None = None,
        changes: dict[str, Any] | None = None,
        **options: Any,
    ) -> Result:
        output, errors, source = (self.store / name for name in ("out", "err", "in"))
        for path in (output, errors, source):
            path.unlink(missing_ok=True)

        def work() -> Outcome:
            source.write_bytes(stdin or b"")
            for number, (path, flags) in enumerate(
                [(source, os.O_RDONLY), (output, os.O_WRONLY), (errors, os.O_WRONLY)]
            ):
                os.dup2(os.open(path, flags | os.O_CREAT, 0o600), number)
            return self.run_here(command, changes=changes, **options)

        outcome = forked(work, self.user)
        return Result(outcome, output.read_bytes(), errors.read_bytes())

    def run_here(
        self,
        command: Sequence[str],
        *,
        tty: bool = False,
        changes: dict[str, Any] | None = None,
        pod: bool = False,
        **options: Any,
    ) -> Outcome:
        """Runs in this process, which is changed for good, and clears up as a run does."""
        if pod:
            options["pid_namespace"] = fresh_proc_allowed()
            assert not options["pid_namespace"]
        mapping = enter(search_path=PATH, warn=lambda message: None)
        collect_dead(f"{self.runs}")
        directory = RunDirectory.make(f"{self.runs}", new_container_id())
        with (self.store / "ids").open("a") as ids:
            ids.write(f"{directory.container_id}\n")
        cgroup = f"/imgfetch/{directory.container_id}" if mapping.initial else None
        write_bundle(
            directory.path, command, tty=tty, cgroup=cgroup, bound_proc=pod, changes=changes
        )
        try:
            return runc(mapping, **options).supervise(directory.container_id, directory.path)
        finally:
            directory.remove()

    def start(self, *command: str, **options: Any) -> int:
        """Starts a run in a child whose standard output is ``out`` in the store."""
        child = os.fork()
        if child == 0:
            status = 99
            try:
                os.setsid()
                if options.get("pod"):
                    mask_proc()
                if self.user:
                    become(self.user)
                linux.die_with_parent(signal.SIGKILL)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(os.open(self.store / "out", os.O_WRONLY | os.O_CREAT, 0o600), 1)
                status = self.run_here(command, **options).status
            except BaseException:  # noqa: BLE001 - shown where the test fails
                traceback.print_exc()
            finally:
                os._exit(status)
        return child

    def wait_for_output(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in self.output():
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.01)

    def cgroups(self) -> list[Path]:
        """Those of all containers that this one ran."""
        mount = Path("/sys/fs/cgroup")
        ids = (self.store / "ids").read_text().split()
        paths = [base / "imgfetch" / one for base in (mount, *mount.iterdir()) for one in ids]
        return [path for path in paths if path.exists()]

    def output(self) -> str:
        path = self.store / "out"
        return path.read_text() if path.exists() else ""


def mask_proc() -> None:
    """Hides parts of ``/proc`` from this process, as container engines do in a pod."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
    for name in ("kcore", "timer_list", "interrupts"):
        if Path("/proc", name).exists():
            linux.mount("/dev/null", f"/proc/{name}", None, linux.MS_BIND)
    linux.mount("tmpfs", "/proc/sys/vm", "tmpfs", linux.MS_RDONLY)


def containers(marker: str) -> list[str]:
    """Processes with some words in their command line."""
    listing = subprocess.run(
        [require_tool("ps"), "-ww", "-eo", "pid=,args="], capture_output=True, check=True, text=True
    ).stdout
    return [line for line in listing.splitlines() if marker in line]


def status_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
