"""Entering namespaces, with the kernel, as root and as ordinary users."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from imgfetch.errors import NamespaceError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping, IdRange
from imgfetch.snapshot.userns import enter
from tests.support.forked import forked, in_namespaces, make_dumpable
from tests.support.users import PATH, User

_CAP_SYS_ADMIN = 21
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38


def ids() -> tuple[int, int, list[int]]:
    return os.getuid(), os.getgid(), os.getgroups()


def drop_capability(number: int) -> None:
    """Takes a capability from this process, which stays uid 0."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    keep = int(fields["CapEff"], 16) & ~(1 << number)
    low, high = keep & 0xFFFFFFFF, keep >> 32
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    assert libc.capset(header, data) == 0


def test_root_gets_a_mount_namespace_and_keeps_all_ids(tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> tuple[bool, str]:
        linux.mount("none", str(tmp_path), "tmpfs")
        return mapping.initial, mapping.name

    assert in_namespaces(work) == (True, "root")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_threads_that_are_about_to_end_are_waited_for(any_user: User) -> None:
    def work() -> int:
        threading.Thread(target=time.sleep, args=(0.1,)).start()
        enter(search_path=PATH, warn=print)
        return os.getuid()

    assert forked(work, any_user) == 0


def test_a_thread_that_stays_is_named(plain_user: User) -> None:
    def work() -> str:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        with pytest.raises(NamespaceError) as caught:
            enter(search_path=PATH, warn=print)
        return str(caught.value)

    assert "2 threads in this process" in forked(work, plain_user)


def test_a_user_with_subordinate_ids_gets_them_after_id_0(subid_user: User) -> None:
    def work(mapping: IdMapping) -> tuple[IdMapping, tuple[int, int, list[int]]]:
        path = Path("file")
        path.touch()
        os.chown(path, 1000, 1000)
        return mapping, ids()

    mapping, own = in_namespaces(work, subid_user)

    assert own == (0, 0, [])
    assert mapping.uids[0] == IdRange(0, subid_user.uid, 1)
    assert mapping.gids[0] == IdRange(0, subid_user.gid, 1)
    assert [(inside, size) for inside, _, size in mapping.uids[1:]] == [(1, 65536)]
    assert (subid_user.home / "file").stat().st_uid == mapping.uids[1].outside + 999
    assert mapping.name != "root"


def test_a_user_without_subordinate_ids_is_root_alone(plain_user: User) -> None:
    """R121."""
    mapping, own = in_namespaces(lambda mapping: (mapping, ids()), plain_user)

    assert own[:2] == (0, 0)
    assert mapping == IdMapping((IdRange(0, plain_user.uid, 1),), (IdRange(0, plain_user.gid, 1),))


def test_an_id_without_a_line_in_passwd_is_no_obstacle() -> None:
    """R171: pods run under any uid."""

    def work() -> tuple[int, int]:
        os.setgroups([])
        os.setresgid(1516583083, 1516583083, 1516583083)
        os.setresuid(1516583083, 1516583083, 1516583083)
        make_dumpable()
        mapping = enter(search_path=PATH, warn=print)
        return mapping.uids[0].outside, os.getuid()

    assert forked(work) == (1516583083, 0)


def test_root_without_the_capability_maps_all_ids_itself() -> None:
    """R171: root in a pod."""

    def work() -> tuple[IdMapping, int, bool]:
        drop_capability(_CAP_SYS_ADMIN)
        mapping = enter(search_path="", warn=print)
        path = Path("/tmp")
        linux.mount("none", str(path), "tmpfs")
        return mapping, os.getuid(), mapping.initial

    mapping, uid, initial = forked(work)
    assert uid == 0
    assert mapping.uids == (IdRange(0, 0, 2**32 - 2),)
    # Less is allowed than in the machine's first namespace, which has them all.
    assert not initial


def test_missing_newuidmap_leaves_one_id_and_says_so(subid_user: User) -> None:
    """P18, R165."""

    def work() -> tuple[IdMapping, list[str]]:
        warnings: list[str] = []
        return enter(search_path="/nowhere", warn=warnings.append), warnings

    mapping, said = forked(work, subid_user)
    assert sum(line.size for line in mapping.uids) == 1
    assert len(said) == 1
    assert "newgidmap is not installed" in said[0]


def test_no_new_privs_leaves_one_id_and_says_so(subid_user: User) -> None:
    """R165."""

    def work() -> tuple[IdMapping, list[str]]:
        assert ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        warnings: list[str] = []
        return enter(search_path=PATH, warn=warnings.append), warnings

    mapping, said = forked(work, subid_user)
    assert sum(line.size for line in mapping.uids) == 1
    assert len(said) == 1
    assert "no_new_privs is set" in said[0]


def test_a_limit_of_no_user_namespaces_is_named(plain_user: User) -> None:
    """P18, R167: the limit is set in a user namespace of the test's own, not on the machine."""

    def work(mapping: IdMapping) -> tuple[str, str | None]:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
        drop_capability(_CAP_SYS_ADMIN)
        with pytest.raises(NamespaceError) as caught:
            enter(search_path=PATH, warn=print)
        return caught.value.message, caught.value.hint

    message, hint = in_namespaces(work, plain_user)
    assert "sysctl user.max_user_namespaces" in message
    assert hint == "as root: sysctl -w user.max_user_namespaces=15000"


def test_entering_again_inside_changes_no_ids(any_user: User) -> None:
    def work(first: IdMapping) -> tuple[IdMapping, IdMapping]:
        return first, enter(search_path=PATH, warn=print)

    first, second = in_namespaces(work, any_user)
    assert first == second


def test_children_see_the_mounts(any_user: User) -> None:
    def work(mapping: IdMapping) -> str:
        linux.mount("none", str(any_user.home), "tmpfs")
        return subprocess.run(
            ["cat", "/proc/self/mountinfo"], capture_output=True, check=True, text=True
        ).stdout

    assert str(any_user.home) in in_namespaces(work, any_user)


@pytest.mark.parametrize("table", ["uid_map", "gid_map"])
def test_no_mapper_is_left_behind(subid_user: User, table: str) -> None:
    def work(mapping: IdMapping) -> str:
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        return Path("/proc/self", table).read_text()

    assert in_namespaces(work, subid_user)
