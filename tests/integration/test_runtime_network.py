"""A private network, by the real slirp4netns and the real pasta."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from imgfetch.errors import InvalidOptionError, RuntimeFailedError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.runtime.connectors import ADDRESS, Forward, find_helpers
from imgfetch.runtime.network import PrivateNetwork
from imgfetch.snapshot.userns import enter
from tests.support.forked import become, forked, in_namespaces
from tests.support.tools import require_tool
from tests.support.users import PATH, User

# pasta copies a way out, which not every machine has; this one leads nowhere.
_MACHINE = """
set -e
ip link set lo up
ip link add out type veth peer name far
ip address add 192.0.2.1/24 dev out
ip address add 2001:db8::1/64 dev out nodad
ip link set out up
ip link set far up
ip route add default via 192.0.2.9
ip -6 route add default via 2001:db8::9
"""


@pytest.fixture(params=["slirp4netns", "pasta"])
def programs(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Each of them alone."""
    return (require_tool(request.param),)


def on_a_machine_of_its_own() -> None:
    """Moves this process to a network with loopback and a way out."""
    linux.unshare(linux.CLONE_NEWNET)
    subprocess.run([require_tool("sh"), "-c", _MACHINE], check=True)


def interfaces() -> set[str]:
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines}


def test_the_namespace_has_one_configured_interface(
    programs: tuple[str, ...], tmp_path: Path
) -> None:
    def work(mapping: IdMapping) -> tuple[set[str], str]:
        on_a_machine_of_its_own()
        network = PrivateNetwork.enter(programs, str(tmp_path), {})
        listing = "".join(
            Path(f"/proc/self/net/{file}").read_text() for file in ("fib_trie", "if_inet6")
        )
        found = interfaces()
        network.close()
        return found, listing

    found, listing = in_namespaces(work)
    assert found == {"lo", "tap0"}
    assert ADDRESS in listing
    assert ("20010db8" in listing) is ("pasta" in programs[0])
    assert interfaces() != found


def test_an_ordinary_user_can_have_one_where_the_device_is_open(
    any_user: User, programs: tuple[str, ...], tmp_path: Path
) -> None:
    directory = any_user.directory()

    def work() -> set[str]:
        on_a_machine_of_its_own()
        # The device is closed on some machines: another node of it is put in its place.
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
        os.mknod(tmp_path / "tun", stat.S_IFCHR, os.makedev(10, 200))
        (tmp_path / "tun").chmod(0o666)
        linux.mount(str(tmp_path / "tun"), "/dev/net/tun", None, linux.MS_BIND)
        become(any_user)
        enter(search_path=PATH, warn=print)
        network = PrivateNetwork.enter(programs, str(directory), {})
        found = interfaces()
        network.close()
        return found

    assert forked(work) == {"lo", "tap0"}


def test_parameters_are_set_in_the_namespace_only(
    programs: tuple[str, ...], tmp_path: Path
) -> None:
    file = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    before = file.read_text()

    def work(mapping: IdMapping) -> str:
        on_a_machine_of_its_own()
        name = "net.ipv4.ip_unprivileged_port_start"
        network = PrivateNetwork.enter(programs, str(tmp_path), {name: "7"})
        network.close()
        return file.read_text().strip()

    assert in_namespaces(work) == "7"
    assert file.read_text() == before


def test_a_parameter_that_is_refused_is_an_error(programs: tuple[str, ...], tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> str:
        on_a_machine_of_its_own()
        with pytest.raises(InvalidOptionError) as caught:
            PrivateNetwork.enter(programs, str(tmp_path), {"net.no.such": "1"})
        return caught.value.message

    assert in_namespaces(work).startswith("the kernel parameter net.no.such can't be set")


@pytest.mark.parametrize(("name", "caller"), [("slirp4netns", "10.0.2.2"), ("pasta", "127.0.0.1")])
def test_a_published_port_leads_into_the_namespace(name: str, caller: str, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()

    def serve(port: int, ready: int) -> None:
        forward = Forward("127.0.0.1", port, 80)
        enter(search_path=PATH, warn=print)
        network = PrivateNetwork.enter([require_tool(name)], str(deep), {}, [forward])
        with socket.socket() as server:
            server.bind(("0.0.0.0", 80))  # noqa: S104 - alone in its network
            server.listen()
            os.write(ready, b"1")
            connection, (address, _) = server.accept()
            with connection:
                connection.sendall(address.encode())
                connection.recv(1)  # until it has arrived
        network.close()

    def work() -> str:
        on_a_machine_of_its_own()
        ready, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                serve(8080, write)
            finally:
                os._exit(0)
        os.close(write)
        assert os.read(ready, 1)
        with socket.create_connection(("127.0.0.1", 8080), timeout=20) as connection:
            answer = connection.recv(100)
        os.waitpid(child, 0)
        return answer.decode()

    assert forked(work) == caller


def test_a_port_that_is_taken_is_named(programs: tuple[str, ...], tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> str:
        on_a_machine_of_its_own()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            forward = Forward("127.0.0.1", taken.getsockname()[1], 80)
            with pytest.raises(InvalidOptionError) as caught:
                PrivateNetwork.enter(programs, str(tmp_path), {}, [forward])
        return caught.value.message.replace(str(forward.host_port), "PORT")

    assert in_namespaces(work) == "port PORT/tcp can't be published"


def test_the_helper_ends_with_a_killed_process(programs: tuple[str, ...], tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> int:
        on_a_machine_of_its_own()
        child = os.fork()
        if child == 0:
            network = PrivateNetwork.enter(programs, str(tmp_path), {})
            (tmp_path / "pid").write_text(str(network.helpers[0].pid))
            os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return int((tmp_path / "pid").read_text())

    pid = in_namespaces(work)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_helper_that_fails_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "slirp4netns"
    broken.write_text("#!/bin/sh\necho no tap today >&2\nexit 1\n")
    broken.chmod(0o755)

    def work(mapping: IdMapping) -> str:
        with pytest.raises(RuntimeFailedError) as caught:
            PrivateNetwork.enter([str(broken)], str(tmp_path), {})
        return caught.value.message

    assert in_namespaces(work) == "slirp4netns failed: no tap today"


@pytest.mark.parametrize("order", [["slirp4netns", "pasta"], ["pasta", "slirp4netns"]])
def test_the_next_one_is_tried_where_one_fails(order: list[str], tmp_path: Path) -> None:
    broken = tmp_path / order[0]
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    programs = [str(broken), require_tool(order[1])]

    def work(mapping: IdMapping) -> set[str]:
        on_a_machine_of_its_own()
        network = PrivateNetwork.enter(programs, str(tmp_path), {})
        found = interfaces()
        network.close()
        return found

    assert in_namespaces(work) == {"lo", "tap0"}


def test_root_tries_them_in_another_order(tmp_path: Path) -> None:
    for name in ("pasta", "slirp4netns"):
        (tmp_path / name).touch(0o755)
    found = [find_helpers(str(tmp_path), root=root) for root in (True, False)]
    names = [[os.path.basename(program) for program in programs] for programs in found]
    assert names == [["slirp4netns", "pasta"], ["pasta", "slirp4netns"]]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgfetch.fs.programs._SYSTEM", ())
    with pytest.raises(RuntimeFailedError, match="pasta or slirp4netns, and neither"):
        find_helpers(str(tmp_path))
