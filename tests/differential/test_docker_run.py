"""Containers beside docker's: the same options, asked for the same facts from inside.

What differs on purpose is in docs/reference/run.md, and here where a line says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch, Result
from tests.support.container_facts import Compared, without
from tests.support.docker_daemon import DockerDaemon, docker_daemon

# What docker raises by itself needs CAP_SYS_RESOURCE, which root may not have.
LIMITS = ("--ulimit", "nofile=1000:1024", "--ulimit", "nproc=4096:4096")


@dataclass(frozen=True, slots=True)
class Both(Compared):
    """One image in two stores.

    Attributes:
        docker: a daemon that has the image.
        imgfetch: our command, whose store has it.
    """

    docker: DockerDaemon
    imgfetch: Imgfetch

    def run(
        self,
        *options: str,
        command: tuple[str, ...],
        input: bytes = b"",  # noqa: A002 - subprocess.run's name
    ) -> tuple[Result, Result]:
        """The result of docker, and ours."""
        network = [] if any(one.startswith("--network") for one in options) else ["--network=none"]
        given = [*network, *LIMITS, *options]
        done = self.docker("run", "--rm", *given, "localhost/both:1", *command, input=input)
        theirs = Result(done.returncode, done.stdout, done.stderr)
        return theirs, self.imgfetch("run", *given, "localhost/both:1", *command, input=input)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    layout = tmp_path_factory.mktemp("layout")
    builder = busybox_builder().config(
        env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "FROM=image", "AGAIN=image"], working_dir="/made"
    )
    builder.write(layout, "localhost/both:1")
    home = tmp_path_factory.mktemp("home")
    imgfetch = Imgfetch(home / "store", home)
    imgfetch("pull", f"oci:{layout}").succeeded()
    archive = home / "archive"
    imgfetch("save", "--as", "docker-archive", "-o", archive, "localhost/both:1").succeeded()
    with docker_daemon() as docker:
        loaded = docker("load", "--input", str(archive))
        assert loaded.returncode == 0, loaded.stderr
        yield Both(docker, imgfetch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    (path / "kept").touch()
    return path


# Docker has three capabilities more, and no line for the container's own name without a network.
OURS = ("security CapPrm", "security CapEff", "security CapBnd", "hosts 127.0.1.1 ")


def test_a_plain_container(both: Both) -> None:
    theirs, ours = both.facts()
    differing = (*OURS, "hostname ", "env HOSTNAME=")
    assert without(ours, *differing) == without(theirs, *differing)
    assert "env FROM=image" in ours
    assert "mtab /proc/mounts" in ours


def test_options_of_many_kinds(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("# a comment\nFILE=x y\nAGAIN=file\n")
    theirs, ours = both.facts(
        f"--env-file={file}", "-e", "AGAIN=option", "-e", "EMPTY=", "-e", "NOT_SET",
        "-w", "/tmp", "--group-add=daemon", "--hostname=box",
        "--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=cap_kill",
        "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/t:size=1m,mode=750",
        "--add-host=other:192.0.2.9", "--oom-score-adj=500",
    )  # fmt: skip
    assert without(ours, "hosts 127.0.1.1 ") == theirs


@pytest.mark.parametrize(
    "options", [["--network=host"], ["--pid=host", "--ipc=host"], ["--shm-size=10m"]], ids=str
)
def test_namespaces_of_the_machine(both: Both, options: list[str]) -> None:
    """The container's name is the machine's with --network host."""
    theirs, ours = both.facts(*options)
    own = () if "--network=host" in options else ("hostname ", "env HOSTNAME=")
    assert without(ours, *OURS, *own) == without(theirs, *OURS, *own)


@pytest.mark.parametrize("user", ["405", "405:7", "app", "1000:daemon", "daemon:0"])
def test_users(both: Both, user: str) -> None:
    """None of their capabilities is inheritable or ambient, added ones neither."""
    script = 'id -u; id -g; echo "$HOME"; grep -E "Cap(Inh|Prm|Eff|Amb)" /proc/self/status'
    theirs, ours = both.run("-u", user, "--cap-add=NET_ADMIN", command=("sh", "-c", script))
    assert ours.succeeded().lines == theirs.succeeded().lines


LIMIT_FILES = """
cd /sys/fs/cgroup
for file in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes \\
    memory/memory.soft_limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us \\
    cpu/cpu.shares cpuset/cpuset.cpus cpuset/cpuset.mems \\
    memory.max memory.high memory.low memory.swap.max pids.max cpu.max cpu.weight cpuset.cpus; do
    if [ -e $file ]; then echo $file $(cat $file); fi
done
df -k /dev/shm | tail -n 1
"""


@pytest.mark.parametrize(
    "options",
    [
        ["--memory=64m"],
        ["--memory=64m", "--memory-swap=100m", "--memory-reservation=32m"],
        ["--memory=64m", "--memory-swap=-1"],
        ["--cpus=0.5", "--cpuset-cpus=0", "-c", "512", "--cpuset-mems=0"],
        ["--shm-size=10m"],
    ],
    ids=str,
)
def test_limits(both: Both, options: list[str]) -> None:
    theirs, ours = both.run("--pids-limit=77", *options, command=("sh", "-c", LIMIT_FILES))
    assert ours.succeeded().lines == theirs.succeeded().lines
    assert any(line.endswith("pids.max 77") for line in ours.lines)


@pytest.mark.parametrize(
    "options",
    [
        ["-v", "{source}:/x"],
        ["-v", "{source}:/x:ro"],
        ["--mount", "type=bind,src={source},dst=/x,readonly"],
        ["--mount", "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700"],
        ["--tmpfs", "/x"],
        ["--tmpfs", "/x:size=1m,exec"],
    ],
    ids=str,
)
def test_mounts(both: Both, source: Path, options: list[str]) -> None:
    script = """awk '$2 == "/x" { print $3, $4 }' /proc/mounts; stat -c '%a %u' /x; ls -A /x"""
    given = [option.format(source=source) for option in options]
    theirs, ours = both.run(*given, command=("sh", "-c", script))
    assert ours.succeeded().lines == theirs.succeeded().lines


@pytest.mark.parametrize("volume", ["named:/etc", "/etc"])
def test_a_volume_has_the_images_content(both: Both, volume: str) -> None:
    """On /etc, with the files about the network on top."""
    script = "ls /etc | grep -v mtab; cat /etc/hosts | grep -c localhost; cat /etc/hostname"
    theirs, ours = both.run("--hostname=box", "-v", volume, command=("sh", "-c", script))
    assert ours.succeeded().lines == theirs.succeeded().lines


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["-w", "/not/there"], ["pwd"]),
        (["--entrypoint="], ["echo", "x"]),
        (["--entrypoint=echo"], ["x"]),
        (["--device=/dev/full:/dev/other"], ["ls", "-l", "/dev/other"]),
        (["--device=/dev/full:/dev/other:r"], ["sh", "-c", "ls -l /dev/other; : > /dev/other"]),
        (["--sysctl=net.ipv4.ip_forward=1"], ["cat", "/proc/sys/net/ipv4/ip_forward"]),
        (
            ["--dns=192.0.2.1", "--dns-search=a.b", "--dns-option=ndots:2"],
            ["cat", "/etc/resolv.conf"],
        ),
        (["--security-opt=seccomp=unconfined"], ["grep", "Seccomp", "/proc/self/status"]),
        (["--security-opt=systempaths=unconfined"], ["sh", "-c", "grep -c /proc/ /proc/mounts"]),
        (["-i"], ["cat"]),
        ([], ["cat"]),
        (["-t"], ["tty"]),
        (["--init"], ["sh", "-c", "cat /proc/1/comm"]),
        ([], ["sh", "-c", "kill -9 $$; sh -c 'kill -9 $$'"]),
        ([], ["sh", "-c", "exit 3"]),
    ],
    ids=str,
)
def test_what_is_said_inside(both: Both, options: list[str], command: list[str]) -> None:
    theirs, ours = both.run(*options, command=tuple(command), input=b"in\n")
    assert ours.returncode == theirs.returncode
    assert ours.lines == theirs.lines


@pytest.mark.parametrize(
    ("options", "command", "status"),
    [
        ([], ["no-such-command"], 127),
        ([], ["/etc/passwd"], 126),
        ([], ["/etc"], 126),
        (["--entrypoint="], [], 125),
        (["-u", "no-such-user"], ["true"], 125),
        (["-w", "relative"], ["true"], 125),
        (["--stop-signal=NOPE"], ["true"], 125),
        (["--sysctl=kernel.pid_max=1000"], ["true"], 125),
        (["--ulimit=nofile=20:10"], ["true"], 125),
        (["--memory=nothing"], ["true"], 125),
        (["--tmpfs=relative"], ["true"], 125),
        (["-v", "a:b:c:d"], ["true"], 125),
    ],
    ids=str,
)
def test_what_fails_has_the_same_status(
    both: Both, options: list[str], command: list[str], status: int
) -> None:
    """R140."""
    theirs, ours = both.run(*options, command=tuple(command))
    assert (ours.returncode, theirs.returncode) == (status, status)
