"""Directories of runs, and what is cleared away of those of the dead."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from imgfetch.errors import InvalidOptionError
from imgfetch.runtime.identifiers import check_container_name, new_container_id
from imgfetch.runtime.layout import EXIT
from imgfetch.runtime.rundir import RunDirectory, collect_dead, name_owner

ONE, TWO = "1" * 64, "2" * 64


def die_after(work: Callable[[], object]) -> None:
    """Runs something in a process that is killed then."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.fixture
def runs(tmp_path: Path) -> str:
    return str(tmp_path / "store" / "runs")


def test_a_directory_is_private_and_goes_with_all_in_it(runs: str) -> None:
    before = os.umask(0)
    try:
        directory = RunDirectory.make(runs, ONE)
    finally:
        os.umask(before)
    assert directory.path == Path(runs, ONE)
    assert directory.path.stat().st_mode & 0o777 == 0o700
    (directory.path / "upper").mkdir(mode=0)
    directory.remove()
    assert os.listdir(runs) == []


def test_an_id_is_used_once(runs: str) -> None:
    directory = RunDirectory.make(runs, ONE)
    with pytest.raises(FileExistsError):
        RunDirectory.make(runs, ONE)
    directory.remove()


def test_what_the_dead_leave_is_collected_and_the_living_are_not(runs: str) -> None:
    """R145, R091."""
    living = RunDirectory.make(runs, ONE)
    die_after(lambda: RunDirectory.make(runs, TWO))
    assert collect_dead(runs) == [TWO]
    assert collect_dead(runs) == []
    assert os.listdir(runs) == [ONE]
    living.remove()


def test_nothing_is_collected_where_nothing_ever_ran(runs: str) -> None:
    assert collect_dead(runs) == []


def test_kept_results_are_not_collected(runs: str) -> None:
    def work() -> None:
        directory = RunDirectory.make(runs, ONE)
        (directory.path / EXIT).touch()

    die_after(work)
    assert collect_dead(runs) == []


def test_a_leftover_that_cannot_be_removed_is_in_nobodys_way(
    runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_after(lambda: RunDirectory.make(runs, ONE))

    def refuse(path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("imgfetch.fs.removal.remove_tree", refuse)
    assert collect_dead(runs) == []


def test_files_of_others_in_the_directory_are_left_alone(runs: str) -> None:
    """R103."""
    Path(runs).mkdir(parents=True)
    Path(runs, "README").touch()
    Path(runs, "link").symlink_to("/")
    assert collect_dead(runs) == []
    assert sorted(os.listdir(runs)) == ["README", "link"]


def test_a_name_belongs_to_one_living_container(runs: str) -> None:
    first = RunDirectory.make(runs, ONE, "web")
    assert name_owner(runs, "web") == ONE
    with pytest.raises(InvalidOptionError, match="in use by container 111111111111"):
        RunDirectory.make(runs, TWO, "web")
    assert not Path(runs, TWO).exists()
    first.remove()
    assert name_owner(runs, "web") is None
    RunDirectory.make(runs, TWO, "web").remove()


def test_a_name_of_the_dead_is_free(runs: str) -> None:
    die_after(lambda: RunDirectory.make(runs, ONE, "web"))
    taken = RunDirectory.make(runs, TWO, "web")
    assert name_owner(runs, "web") == TWO
    collect_dead(runs)
    assert name_owner(runs, "web") == TWO
    taken.remove()


def test_ids_are_random_hexadecimal_digits() -> None:
    ids = {new_container_id() for _ in range(10)}
    assert len(ids) == 10
    assert all(len(one) == 64 and int(one, 16) >= 0 for one in ids)


@pytest.mark.parametrize("name", ["a", "0", "web.1", "A_b-c", "x" * 128])
def test_names_of_the_grammar_are_taken(name: str) -> None:
    assert check_container_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-x", ".x", "_x", "a/b", "../x", "a b", "x\n", "ä", "x" * 129, "a\0"]
)
def test_other_names_are_refused(name: str) -> None:
    """S153."""
    with pytest.raises(InvalidOptionError, match="invalid container name"):
        check_container_name(name)
