"""Looks in processes of their own: whatever they do, the rest goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from imgfetch.errors import NamespaceError
from imgfetch.findings import Finding, missing, ok
from imgfetch.workflow.doctor import examine
from imgfetch.workflow.isolated import Look, findings
from tests.e2e.traces import eventually, processes_with

FINE = Look("fine", lambda: ok("fine", "is"))


def raising(error: BaseException) -> Callable[[], Any]:
    def look() -> Finding:
        raise error

    return look


def test_findings_come_in_the_order_of_the_looks() -> None:
    def slow() -> list[Finding]:
        time.sleep(0.05)
        return [ok("slow", "1"), ok("slow", "2")]

    looks = [Look("slow", slow), *(Look("n", partial(ok, "n", f"{n}")) for n in range(20))]
    said = [finding.found for finding in findings(looks)]
    assert said == ["1", "2", *map(str, range(20))]


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (raising(ZeroDivisionError("oh")), "ZeroDivisionError: oh"),
        (raising(SystemExit("3")), "SystemExit: 3"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "its process was killed"),
        (lambda: os._exit(0), "its process was killed"),
        (lambda: 7, "TypeError"),
    ],
    ids=["raises", "exits", "is killed", "ends", "gives nonsense"],
)
@pytest.mark.parametrize("needed", [False, True])
def test_one_that_fails_oddly_is_a_line(look: Callable[[], Any], said: str, needed: bool) -> None:
    odd, fine = findings([Look("odd", look, needed=needed), FINE])
    assert fine.state == "ok"
    assert odd.found.startswith(f"could not be looked at: {said}")
    assert (odd.check, odd.state, odd.blocks) == ("odd", "missing" if needed else "warning", needed)


def test_one_that_hangs_is_ended_with_all_that_it_has_started() -> None:
    marker = f"61.{os.getpid()}"

    def hang() -> Finding:
        subprocess.run(["sleep", marker], check=False)
        return ok("hang", "never")

    hung, fine = findings([Look("hang", hang, seconds=1), FINE])
    assert hung.found == "could not be looked at: no answer in 1 seconds"
    assert fine.state == "ok"
    assert eventually(lambda: not processes_with(marker))


def test_errors_of_runs_are_findings_in_the_same_words() -> None:
    error = NamespaceError("no", expected="a", actual="b", hint="do")
    (found,) = findings([Look("x", raising(error), needed=True)])
    assert found == missing("x", "no; expected a; got b", "do", blocks=True)


def test_files_that_are_missing_in_proc_name_the_remedy() -> None:
    """R170."""
    error = FileNotFoundError(2, "No such file or directory", "/proc/self/uid_map")
    (found,) = findings([Look("x", raising(error))])
    assert found.found.endswith("/proc/self/uid_map: No such file or directory")
    assert found.remedy == "mount -t proc proc /proc"


def test_nothing_that_is_written_gets_out(capfd: pytest.CaptureFixture[str]) -> None:
    def noisy() -> Finding:
        os.write(1, b"out")
        os.write(2, b"err")
        return ok("x", f"{os.read(0, 1)!r}")

    (found,) = findings([Look("x", noisy)])
    assert found.found == "b''"
    assert capfd.readouterr() == ("", "")


def test_a_signal_ends_all_of_them(tmp_path: Path) -> None:
    """What hangs is not left behind when the command is interrupted."""
    marker = f"62.{os.getpid()}"

    def hang() -> Finding:
        (tmp_path / "started").touch()
        subprocess.run(["sleep", marker], check=False)
        return ok("hang", "never")

    def interrupt() -> Finding:
        assert eventually((tmp_path / "started").exists)
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)
        return ok("x", "never")

    with pytest.raises(KeyboardInterrupt):
        findings([Look("hang", hang), Look("x", interrupt)])
    assert eventually(lambda: not processes_with(marker))


def test_only_what_blocks_decides() -> None:
    known = [missing("settings", "odd")]
    assert examine([FINE], known).works
    blocked = examine([FINE], [*known, missing("x", "no", blocks=True)])
    assert not blocked.works
    assert [finding.check for finding in blocked.blockers] == ["x"]
    assert [finding.check for finding in blocked.findings] == ["settings", "x", "fine"]
