"""Private networks: what leads out, what leads in, and where there is none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.people import Somebody
from tests.support.cli import Result
from tests.support.tools import require_tool

# A node of the device that everybody may open, in a mount namespace that ends with the command:
# machines differ in who may open theirs.
_OPEN_DEVICE = """
mknod "$0/tun" c 10 200 && chmod 0666 "$0/tun" && mount --bind "$0/tun" /dev/net/tun && exec "$@"
"""

_DNS_SERVER = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(0, 12) + 5
    if query[end - 4 : end - 2] != b"\\0\\1":  # an address of version 4 is all there is
        server.sendto(query[:2] + b"\\x81\\x80" + query[4:6] + bytes(6) + query[12:end], client)
        continue
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + bytes([192, 0, 2, 7])
    header = query[:2] + b"\\x81\\x80" + query[4:6] + b"\\0\\1\\0\\0\\0\\0"
    server.sendto(header + query[12:end] + answer, client)
"""

# A machine of its own with nothing but loopback, and our server on it.
_MACHINE = """
ip link set lo up
echo nameserver 127.0.0.1 >"$0/resolv.conf"
mount --bind "$0/resolv.conf" /etc/resolv.conf
: >"$0/said"
"$1" -c "$2" >"$0/said" &
server=$!
while ! grep -q ready "$0/said"; do sleep 0.02; done
shift 2
"$@"
status=$?
kill $server
exit $status
"""


def with_device(somebody: Somebody, directory: Path, *arguments: str | Path) -> Result:
    """Runs the command where /dev/net/tun is open to everybody."""
    return wrapped(somebody, _OPEN_DEVICE, [str(directory)], arguments)


def wrapped(
    somebody: Somebody, script: str, words: Sequence[str], arguments: Sequence[str | Path]
) -> Result:
    alone = [require_tool("unshare"), "--mount", "--propagation=slave", "sh", "-c", script, *words]
    if script is _MACHINE:
        alone.insert(1, "--net")
    done = subprocess.run(
        [*alone, *somebody.imgfetch.argv(*arguments)],
        env=somebody.imgfetch.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=somebody.imgfetch.home,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def listener() -> Iterator[int]:
    """A server on this machine's loopback."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_auto_is_private_where_that_works(anybody: Somebody, tmp_path: Path) -> None:
    script = "ls /sys/class/net; cat /etc/resolv.conf; grep $(hostname) /etc/hosts"
    result = with_device(
        anybody, tmp_path, "run", anybody.published.busybox, "sh", "-c", script
    ).succeeded()
    assert result.errors == ""
    assert result.lines[:2] == ["lo", "tap0"]
    assert "nameserver 10.0.2.3" in result.lines
    assert result.lines[-1].startswith("10.0.2.100\t")


def test_auto_shares_the_hosts_elsewhere_and_says_what_to_do(plain_somebody: Somebody) -> None:
    device = Path("/dev/net/tun")
    assert not os.access(device, os.F_OK) or device.stat().st_mode & 0o006 == 0
    result = plain_somebody.imgfetch(
        "run", plain_somebody.published.busybox, "ls", "/sys/class/net"
    )
    assert "tap0" not in result.succeeded().lines
    [line] = result.errors.splitlines()
    assert "shares this machine's network" in line
    assert "chmod 0666 /dev/net/tun" in line


def test_a_private_network_that_cannot_be_had_is_125(plain_somebody: Somebody) -> None:
    result = plain_somebody.run("--network", "private", command=["true"]).exited(125)
    assert "/dev/net/tun" in result.errors


def test_this_machines_loopback_is_out_of_reach(myself: Somebody, listener: int) -> None:
    script = f"nc -w 2 10.0.2.2 {listener} </dev/null; echo $?"
    command = ["sh", "-c", script]
    assert myself.run("--network", "private", command=command).succeeded().lines == ["1"]


def test_names_are_resolved_by_this_machines_servers(anybody: Somebody, tmp_path: Path) -> None:
    """Also where those listen on its loopback, which containers can't reach."""
    inner = ["sh", "-c", _OPEN_DEVICE, str(tmp_path)]
    words = [str(tmp_path), sys.executable, _DNS_SERVER, *inner]
    arguments = ["run", anybody.published.busybox, "nslookup", "-type=a", "name.test"]
    result = wrapped(anybody, _MACHINE, words, arguments).succeeded()
    assert "192.0.2.7" in result.stdout.decode()


@pytest.mark.parametrize("chosen", [True, False], ids=["a-number", "any-number"])
def test_a_published_port_leads_inside(myself: Somebody, tmp_path: Path, *, chosen: bool) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    option = f"127.0.0.1:{port}:80" if chosen else "127.0.0.1::80"
    process = myself.imgfetch.start(
        "run", "--network", "private", "-p", option, "--result", tmp_path / "result",
        myself.published.busybox, "sh", "-c", "echo ready; echo from inside | nc -l -p 80",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    if not chosen:
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        port = int(said.strip().rpartition(":")[2].split()[0])
    assert answer_of(port) == b"from inside\n"
    process.communicate(timeout=30)
    assert process.returncode == 0
    [published] = json.loads((tmp_path / "result").read_bytes())["ports"]
    assert published == {
        "address": "127.0.0.1", "host_port": port, "container_port": 80, "protocol": "tcp",
    }  # fmt: skip


def answer_of(port: int) -> bytes:
    """What is said at a port; the container may be about to listen."""
    deadline = time.monotonic() + 20
    while True:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            data = connection.recv(100)
        if data or time.monotonic() > deadline:
            return data
        time.sleep(0.05)


def test_a_port_that_is_taken_is_125(myself: Somebody, listener: int) -> None:
    options = ["--network", "private", "-p", f"127.0.0.1:{listener}:80"]
    result = myself.run(*options, command=["true"]).exited(125)
    assert f"port {listener}/tcp can't be published" in result.errors


@pytest.mark.parametrize("network", ["host", "none"])
def test_ports_without_a_private_network_are_told_to_be_none(
    anybody: Somebody, network: str
) -> None:
    result = anybody.run("--network", network, "-p", "80", command=["true"]).succeeded()
    assert "no port is published" in result.errors


def test_nothing_is_left_of_a_network(myself: Somebody) -> None:
    process = myself.imgfetch.start(
        "run", "-i", "--network", "private", myself.published.busybox,
        "sh", "-c", "echo ready; read line", stdin=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert helpers(myself)
    process.communicate(b"\n", timeout=30)
    assert process.returncode == 0
    assert helpers(myself) == []


def helpers(somebody: Somebody) -> list[str]:
    """Those in directories of somebody's runs: other tests have theirs at the same time."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name = (process / "comm").read_text().strip()
            if name == "slirp4netns" and f"{somebody.imgfetch.store}/" in os.readlink(
                process / "cwd"
            ):
                found.append(process.name)
    return found
