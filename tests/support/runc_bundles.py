"""Bundles as the bundle room makes them, and the real runc to run them."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from imgfetch.bundle.directory import write_config, write_etc_files
from imgfetch.bundle.host import HostFacts, Network, Place
from imgfetch.bundle.options import (
    RunOptions,
)
from imgfetch.bundle.preflight import check_command
from imgfetch.bundle.probe import find_cgroups, host_facts
from imgfetch.bundle.seccomp import read_profile, resolve
from imgfetch.bundle.spec import runtime_spec
from imgfetch.bundle.targets import prepare_targets
from imgfetch.bundle.users import resolve_user
from imgfetch.fs.idmap import IdMapping
from imgfetch.fs.rootdir import RootDir
from tests.support.busybox import GROUP, PASSWD
from tests.support.specs import image_config
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
    network: Network = "none",
    prepare: Callable[[Path], Path] = make_rootfs,
) -> Path:
    """A bundle with all that a run puts into one."""
    rootfs = prepare(directory / "rootfs")
    image = image_config(config)
    (directory / "etc").mkdir()
    etc = write_etc_files(str(directory / "etc"), {"/etc/hosts": "127.0.0.1\tlocalhost\n"})
    place = Place("0123456789abcdef", network=network, etc_files=etc)
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


def lines(result: Result) -> list[str]:
    assert result.status == 0, result.stderr
    return result.stdout.splitlines()


def run_by_hand(user: User, directory: Path, before: Sequence[str] = ()) -> Result:
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
    runc = [require_tool("runc"), "--root", str(directory / "state")]
    argv = [*before, *runc, "run", "-b", str(directory), f"imgfetch-test-{uuid4().hex}"]
    done = run_as(user, argv)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())
