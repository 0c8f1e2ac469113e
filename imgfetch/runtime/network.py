"""A network of the container's own that reaches the world through slirp4netns(1).

This process moves into a new network namespace, which the runtime inherits; a helper
that stays in the caller's passes packets on, without privileges and without leaving
anything on the host: it ends with this process, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn

from imgfetch.errors import InvalidOptionError, RuntimeFailedError
from imgfetch.fs import linux
from imgfetch.fs.programs import find_program
from imgfetch.runtime.child import keep_descriptors, reset_signals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ADDRESS: Final = "10.0.2.100"
"""The container's address; slirp4netns's default, as the other one."""
NAMESERVER: Final = "10.0.2.3"
"""Asks the name servers of the host."""

_DEVICE = "/dev/net/tun"
_INTERFACE = "tap0"
_GO = b"\1"
_SOCKET = "network"
_LOG = "network.log"
_ANSWER_LIMIT = 65536


class Forward(NamedTuple):
    """A port of the host that leads into the container.

    Attributes:
        address: on the host; "" for all.
        host_port: on the host.
        container_port: in the container.
        protocol: ``tcp`` or ``udp``.
    """

    address: str
    host_port: int
    container_port: int
    protocol: Literal["tcp", "udp"] = "tcp"


def find_helper(search_path: str) -> str:
    """The path of slirp4netns.

    Raises:
        RuntimeFailedError: a private network can't be had here; says what is missing.
    """
    program = find_program("slirp4netns", search_path)
    if program is None:
        message = "a private network needs slirp4netns, which is not installed"
        raise RuntimeFailedError(message, hint="Debian, Ubuntu, Fedora: install slirp4netns")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        message = f"a private network needs {_DEVICE}, which can't be opened"
        raise RuntimeFailedError(message, hint=f"as root: chmod 0666 {_DEVICE}")
    return program


@dataclass(frozen=True, slots=True)
class PrivateNetwork:
    """The network namespace that this process is in, and what connects it.

    Attributes:
        helper: slirp4netns's process.
        directory: of the run: the helper's socket and log are there.
        ready: told by the helper when the network is up.
    """

    helper: int
    directory: str
    ready: int

    @classmethod
    def enter(cls, program: str, directory: str, sysctls: Mapping[str, str]) -> PrivateNetwork:
        """Move this process into a new network namespace, and wait until that is connected.

        Args:
            program: see `find_helper`.
            directory: of the run; absolute.
            sysctls: ``net.*`` parameters to set.

        Raises:
            RuntimeFailedError: the network could not be set up.
            InvalidOptionError: a parameter is refused.
        """
        network = cls.start(program, directory)
        try:
            network.finish(sysctls)
        except BaseException:
            network.close()
            raise
        return network

    @classmethod
    def start(cls, program: str, directory: str) -> PrivateNetwork:
        """Move this process into a new network namespace; there is no way back.

        It is connected meanwhile: what needs no network can go on until `finish`. Has to be
        called in namespaces of `imgfetch.snapshot.userns.enter`.

        Args:
            program: see `find_helper`.
            directory: of the run; absolute.

        Raises:
            RuntimeFailedError: a network namespace is refused.
        """
        go_read, go = os.pipe()
        ready, ready_write = os.pipe()
        target = os.getpid()
        helper = os.fork()
        if helper == 0:
            os.close(go)
            _run(program, target, directory, go_read, ready_write)
        os.close(go_read)
        os.close(ready_write)
        network = cls(helper, directory, ready)
        try:
            linux.unshare(linux.CLONE_NEWNET)
            os.write(go, _GO)
        except OSError as error:
            network.close()
            message = f"a network namespace is refused: {error.strerror}"
            raise RuntimeFailedError(message) from error
        finally:
            os.close(go)
        return network

    def finish(self, sysctls: Mapping[str, str]) -> None:
        """Wait until the network is up; has to be before the runtime starts.

        Raises:
            RuntimeFailedError: the network could not be set up.
            InvalidOptionError: a parameter is refused.
        """
        _wait(self.ready, self.directory)
        _set(sysctls)

    def forward(self, forwards: Sequence[Forward]) -> None:
        """Let ports of the host lead into the container.

        Raises:
            InvalidOptionError: one is taken, or not allowed.
        """
        for one in forwards:
            arguments = {
                "proto": one.protocol,
                "host_addr": one.address or "0.0.0.0",  # noqa: S104 - as docker's -p
                "host_port": one.host_port,
                "guest_addr": ADDRESS,
                "guest_port": one.container_port,
            }
            answer = self._ask({"execute": "add_hostfwd", "arguments": arguments})
            if "error" in answer:
                message = f"port {one.host_port}/{one.protocol} can't be published"
                raise InvalidOptionError(message, actual=answer["error"])

    def close(self) -> None:
        """End the helper; the namespace ends with the last process in it."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.helper, signal.SIGKILL)
            os.waitpid(self.helper, 0)
        os.close(self.ready)

    def _ask(self, request: Mapping[str, object]) -> dict[str, object]:
        import socket  # takes milliseconds, and few runs publish a port

        # Names of sockets are short, and a store's path need not be.
        directory = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(f"/proc/self/fd/{directory}/{_SOCKET}")
                connection.sendall(json.dumps(request).encode())
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile("rb") as stream:
                    answer: dict[str, object] = json.loads(stream.read(_ANSWER_LIMIT))
        except (OSError, ValueError) as error:
            message = f"slirp4netns does not answer: {error}"
            raise RuntimeFailedError(message) from error
        finally:
            os.close(directory)
        return answer


def _run(program: str, target: int, directory: str, go: int, ready: int) -> NoReturn:
    """Become slirp4netns, once the other process is in its namespace."""
    try:
        linux.die_with_parent(signal.SIGKILL)
        if os.read(go, 1) == _GO:
            os.setpgid(0, 0)
            os.chdir(directory)
            log = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.set_inheritable(ready, True)  # noqa: FBT003 - positional only
            keep_descriptors({ready}, stdin=False)
            reset_signals(())
            options = ["--configure", "--mtu=65520", "--disable-host-loopback"]
            options += [f"--ready-fd={ready}", f"--api-socket={_SOCKET}"]
            os.execve(program, [program, *options, str(target), _INTERFACE], {})  # noqa: S606 - no shell wanted
    finally:
        os._exit(1)


def _set(sysctls: Mapping[str, str]) -> None:
    for name, value in sysctls.items():
        path = f"/proc/sys/{name.replace('.', '/')}"
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(value)
        except OSError as error:
            message = f"the kernel parameter {name} can't be set: {error.strerror}"
            raise InvalidOptionError(message) from error


def _wait(ready: int, directory: str) -> None:
    """Wait until the network is up; if the helper ends instead, say what it said."""
    if os.read(ready, 1):
        return
    try:
        with open(f"{directory}/{_LOG}", encoding="utf-8", errors="replace") as log:
            lines = log.read().strip().splitlines()
    except OSError:
        lines = []
    message = f"slirp4netns failed: {lines[-1] if lines else 'it said nothing'}"
    raise RuntimeFailedError(message)
