"""What has gone wrong with running containers elsewhere, case by case: P01 to P25.

A case with a test of its own in another module has its number there: P01 and P02 in
test_leftovers, P03, P04 and P15 in test_run, P17 in test_run_results, P19 in test_terminal; P05
in the properties of bundles, P12 and P21 in their unit tests, P18 in those of user namespaces
and runtimes, P23 in those of mounts, P24 in those of layers.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.people import Somebody
from tests.e2e.traces import processes_with
from tests.support.busybox import busybox_builder
from tests.support.cli import Result
from tests.support.contents import File, Symlink
from tests.support.images import ImageBuilder
from tests.support.tools import require_tool


def own_image(somebody: Somebody, builder: ImageBuilder) -> str:
    """An image in a layout of the user's own."""
    layout = somebody.workspace() / "layout"
    builder.write(layout, "image")
    return f"oci:{layout}:image"


def test_p04_fifty_megabytes_arrive_and_then_the_end(myself: Somebody) -> None:
    """P04: the runtime copies through pipes, and none may be lost or left open."""
    data = os.urandom(1 << 20) * 50
    digest = hashlib.sha256(data).hexdigest()
    result = myself.run("-i", command=["sha256sum"], input=data).succeeded()
    assert result.stdout.decode().split()[0] == digest


def test_p04_every_line_of_a_loop_gets_its_run(myself: Somebody) -> None:
    """P04: runtimes read all of standard input, whether the container wants it or not."""
    argv = myself.imgfetch.argv("run", "--network", "none", myself.published.busybox, "true")
    done = subprocess.run(
        ["sh", "-c", 'while read -r line; do "$@" || exit; echo "$line"; done', "sh", *argv],
        input=b"".join(b"%d\n" % number for number in range(20)),
        capture_output=True,
        env=myself.imgfetch.environment(),
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == [b"%d" % number for number in range(20)]


def test_p06_limits_beyond_ones_own_are_cut_and_told(anybody: Somebody) -> None:
    """P06: runtimes fail on what needs CAP_SYS_RESOURCE, which root may lack too."""
    options = ["--ulimit", "nofile=9999999:9999999", "--oom-score-adj", "-500"]
    script = "ulimit -n; cat /proc/self/oom_score_adj"
    result = anybody.run(*options, command=["sh", "-c", script]).succeeded()
    if anybody.imgfetch.user or not may_raise_limits():
        assert result.errors.count("imgfetch: warning: ") == 2
        assert result.lines[0] != "9999999"


def may_raise_limits() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff"))
    return bool(int(effective.split()[1], 16) >> 24 & 1)


def test_p07_many_layers_below_a_path_with_every_special_character(myself: Somebody) -> None:
    """P07: the kernel cuts mount options at a page, and splits them at ``:`` and ``,``."""
    count = 130  # docker has no more than 127
    builder = busybox_builder()
    for number in range(count):
        builder = builder.layer({f"layer{number}": File(f"{number}\n")}, "none")
    image = own_image(myself, builder)
    store = myself.workspace() / "a:b,c d\\e"
    script = f"ls -d /layer* | wc -l; cat /layer0 /layer{count - 1}"
    result = myself.imgfetch(
        "--store", store, "run", "--network", "none", image, "sh", "-c", script, timeout=110
    ).succeeded()
    assert result.lines == [str(count), "0", str(count - 1)]


def test_p08_deleted_files_stay_deleted_and_directories_can_be_made_again(
    anybody: Somebody,
) -> None:
    """P08: without ``userxattr`` they reappear, and mkdir after rmdir gives EIO."""
    script = "ls /d /e; rm -r /d && mkdir /d && ls -A /d && rmdir /e 2>/dev/null; echo $?"
    image = anybody.published.layered
    result = anybody.run(image=image, command=["sh", "-c", script]).succeeded()
    assert result.lines == ["/d:", "a", "", "/e:", "y", "1"]


def test_p09_nothing_is_left_of_files_that_cannot_be_removed(anybody: Somebody) -> None:
    """P09: a directory of mode 000, read-only ones, and files of other users."""
    script = (
        "mkdir -p /x/y/z; touch /x/y/z/f; chown -R 77:77 /x 2>/dev/null; chmod 555 /x/y; chmod 0 /x"
    )
    anybody.run(command=["sh", "-c", script]).succeeded()
    assert list((anybody.imgfetch.store / "runs").glob("[0-9a-f]*")) == []


def test_p10_one_id_is_root_and_that_is_told(plain_somebody: Somebody) -> None:
    """P10, R171: runc can't have another user there, nor groups, nor a group for terminals."""
    script = "id -u; id -G; grep ' /dev/pts ' /proc/mounts"
    options = ["-u", "405", "--group-add", "50"]
    result = plain_somebody.run(*options, command=["sh", "-c", script]).succeeded()
    assert result.lines[:2] == ["0", "0"]
    assert "gid=5" not in result.lines[2]
    assert "instead of user 405" in result.errors


# As in a pod: parts of /proc are hidden, so a fresh one is refused to user namespaces.
_POD = 'mount -t tmpfs none /proc/acpi 2>/dev/null || mount -t tmpfs none /proc/scsi; exec "$@"'


def in_pod(somebody: Somebody, *arguments: str) -> list[str]:
    argv = somebody.imgfetch.argv(*arguments)
    unshare = [require_tool("unshare"), "--mount", "--propagation=slave"]
    return [*unshare, "sh", "-c", _POD, "sh", *argv]


@pytest.mark.parametrize("network", ["none", "host"])
@pytest.mark.parametrize("kind", ["subid_somebody", "plain_somebody"])
def test_p11_a_pod_runs_containers(request: pytest.FixtureRequest, kind: str, network: str) -> None:
    """P11, R164: the pod's /proc is bound, and the container is still process 1."""
    somebody = request.getfixturevalue(kind)
    assert isinstance(somebody, Somebody)
    words = ["run", "--network", network, somebody.published.busybox]
    done = subprocess.run(
        in_pod(somebody, *words, "sh", "-c", "echo $$; readlink /proc/self >/dev/null && exit 6"),
        env=somebody.imgfetch.environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    Result(done.returncode, done.stdout, done.stderr).exited(6)
    assert done.stdout == b"1\n"


def test_p11_nothing_outlives_a_killed_run_in_a_pod(plain_somebody: Somebody) -> None:
    """P11, R145, R164: without a pid namespace around the runtime, a watchdog sees to it."""
    words = ["run", "--network", "none", plain_somebody.published.busybox]
    process = subprocess.Popen(
        in_pod(plain_somebody, *words, "sh", "-c", "echo ready; sleep 68.375"),
        env=plain_somebody.imgfetch.environment(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while processes_with("68.375"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_p13_a_mount_that_allows_little_can_be_bound_read_only(anybody: Somebody) -> None:
    """P13: in a user namespace a remount may not drop the flags that were there."""
    source = anybody.workspace()
    (source / "file").write_text("there")
    around = (
        'mount -t tmpfs -o nosuid,nodev,noexec,mode=755 none "$0" && touch "$0/file"; exec "$@"'
    )
    argv = anybody.imgfetch.argv(
        "run", "--network", "none", "-v", f"{source}:/m:ro", anybody.published.busybox,
        "ls", "/m",
    )  # fmt: skip
    unshare = [require_tool("unshare"), "--mount", "--propagation=slave"]
    done = subprocess.run(
        [*unshare, "sh", "-c", around, str(source), *argv],
        env=anybody.imgfetch.environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert Result(done.returncode, done.stdout, done.stderr).succeeded().lines == ["file"]


def test_p14_links_in_etc_stay_inside(anybody: Somebody) -> None:
    """P14: what is written to or looked up there must never be the host's."""
    builder = busybox_builder().layer(
        {
            "etc/resolv.conf": Symlink("../run/no/such/resolv.conf"),
            "etc/hosts": Symlink("/somewhere/hosts"),
            "etc/group": Symlink("/../../../etc/gshadow"),
        }
    )
    image = own_image(anybody, builder)
    before = Path("/etc/hosts").read_bytes()
    script = "echo mine >>/etc/hosts; tail -n 1 /somewhere/hosts; test -f /run/no/such/resolv.conf"
    assert anybody.run(image=image, command=["sh", "-c", script]).succeeded().lines == ["mine"]
    assert Path("/etc/hosts").read_bytes() == before
    assert not Path("/somewhere").exists()


def test_p14_users_are_looked_up_in_the_image_alone(anybody: Somebody) -> None:
    """P14: a passwd that leads out leads to the image's own root."""
    builder = busybox_builder().layer({"etc/passwd": Symlink("/../../../../etc/passwd")})
    image = own_image(anybody, builder)
    result = anybody.run("-u", "www-data", image=image, command=["true"]).exited(125)
    assert "/etc/passwd" in result.errors


def test_p16_a_limit_that_an_ordinary_user_cannot_set_is_125(
    request: pytest.FixtureRequest,
) -> None:
    """P16, R161: crun would leave it out without a word."""
    for kind in ("subid_somebody", "plain_somebody"):
        somebody = request.getfixturevalue(kind)
        assert isinstance(somebody, Somebody)
        result = somebody.run("-m", "64m", command=["true"]).exited(125)
        assert "memory" in result.errors


def test_p20_the_callers_output_file_stays_the_callers(with_many_ids: Somebody) -> None:
    """P20: crun gives it to the container's user."""
    path = with_many_ids.workspace() / "out"
    path.touch()
    os.chown(path, path.parent.stat().st_uid, path.parent.stat().st_gid)
    before = path.stat()
    argv = with_many_ids.imgfetch.argv(
        "run", "--network", "none", "-u", "app", with_many_ids.published.busybox, "echo", "x"
    )
    with path.open("wb") as file:
        subprocess.run(
            argv, stdout=file, env=with_many_ids.imgfetch.environment(), check=True, timeout=60
        )
    after = path.stat()
    assert path.read_bytes() == b"x\n"
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (
        before.st_uid,
        before.st_gid,
        stat.S_IMODE(before.st_mode),
    )


def test_p22_an_image_in_use_can_lose_its_name(newcomer: Somebody) -> None:
    """P22: what runs keeps its layers until it has ended."""
    newcomer.imgfetch("pull", "--unpack", newcomer.published.busybox).succeeded()
    script = "echo ready; read x; ls /bin/busybox && cat /etc/passwd | wc -l"
    process = newcomer.imgfetch.start(
        "run", "-i", "--network", "none", newcomer.published.busybox, "sh", "-c", script,
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    newcomer.imgfetch("rmi", newcomer.published.busybox).exited(11)
    newcomer.imgfetch("rmi", "--force", newcomer.published.busybox).succeeded()
    output, errors = process.communicate(b"\n", timeout=30)
    assert (process.returncode, output) == (0, b"/bin/busybox\n4\n"), errors


def test_p25_a_read_only_root_of_one_layer_gets_the_mount_points_it_lacks(
    anybody: Somebody,
) -> None:
    """P25: an overlay needs two directories below or one on top, and mounts need a place."""
    workspace = anybody.workspace()
    (workspace / "file").write_text("")
    options = ["--read-only", "-v", f"{workspace}:/not/there/yet", "--tmpfs", "/nor/this"]
    script = "ls /not/there/yet; touch /nor/this/x && touch /x"
    result = anybody.run(*options, command=["sh", "-c", script]).exited(1)
    assert result.lines == ["file"]
    assert b"/x: Read-only file system" in result.stderr
