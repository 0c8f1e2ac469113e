"""What is said of namespaces that the kernel refuses: who does, and what to do about it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from imgfetch.snapshot.refusals import Confinement, no_mapping, no_mount, no_namespace
from imgfetch.snapshot.userns import read_status


def refusal(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    ("code", "confinement", "blocker", "remedy"),
    [
        (errno.ENOSPC, Confinement(), "sysctl user.max_user_namespaces", "sysctl -w user.max"),
        (errno.EPERM, Confinement(max_user_namespaces=0), "user.max_user_namespaces", "sysctl -w"),
        (errno.EPERM, Confinement(userns_clone=0), "kernel.unprivileged_userns_clone", "=1"),
        (errno.EPERM, Confinement(seccomp=True), "a seccomp filter", "seccompProfile: Unconfined"),
        (errno.ENOSYS, Confinement(seccomp=True), "a seccomp filter", "seccompProfile"),
        (errno.EACCES, Confinement(apparmor_userns=1), "AppArmor", "apparmor_restrict"),
        (errno.EINVAL, Confinement(threads=3), "3 threads in this process", "before threads"),
        (errno.EINVAL, Confinement(), "a kernel without them", "CONFIG_USER_NS"),
        (errno.EPERM, Confinement(), "the kernel (a chroot", "seccompProfile"),
    ],
)
def test_each_blocker_of_namespaces_has_its_own_message(
    code: int, confinement: Confinement, blocker: str, remedy: str
) -> None:
    """R167."""
    error = no_namespace(refusal(code), confinement)
    assert blocker in error.message
    assert remedy in (error.hint or "")


def test_apparmor_is_named_where_maps_are_refused() -> None:
    """R166: Ubuntu 24.04 grants the namespace, and refuses its map."""
    for root in (False, True):
        error = no_mapping(refusal(errno.EPERM), Confinement(apparmor_userns=1), root=root)
        assert "kernel.apparmor_restrict_unprivileged_userns" in error.message
        assert "'userns,'" in (error.hint or "")


def test_root_is_told_which_capabilities_it_lacks_for_a_map() -> None:
    """R168."""
    error = no_mapping(refusal(errno.EPERM), Confinement(), root=True)
    assert "CAP_SETFCAP" in error.message


def test_a_refused_map_of_an_ordinary_user_is_told() -> None:
    error = no_mapping(refusal(errno.EPERM), Confinement(), root=False)
    assert "ids of the user namespace are blocked" in error.message


def test_a_refused_mount_is_told() -> None:
    """R167."""
    assert "seccomp" in no_mount(refusal(errno.EPERM), Confinement(seccomp=True)).message
    assert "AppArmor" in no_mount(refusal(errno.EACCES), Confinement(apparmor_userns=1)).message


def test_confinement_is_read_from_proc(tmp_path: Path) -> None:
    for name, value in {
        "self/status": "Name:\tx\nThreads:\t4\nNoNewPrivs:\t1\nSeccomp:\t2\n",
        "sys/user/max_user_namespaces": "15000\n",
        "sys/kernel/unprivileged_userns_clone": "1\n",
        "sys/kernel/apparmor_restrict_unprivileged_userns": "0\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    assert Confinement.of_self(tmp_path) == Confinement(15000, 1, 0, True, True, 4)


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    """R170."""
    assert read_status(tmp_path) == {}
    assert Confinement.of_self(tmp_path) == Confinement()
