from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from imgfetch.bundle.host import DeviceNode, HostFacts
from imgfetch.bundle.options import (
    BindMount,
    Device,
    FileOptions,
    ImageMount,
    RunOptions,
    Secret,
    SecurityOptions,
    TmpfsMount,
    VolumeMount,
)
from imgfetch.bundle.standalone import for_ordinary_user
from imgfetch.errors import (
    InvalidMountError,
)
from tests.support.runtime_schema import check_spec
from tests.support.specs import (
    ONE_ID,
    PLACE,
    destinations,
    image_config,
    make_spec,
    mount_at,
    root_host,
    rootless_host,
)


def files(**options: Any) -> RunOptions:
    return RunOptions(files=FileOptions(**options))


def test_mounts_are_sorted_so_that_parents_come_first() -> None:
    mounts = (TmpfsMount("/a/b/c"), BindMount("/x", "/a"), TmpfsMount("/a/b"))
    spec = make_spec(files(mounts=mounts))
    assert destinations(spec)[-3:] == ["/a", "/a/b", "/a/b/c"]
    check_spec(spec.document)


@pytest.mark.parametrize(
    ("mount", "options"),
    [
        (BindMount("/x", "/a"), ["rbind", "rprivate"]),
        (BindMount("/x", "/a", read_only=True), ["rbind", "rprivate", "ro"]),
        (BindMount("/x", "/a", recursive=False, propagation="rslave"), ["bind", "rslave"]),
    ],
)
def test_bind_mounts(mount: BindMount, options: list[str]) -> None:
    assert mount_at(make_spec(files(mounts=(mount,))), "/a") == {
        "destination": "/a",
        "type": "bind",
        "source": "/x",
        "options": options,
    }


def test_read_only_reaches_mounts_below_where_the_runtime_can() -> None:
    spec = make_spec(
        files(mounts=(BindMount("/x", "/a", read_only=True),)),
        host=root_host(recursive_read_only=True),
    )
    assert mount_at(spec, "/a")["options"] == ["rbind", "rprivate", "rro"]


def test_a_read_only_bind_keeps_what_is_locked_in_a_user_namespace() -> None:
    host = rootless_host(locked_flags=lambda _path: ("nosuid", "nodev", "ro"))
    mounts = (BindMount("/x", "/a", read_only=True), BindMount("/x", "/b"))
    spec = make_spec(files(mounts=mounts), host=host)
    assert mount_at(spec, "/a")["options"] == ["rbind", "rprivate", "ro", "nosuid", "nodev"]
    assert mount_at(spec, "/b")["options"] == ["rbind", "rprivate"]


def test_two_mounts_on_one_place_are_an_error() -> None:
    mounts = (BindMount("/x", "/a"), TmpfsMount("/a"))
    with pytest.raises(InvalidMountError, match="two mounts on /a"):
        make_spec(files(mounts=mounts))


def test_an_asked_for_mount_stands_in_for_a_default_one() -> None:
    shm = make_spec(files(mounts=(BindMount("/x", "/dev/shm"),)))
    assert mount_at(shm, "/dev/shm")["type"] == "bind"
    dev = make_spec(files(mounts=(BindMount("/dev", "/dev"),)))
    assert [d for d in destinations(dev) if d.startswith("/dev")] == ["/dev"]


@pytest.mark.parametrize("mount", [VolumeMount("data", "/a"), ImageMount("alpine", "/a")])
def test_volumes_have_to_be_bind_mounts_by_now(mount: VolumeMount | ImageMount) -> None:
    with pytest.raises(InvalidMountError, match="/a"):
        make_spec(files(mounts=(mount,)))


def test_the_files_about_the_network_are_bound_writable() -> None:
    place = dataclasses.replace(PLACE, etc_files={"/etc/hosts": "/run/x/hosts"})
    assert mount_at(make_spec(place=place), "/etc/hosts") == {
        "destination": "/etc/hosts",
        "type": "bind",
        "source": "/run/x/hosts",
        "options": ["bind", "rprivate"],
    }
    own = make_spec(files(mounts=(BindMount("/x", "/etc/hosts"),)), place=place)
    assert mount_at(own, "/etc/hosts")["source"] == "/x"


@pytest.mark.parametrize(("readonly", "etc_first"), [(False, True), (True, False)])
def test_a_volume_on_etc_is_below_the_files_about_the_network(
    *, readonly: bool, etc_first: bool
) -> None:
    """As in docker. The runtime could not make their places in one that is read-only."""
    place = dataclasses.replace(PLACE, etc_files={"/etc/hosts": "/run/x/hosts"})
    volume = BindMount("/x", "/etc", read_only=readonly)
    order = destinations(make_spec(files(mounts=(volume,)), place=place))
    assert (order.index("/etc") < order.index("/etc/hosts")) == etc_first


def test_secrets_are_bound_read_only() -> None:
    spec = make_spec(files(secrets=(Secret("/x/key", "/run/secrets/key"),)))
    assert mount_at(spec, "/run/secrets/key")["options"] == ["bind", "rprivate", "ro"]


def test_volumes_of_the_image_count_under_a_read_only_root_only() -> None:
    """S056: their paths stop at the root."""
    image = image_config({"Volumes": {"/data": {}, "/../../../../OUT": {}}})
    writable = make_spec(image=image)
    assert {"/data", "/OUT"}.isdisjoint(destinations(writable))
    spec = make_spec(files(read_only=True), image=image)
    check_spec(spec.document)
    assert spec.document["root"]["readonly"] is True
    assert mount_at(spec, "/data")["options"] == ["nosuid", "nodev", "tmpcopyup", "mode=755"]
    assert mount_at(spec, "/OUT")["type"] == "tmpfs"
    ignored = make_spec(files(read_only=True, image_volumes="ignore"), image=image)
    assert "/data" not in destinations(ignored)
    own = make_spec(files(read_only=True, mounts=(BindMount("/x", "/data"),)), image=image)
    assert mount_at(own, "/data")["type"] == "bind"


@pytest.mark.parametrize("path", ["/proc", "/proc/sys", "/x/../proc/1", "relative", "/"])
def test_a_volume_of_the_image_on_proc_is_refused(path: str) -> None:
    """S141."""
    with pytest.raises(InvalidMountError, match="volume"):
        make_spec(files(read_only=True), image=image_config({"Volumes": {path: {}}}))


def test_shared_memory_has_a_size() -> None:
    assert "size=1048576" in mount_at(make_spec(files(shm_size=1 << 20)), "/dev/shm")["options"]


def test_shared_memory_of_the_host_is_the_hosts() -> None:
    options = RunOptions(security=SecurityOptions(ipc="host"))
    root, user = make_spec(options), make_spec(options, host=rootless_host())
    assert mount_at(root, "/dev/shm")["source"] == "/dev/shm"
    assert "/dev/mqueue" in destinations(root)
    assert "/dev/mqueue" not in destinations(user)


def test_processes_of_the_host_are_seen_through_its_own_proc() -> None:
    """Without a PID namespace of its own, a user namespace may not mount a fresh one."""
    options = RunOptions(security=SecurityOptions(pid="host"))
    by_hand = for_ordinary_user(root_host(), ONE_ID)
    assert mount_at(make_spec(options, host=by_hand), "/proc")["type"] == "bind"
    assert mount_at(make_spec(options), "/proc")["type"] == "proc"
    assert mount_at(make_spec(host=by_hand), "/proc")["type"] == "proc"


def test_devices_that_the_runtime_makes_are_not_bound_as_well() -> None:
    """Otherwise runc makes a file of the host's /dev/tty, and gets ENXIO without a terminal."""
    names = ("null", "tty", "console", "ptmx", "random", "full", "fuse")
    host = rootless_host(host_devices=tuple(DeviceNode(f"/dev/{n}", "c", 1, 1) for n in names))
    spec = make_spec(RunOptions(security=SecurityOptions(privileged=True)), host=host)
    bound = {path for path in destinations(spec) if path.removeprefix("/dev/") in names}
    assert bound == {"/dev/fuse"}
    asked = make_spec(files(devices=(Device("/dev/tty", "/dev/tty"),)), host=_with_any_device())
    assert "/dev/tty" not in destinations(asked)


def _with_any_device() -> HostFacts:
    return rootless_host(find_device=lambda path: DeviceNode(path, "c", 5, 0))
