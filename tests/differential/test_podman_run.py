"""Containers beside podman's: the same options, asked for the same facts from inside.

What differs on purpose is in docs/reference/run.md, and here where a line says so.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imgfetch.fs.removal import remove_tree
from tests.support.busybox import busybox_builder
from tests.support.cli import Imgfetch, Result
from tests.support.container_facts import Compared, without
from tests.support.materialised import memory
from tests.support.tools import require_tool
from tests.support.users import PATH

# What podman raises by itself needs CAP_SYS_RESOURCE, which root may not have.
LIMITS = ("--ulimit", "nofile=1000:1024", "--ulimit", "nproc=4096:4096")

# As packages of podman have it in their own configuration file, which another is read instead of.
CAPABILITIES = """
default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL",
    "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
"""


@dataclass(frozen=True, slots=True)
class Both(Compared):
    """One image in two stores.

    Attributes:
        podman: the beginning of podman's command lines.
        env: podman's.
        image: podman's name for it.
        imgfetch: our command.
        layout: the image.
    """

    podman: tuple[str, ...]
    env: dict[str, str]
    image: str
    imgfetch: Imgfetch
    layout: Path

    def run(self, *options: str, command: tuple[str, ...]) -> tuple[Result, Result]:
        """The result of podman, and ours."""
        given = ["--network=none", *LIMITS, *options]
        done = subprocess.run(
            [*self.podman, "run", "--rm", *given, self.image, *command],
            capture_output=True, check=False, env=self.env, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
        theirs = Result(done.returncode, done.stdout, done.stderr)
        return theirs, self.imgfetch("run", *given, f"oci:{self.layout}:image", *command)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    layout = tmp_path_factory.mktemp("layout")
    builder = busybox_builder().config(
        env=["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "FROM=image", "AGAIN=image"], working_dir="/made"
    )
    builder.write(layout, "image")
    # podman's directories may not have long names.
    own = Path(tempfile.mkdtemp(prefix="pod-", dir=memory()))
    # Not in the memory that all stores on the machine share.
    (own / "conf").write_text(f'[engine]\nlock_type = "file"\n[containers]\n{CAPABILITIES}\n')
    storage = [f"--root={own}/root", f"--runroot={own}/run", f"--tmpdir={own}/libpod"]
    options = ["--storage-driver=overlay", "--runtime=runc", "--events-backend=none"]
    podman = (require_tool("podman"), *storage, *options, "--cgroup-manager=cgroupfs")
    env = {"PATH": PATH, "HOME": f"{own}", "CONTAINERS_CONF": f"{own}/conf"}
    home = tmp_path_factory.mktemp("home")
    try:
        pulled = subprocess.run(
            [*podman, "pull", "--quiet", f"oci:{layout}:image"],
            check=True, env=env, capture_output=True,
        )  # fmt: skip
        image = pulled.stdout.decode().strip()
        yield Both(podman, env, image, Imgfetch(home / "store", home), layout)
    finally:
        for mounted in (own / "root/overlay", own / "root"):
            subprocess.run(["umount", "--lazy", mounted], check=False, capture_output=True)
        remove_tree(own)


def test_a_plain_container(both: Both) -> None:
    theirs, ours = both.facts()
    # Ours has docker's variables, and the name that docker has in /etc/hosts.
    differing = ("hostname ", "env HOSTNAME=", "env TERM=", "env container=", "hosts ")
    assert without(ours, *differing) == without(theirs, *differing)
    assert "env FROM=image" in ours


def test_options_of_many_kinds(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("# a comment\nFILE=x y\nAGAIN=file\n")
    theirs, ours = both.facts(
        f"--env-file={file}", "-e", "AGAIN=option", "-e", "EMPTY=", "-e", "NOT_SET",
        "-w", "/tmp", "--group-add=daemon", "--hostname=box", "--umask=027",
        "--cap-drop=ALL", "--cap-add=CHOWN", "--cap-add=cap_kill",
        "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/t:size=1m,mode=750",
        "--add-host=other:192.0.2.9", "--oom-score-adj=500",
    )  # fmt: skip

    differing = ("env TERM=", "env container=", "hosts ", "mount /t ")
    assert without(ours, *differing) == without(theirs, *differing)
    assert [line for line in ours if "other" in line] == [
        line for line in theirs if "other" in line
    ]
    [tmpfs] = [line for line in ours if line.startswith("mount /t ")]
    assert {"size=1024k", "mode=750", "nosuid", "nodev"} <= set(tmpfs.split()[3].split(","))


@pytest.mark.parametrize("user", ["405", "405:7", "app", "1000:daemon", "daemon:0"])
def test_users(both: Both, user: str) -> None:
    script = 'id -u; id -g; echo "$HOME"; grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status'
    theirs, ours = (
        result.succeeded().lines for result in both.run("-u", user, command=("sh", "-c", script))
    )
    if user.startswith("405"):
        # Whoever is in no passwd has docker's home, and podman's is the working directory.
        assert (ours.pop(2), theirs.pop(2)) == ("/", "/made")
    assert ours == theirs


@pytest.mark.parametrize(
    "options",
    [
        ["--cap-add=NET_RAW", "--security-opt=seccomp=unconfined"],
        ["--privileged"],
        ["--entrypoint=env", "-e", "ONLY=this"],
    ],
    ids=lambda options: options[0],
)
def test_privileges_and_entrypoints(both: Both, options: list[str]) -> None:
    command = (
        () if "--entrypoint=env" in options else ("grep", "-E", "Cap|Sec", "/proc/self/status")
    )
    theirs, ours = both.run(*options, command=command)
    differing = ("HOSTNAME=", "TERM=", "container=")
    expected = sorted(without(theirs.succeeded().lines, *differing))
    assert sorted(without(ours.succeeded().lines, *differing)) == expected


def test_a_missing_working_directory_is_made(both: Both) -> None:
    """R152: as by docker; podman refuses it."""
    theirs, ours = both.run("-w", "/not/there", command=("pwd",))
    theirs.exited(126)
    assert ours.succeeded().lines == ["/not/there"]


@pytest.mark.parametrize(
    ("options", "command", "status"),
    [
        ([], ["sh", "-c", "exit 3"], 3),
        ([], ["no-such-command"], 127),
        ([], ["/etc/passwd"], 126),
        (["-v", "/no/such/directory:/x"], ["true"], 125),
        (["-u", "no-such-user"], ["true"], 125),
    ],
)
def test_statuses(both: Both, options: list[str], command: list[str], status: int) -> None:
    theirs, ours = both.run(*options, command=tuple(command))
    assert theirs.returncode in {status, 126 if "-u" in options else status}
    assert ours.returncode == status
