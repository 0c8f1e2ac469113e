"""What is read of detached containers: never more than is known."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from imgfetch.errors import StoreCorruptError, StoreError
from imgfetch.runtime.containers import (
    KILLED,
    Facts,
    all_containers,
    find,
    open_ending,
    read,
    read_ending,
)
from imgfetch.runtime.layout import DETACHED, ENDING, EXIT
from imgfetch.runtime.monitor import Monitor
from imgfetch.runtime.rundir import RunDirectory, collect_dead

ONE, TWO = "1" * 64, "12" + "2" * 62


def facts(**changes: object) -> Facts:
    given = Facts(
        image="registry.test/x:1",
        digest="sha256:" + "0" * 64,
        argv=("sleep", "1"),
        created=1.5,
        labels={"a": "b"},
        ports=({"host_port": 1},),
        stop_signal=15,
        stop_timeout=10,
        remove=False,
        runtime="/usr/sbin/runc",
        is_crun=False,
        rootless=False,
        pid_namespace=True,
        monitor=Monitor.of_self(),
    )
    return replace(given, **changes)  # type: ignore[arg-type]  # fields of the class


@pytest.fixture
def runs(tmp_path: Path) -> str:
    return str(tmp_path / "runs")


def begun(runs: str, container_id: str, name: str | None = None, **changes: object) -> RunDirectory:
    directory = RunDirectory.make(runs, container_id, name)
    (directory.path / DETACHED).write_bytes(facts(**changes).encode())
    return directory


def test_facts_survive_their_file() -> None:
    assert Facts.decode(facts().encode()) == facts()


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"monitor": {}}', b"\xff"])
def test_facts_of_something_else_are_told(raw: bytes) -> None:
    with pytest.raises(StoreCorruptError):
        Facts.decode(raw)


def test_one_whose_monitor_holds_the_directory_runs(runs: str) -> None:
    directory = begun(runs, ONE, "web")
    (container,) = all_containers(runs)
    assert (container.state, container.name, container.exit_status) == ("running", "web", None)
    assert container.process() is None  # the runtime has not said which
    os.close(directory.descriptor)
    (container,) = all_containers(runs)
    assert (container.state, container.exit_status) == ("dead", KILLED)


def test_one_with_an_exit_file_has_exited_whoever_holds_it(runs: str) -> None:
    directory = begun(runs, ONE)
    (directory.path / EXIT).write_text(json.dumps({"exit_code": 3}))
    (container,) = all_containers(runs)
    assert (container.state, container.exit_status, container.process()) == ("exited", 3, None)


def test_a_held_directory_is_not_enough_where_the_monitor_is_gone(runs: str) -> None:
    """R146: whoever clears up holds it too; and the number may be another process's."""
    own = Monitor.of_self()
    begun(runs, ONE, monitor=replace(own, start_time=own.start_time - 1))
    assert all_containers(runs)[0].state == "dead"


def test_a_held_directory_is_believed_where_the_monitor_cannot_be_seen(runs: str) -> None:
    begun(runs, ONE, monitor=replace(Monitor.of_self(), pid_namespace=1))
    (container,) = all_containers(runs)
    assert (container.state, container.process()) == ("running", None)


def test_without_locks_the_process_decides(runs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """R101."""
    monkeypatch.setattr("imgfetch.runtime.containers.is_claimed", lambda path: None)
    begun(runs, ONE)
    begun(runs, TWO, monitor=replace(Monitor.of_self(), boot_id="before"))
    assert {one.container_id: one.state for one in all_containers(runs)} == {
        ONE: "running",
        TWO: "dead",
    }


def test_runs_in_the_foreground_and_other_files_are_no_containers(runs: str) -> None:
    assert all_containers(runs) == []
    RunDirectory.make(runs, ONE, "web")
    Path(runs, "README").touch()
    assert all_containers(runs) == []
    with pytest.raises(StoreError, match="no detached container is called web"):
        find(runs, "web")


def test_containers_are_found_by_name_and_by_the_beginning_of_an_id(runs: str) -> None:
    begun(runs, ONE, "12")
    begun(runs, TWO)
    assert find(runs, "12").container_id == ONE
    assert find(runs, "11").container_id == ONE
    assert find(runs, TWO).container_id == TWO
    with pytest.raises(StoreError, match="more than one"):
        find(runs, "1")
    for wanted in ("", "3", "../x"):
        with pytest.raises(StoreError, match="no detached container"):
            find(runs, wanted)


def test_one_that_is_gone_is_no_container(runs: str) -> None:
    assert read(runs, ONE, None) is None


def test_an_ending_is_told_after_its_file_is_gone(runs: str) -> None:
    directory = begun(runs, ONE)
    container = find(runs, ONE)
    assert open_ending(container) is None
    (directory.path / ENDING).touch()
    descriptor = open_ending(container)
    assert descriptor is not None
    (directory.path / ENDING).write_text('{"exit_code": 4}')
    directory.remove()
    assert read_ending(descriptor) == {"exit_code": 4}


@pytest.mark.parametrize("raw", ["", "[]", "{"])
def test_an_ending_that_is_not_written_yet_is_none(tmp_path: Path, raw: str) -> None:
    (tmp_path / ENDING).write_text(raw)
    assert read_ending(f"{tmp_path}/{ENDING}") is None


def test_the_dead_are_kept_unless_nothing_was_to_be_left(runs: str) -> None:
    os.close(begun(runs, ONE, "web").descriptor)
    os.close(begun(runs, TWO, remove=True).descriptor)
    assert collect_dead(runs) == [TWO]
    assert [one.name for one in all_containers(runs)] == ["web"]


def test_a_zombie_does_not_run() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    own = Monitor.of_self()
    started = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[19])
    monitor = replace(own, pid=child, start_time=started)
    descriptor = monitor.open()
    assert descriptor is not None
    os.close(descriptor)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert monitor.open() is None
    os.waitpid(child, 0)
    assert monitor.open() is None
