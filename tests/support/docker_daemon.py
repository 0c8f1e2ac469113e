"""A docker daemon of one's own, for tests that compare with it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imgfetch.fs.removal import remove_tree
from tests.support.tools import require_tool
from tests.support.users import PATH

_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class DockerDaemon:
    """A daemon that is running.

    Attributes:
        client: the beginning of command lines.
        env: for these.
    """

    client: tuple[str, ...]
    env: dict[str, str]

    def __call__(self, *arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:  # noqa: A002 - subprocess.run's name
        """Runs docker."""
        return subprocess.run(
            [*self.client, *arguments],
            input=input, capture_output=True, check=False, env=self.env, timeout=_PATIENCE,
        )  # fmt: skip


@contextmanager
def docker_daemon() -> Iterator[DockerDaemon]:
    """Starts a daemon that has its own directories and no networks, and ends it."""
    program, client = require_tool("dockerd"), require_tool("docker")
    # Names of sockets may not be long, and overlays need a file system that is none.
    own = Path(tempfile.mkdtemp(prefix="dock-", dir="/tmp"))
    env = {"PATH": PATH, "HOME": f"{own}"}
    places = ["--data-root", f"{own}/root", "--exec-root", f"{own}/exec", f"--pidfile={own}/pid"]
    socket = f"unix://{own}/socket"
    network = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    with (own / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [program, "-H", socket, *places, *network],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    docker = DockerDaemon((client, "-H", socket), env)
    try:
        deadline = time.monotonic() + _PATIENCE
        while docker("info").returncode:
            said = (own / "log").read_text(errors="replace")[-2000:]
            assert daemon.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        yield docker
    finally:
        daemon.terminate()
        try:
            daemon.wait(_PATIENCE)
        finally:
            daemon.kill()
        # The network namespaces that it has made stay mounted.
        for line in Path("/proc/mounts").read_text().splitlines():
            if f" {own}/" in line:
                subprocess.run(["umount", "--lazy", line.split()[1]], check=True)
        remove_tree(own)
