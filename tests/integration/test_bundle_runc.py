"""Bundles as the bundle room makes them, run by the real runc: as root and as ordinary users."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from imgfetch.bundle.directory import write_config, write_etc_files
from imgfetch.bundle.environment import DEFAULT_PATH
from imgfetch.bundle.host import HostFacts, Place
from imgfetch.bundle.options import (
    BindMount,
    Device,
    FileOptions,
    Limits,
    ProcessOptions,
    RunOptions,
    Secret,
    SecurityOptions,
    TmpfsMount,
    Ulimit,
)
from imgfetch.bundle.preflight import check_command
from imgfetch.bundle.probe import NO_CGROUPS, find_cgroups, host_facts
from imgfetch.bundle.seccomp import read_profile, resolve
from imgfetch.bundle.spec import runtime_spec
from imgfetch.bundle.standalone import for_ordinary_user, single_id
from imgfetch.bundle.targets import prepare_targets
from imgfetch.bundle.users import resolve_user
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.rootdir import RootDir
from tests.support.busybox import GROUP, PASSWD
from tests.support.specs import SUBIDS, image_config
from tests.support.tools import require_tool
from tests.support.users import User, run_as

APPLETS = ("cat", "echo", "env", "grep", "hostname", "id", "ls", "mount", "ping", "pwd", "sh",
           "sleep", "stat", "touch", "true", "ulimit", "umask", "unshare")  # fmt: skip


def make_rootfs(path: Path) -> Path:
    """A root filesystem of busybox with some users, and nothing to mount on."""
    for name in ("bin", "etc", "data", "tmp"):
        (path / name).mkdir(parents=True)
    shutil.copy(require_tool("busybox"), path / "bin/busybox")
    for applet in APPLETS:
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text(PASSWD)
    (path / "etc/group").write_text(GROUP)
    (path / "data/seed").write_text("seed")
    return path


def make_bundle(
    directory: Path,
    options: RunOptions,
    host: HostFacts,
    *,
    config: dict[str, Any] | None = None,
    network: str = "none",
) -> Path:
    """A bundle with all that a run puts into one."""
    rootfs = make_rootfs(directory / "rootfs")
    image = image_config(config)
    (directory / "etc").mkdir()
    etc = write_etc_files(str(directory / "etc"), {"/etc/hosts": "127.0.0.1\tlocalhost\n"})
    place = Place("0123456789abcdef", etc_files=etc)
    place = dataclasses.replace(place, network=network)  # type: ignore[arg-type]  # one of three words
    profile = read_profile(options.security.seccomp)
    seccomp = profile and resolve(
        profile,
        capabilities=host.capabilities & frozenset(options.security.cap_add),
        kernel=host.kernel,
        architecture=host.architecture,
    )
    with RootDir.open(rootfs) as root:
        user = resolve_user(options.process.user or image.process.user, root)
        spec = runtime_spec(image, options, host, user, place, seccomp=seccomp or None)
        prepare_targets(root, spec.document)
        assert (
            check_command(root, spec.document, architecture=host.architecture, emulates=False)
            is None
        )
    write_config(str(directory), spec.document)
    return directory


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    status: int
    stdout: str
    stderr: str


class RootRunner:
    """Runs busybox commands with runc as root."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._state = directory / "state"

    def __call__(
        self,
        *command: str,
        options: RunOptions | None = None,
        **bundle: Any,
    ) -> Result:
        options = options or RunOptions()
        asked = dataclasses.replace(options.process, args=command)
        options = dataclasses.replace(options, process=asked)
        directory = self._directory / uuid4().hex
        directory.mkdir()
        ids = IdMapping.current()
        host = bundle.pop("host", None) or host_facts(
            ids, find_cgroups(ids), privileged=options.security.privileged
        )
        make_bundle(directory, options, host, **bundle)
        return self.runc(directory)

    def runc(self, bundle: Path) -> Result:
        runc = require_tool("runc")
        done = subprocess.run(
            [runc, "--root", self._state, "run", "-b", bundle, f"imgfetch-test-{bundle.name}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run(tmp_path: Path) -> RootRunner:
    assert os.geteuid() == 0, "these tests need root"
    return RootRunner(tmp_path)


def lines(result: Result) -> list[str]:
    assert result.status == 0, result.stderr
    return result.stdout.splitlines()


def status_fields(result: Result) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines(result))
    return {name: value.strip() for name, _, value in pairs}


def test_a_default_run(run: RootRunner) -> None:
    script = "pwd; id; umask; hostname; env; cat /etc/hosts"
    result = run("sh", "-c", script, config={"WorkingDir": "/made/by runc", "Env": ["A=é"]})
    assert lines(result)[:4] == [
        "/made/by runc",
        "uid=0(root) gid=0(root) groups=0(root)",
        "0022",
        "0123456789ab",
    ]
    assert set(lines(result)[4:]) == {
        f"PATH={DEFAULT_PATH}",
        "HOSTNAME=0123456789ab",
        "A=é",
        "HOME=/root",
        "PWD=/made/by runc",
        "SHLVL=1",
        "127.0.0.1\tlocalhost",
    }


def test_what_the_process_may_do(run: RootRunner) -> None:
    """S054, S146 and S148: nothing inheritable, seccomp on, no descriptor of ours."""
    result = run("sh", "-c", "cat /proc/self/status; echo fds: $(ls /proc/self/fd)")
    fields = status_fields(result)
    bounding = int(fields["CapBnd"], 16)
    assert int(fields["CapInh"], 16) == int(fields["CapAmb"], 16) == 0
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == bounding
    # The default ones by number: 0 1 3 4 5 6 7 8 10 18 31.
    assert bounding & ~0x800405FB == 0
    assert fields["Seccomp"] == "2"
    assert fields["NoNewPrivs"] == "0"
    assert fields["fds"] == "0 1 2 3"


def test_no_new_privileges(run: RootRunner) -> None:
    options = RunOptions(security=SecurityOptions(no_new_privileges=True))
    assert status_fields(run("cat", "/proc/self/status", options=options))["NoNewPrivs"] == "1"


def test_a_user_by_name_has_its_groups_and_home(run: RootRunner) -> None:
    """S053."""
    result = run("sh", "-c", "id -u; id -g; echo $HOME; id -G", config={"User": "app"})
    *rest, groups = lines(result)
    assert rest == ["1000", "1000", "/home/app"]
    assert set(groups.split()) == {"1000", "50", "2000"}


def test_what_is_hidden_stays_hidden(run: RootRunner) -> None:
    """S149."""
    script = """
        for path in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do
            [ ! -e $path ] || [ -z "$(cat $path)" ] || echo $path
        done
        for path in /proc/acpi /sys/firmware /sys/devices/virtual/powercap; do
            [ -z "$(ls $path 2>/dev/null)" ] || echo $path
        done
        for path in /proc/sys/kernel/hostname /proc/sysrq-trigger; do
            (echo x > $path) 2>/dev/null && echo $path
        done
        true
    """
    assert lines(run("sh", "-c", script)) == []


def test_seccomp_refuses_user_namespaces(run: RootRunner) -> None:
    """S148: and `unconfined` does not."""
    refused = run("unshare", "-U", "true")
    assert refused.status != 0
    assert "Operation not permitted" in refused.stderr
    free = RunOptions(security=SecurityOptions(seccomp="unconfined"))
    assert run("unshare", "-U", "true", options=free).status == 0


def test_the_distributions_profile_is_accepted(run: RootRunner) -> None:
    options = RunOptions(security=SecurityOptions(seccomp="system"))
    assert status_fields(run("cat", "/proc/self/status", options=options))["Seccomp"] == "2"


def test_a_network_of_its_own(run: RootRunner) -> None:
    script = "ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert lines(run("sh", "-c", script)) == ["lo", "0"]


def test_the_hosts_network(run: RootRunner) -> None:
    result = run("sh", "-c", "hostname; ls /sys/class/net", network="host")
    assert lines(result) == [os.uname().nodename, *sorted(os.listdir("/sys/class/net"))]


def test_mounts(run: RootRunner, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (tmp_path / "key").write_text("secret")
    files = FileOptions(
        mounts=(
            BindMount(str(source), "/in/a", read_only=True),
            BindMount(str(source), "/in/a/sub"),
            TmpfsMount("/scratch", ("nosuid", "nodev", "noexec", "size=64k", "mode=1777")),
        ),
        secrets=(Secret(str(tmp_path / "key"), "/run/secrets/key"),),
    )
    script = """
        touch /in/a/no 2>/dev/null && echo writable
        touch /in/a/sub/yes && stat -c %a /scratch && cat /run/secrets/key
        echo x 2>/dev/null > /run/secrets/key || echo kept
    """
    assert lines(run("sh", "-c", script, options=RunOptions(files=files))) == ["1777", "secretkept"]
    assert (source / "yes").exists()


def test_a_read_only_root_keeps_the_images_volumes_writable(run: RootRunner) -> None:
    script = "touch /no 2>/dev/null && echo writable; cat /data/seed; touch /data/yes && echo .ok"
    files = FileOptions(read_only=True)
    result = run(
        "sh", "-c", script, options=RunOptions(files=files), config={"Volumes": {"/data": {}}}
    )
    assert lines(result) == ["seed.ok"]


def test_devices_and_limits(run: RootRunner) -> None:
    options = RunOptions(
        process=ProcessOptions(ulimits=(Ulimit("RLIMIT_NOFILE", 100, 2**40),), umask=0o77),
        files=FileOptions(devices=(Device("/dev/null", "/dev/other", "r"),)),
    )
    script = "ulimit -n; umask; stat -c %F /dev/other; (echo > /dev/other) 2>&1"
    result = run("sh", "-c", script, options=options)
    assert result.stdout.splitlines()[:3] == ["100", "0077", "character special file"]


def test_privileged_runs_see_the_hosts_devices(run: RootRunner) -> None:
    options = RunOptions(security=SecurityOptions(privileged=True))
    fields = status_fields(run("cat", "/proc/self/status", options=options))
    assert fields["Seccomp"] == "0"
    assert fields["CapBnd"] == status_of_this_process()["CapBnd"]


def status_of_this_process() -> dict[str, str]:
    text = Path("/proc/self/status").read_text()
    return {name: value.strip() for name, _, value in (x.partition(":") for x in text.splitlines())}


def test_the_memory_limit_is_the_cgroups(run: RootRunner) -> None:
    ids = IdMapping.current()
    cgroups = find_cgroups(ids)
    if cgroups.version != 1 or "memory" not in cgroups.controllers:
        cgroups = NO_CGROUPS
    options = RunOptions(limits=Limits(memory=64 << 20, strict=False))
    result = run(
        "cat",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes" if cgroups.version else "/proc/self/cgroup",
        options=options,
        host=host_facts(ids, cgroups),
    )
    assert not cgroups.version or lines(result) == [str(64 << 20)]


def test_sysctls_of_the_container(run: RootRunner) -> None:
    security = SecurityOptions(sysctls={"net.core.somaxconn": "77", "kernel.msgmax": "4096"})
    script = "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax"
    assert lines(run("sh", "-c", script, options=RunOptions(security=security))) == ["77", "4096"]


def test_links_in_the_image_lead_nowhere_else(run: RootRunner, tmp_path: Path) -> None:
    """S143 and S144, with runc doing its part."""
    outside = tmp_path / "outside"
    outside.mkdir()
    directory = tmp_path / "bundle"
    directory.mkdir()
    ids = IdMapping.current()
    files = FileOptions(mounts=(BindMount(str(tmp_path), "/mnt/x", read_only=True),))
    options = RunOptions(process=ProcessOptions(args=("ls", "/mnt")), files=files)
    real = make_rootfs

    def hostile(path: Path) -> Path:
        root = real(path)
        (root / "mnt").symlink_to(outside)
        (root / "etc/hosts").symlink_to(outside / "hosts")
        return root

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "make_rootfs", hostile)
        make_bundle(directory, options, host_facts(ids, find_cgroups(ids)))
    result = run.runc(directory)
    assert result.status == 0, result.stderr
    assert list(outside.iterdir()) == []


# Ordinary users


def run_by_hand(user: User, directory: Path, before: Sequence[str] = ()) -> Result:
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
    runc = [require_tool("runc"), "--root", str(directory / "state")]
    argv = [*before, *runc, "run", "-b", str(directory), f"imgfetch-test-{uuid4().hex}"]
    done = run_as(user, argv)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("network", ["host", "none"])
def test_an_ordinary_user_runs_a_bundle_by_hand(any_user: User, network: str) -> None:
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
def test_a_run_inside_a_user_namespace_of_ours(plain_user: User, network: str) -> None:
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
