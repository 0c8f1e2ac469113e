"""Generated bundles, run by the real runc as ordinary users."""

from __future__ import annotations

import dataclasses

import pytest

from imgfetch.bundle.host import Network
from imgfetch.bundle.options import (
    BindMount,
    FileOptions,
    ProcessOptions,
    RunOptions,
)
from imgfetch.bundle.probe import NO_CGROUPS, host_facts
from imgfetch.bundle.standalone import for_ordinary_user, single_id
from imgfetch.fs.idmap import IdMapping
from tests.support.runc_bundles import (
    lines,
    make_bundle,
    run_by_hand,
)
from tests.support.specs import SUBIDS
from tests.support.tools import require_tool
from tests.support.users import User


@pytest.mark.parametrize("network", ["host", "none"])
def test_an_ordinary_user_runs_a_bundle_by_hand(any_user: User, network: Network) -> None:
    """As `umoci unpack --rootless` and `runc run` do."""
    directory = any_user.directory("bundle")
    host = for_ordinary_user(
        host_facts(IdMapping.current(), NO_CGROUPS), single_id(any_user.uid, any_user.gid)
    )
    script = "id -u; echo $HOME; touch /made; cat /proc/self/uid_map; ls -d /sys/kernel"
    options = RunOptions(process=ProcessOptions(args=("sh", "-c", script)))
    make_bundle(directory, options, host, config={"User": "app"}, network=network)
    result = run_by_hand(any_user, directory)
    uid, home, mapping, sys = lines(result)
    assert (uid, home, sys) == ("0", "/home/app", "/sys/kernel")
    assert mapping.split() == ["0", str(any_user.uid), "1"]
    assert (directory / "rootfs/made").stat().st_uid == any_user.uid


@pytest.mark.parametrize("network", ["host", "none"])
def test_a_run_inside_a_user_namespace_of_ours(plain_user: User, network: Network) -> None:
    directory = plain_user.directory("bundle")
    ids = single_id(plain_user.uid, plain_user.gid)
    host = host_facts(ids, NO_CGROUPS)
    source = directory / "noexec"
    source.mkdir()
    files = FileOptions(
        mounts=(BindMount("/proc/sys", "/seen", read_only=True), BindMount(str(source), "/own"))
    )
    script = "id -u; touch /own/file; ls -d /seen/kernel; (touch /seen/x) 2>/dev/null || echo ro"
    options = RunOptions(process=ProcessOptions(args=("sh", "-c", script)), files=files)
    make_bundle(directory, options, host, network=network)
    become = [require_tool("unshare"), "--user", "--map-root-user", "--mount", "--"]
    result = run_by_hand(plain_user, directory, become)
    assert lines(result) == ["0", "/seen/kernel", "ro"]
    assert (source / "file").stat().st_uid == plain_user.uid


def test_a_mount_with_locked_flags_can_be_bound_read_only(plain_user: User) -> None:
    """With runc 1.1 a plain `ro` is EPERM: the flags of the source have to be named."""
    directory = plain_user.directory("bundle")
    ids = single_id(plain_user.uid, plain_user.gid)
    host = dataclasses.replace(
        host_facts(ids, NO_CGROUPS),
        locked_flags=lambda path: ("nosuid", "nodev", "noexec") if path == "/dev/shm" else (),
    )
    files = FileOptions(mounts=(BindMount("/dev/shm", "/locked", read_only=True),))
    options = RunOptions(process=ProcessOptions(args=("ls", "-d", "/locked")), files=files)
    make_bundle(directory, options, host)
    # The tmpfs belongs to the first user namespace, so its flags are locked in the second.
    script = 'mount -t tmpfs -o nosuid,nodev,noexec tmpfs /dev/shm && exec "$@"'
    inner = ["unshare", "--user", "--map-root-user", "--mount"]
    become = [require_tool("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", script]
    result = run_by_hand(plain_user, directory, [*become, "sh", *inner, "--"])
    assert lines(result) == ["/locked"]


def test_another_user_than_root_with_subordinate_ids(subid_user: User) -> None:
    directory = subid_user.directory("bundle")
    options = RunOptions(process=ProcessOptions(args=("sh", "-c", "id -u; id -g; id -G")))
    host = dataclasses.replace(host_facts(SUBIDS, NO_CGROUPS), rootless=True)
    make_bundle(directory, options, host, config={"User": "app"})
    # The shared path is closed to others, and the container's user is one of them.
    for path in (subid_user.home, directory):
        path.chmod(0o711)
    unshare = [require_tool("unshare"), "--user", "--map-root-user", "--map-auto", "--mount", "--"]
    result = run_by_hand(subid_user, directory, unshare)
    uid, gid, groups = lines(result)
    assert (uid, gid) == ("1000", "1000")
    assert set(groups.split()) == {"1000", "50", "2000"}
