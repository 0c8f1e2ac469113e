"""A private network, by the real slirp4netns."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from imgfetch.errors import InvalidOptionError, RuntimeFailedError
from imgfetch.fs import linux
from imgfetch.fs.idmap import IdMapping
from imgfetch.runtime.network import ADDRESS, Forward, PrivateNetwork, find_helper
from imgfetch.snapshot.userns import enter
from tests.support.forked import become, forked, in_namespaces
from tests.support.tools import require_tool
from tests.support.users import PATH, User


def helper() -> str:
    require_tool("slirp4netns")
    return find_helper(PATH)


def interfaces() -> set[str]:
    lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines}


def test_the_namespace_has_one_configured_interface(tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> tuple[set[str], str]:
        network = PrivateNetwork.enter(helper(), str(tmp_path), {})
        listing = Path("/proc/self/net/fib_trie").read_text()
        found = interfaces()
        network.close()
        return found, listing

    found, listing = in_namespaces(work)
    assert found == {"lo", "tap0"}
    assert ADDRESS in listing
    assert interfaces() != found


def test_an_ordinary_user_can_have_one_where_the_device_is_open(
    any_user: User, tmp_path: Path
) -> None:
    directory = any_user.directory()

    def work() -> set[str]:
        # The device is closed on some machines: another node of it is put in its place.
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
        os.mknod(tmp_path / "tun", stat.S_IFCHR, os.makedev(10, 200))
        (tmp_path / "tun").chmod(0o666)
        linux.mount(str(tmp_path / "tun"), "/dev/net/tun", None, linux.MS_BIND)
        become(any_user)
        enter(search_path=PATH, warn=print)
        network = PrivateNetwork.enter(helper(), str(directory), {})
        found = interfaces()
        network.close()
        return found

    assert forked(work) == {"lo", "tap0"}


def test_parameters_are_set_in_the_namespace_only(tmp_path: Path) -> None:
    file = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    before = file.read_text()

    def work(mapping: IdMapping) -> str:
        name = "net.ipv4.ip_unprivileged_port_start"
        network = PrivateNetwork.enter(helper(), str(tmp_path), {name: "7"})
        network.close()
        return file.read_text().strip()

    assert in_namespaces(work) == "7"
    assert file.read_text() == before


def test_a_parameter_that_is_refused_is_an_error(tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> str:
        with pytest.raises(InvalidOptionError) as caught:
            PrivateNetwork.enter(helper(), str(tmp_path), {"net.no.such": "1"})
        return caught.value.message

    assert in_namespaces(work).startswith("the kernel parameter net.no.such can't be set")


def test_a_published_port_leads_into_the_namespace(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def work(mapping: IdMapping) -> None:
        network = PrivateNetwork.enter(helper(), str(deep), {})
        with socket.socket() as server:
            server.bind((ADDRESS, 80))
            server.listen()
            network.forward([Forward("127.0.0.1", port, 80)])
            (tmp_path / "ready").touch()
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"from inside")
                connection.recv(1)  # until it has arrived
        network.close()

    answers: list[bytes] = []

    def ask() -> None:
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            answers.append(connection.recv(100))

    asking = threading.Thread(target=ask)
    child = os.fork()
    if child == 0:
        try:
            in_namespaces(work)
        finally:
            os._exit(0)
    asking.start()
    asking.join()
    os.waitpid(child, 0)
    assert answers == [b"from inside"]


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        def work(mapping: IdMapping) -> str:
            network = PrivateNetwork.enter(helper(), str(tmp_path), {})
            with pytest.raises(InvalidOptionError) as caught:
                network.forward([Forward("127.0.0.1", port, 80)])
            network.close()
            return caught.value.message

        assert in_namespaces(work) == f"port {port}/tcp can't be published"


def test_the_helper_ends_with_a_killed_process(tmp_path: Path) -> None:
    def work(mapping: IdMapping) -> int:
        child = os.fork()
        if child == 0:
            network = PrivateNetwork.enter(helper(), str(tmp_path), {})
            (tmp_path / "pid").write_text(str(network.helper))
            os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        return int((tmp_path / "pid").read_text())

    pid = in_namespaces(work)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_helper_that_fails_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "slirp4netns"
    broken.write_text("#!/bin/sh\necho no tap today >&2\nexit 1\n")
    broken.chmod(0o755)

    def work(mapping: IdMapping) -> str:
        with pytest.raises(RuntimeFailedError) as caught:
            PrivateNetwork.enter(str(broken), str(tmp_path), {})
        return caught.value.message

    assert in_namespaces(work) == "slirp4netns failed: no tap today"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailedError, match="slirp4netns, which is not installed"):
        find_helper(str(tmp_path))
