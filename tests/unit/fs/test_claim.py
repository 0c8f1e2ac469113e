"""Directories that belong to a living process."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from imgfetch.fs.claim import claim_abandoned, claim_shared, make_claimed
from imgfetch.fs.removal import remove_tree
from tests.support.forked import forked


def test_a_claimed_directory_is_private_and_nobody_elses(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    before = os.umask(0o777)
    try:
        descriptor = make_claimed(path)
    finally:
        os.umask(before)
    assert os.stat(path).st_mode & 0o777 == 0o700
    assert claim_abandoned(path) is None
    assert forked(lambda: claim_abandoned(path)) is None
    os.close(descriptor)
    taken = claim_abandoned(path)
    assert taken is not None
    os.close(taken)


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    forked(lambda: make_claimed(path))
    taken = claim_abandoned(path)
    assert taken is not None
    os.close(taken)


def test_claims_are_not_handed_on_to_programs(tmp_path: Path) -> None:
    """R100."""
    descriptor = make_claimed(str(tmp_path / "x"))
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_one_that_exists_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        make_claimed(str(tmp_path))


def test_one_whose_parent_is_missing_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_claimed(str(tmp_path / "a/b"))


def test_many_can_share_and_none_can_take_over_meanwhile(tmp_path: Path) -> None:
    first, second = claim_shared(str(tmp_path)), claim_shared(str(tmp_path))
    assert first is not None
    assert second is not None
    os.close(first)
    assert claim_abandoned(str(tmp_path)) is None
    os.close(second)


def test_what_is_gone_or_never_was_one_cannot_be_claimed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("missing", "file", "link"):
        assert claim_abandoned(str(tmp_path / name)) is None
        assert claim_shared(str(tmp_path / name)) is None


def _waits_for_a_lock(pid: int) -> bool:
    """Whether a process stands behind another one in the kernel's list of locks (proc(5))."""
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(words[1] == "->" and words[5] == str(pid) for words in lines)


def test_a_directory_that_goes_while_one_waits_is_not_claimed(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    holder = make_claimed(path)
    child = os.fork()
    if child == 0:
        os.close(holder)
        os._exit(0 if claim_shared(path) is None else 1)
    while not _waits_for_a_lock(child):
        time.sleep(0.01)
    remove_tree(path)
    os.mkdir(path)
    os.close(holder)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_one_taken_between_its_making_and_its_lock_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x")
    really = fcntl.flock
    calls = []

    def flock(descriptor: int, operation: int) -> None:
        calls.append(operation)
        if len(calls) == 1:
            os.rmdir(path)
        really(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    descriptor = make_claimed(path)
    assert len(calls) == 2
    assert os.path.samestat(os.fstat(descriptor), os.stat(path))
    os.close(descriptor)


def test_without_locks_nothing_ever_looks_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R101."""

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    os.close(make_claimed(str(tmp_path / "x")))
    assert claim_abandoned(str(tmp_path / "x")) is None
    shared = claim_shared(str(tmp_path / "x"))
    assert shared is not None
    os.close(shared)
